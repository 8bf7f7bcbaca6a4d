/**
 * What an agent's report of a VM means: for the saga that moves it, and for the next term.
 * @module
 */
import type { VmReport } from "../protocol/authority.ts";
import type { Saga } from "./state.ts";

type Reported<Phase extends VmReport["phase"]> = VmReport & { readonly phase: Phase };

/** The target holds the conditional grant of this saga. */
export function isIncoming(
  saga: Saga,
  report: VmReport | undefined,
): report is Reported<"incoming"> {
  return report?.phase === "incoming" && report.term === saga.toTerm;
}

/** The target journalled ACTIVE, whatever became of its guest since. */
export function wasActive(
  saga: Saga,
  report: VmReport | undefined,
): report is Reported<"active" | "stopped" | "void"> {
  if (report === undefined || report.term !== saga.toTerm) return false;
  return report.phase === "active" || report.phase === "stopped" || report.phase === "void";
}

/** The target has heard of the term and cannot use it: it is not incoming and never was active. */
export function isBurnt(
  saga: Saga,
  report: VmReport | undefined,
): report is Reported<"burnt" | "none"> {
  if (report === undefined || report.termSeen < saga.toTerm) return false;
  return report.phase === "burnt" || report.phase === "none";
}

/** The source journalled RELEASED for this saga: there is no way back under its term. */
export function hasReleased(
  saga: Saga,
  report: VmReport | undefined,
): report is Reported<"released"> {
  return report?.phase === "released" && report.toTerm === saga.toTerm;
}

/** The source has refused the term, or holds no term any more from which it could release. */
export function refusedBySource(saga: Saga, report: VmReport | undefined): boolean {
  if (report === undefined || hasReleased(saga, report)) return false;
  return report.refusedTerm >= saga.toTerm || report.phase !== "active";
}

/** The highest term a report knows of, used or only offered: the next one must be above it. */
export function highestTerm(report: VmReport): number {
  const { term, termSeen, refusedTerm, toTerm = 0, outgoingTerm = 0 } = report;
  return Math.max(term, termSeen, refusedTerm, toTerm, outgoingTerm);
}

/** Whether two reports say the same, but for their number and their words. */
export function standsAsBefore(before: VmReport | undefined, report: VmReport): boolean {
  if (before === undefined) return false;
  const bare = ({ version: _version, reason: _reason, ...rest }: VmReport): string =>
    JSON.stringify(rest);
  return bare(before) === bare(report);
}
