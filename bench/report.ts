/**
 * What a bench has measured: for scripts as JSON, for people as a table.
 * @module
 */
import { type Cell, renderTable } from "../cli/table.ts";
import type { Clock } from "../runtime/clock.ts";
import { median, type Spread, spreadOf } from "./statistics.ts";

/** Which figure of a row has an aim, and on which side of it. */
export type Aim = `${"ours" | "ratio"} ${"at most" | "at least"}`;

/** One measured case. What does not apply is left out. */
export interface Row {
  readonly case: string;
  /** What the case was fed with. */
  readonly input?: string;
  readonly unit: string;
  /** The median, where there are several samples. */
  readonly ours: number;
  /** The same, measured of what else does the job, in the same run on the same machine. */
  readonly peer?: number;
  readonly peerName?: string;
  /** ours / peer, unless the report's notes say otherwise. */
  readonly ratio?: number;
  /** What `aim` is about: without one, what `ours` shall be at most. */
  readonly target?: number;
  readonly aim?: Aim;
  readonly reached?: boolean;
  /** Of the samples of `ours`. */
  readonly spread?: Spread;
  /** Of the ratio, where each round has one. */
  readonly ratioSpread?: Spread;
  /** Why there is no figure. */
  readonly missing?: string;
}

export interface Report {
  readonly bench: string;
  readonly machine: string;
  readonly node: string;
  readonly v8: string;
  /** How the table is to be read, one a line. */
  readonly notes?: readonly string[];
  readonly rows: readonly Row[];
}

/** What a bench comes back with. */
export interface Outcome {
  readonly rows: readonly Row[];
  readonly notes?: readonly string[];
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
  /** Options whose value is a text, by name, with their help. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly run: (
    options: Readonly<Record<string, number>>,
    ports: BenchPorts,
    texts: Readonly<Record<string, string | undefined>>,
  ) => Promise<Outcome>;
}

export interface BenchOption {
  /** When the option is absent; 0 may say so. */
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
export function renderReport({ bench, machine, node, v8, notes = [], rows }: Report): string {
  const columns = COLUMNS.filter(({ of }) => rows.some((row) => of(row) !== undefined));
  const table = renderTable(
    columns.map(({ heading }) => heading),
    rows.map((row) => columns.map(({ of }) => of(row))),
  );
  const head = [`${bench}, on ${machine}, Node ${node}, V8 ${v8}`, ...notes];
  return `${head.join("\n")}\n\n${table}`;
}

/** Whether a figure is on the right side of the row's aim; undefined where there is no aim. */
export function isReached(
  row: Pick<Row, "ours" | "ratio" | "target" | "aim">,
): boolean | undefined {
  const { target, aim = "ours at most" } = row;
  if (target === undefined) return undefined;
  const figure = aim.startsWith("ratio") ? (row.ratio ?? Number.NaN) : row.ours;
  return aim.endsWith("at most") ? figure <= target : figure >= target;
}

/** An aim in words, such as ">= 0.9 x" of a ratio. */
export function aimText({ target, aim = "ours at most" }: Row): string | undefined {
  if (target === undefined) return undefined;
  const sign = aim.endsWith("at most") ? "<=" : ">=";
  return `${sign} ${target}${aim.startsWith("ratio") ? " x" : ""}`;
}

const COLUMNS: readonly { heading: string; of: (row: Row) => Cell }[] = [
  { heading: "CASE", of: (row) => row.case },
  { heading: "INPUT", of: ({ input }) => input },
  { heading: "OURS", of: ({ ours }) => (Number.isNaN(ours) ? undefined : rounded(ours)) },
  { heading: "UNIT", of: ({ unit }) => unit },
  { heading: "P25", of: ({ spread }) => rounded(spread?.p25) },
  { heading: "P75", of: ({ spread }) => rounded(spread?.p75) },
  { heading: "P95", of: ({ spread }) => rounded(spread?.p95) },
  { heading: "MAX", of: ({ spread }) => rounded(spread?.max) },
  { heading: "PEER", of: ({ peer }) => rounded(peer) },
  { heading: "WHICH", of: ({ peerName }) => peerName },
  { heading: "RATIO", of: ({ ratio }) => rounded(ratio) },
  { heading: "RATIO P25", of: ({ ratioSpread }) => rounded(ratioSpread?.p25) },
  { heading: "RATIO P75", of: ({ ratioSpread }) => rounded(ratioSpread?.p75) },
  { heading: "AIM", of: aimText },
  { heading: "REACHED", of: ({ reached }) => reached },
  { heading: "MISSING", of: ({ missing }) => missing },
];

/** Three digits that mean something; whole numbers as they are. */
function rounded(value: number | undefined): number | undefined {
  if (value === undefined || Number.isInteger(value)) return value;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
