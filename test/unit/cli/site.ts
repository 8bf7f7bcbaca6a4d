// A management server that command lines talk to; its coordinator and agents are the test's.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Management, startManagement } from "../../../management/shell.ts";
import { type Config, DEFAULTS } from "../../../management/state.ts";
import { type ManagementStore, openManagementStore } from "../../../management/store.ts";
import type { VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId } from "../../../protocol/ids.ts";
import type { Reliable } from "../../../protocol/message.ts";
import { prediction } from "../../../protocol/prediction.ts";
import { ensureSecret } from "../../../runtime/secrets.ts";
import { dialEnd, type End, listenEnd } from "../runtime/ends.ts";
import { makeFolder } from "../runtime/folder.ts";
import { ports, SECRET, until } from "../runtime/ports.ts";
import { inventoryOf } from "../runtime/samples.ts";

export interface Site {
  readonly management: Management;
  readonly store: ManagementStore;
  /** Of every command line: where the server is found. */
  readonly args: readonly string[];
  readonly coordinator: End;
  agent(name: string): Promise<End>;
  /** The coordinator tells these VMs, on the same hosts. */
  fleet(vms: readonly VmSummary[]): void;
  close(): Promise<void>;
}

/** Hosts by these names, each the agent of a server of its own name. */
export async function openSite(hosts: readonly string[], config: Config = DEFAULTS): Promise<Site> {
  const state = join(makeFolder(), "state");
  const operatorSecret = ensureSecret(join(state, "secrets"), "operator");
  const store = openManagementStore(":memory:");
  const coordinator = await listenEnd("coordinator", "management");
  const management = await startManagement({
    ...ports,
    listen: { host: "127.0.0.1", port: 0 },
    insecureNetwork: false,
    coordinatorUrl: `ws://127.0.0.1:${coordinator.port}`,
    config,
    store,
    secretOf: (who) => (who === "operator" ? operatorSecret : SECRET),
    secret: SECRET,
  });
  mkdirSync(join(state, "management"));
  writeFileSync(join(state, "management", "address"), `127.0.0.1:${management.port}\n`);
  await until(() => management.status().coordinatorUp, "the coordinator");
  const summaries = hosts.map((name) => {
    const { hostId, serverId, capacity, capabilities } = inventoryOf(name as HostId);
    const known = { connected: true, heard: true, cordoned: false, capacity, capabilities };
    return { hostId, serverId, ...known };
  });
  coordinator.send({ type: "fleet", hosts: summaries, vms: [] });
  await until(() => management.status().hosts.length === hosts.length, "the fleet");
  const ends: End[] = [];
  return {
    management,
    store,
    args: ["--state", state],
    coordinator,
    fleet: (vms) => void coordinator.send({ type: "fleet", hosts: summaries, vms: [...vms] }),
    async agent(name) {
      const end = await dialEnd(`agent:${name}`, "management", management.port);
      ends.push(end);
      return end;
    },
    async close() {
      for (const end of ends) await end.close();
      await management.close();
      await coordinator.close();
      store.close();
    },
  };
}

/** Delivers what an agent reports, and waits until it is durable. */
export async function deliver(end: End, bodies: readonly Reliable[]): Promise<void> {
  const spool = Buffer.from(`${end.links()}${end.count("delivered")}`.padStart(8)).toString("hex");
  for (const [at, body] of bodies.entries()) {
    end.send({ type: "deliver", spool, sequence: at + 1, body });
  }
  const before = end.count("delivered");
  await until(() => end.count("delivered") >= before + bodies.length, "the acknowledgement");
}

export function predictionOf(predictionId: string, server: string, patch: object = {}) {
  return prediction.parse({
    type: "prediction",
    predictionId,
    serverId: server,
    source: "agent",
    component: "disk",
    device: "sda",
    probability: 0.545,
    horizonMs: 60 * 86_400_000,
    basis: "measured",
    evidence: [
      {
        signal: "smart-197",
        value: 8,
        threshold: 0,
        unit: "count",
        text: "Pending sectors (SMART 197): 8",
        rule: "two-of-five",
      },
    ],
    ...patch,
  });
}
