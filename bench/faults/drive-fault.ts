/**
 * A real NVMe drive, as far as its guest can tell, whose critical warning is set from outside: read
 * by the guest's own smartctl, judged by the agent's own sensors.
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disks } from "../../agent/sensors/disks.ts";
import { startRounds } from "../../agent/sensors/rounds.ts";
import { DEFAULT_PERIODS, type Watch, watchSensors } from "../../agent/sensors/watch.ts";
import { DEFAULT_CONFIG } from "../../predictor/config.ts";
import type { Prediction, Rule } from "../../predictor/evidence.ts";
import { risks } from "../../predictor/predictor.ts";
import type { Clock } from "../../runtime/clock.ts";
import { memoryFiles } from "../../runtime/files.ts";
import { memorySmallFiles } from "../../runtime/small-files.ts";
import { type DriveGuest, findSmartctl, startDriveGuest } from "./drive-guest.ts";
import { firingRules, type Missing } from "./found.ts";

export interface DriveReport {
  /** What was predicted of the drive while it was sound, in the seconds before. */
  readonly before: number;
  readonly rules: readonly Rule[];
  readonly prediction: Prediction;
  /** From the warning to the prediction, with a reading each second. */
  readonly seconds: number;
}

/** NVMe base specification, log page 02h: the subsystem's reliability is degraded. */
export const RELIABILITY_DEGRADED = 0x04;
const READ_MS = 1_000;
const SOUND_MS = 3 * READ_MS;
const WAIT_MS = 60_000;

/** @throws SystemError if the guest does not boot, Error if nothing is predicted */
export async function driveFault(
  cacheFolder: string,
  clock: Clock,
): Promise<DriveReport | Missing> {
  if ((await findSmartctl(cacheFolder)) === undefined) {
    return { missing: `no smartctl for a guest in ${cacheFolder}: the set-up could not fetch it` };
  }
  const folder = await mkdtemp(join(tmpdir(), "lifeboat-drive-"));
  try {
    const guest = await startDriveGuest(cacheFolder, folder, clock);
    try {
      return await warnedOf(guest, clock);
    } finally {
      await guest.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function warnedOf(guest: DriveGuest, clock: Clock): Promise<DriveReport> {
  const told: { atMs: number; prediction: Prediction }[] = [];
  const watch = watchDrive(guest, clock, (prediction) => {
    told.push({ atMs: clock.nowMs(), prediction });
  });
  try {
    await until(clock, "a sound drive", () =>
      risks(watch.state()).some(({ device, risk }) => device === "nvme0" && risk === "healthy"),
    );
    await clock.sleep(SOUND_MS);
    const before = told.length;
    const warnedMs = clock.nowMs();
    await guest.warn(RELIABILITY_DEGRADED);
    await until(clock, "the prediction", () => told.length > before);
    const { atMs, prediction } = told[before]!;
    const rules = firingRules(watch.state(), "disk", prediction.device);
    return { before, rules, prediction, seconds: (atMs - warnedMs) / 1_000 };
  } finally {
    watch.stop();
  }
}

/** As an agent does, but for the period: an agent asks its disks seldom, to spare them. */
function watchDrive(
  guest: DriveGuest,
  clock: Clock,
  onPrediction: (prediction: Prediction) => void,
): Watch {
  const noFiles = { clock, files: memorySmallFiles({}), slowFiles: memoryFiles({}) };
  return watchSensors(
    {
      clock,
      disks: disks({ command: ["smartctl"] }, guest.run),
      rounds: startRounds([], { virtual: false, detail: false }, noFiles),
      onEffect: (effect) => {
        if (effect.type === "prediction") onPrediction(effect.prediction);
      },
    },
    DEFAULT_CONFIG,
    { ...DEFAULT_PERIODS, disksMs: READ_MS },
  );
}

async function until(clock: Clock, what: string, holds: () => boolean): Promise<void> {
  const untilMs = clock.nowMs() + WAIT_MS;
  while (!holds()) {
    if (clock.nowMs() > untilMs) throw new Error(`Waited in vain for ${what}`);
    await clock.sleep(20);
  }
}
