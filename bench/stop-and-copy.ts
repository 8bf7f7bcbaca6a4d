/**
 * The peer of an evacuation's last pause: QEMU's own migration of the same guest while it is
 * stopped, all of its RAM over a unix socket into a second QEMU on the same machine, both with
 * one disk image between them (so no disk is moved, which is in QEMU's favour).
 *
 * QEMU's pre-copy would be the nearer peer, and cannot be one here: under TCG, QEMU 7.2 loses
 * pages that the guest wrote during it, and a corrupt guest is no result.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectImage } from "../agent/capture/disk-images.ts";
import { type GuestPaths, guestArgv, guestPaths } from "../agent/qemu/argv.ts";
import { freezeDefinition } from "../agent/qemu/definition.ts";
import { probeQemu } from "../agent/qemu/probe.ts";
import { type GuestProcess, startProcess } from "../agent/qemu/process.ts";
import { connectQmp, type QmpClient } from "../agent/qemu/qmp-client.ts";
import { RamFiles } from "../agent/qemu/ram-files.ts";
import { linuxGuest } from "../cli/demo/guests.ts";
import { ASSETS, until } from "../cli/demo/operate.ts";
import { readCounter } from "../cli/guests/serial.ts";
import type { FrozenDefinition } from "../protocol/definition.ts";
import { SystemError } from "../protocol/error.ts";
import type { VmId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import { runCommand } from "../runtime/command.ts";

const VM = "44444444-4444-4444-8444-444444444444" as VmId;
/** No limit that is ever reached: QEMU's usual one is 128 MiB a second. */
const BANDWIDTH_BYTES = 100 * 1024 ** 3;
const START_MS = 20_000;
const LOOK_MS = 10;
/** As between two evacuations. */
const COUNTS_BETWEEN = 5;

interface Waiting {
  readonly process: GuestProcess;
  readonly qmp: QmpClient;
  readonly paths: GuestPaths;
}

/** The pause of each of `rounds` migrations, milliseconds: from `stop` to the end of `cont`. */
export async function stopAndCopy(rounds: number, clock: Clock): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
  const ramFolder = mkdtempSync("/dev/shm/lifeboat-bench-");
  const site = { folder, ramFolder, clock, ram: new RamFiles({ run: runCommand }) };
  try {
    return await migrateOften(site, rounds);
  } finally {
    rmSync(ramFolder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place {
  readonly folder: string;
  readonly ramFolder: string;
  readonly clock: Clock;
  readonly ram: RamFiles;
}

async function migrateOften(place: Place, rounds: number): Promise<number[]> {
  const { clock } = place;
  const definition = await frozenGuest(place);
  const pauses: number[] = [];
  let source = await launch(place, definition, 0, false);
  try {
    await source.qmp.execute("cont");
    for (let round = 1; round <= rounds; round++) {
      await countsOn(source, clock);
      const target = await launch(place, definition, round, true);
      try {
        pauses.push(await migrate(source, target, clock));
      } finally {
        await end(source, place);
        source = target;
      }
    }
    await countsOn(source, clock);
    return pauses;
  } finally {
    await end(source, place);
  }
}

async function migrate(source: Waiting, target: Waiting, clock: Clock): Promise<number> {
  const uri = `unix:${target.paths.state}`;
  await target.qmp.execute("migrate-incoming", { uri });
  const arrived = migrated(target.qmp);
  const startedMs = clock.nowMs();
  await source.qmp.execute("stop");
  await source.qmp.execute("migrate", { uri });
  await arrived;
  await target.qmp.execute("cont");
  return clock.nowMs() - startedMs;
}

function migrated(qmp: QmpClient): Promise<void> {
  return new Promise((resolve, reject) => {
    qmp.onClose(reject);
    qmp.onEvent(({ name, body }) => {
      if (name !== "MIGRATION") return;
      const { status } = body as { status?: string };
      if (status === "completed") resolve();
      if (status === "failed") reject(new SystemError("QMP_REFUSED", "QEMU's migration failed"));
    });
  });
}

async function frozenGuest({ folder, clock }: Place): Promise<FrozenDefinition> {
  const definition = await linuxGuest(join(folder, "guests"), ASSETS, VM);
  const options = { run: runCommand, clock, accelerator: "tcg", folder } as const;
  const { qemuVersion, accelerator } = await probeQemu(options);
  const diskBytes: Record<string, number> = {};
  for (const { id, path, format } of definition.disks) {
    diskBytes[id] = await inspectImage(runCommand, { path, format });
  }
  const host = { qemuVersion, accelerator, diskBytes, allowUserNetwork: false };
  return freezeDefinition(definition, host);
}

/** A QEMU in a folder of its own, stopped, or waiting for the other's stream. */
async function launch(
  { folder, ramFolder, clock, ram }: Place,
  definition: FrozenDefinition,
  round: number,
  incoming: boolean,
): Promise<Waiting> {
  const own = join(folder, `${round}`);
  mkdirSync(own);
  const paths = guestPaths(own, ramFolder, VM, round);
  await ram.reserve(paths.ram, definition.memoryBytes);
  const disks = Object.fromEntries(
    definition.disks.map(({ id, originPath, originFormat }) => [
      id,
      [{ layer: 0, path: originPath, format: originFormat }],
    ]),
  );
  const args = guestArgv({ definition, paths, disks, incoming });
  const file = "qemu-system-x86_64";
  const process = await startProcess({ file, args, log: paths.log, clock });
  const qmp = await connect(process, paths, clock);
  await qmp.execute("migrate-set-capabilities", {
    capabilities: [{ capability: "events", state: true }],
  });
  await qmp.execute("migrate-set-parameters", { "max-bandwidth": BANDWIDTH_BYTES });
  return { process, qmp, paths };
}

async function connect(process: GuestProcess, paths: GuestPaths, clock: Clock): Promise<QmpClient> {
  const untilMs = clock.nowMs() + START_MS;
  for (;;) {
    try {
      return await connectQmp(paths.qmp, { clock });
    } catch (thrown) {
      if (process.alive() && clock.nowMs() < untilMs) await clock.sleep(LOOK_MS);
      else {
        await process.end();
        throw thrown;
      }
    }
  }
}

async function end({ process, qmp, paths }: Waiting, { ram }: Place): Promise<void> {
  qmp.close();
  await process.end();
  process.release();
  await ram.release(paths.ram);
}

/** It counts, and its workers have found nothing wrong. */
async function countsOn({ paths }: Waiting, clock: Clock): Promise<void> {
  const look = async () => readCounter(await readFile(paths.serial, "latin1").catch(() => ""));
  const { counter: before = 0 } = await look();
  const counted = ({ counter = 0 }: { readonly counter: number | undefined }) =>
    counter >= before + COUNTS_BETWEEN;
  const report = await until(clock, "the guest counts", look, counted);
  if (report.memoryErrors + report.diskErrors === 0) return;
  throw new SystemError("STATE_CONFLICT", `The guest reports ${JSON.stringify(report)}`);
}
