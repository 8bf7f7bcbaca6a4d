/**
 * One row of the kernels bench: a kernel, what it is fed with, who else does the same, and how the
 * two outputs are compared.
 * @module
 */
import type { Clock } from "../../runtime/clock.ts";
import { type Aim, isReached, type Row } from "../report.ts";
import { median, spreadOf } from "../statistics.ts";
import { type Contender, measure } from "./measure.ts";
import type { Native } from "./native.ts";

/** Speed is in GB/s of the kernel's input (1e9 bytes), or in microseconds where that says more. */
export type SpeedUnit = "GB/s" | "us";

export interface KernelCase {
  readonly kernel: string;
  readonly input: string;
  /** What one run goes through. */
  readonly bytes: number;
  /** GB/s, if it is not said. */
  readonly unit?: SpeedUnit;
  readonly ours: () => void;
  /** Timed by the clock on the wall: several threads share the work. */
  readonly wall?: boolean;
  /** The fastest counts. */
  readonly peers: readonly Contender[];
  readonly aim?: { readonly of: Aim; readonly target: number };
  /** Why the row cannot be measured. */
  readonly missing?: string | undefined;
  /** What is wrong with an output, after one run of each; undefined if nothing is. */
  readonly check?: () => string | undefined;
}

/** Cases that share their memory, which is given back after them. */
export interface KernelGroup {
  /** The kernels that its rows are about, for choosing. */
  readonly kernels: readonly string[];
  readonly cases: (
    site: KernelSite,
    rounds: number,
  ) => readonly KernelEntry[] | Promise<readonly KernelEntry[]>;
}

/** A case, or a row that was measured by other means. */
export type KernelEntry = KernelCase | Measured;

export interface KernelSite {
  readonly native: Native;
  readonly clock: Clock;
}

export interface Measured {
  readonly row: Row;
  readonly fault?: string;
}

/** Checks a case, then times it. A wrong result is a fault, and its row is never reached. */
export async function measureCase(
  one: KernelCase,
  rounds: number,
  { native, clock }: KernelSite,
): Promise<Measured> {
  const { kernel, input, ours, peers, missing, check } = one;
  if (missing !== undefined)
    return { row: withAim(one, { ...base(one), ours: Number.NaN, missing }) };
  ours();
  for (const peer of peers) peer.run();
  const fault = check?.();
  const stopwatch = (one.wall === true ? undefined : native.threadMs) ?? clock.nowMs;
  const timings = await measure(ours, peers, rounds, clock, stopwatch);
  const figure = (ms: number): number => (one.unit === "us" ? ms * 1e3 : one.bytes / ms / 1e6);
  const row: Row = { ...base(one), ours: figure(median(timings.ours)) };
  if (timings.peer.length === 0) return { row: withAim(one, row, fault), ...faultOf(one, fault) };
  const ratios = timings.ours.map((ms, round) => timings.peer[round]! / ms);
  const compared: Row = {
    ...row,
    peer: figure(median(timings.peer)),
    peerName: timings.peerName,
    ratio: median(ratios),
    ratioSpread: spreadOf(ratios),
  };
  return { row: withAim(one, compared, fault), ...faultOf({ kernel, input }, fault) };
}

function base({ kernel, input, unit = "GB/s" }: KernelCase): Omit<Row, "ours"> {
  return { case: kernel, input, unit };
}

function withAim({ aim }: KernelCase, row: Row, fault?: string): Row {
  if (aim === undefined) return row;
  const aimed: Row = { ...row, target: aim.target, aim: aim.of };
  return { ...aimed, reached: fault === undefined && isReached(aimed) === true };
}

function faultOf(
  { kernel, input }: Pick<KernelCase, "kernel" | "input">,
  fault: string | undefined,
): { fault?: string } {
  return fault === undefined ? {} : { fault: `${kernel}, ${input}: ${fault}` };
}

/** What is wrong if two outputs differ. */
export function difference(ours: Uint8Array, theirs: Uint8Array): string | undefined {
  if (Buffer.compare(ours, theirs) === 0) return undefined;
  const at = ours.findIndex((byte, index) => byte !== theirs[index]);
  return `the outputs differ at byte ${at}`;
}
