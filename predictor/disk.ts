/**
 * The rules of a disk. They look at one set of readings and remember nothing: a drive's counters
 * are themselves its memory.
 * @module
 */
import { type Evidence, type Finding, fires, quiet } from "./evidence.ts";
import { COUNTER_NAME, DISK_COUNTERS, type Reading, type Signal } from "./reading.ts";

/** Bits of an NVMe drive's critical warning: NVM Express base specification, log page 02h. */
const CRITICAL_WARNINGS = [
  "available spare below its threshold",
  "temperature beyond a threshold",
  "reliability degraded",
  "media read-only",
  "volatile memory backup failed",
  "persistent memory region unreliable",
] as const;

/** Values up to what an operator has accepted, by signal, are no evidence. */
export function judgeDisk(
  readings: readonly Reading[],
  accepted: Accepted = {},
): readonly Finding[] {
  const bySignal = new Map(readings.map((reading) => [reading.signal, reading]));
  return [twoOfFive(bySignal, accepted), health(bySignal), criticalWarning(bySignal)];
}

type Accepted = Readonly<Partial<Record<Signal, number>>>;
type BySignal = ReadonlyMap<Signal, Reading>;

/**
 * At least two of SMART 5, 187, 188, 197 and 198 above zero (Backblaze's five): failing. One alone
 * is followed by a failure in a third of the cases, too few to move guests: suspect.
 */
function twoOfFive(readings: BySignal, accepted: Accepted): Finding {
  const present = DISK_COUNTERS.flatMap((signal) => readings.get(signal) ?? []);
  const known = present.length > 0 && present.every(({ status }) => status === "ok");
  const evidence = DISK_COUNTERS.flatMap((signal): Evidence[] => {
    const value = numberOf(readings.get(signal));
    const threshold = accepted[signal] ?? 0;
    if (value === undefined || value <= threshold) return [];
    const text = `${COUNTER_NAME[signal]}: ${value}`;
    return [{ signal, value, threshold, unit: "count", text }];
  });
  const risk = evidence.length >= 2 ? "failing" : evidence.length === 1 ? "suspect" : "healthy";
  return { rule: "two-of-five", known, risk, evidence };
}

/** The drive's own word, or that of the service processor that asks it. */
function health(readings: BySignal): Finding {
  const reading = readings.get("health");
  if (reading?.status !== "ok") return quiet("health", false);
  const risk = VERDICT[String(reading.value)];
  if (risk === undefined) return quiet("health");
  const text = `The drive's own overall health assessment: ${reading.value}`;
  return fires("health", risk, { signal: "health", value: 1, threshold: 0, text });
}

const VERDICT: Readonly<Record<string, "suspect" | "failing">> = {
  failed: "failing",
  critical: "failing",
  warning: "suspect",
};

function criticalWarning(readings: BySignal): Finding {
  const value = numberOf(readings.get("critical-warning"));
  const known = value !== undefined;
  if (!known || value === 0) {
    return { rule: "critical-warning", known, risk: "healthy", evidence: [] };
  }
  const names = CRITICAL_WARNINGS.filter((_, bit) => value & (1 << bit));
  const meaning = names.join(", ") || "a reserved bit";
  const text = `NVMe critical warning 0x${value.toString(16)}: ${meaning}`;
  const evidence: Evidence[] = [{ signal: "critical-warning", value, threshold: 0, text }];
  return { rule: "critical-warning", known, risk: "failing", evidence };
}

function numberOf(reading: Reading | undefined): number | undefined {
  if (reading?.status !== "ok" || typeof reading.value === "string") return undefined;
  return Number(reading.value);
}
