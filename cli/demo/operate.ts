/**
 * A site of three hosts for an end-to-end test or a bench, and what they ask of it as its operator.
 * @module
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EvacuationRecord } from "../../management/state.ts";
import type { Status } from "../../management/status.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { HostId } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import { startProgram } from "../../runtime/program.ts";
import { realRandom } from "../../runtime/random.ts";
import type { World } from "../world.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";

export const HOSTS = ["alpha", "bravo", "charlie"] as const;
/** Kernel and busybox, where `bin/setup.mjs` puts them. */
export const ASSETS = join(import.meta.dirname, "..", "..", ".cache", "guests");

/** A pause this long is agreed to: how long it was is measured, and machines are busy. */
const PAUSE_MS_MAX = 10_000;
const WAIT_MS = 60_000;
const LOOK_MS = 20;

/** A fleet that is not started yet; `name` is part of its folders' names. */
export function makeFleet(
  clock: Clock,
  name: string,
  options: Pick<FleetOptions, "agentLines"> = {},
): Fleet {
  const folder = mkdtempSync(join(tmpdir(), `lifeboat-${name}-`));
  const ramFolder = mkdtempSync(`/dev/shm/lifeboat-${name}-`);
  return new Fleet({ world: silentWorld(clock), folder, ramFolder, hosts: HOSTS, ...options });
}

/** Runs `work` with a started fleet and ends all of it, whatever becomes of the work. */
export async function withFleet<Result>(
  clock: Clock,
  name: string,
  work: (fleet: Fleet) => Promise<Result>,
): Promise<Result> {
  const fleet = makeFleet(clock, name);
  try {
    await fleet.start();
    return await work(fleet);
  } finally {
    await fleet.close();
  }
}

/** The world of programs that say nothing to people. */
export function silentWorld(clock: Clock): World {
  return {
    out: () => {},
    err: () => {},
    colour: false,
    clock,
    random: realRandom,
    site: { root: false, home: "/nonexistent" },
    env: {},
    startProgram,
    onSignal: () => () => {},
    exitWith: () => {},
  };
}

export async function readStatus(fleet: Fleet): Promise<Status> {
  const client = await fleet.operator();
  return client.ask<Status>({ method: "status" });
}

/** Looks until `holds`; a look that fails is one more that does not. @throws TIMED_OUT */
export async function until<Value>(
  clock: Clock,
  what: string,
  look: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
  timeoutMs = WAIT_MS,
): Promise<Value> {
  const untilMs = clock.nowMs() + timeoutMs;
  for (;;) {
    let seen: unknown;
    try {
      const value = await look();
      if (holds(value)) return value;
      seen = value;
    } catch (thrown) {
      seen = reasonOf(thrown);
    }
    if (clock.nowMs() > untilMs) {
      const last = JSON.stringify(seen)?.slice(0, 3_000);
      throw new SystemError("TIMED_OUT", `Not within ${timeoutMs} ms: ${what}; last seen ${last}`);
    }
    await clock.sleep(LOOK_MS);
  }
}

/** Starts a guest and waits until it has counted to three. */
export async function runGuest(
  clock: Clock,
  fleet: Fleet,
  host: string,
  definition: GuestDefinition,
): Promise<void> {
  const client = await fleet.operator();
  const run = { method: "vm-run", hostId: host as HostId, definition } as const;
  // A host whose agent is not heard yet refuses.
  const taken = () => client.ask(run).then(() => true);
  await until(clock, `${host} takes ${definition.name}`, taken, (done) => done);
  await until(
    clock,
    `${definition.name} counts`,
    () => fleet.counter(host, definition.id),
    ({ counter }) => (counter ?? 0) > 3,
  );
}

/** Evacuates a host and puts it back into service; resolves when nothing is under way any more. */
export async function evacuate(
  clock: Clock,
  fleet: Fleet,
  host: string,
  target?: string,
): Promise<EvacuationRecord> {
  const asked = await startEvacuation(fleet, host, target);
  const isOurs = ({ evacuationId }: EvacuationRecord) => evacuationId === asked.evacuationId;
  const seen = await until(
    clock,
    `${host} is evacuated`,
    () => readStatus(fleet),
    ({ evacuations }) => evacuations.find(isOurs)?.phase === "done",
  );
  await uncordon(fleet, host);
  return seen.evacuations.find(isOurs)!;
}

/** Tells the management server to evacuate a host. */
export async function startEvacuation(
  fleet: Fleet,
  host: string,
  target?: string,
): Promise<EvacuationRecord> {
  const client = await fleet.operator();
  return client.ask<EvacuationRecord>({
    method: "evacuate",
    hostId: host as HostId,
    ...(target === undefined ? {} : { target: target as HostId }),
    dryRun: false,
    pauseMsMax: PAUSE_MS_MAX,
  });
}

/** An evacuated host is cordoned; from here on VMs may come to it again. */
export async function uncordon(fleet: Fleet, host: string): Promise<void> {
  const client = await fleet.operator();
  await client.ask({ method: "cordon", hostId: host as HostId, cordoned: false });
}
