/**
 * The SCSI part of a smartctl document: error counters and the grown defect list.
 * @module
 */
import { type Exact, exact } from "./exact-json.ts";
import type { RawSmart } from "./smart-schema.ts";

export interface ErrorCounters {
  /** As smartctl prints it, with three decimals. */
  readonly gigabytes_processed: string | null;
  readonly total_errors_corrected: Exact | null;
  readonly total_uncorrected_errors: Exact | null;
}

export interface Scsi {
  readonly errors: Readonly<Partial<Record<"read" | "write" | "verify", ErrorCounters>>>;
  readonly grown_defects: Exact | null;
  readonly percentage_used: number | null;
  /** Over read, write and verify; null if the drive keeps no such counter. */
  readonly uncorrected_total: Exact | null;
}

const DIRECTIONS = ["read", "write", "verify"] as const;

export function normaliseScsi(raw: RawSmart): Scsi {
  const errors: Partial<Record<(typeof DIRECTIONS)[number], ErrorCounters>> = {};
  const uncorrected: bigint[] = [];
  for (const direction of DIRECTIONS) {
    const counters = raw.scsi_error_counter_log?.[direction];
    if (counters === undefined) continue;
    errors[direction] = {
      gigabytes_processed: counters.gigabytes_processed?.slice(0, 40) ?? null,
      total_errors_corrected: exact(counters.total_errors_corrected),
      total_uncorrected_errors: exact(counters.total_uncorrected_errors),
    };
    const count = counters.total_uncorrected_errors;
    if (count !== undefined) uncorrected.push(BigInt(count));
  }
  const total = uncorrected.reduce((sum, count) => sum + count, 0n);
  return {
    errors,
    grown_defects: exact(raw.scsi_grown_defect_list),
    percentage_used: raw.scsi_percentage_used_endurance_indicator ?? null,
    uncorrected_total: uncorrected.length === 0 ? null : exact(total),
  };
}
