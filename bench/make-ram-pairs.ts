/**
 * Makes the RAM pairs: boots a Linux guest with a workload and copies its RAM while it is stopped,
 * four times. Only what runs between two stops can change a page, so the distances are exact.
 */
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { SystemError } from "../protocol/error.ts";
import { runCommand } from "../runtime/command.ts";
import { type BenchGuest, printed, withGuest } from "./guest.ts";
import {
  changedPages,
  havePairs,
  PAIRS_FOLDER,
  PAIRS_MEMORY_MIB,
  readSnapshot,
  SNAPSHOT_SECONDS,
  snapshotPath,
} from "./ram-pairs.ts";
import { type Bench, type BenchPorts, type Outcome, type Row, sampledRow } from "./report.ts";
import { WORKLOAD_INIT, WORKLOAD_READY } from "./workload.ts";

const MIB = 1024 * 1024;
const COPY_MS = 60_000;

export const makeRamPairsBench: Bench = {
  name: "make-ram-pairs",
  summary:
    "Boots a Linux guest that works, and keeps its RAM at 0, 1, 3 and 30 s for other benches.",
  options: { force: { default: 0, help: "1 makes them anew" } },
  async run({ force = 0 }, ports) {
    if (force > 0 || !havePairs()) await makePairs(ports);
    return describe(ports);
  },
};

async function makePairs(ports: BenchPorts): Promise<void> {
  const { clock, note } = ports;
  mkdirSync(PAIRS_FOLDER, { recursive: true });
  for (const seconds of SNAPSHOT_SECONDS) rmSync(snapshotPath(seconds), { force: true });
  note(`A guest of ${PAIRS_MEMORY_MIB} MiB boots and fills its memory`);
  const options = { memoryMiB: PAIRS_MEMORY_MIB, init: WORKLOAD_INIT, clock };
  await withGuest(options, async (guest) => {
    await printed(guest, WORKLOAD_READY, clock);
    let ranSeconds = 0;
    for (const seconds of SNAPSHOT_SECONDS) {
      await clock.sleep((seconds - ranSeconds) * 1_000);
      ranSeconds = seconds;
      await takeSnapshot(guest, seconds);
      note(`Snapshot after ${seconds} s`);
    }
  });
}

/** The last step is a rename: a snapshot that is there is whole. */
async function takeSnapshot({ qmp, ram }: BenchGuest, seconds: number): Promise<void> {
  const path = snapshotPath(seconds);
  const part = `${path}.part`;
  await qmp.execute("stop");
  // Zero pages become holes: half of a small guest's memory.
  const args = ["--sparse=always", ram, part];
  const { code, stderr } = await runCommand("cp", args, { timeoutMs: COPY_MS });
  if (code !== 0) throw new SystemError("FILE_FAILED", `Cannot copy guest RAM: ${stderr.trim()}`);
  renameSync(part, path);
  await qmp.execute("cont");
}

function describe({ note }: BenchPorts): Outcome {
  const first = readSnapshot(0);
  const pages = first.length / 4096;
  const zero = Buffer.alloc(first.length);
  const rows: Row[] = [
    sampledRow("pages of RAM", "count", [pages]),
    sampledRow("of these all zero", "count", [pages - changedPages(zero, first).length]),
  ];
  for (const seconds of SNAPSHOT_SECONDS.slice(1)) {
    const changed = changedPages(first, readSnapshot(seconds)).length;
    rows.push(sampledRow(`pages changed after ${seconds} s`, "count", [changed]));
  }
  const sizes = SNAPSHOT_SECONDS.map((seconds) => statSync(snapshotPath(seconds)).blocks * 512);
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
  rows.push(sampledRow("size on disk", "MiB", [sizeBytes / MIB]));
  note(`They are in ${PAIRS_FOLDER}`);
  return { rows, faults: [] };
}
