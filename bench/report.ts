/**
 * What a bench has measured: for scripts as JSON, for people as a table.
 * @module
 */
import { type Cell, renderTable } from "../cli/table.ts";
import type { Clock } from "../runtime/clock.ts";
import { median, type Spread, spreadOf } from "./statistics.ts";

/** One measured case. What does not apply is left out. */
export interface Row {
  readonly case: string;
  readonly unit: string;
  /** The median, where there are several samples. */
  readonly ours: number;
  /** The same, measured of what else does the job, in the same run on the same machine. */
  readonly peer?: number;
  readonly peerName?: string;
  /** ours / peer */
  readonly ratio?: number;
  /** What `ours` shall be at most. */
  readonly target?: number;
  readonly reached?: boolean;
  readonly spread?: Spread;
}

export interface Report {
  readonly bench: string;
  readonly machine: string;
  readonly node: string;
  readonly rows: readonly Row[];
}

/** What a bench comes back with. */
export interface Outcome {
  readonly rows: readonly Row[];
  /** Wrong results, one a sentence: the bench fails, however fast it was. */
  readonly faults: readonly string[];
}

/** What a bench needs of the world. */
export interface BenchPorts {
  readonly clock: Clock;
  /** How it is going, for people, on standard error. */
  readonly note: (text: string) => void;
}

/** One claim and how it is measured. */
export interface Bench {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Options by name; each is a whole number above zero. */
  readonly options: Readonly<Record<string, BenchOption>>;
  readonly run: (options: Readonly<Record<string, number>>, ports: BenchPorts) => Promise<Outcome>;
}

export interface BenchOption {
  readonly default: number;
  readonly help: string;
}

export interface Peer {
  readonly name: string;
  readonly samples: readonly number[];
}

/** A row of what was sampled; with a target, whether the median has reached it. */
export function sampledRow(
  name: string,
  unit: string,
  samples: readonly number[],
  { target, peer }: { readonly target?: number; readonly peer?: Peer | undefined } = {},
): Row {
  const ours = median(samples);
  const theirs = peer === undefined ? undefined : median(peer.samples);
  return {
    case: name,
    unit,
    ours,
    ...(peer === undefined || theirs === undefined
      ? {}
      : { peer: theirs, peerName: peer.name, ratio: ours / theirs }),
    ...(target === undefined ? {} : { target, reached: ours <= target }),
    ...(samples.length > 1 ? { spread: spreadOf(samples) } : {}),
  };
}

/** The table for people; columns that no row uses are left out. */
export function renderReport({ bench, machine, node, rows }: Report): string {
  const columns = COLUMNS.filter(({ of }) => rows.some((row) => of(row) !== undefined));
  const table = renderTable(
    columns.map(({ heading }) => heading),
    rows.map((row) => columns.map(({ of }) => of(row))),
  );
  return `${bench}, on ${machine}, Node ${node}\n\n${table}`;
}

const COLUMNS: readonly { heading: string; of: (row: Row) => Cell }[] = [
  { heading: "CASE", of: (row) => row.case },
  { heading: "OURS", of: ({ ours }) => rounded(ours) },
  { heading: "UNIT", of: ({ unit }) => unit },
  { heading: "P25", of: ({ spread }) => rounded(spread?.p25) },
  { heading: "P75", of: ({ spread }) => rounded(spread?.p75) },
  { heading: "P95", of: ({ spread }) => rounded(spread?.p95) },
  { heading: "MAX", of: ({ spread }) => rounded(spread?.max) },
  { heading: "PEER", of: ({ peer }) => rounded(peer) },
  { heading: "WHICH", of: ({ peerName }) => peerName },
  { heading: "RATIO", of: ({ ratio }) => rounded(ratio) },
  { heading: "AIM", of: ({ target }) => (target === undefined ? undefined : `<= ${target}`) },
  { heading: "REACHED", of: ({ reached }) => reached },
];

/** Three digits that mean something; whole numbers as they are. */
function rounded(value: number | undefined): number | undefined {
  if (value === undefined || Number.isInteger(value)) return value;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
