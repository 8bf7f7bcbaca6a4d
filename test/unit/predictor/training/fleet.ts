/** A made-up fleet as a change log: some drives die slowly, most never do. */

import { fractions } from "../../../../predictor/training/chance.ts";
import { ChangeLog, type LoggedDrive } from "../../../../predictor/training/change-log.ts";

export const HEADER =
  "serial_number,model,size_tb,date,date_end,hours,hours_end,event," +
  "smart_5,smart_10,smart_12,smart_187,smart_188,smart_189,smart_196,smart_197,smart_198";

/** One line of a change log; `counters` are SMART 5, 12, 187, 188, 197 and 198, "" if missing. */
export function changeLine(
  serial: string,
  model: string,
  [hours, hoursEnd, failed]: readonly [number, number, number],
  [five, cycles, uncorrectable, timeouts, pending, offline]: readonly (number | "")[],
): string {
  const dates = [hours, hoursEnd].map((at) => new Date(at * 3_600_000).toISOString().slice(0, 10));
  const head = [serial, model, "4.0", ...dates, hours, hoursEnd, failed];
  const counters = [five, 0, cycles, uncorrectable, timeouts, 0, "", pending, offline];
  return [...head, ...counters].join(",");
}

export function drivesOf(lines: readonly string[]): LoggedDrive[] {
  const log = new ChangeLog();
  for (const line of [HEADER, ...lines]) log.add(line);
  return log.finish();
}

const YEAR_HOURS = 8_760;

/** `count` drives seen for a year from 1970-01-01 on, every fifth of which dies in it. */
export function madeUpFleet(count: number, seed: number): string[] {
  const fraction = fractions(seed);
  return Array.from({ length: count }, (_, index) => {
    const serial = `S${index}`;
    const model = index % 3 === 0 ? "ST4000DM000" : "HGST HMS5C4040ALE640";
    const well: (number | "")[] = [0, 3, 0, 0, 0, 0];
    if (index % 5 !== 0) {
      const lucky = fraction() < 0.9;
      const at = Math.floor(fraction() * 8_000);
      if (lucky) return [changeLine(serial, model, [0, YEAR_HOURS, 0], well)];
      const once = well.with(0, 8);
      return [
        changeLine(serial, model, [0, at, 0], well),
        changeLine(serial, model, [at, YEAR_HOURS, 0], once),
      ];
    }
    const end = 2_000 + Math.floor(fraction() * 5_000);
    const steps = [end - 480, end - 240, end - 96, end - 48];
    return [
      changeLine(serial, model, [0, steps[0]!, 0], well),
      ...steps.map((from, step) => {
        const last = step === steps.length - 1;
        const counters = [0, 3, step * 2, 0, (step + 1) * 8, (step + 1) * 8];
        return changeLine(serial, model, [from, steps[step + 1] ?? end, last ? 1 : 0], counters);
      }),
    ];
  }).flat();
}
