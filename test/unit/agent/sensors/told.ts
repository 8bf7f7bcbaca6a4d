// What a source tells of files held in memory, short enough to compare.
import type { FindOptions, Source } from "../../../../agent/sensors/probe.ts";
import { readOnce } from "../../../../agent/sensors/rounds.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { memorySmallFiles } from "../../../../runtime/small-files.ts";

type Texts = Readonly<Record<string, string>>;

export function readingsOf(
  source: Source,
  files: Texts,
  { links = {}, ...options }: Partial<FindOptions> & { links?: Texts } = {},
): readonly Reading[] {
  const wanted = { virtual: false, detail: false, ...options };
  return readOnce([source], memorySmallFiles(files, links), wanted);
}

/** "device signal": value and unit, or status and reason. */
export function told(readings: readonly Reading[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readings.map((reading) => {
      const { device, signal } = reading;
      const value =
        reading.status === "ok"
          ? `${reading.value}${reading.unit === undefined ? "" : ` ${reading.unit}`}`
          : `${reading.status}: ${reading.reason}`;
      return [`${device} ${signal}`, value];
    }),
  );
}
