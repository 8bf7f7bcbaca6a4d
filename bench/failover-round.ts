/**
 * One failover as it was seen: what its parts took, and what would have been wrong with it.
 * @module
 */
import { SystemError } from "../protocol/error.ts";
import type { OffProof } from "../protocol/fence.ts";
import type { Event } from "../protocol/operator.ts";

/** A line of the observer. */
export interface Observation {
  readonly console?: number;
  readonly counter?: number;
  readonly torn?: boolean;
  /** By the wall clock, as all moments here. */
  readonly atMs: number;
}

export interface Round {
  readonly from: string;
  readonly to: string;
  /** Of the hosts, in this order. */
  readonly consoles: readonly [from: number, to: number];
  readonly cutAtMs: number;
  readonly proof: OffProof;
  /** The time line since the cut. */
  readonly events: readonly Event[];
}

/**
 * fence: until the service processor has taken `ForceOff`; proof: from there on; sealing: until the
 * grant; activation: until the secondary says that the guest runs; loss: of the guest's own time.
 */
export const TIMES = [
  "fence",
  "proof",
  "sealing",
  "activation",
  "proof to running",
  "cut to counting",
  "loss",
] as const;
export type Times = Readonly<Record<(typeof TIMES)[number], number>>;

/** @throws SystemError STATE_CONFLICT when the time line lacks a moment of it */
export function roundTimes(round: Round, observed: readonly Observation[]): Times {
  const { cutAtMs, proof, events, to } = round;
  const moment = (what: string, holds: (event: Event) => boolean): number => {
    const found = events.find(holds);
    if (found !== undefined) return Date.parse(found.wallTime);
    throw new SystemError("STATE_CONFLICT", `The time line has no ${what}`);
  };
  const provenMs = moment("proof", ({ text = "" }) => / is proven to be off$/.test(text));
  const grantMs = moment("grant", (one) => one.message === "grant" && one.to === `agent:${to}`);
  const runsMs = moment("guest that runs", (one) => {
    const active = /^active at term \d+, guest running/.test(one.text ?? "");
    return one.from === `agent:${to}` && active;
  });
  const offMs = Math.max(0, provenMs - (proof.reads.at(-1)?.afterMs ?? 0) - cutAtMs);
  return {
    fence: offMs,
    proof: provenMs - cutAtMs - offMs,
    sealing: grantMs - provenMs,
    activation: runsMs - grantMs,
    "proof to running": runsMs - provenMs,
    "cut to counting": (firstAfter(round, observed)?.atMs ?? Number.NaN) - cutAtMs,
    loss: lossMs(round, observed),
  };
}

/** A sentence for each promise that was broken. */
export function roundFaults(
  round: Round,
  observed: readonly Observation[],
  promisedMs: number,
): string[] {
  const first = firstAfter(round, observed);
  if (first === undefined) return ["The guest never counted again"];
  const faults: string[] = [];
  const [from] = round.consoles;
  const late = observed.filter((one) => one.console === from && one.atMs > first.atMs);
  if (late.length > 0) faults.push(`${late.length} lines of ${round.from} after ${round.to} began`);
  const torn = observed.filter((one) => one.torn === true && one.atMs > round.cutAtMs).length;
  if (torn > 0) faults.push(`${torn} torn pages`);
  const lost = lossMs(round, observed);
  if (lost > promisedMs) faults.push(`${lost} ms were lost, and ${promisedMs} promised`);
  return faults;
}

/** The first counter on the new host. */
function firstAfter(
  { consoles: [, to], cutAtMs }: Round,
  observed: readonly Observation[],
): Observation | undefined {
  return observed.find((one) => one.console === to && one.atMs > cutAtMs);
}

/** From when the old host printed what the new one began with, to its last line. */
function lossMs(round: Round, observed: readonly Observation[]): number {
  const { counter: resumed = 0, atMs: beganMs = 0 } = firstAfter(round, observed) ?? {};
  // The guest may have come back to this host since.
  const before = observed.filter((one) => one.console === round.consoles[0] && one.atMs < beganMs);
  const last = before.at(-1);
  const same = before.find(({ counter = 0 }) => counter >= resumed);
  return last === undefined || same === undefined ? 0 : last.atMs - same.atMs;
}
