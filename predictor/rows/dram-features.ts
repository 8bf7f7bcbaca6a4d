/**
 * What the DRAM model looks at: the error logs of one DIMM in the last 15 minutes, hour and
 * 6 hours, by the names of the SmartMem features. Ratios within and between windows were tried
 * and add nothing that the trees do not find by themselves.
 *
 * Never a time stamp: in the data failures end before the record does, so time would tell.
 * @module
 */

export const DRAM_WINDOWS = ["15m", "1h", "6h"] as const;

/** Of one window, each with `_15m` and so on behind it: */
const OF_WINDOW = [
  // logs and errors, found by reads and by patrol scrubbing; seconds a log; storms;
  ...["read_ce_log_num", "scrub_ce_log_num", "all_ce_log_num"],
  ...["read_ce_count", "scrub_ce_count", "all_ce_count"],
  ...["log_happen_frequency", "ce_storm_count"],
  // how far the fault reaches, and over how many rows and columns;
  ...["fault_mode_others", "fault_mode_device", "fault_mode_bank", "fault_mode_row"],
  ...["fault_mode_column", "fault_mode_cell", "fault_row_num", "fault_column_num"],
  // and how many bits, data lines (DQ) and beats of a burst were wrong, and how far apart.
  ...["error_bit_count", "error_dq_count", "error_burst_count"],
  ...["max_dq_interval", "max_burst_interval"],
  ...[1, 2, 3, 4].map((count) => `dq_count=${count}`),
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((count) => `burst_count=${count}`),
];

/** The names of the features, in the order of `dramFeatures`; they are columns of the data. */
export const DRAM_FEATURES: readonly string[] = DRAM_WINDOWS.flatMap((window) =>
  OF_WINDOW.map((name) => `${name}_${window}`),
);

/**
 * The features of one DIMM. `value` gives a column by its name; what is missing was not counted,
 * and is 0. A window with fewer logs than a shorter one within it was never filled in (as the 6
 * hours of all DIMMs of one type are in the data): it is unknown, NaN, and not quiet.
 */
export function dramFeatures(value: (name: string) => number): number[] {
  const known = (name: string): number => {
    const seen = value(name);
    return Number.isFinite(seen) ? seen : 0;
  };
  let most = 0;
  return DRAM_WINDOWS.flatMap((window) => {
    const logs = known(`all_ce_log_num_${window}`);
    const filled = logs >= most;
    most = Math.max(most, logs);
    return OF_WINDOW.map((name) => (filled ? known(`${name}_${window}`) : Number.NaN));
  });
}
