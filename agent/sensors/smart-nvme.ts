/**
 * The NVMe part of a smartctl document: log page 02h. Its counters have 128 bits; smartctl adds a
 * string twin (`_s`) where a JSON number could not hold one.
 * @module
 */
import { type Exact, exact } from "./exact-json.ts";
import type { RawSmart } from "./smart-schema.ts";

export interface Nvme {
  readonly critical_warning: number | null;
  readonly critical_warning_bits: readonly number[];
  /** Percent. */
  readonly available_spare: number | null;
  readonly available_spare_threshold: number | null;
  readonly spare_below_threshold: boolean | null;
  /** Percent of the rated endurance; may pass 100. */
  readonly percentage_used: number | null;
  readonly media_errors: Exact | null;
  readonly num_err_log_entries: Exact | null;
  readonly unsafe_shutdowns: Exact | null;
  readonly power_cycles: Exact | null;
  readonly power_on_hours: Exact | null;
  /** Decimal digits. */
  readonly bytes_read: string | null;
  readonly bytes_written: string | null;
  /** Minutes above the warning, and above the critical composite temperature. */
  readonly warning_temp_time: number | null;
  readonly critical_comp_time: number | null;
}

/** A "data unit" is a thousand units of 512 bytes. */
const UNIT_BYTES = 512_000n;

export function normaliseNvme(raw: RawSmart): Nvme | undefined {
  const log = raw.nvme_smart_health_information_log;
  if (log === undefined) return undefined;
  const warning = log.critical_warning ?? 0;
  const spare = log.available_spare;
  const threshold = log.available_spare_threshold;
  return {
    critical_warning: log.critical_warning ?? null,
    critical_warning_bits: [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => warning & (1 << bit)),
    available_spare: spare ?? null,
    available_spare_threshold: threshold ?? null,
    spare_below_threshold:
      spare === undefined || threshold === undefined ? null : spare < threshold,
    percentage_used: log.percentage_used ?? null,
    media_errors: counter(log.media_errors, log.media_errors_s),
    num_err_log_entries: counter(log.num_err_log_entries, log.num_err_log_entries_s),
    unsafe_shutdowns: counter(log.unsafe_shutdowns, log.unsafe_shutdowns_s),
    power_cycles: counter(log.power_cycles, log.power_cycles_s),
    power_on_hours: counter(log.power_on_hours, log.power_on_hours_s),
    bytes_read: inBytes(counter(log.data_units_read, log.data_units_read_s)),
    bytes_written: inBytes(counter(log.data_units_written, log.data_units_written_s)),
    warning_temp_time: log.warning_temp_time ?? null,
    critical_comp_time: log.critical_comp_time ?? null,
  };
}

function counter(value: number | bigint | undefined, twin: string | undefined): Exact | null {
  return exact(twin === undefined ? value : BigInt(twin));
}

function inBytes(units: Exact | null): string | null {
  return units === null ? null : (BigInt(units) * UNIT_BYTES).toString();
}
