/** A fleet for one test, with what tests ask of it. */
import * as assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fleet } from "../../cli/demo/fleet.ts";
import type { World } from "../../cli/world.ts";
import type { EvacuationRecord } from "../../management/state.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import type { Fleet as FleetMessage, VmSummary } from "../../protocol/evacuation.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";
import type { Event } from "../../protocol/operator.ts";
import { realClock } from "../../runtime/clock.ts";
import { startProgram } from "../../runtime/program.ts";
import { realRandom } from "../../runtime/random.ts";

export const HOSTS = ["alpha", "bravo", "charlie"] as const;
export const ASSETS = join(import.meta.dirname, "..", "..", ".cache", "guests");

/** The world of the programs that a test starts; what they say to people is not shown. */
export const world: World = {
  out: () => {},
  err: () => {},
  colour: false,
  clock: realClock,
  random: realRandom,
  site: { root: false, home: "/nonexistent" },
  env: {},
  startProgram,
  onSignal: () => () => {},
  exitWith: () => {},
};

export function makeFleet(agentLines: (host: string) => readonly string[] = () => []): Fleet {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-e2e-"));
  const ramFolder = mkdtempSync("/dev/shm/lifeboat-e2e-");
  return new Fleet({ world, folder, ramFolder, hosts: HOSTS, agentLines });
}

export interface Status extends Pick<FleetMessage, "hosts" | "vms"> {
  readonly evacuations: readonly EvacuationRecord[];
  readonly coordinatorUp: boolean;
  readonly mode: string;
}

export async function status(fleet: Fleet): Promise<Status> {
  const client = await fleet.operator();
  return client.ask<Status>({ method: "status" });
}

export async function events(fleet: Fleet): Promise<readonly Event[]> {
  const client = await fleet.operator();
  const all: Event[] = [];
  client.follow(0, (event) => all.push(event));
  await realClock.sleep(500);
  return all;
}

/** Waits until `holds`; tells what was seen last when it does not. */
export async function until<Value>(
  what: string,
  look: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
  timeoutMs = 60_000,
): Promise<Value> {
  const untilMs = realClock.nowMs() + timeoutMs;
  let seen: unknown;
  while (realClock.nowMs() < untilMs) {
    try {
      const value = await look();
      if (holds(value)) return value;
      seen = value;
    } catch (thrown) {
      seen = thrown;
    }
    await realClock.sleep(25);
  }
  assert.fail(
    `not within ${timeoutMs} ms: ${what}; last seen ${JSON.stringify(seen)?.slice(0, 3_000)}`,
  );
}

export function vmOf(seen: Status, id: VmId): VmSummary | undefined {
  return seen.vms.find((vm) => vm.vmId === id);
}

/** Starts a guest and waits until it runs. */
export async function runGuest(
  fleet: Fleet,
  host: string,
  definition: GuestDefinition,
): Promise<void> {
  const client = await fleet.operator();
  await until(
    `${host} takes a guest`,
    () => client.ask({ method: "vm-run", hostId: host as HostId, definition }).then(() => true),
    (done) => done,
  );
  await until(
    `${definition.name} runs`,
    () => status(fleet),
    (seen) => vmOf(seen, definition.id)?.guest === "running",
  );
}

/** Evacuates a host and waits for the outcome. */
export async function evacuate(
  fleet: Fleet,
  host: string,
  target?: string,
): Promise<EvacuationRecord> {
  const client = await fleet.operator();
  await client.ask({ method: "cordon", hostId: host as HostId, cordoned: false });
  const asked = await client.ask<EvacuationRecord>({
    method: "evacuate",
    hostId: host as HostId,
    dryRun: false,
    ...(target === undefined ? {} : { target: target as HostId }),
    pauseMsMax: 10_000,
  });
  const seen = await until(
    `${host} is evacuated`,
    () => status(fleet),
    ({ evacuations }) =>
      evacuations.some((one) => one.evacuationId === asked.evacuationId && one.phase === "done"),
  );
  const done = seen.evacuations.find((one) => one.evacuationId === asked.evacuationId);
  assert.ok(done);
  await client.ask({ method: "cordon", hostId: host as HostId, cordoned: false });
  return done;
}
