/** A fleet of three hosts for one bench, and what benches ask of it. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fleet } from "../cli/demo/fleet.ts";
import type { World } from "../cli/world.ts";
import type { EvacuationRecord } from "../management/state.ts";
import type { Status } from "../management/status.ts";
import type { GuestDefinition } from "../protocol/definition.ts";
import { SystemError } from "../protocol/error.ts";
import type { HostId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import { startProgram } from "../runtime/program.ts";
import { realRandom } from "../runtime/random.ts";

export const HOSTS = ["alpha", "bravo", "charlie"] as const;
/** Kernel and busybox, where `bin/setup.mjs` puts them. */
export const ASSETS = join(import.meta.dirname, "..", ".cache", "guests");

/** A pause this long is agreed to: the bench says how long it was. */
const PAUSE_MS_MAX = 10_000;
const WAIT_MS = 60_000;
const LOOK_MS = 20;

/** Runs `work` with a started fleet and ends all of it, whatever becomes of the work. */
export async function withFleet<Result>(
  clock: Clock,
  work: (fleet: Fleet) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
  const ramFolder = mkdtempSync("/dev/shm/lifeboat-bench-");
  const fleet = new Fleet({ world: worldOf(clock), folder, ramFolder, hosts: HOSTS });
  try {
    await fleet.start();
    return await work(fleet);
  } finally {
    await fleet.close();
  }
}

/** The world of programs that say nothing to people. */
function worldOf(clock: Clock): World {
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

/** Looks until `holds`. @throws SystemError TIMED_OUT */
export async function until<Value>(
  clock: Clock,
  what: string,
  look: () => Promise<Value>,
  holds: (value: Value) => boolean,
): Promise<Value> {
  const untilMs = clock.nowMs() + WAIT_MS;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (clock.nowMs() > untilMs) {
      const seen = JSON.stringify(value)?.slice(0, 2_000);
      throw new SystemError("TIMED_OUT", `Not within ${WAIT_MS} ms: ${what}; last seen ${seen}`);
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
  const taken = () =>
    client.ask(run).then(
      () => true,
      () => false,
    );
  await until(clock, `${host} takes ${definition.name}`, taken, (done) => done);
  await until(
    clock,
    `${definition.name} counts`,
    () => fleet.counter(host, definition.id),
    ({ counter }) => (counter ?? 0) > 3,
  );
}

/** Evacuates a host; resolves when nothing of it is under way any more. */
export async function evacuate(
  clock: Clock,
  fleet: Fleet,
  host: string,
  target: string,
): Promise<EvacuationRecord> {
  const hostId = host as HostId;
  const asked = await startEvacuation(fleet, host, target);
  const isOurs = ({ evacuationId }: EvacuationRecord) => evacuationId === asked.evacuationId;
  const seen = await until(
    clock,
    `${host} is evacuated`,
    () => readStatus(fleet),
    ({ evacuations }) => evacuations.find(isOurs)?.phase === "done",
  );
  const client = await fleet.operator();
  await client.ask({ method: "cordon", hostId, cordoned: false });
  return seen.evacuations.find(isOurs)!;
}

/** Tells the management server to evacuate a host. */
export async function startEvacuation(
  fleet: Fleet,
  host: string,
  target: string,
): Promise<EvacuationRecord> {
  const client = await fleet.operator();
  return client.ask<EvacuationRecord>({
    method: "evacuate",
    hostId: host as HostId,
    target: target as HostId,
    dryRun: false,
    pauseMsMax: PAUSE_MS_MAX,
  });
}
