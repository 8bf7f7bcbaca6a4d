import { suite } from "uvu";
import * as assert from "uvu/assert";
import { start } from "../../../management/management.ts";
import type { State } from "../../../management/state.ts";
import { statusOf } from "../../../management/status.ts";
import type { Fleet, HostSummary } from "../../../protocol/evacuation.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";

const status = suite("status");

const quiet = { connected: [], progress: {}, sensorFaults: [], drills: [], telemetry: {} };
const seen = { ...quiet, baselinesTaken: new Map() };
const idle = start({ mode: "shadow", disarmed: false, hosts: {} }, [], [], 0);

function host(id: string, insecureNetwork: boolean): HostSummary {
  const capabilities = {
    qemuVersion: "7.2.22",
    accelerator: "tcg",
    acceleratorReason: "configured",
    cpuFlags: [],
    insecureNetwork,
  } as const;
  const about = { connected: true, heard: true, cordoned: false };
  return {
    hostId: id as HostId,
    serverId: id as ServerId,
    ...about,
    capabilities: { ...capabilities, cpuFlags: [] },
  };
}

function withFleet(fleet: Omit<Fleet, "type" | "vms">): State {
  return { ...idle, fleet: { type: "fleet", vms: [], ...fleet } };
}

const TABLE: readonly [string, State, boolean, readonly string[]][] = [
  ["nobody", withFleet({ hosts: [host("alpha", false)] }), false, []],
  ["itself", idle, true, ["management"]],
  [
    "an agent",
    withFleet({ hosts: [host("alpha", true), host("bravo", false)] }),
    false,
    ["agent:alpha"],
  ],
  ["the coordinator", withFleet({ hosts: [], insecureNetwork: true }), false, ["coordinator"]],
];

for (const [who, state, insecure, expected] of TABLE) {
  status(`statusOf() names who listens beyond the machine without encryption: ${who}`, () => {
    assert.equal(statusOf(state, { ...seen, insecure }).insecureNetwork, expected);
  });
}

status.run();
