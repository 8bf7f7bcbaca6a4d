/**
 * What the test guests print on their serial line.
 */

export interface GuestReport {
  /** The newest counter; undefined before the first whole line of it. */
  readonly counter: number | undefined;
  /** Halts of the counter guest: a page did not hold what it must. */
  readonly tornPages: number;
  /** Of the Linux guest's memory worker, and what its kernel complained of. */
  readonly memoryErrors: number;
  readonly diskErrors: number;
  /** Rounds that the Linux guest's workers have done: a worker that stands still checks nothing. */
  readonly memoryRounds: number;
  readonly diskRounds: number;
}

const COUNTER_LINE = /^C ([0-9A-F]{8})$/;
const LINUX_LINE = /^N (\d{1,10}) mem=(\d{1,10}) disk=(\d{1,10}) rounds=(\d{0,10}),(\d{0,10})$/;
const KERNEL_COMPLAINT = /Kernel panic|BUG:|Oops|segfault|I\/O error/;

/** Reads the serial text of either guest. The last line counts only once it has ended. */
export function readCounter(serialText: string): GuestReport {
  let report: GuestReport = {
    counter: undefined,
    tornPages: 0,
    memoryErrors: 0,
    diskErrors: 0,
    memoryRounds: 0,
    diskRounds: 0,
  };
  let complaints = 0;
  for (const line of serialText.split("\n").slice(0, -1)) {
    const text = line.replace(/\r$/, "");
    if (text === "!") report = { ...report, tornPages: report.tornPages + 1 };
    if (KERNEL_COMPLAINT.test(text)) complaints++;
    const counted = COUNTER_LINE.exec(text)?.[1];
    if (counted !== undefined) report = { ...report, counter: Number.parseInt(counted, 16) };
    const linux = LINUX_LINE.exec(text);
    if (linux !== null) report = { ...report, ...linuxReport(linux) };
  }
  return { ...report, memoryErrors: report.memoryErrors + complaints };
}

function linuxReport(match: RegExpExecArray): Omit<GuestReport, "tornPages"> {
  const [counter = 0, memoryErrors = 0, diskErrors = 0, memoryRounds = 0, diskRounds = 0] = match
    .slice(1)
    .map(Number);
  return { counter, memoryErrors, diskErrors, memoryRounds, diskRounds };
}
