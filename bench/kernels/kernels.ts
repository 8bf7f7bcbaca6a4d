/**
 * Every kernel of the WASM core against native code over the same memory, in one process and in
 * turns: which share of the machine's own speed it reaches.
 */
import { writeFileSync } from "node:fs";
import { SystemError } from "../../protocol/error.ts";
import { type Bench, type BenchPorts, isReached, type Outcome, type Row } from "../report.ts";
import { bitmapGroup, pagemapGroup } from "./bitmap-cases.ts";
import { type KernelEntry, type KernelGroup, type KernelSite, measureCase } from "./case.ts";
import { deltaGroup } from "./delta-cases.ts";
import { hashGroup } from "./hash-cases.ts";
import { lz4Group } from "./lz4-cases.ts";
import { loadNative, type Native } from "./native.ts";
import { compareGroup, zeroGroup } from "./page-cases.ts";
import { drawKernels } from "./picture.ts";
import { scannerGroup } from "./scanner-cases.ts";
import { xbzrleGroup } from "./xbzrle-cases.ts";

const GROUPS: readonly KernelGroup[] = [
  compareGroup,
  zeroGroup,
  bitmapGroup,
  pagemapGroup,
  xbzrleGroup,
  lz4Group,
  hashGroup,
  deltaGroup,
  scannerGroup,
];

const NOTES = [
  "RATIO is our speed / the peer's, the median of interleaved rounds: higher is better. Of sizes",
  "it is ours / the peer's, and lower is better. GB/s are 1e9 bytes of input. `x` marks an aim of",
  "the ratio. Natives work on the same WASM memory, a whole batch a call. Times are the thread's",
  "CPU time; a round has four turns of each side, and keeps the fastest of each.",
  "Of two threads it is told how many times as fast they are as one, by the clock on the wall.",
];

export const kernelsBench: Bench = {
  name: "kernels",
  summary: "The WASM kernels against native code on the same memory, and against npm packages.",
  options: { rounds: { default: 15, help: "interleaved rounds of each row, at least 9" } },
  texts: {
    only: "rows whose kernel begins so",
    svg: "the file to draw the ratios into",
  },
  async run({ rounds = 15 }, ports, { only = "", svg }) {
    if (rounds < 9) throw new SystemError("USAGE", "--rounds must be 9 or more");
    const native = loadNative();
    try {
      const { rows, faults } = await measureAll(
        { native, clock: ports.clock },
        rounds,
        only,
        ports,
      );
      if (rows.length === 0) throw new SystemError("USAGE", `No kernel begins with ${only}`);
      if (svg !== undefined) writeFileSync(svg, drawKernels(rows));
      return { rows, notes: [describe(native), ...NOTES], faults };
    } finally {
      native.close();
    }
  },
};

async function measureAll(
  site: KernelSite,
  rounds: number,
  only: string,
  { note }: BenchPorts,
): Promise<Outcome> {
  const rows: Row[] = [];
  const faults: string[] = [];
  const wanted = (name: string): boolean => name.toLowerCase().startsWith(only.toLowerCase());
  for (const group of GROUPS) {
    if (!group.kernels.some(wanted)) continue;
    const entries = await group.cases(site, rounds);
    for (const entry of entries.filter((one) => wanted(nameOf(one)))) {
      const { row, fault } = "row" in entry ? entry : await measureCase(entry, rounds, site);
      rows.push(row);
      if (fault !== undefined) faults.push(fault);
      note(progressOf(row));
    }
  }
  return { rows, faults };
}

function nameOf(entry: KernelEntry): string {
  return "row" in entry ? entry.row.case : entry.kernel;
}

function progressOf(row: Row): string {
  const figure = row.ratio === undefined ? `${row.ours} ${row.unit}` : `${row.ratio.toFixed(2)} x`;
  const reached = isReached(row);
  const verdict = reached === undefined ? "" : reached ? ", reached" : ", NOT reached";
  return `${row.case}, ${row.input ?? ""}: ${row.missing ?? figure}${verdict}`;
}

function describe({ avx512, why }: Native): string {
  if (avx512) return "The machine has AVX-512, and the native peers use it.";
  return `The native peers use no AVX-512 (${why}).`;
}
