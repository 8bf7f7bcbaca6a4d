/**
 * One file of the kernel, and what its text says: what every reader of files is made of.
 *
 * A source finds the devices and gives a probe for each file to read; rounds.ts reads them. So no
 * reader lists a folder each second, and a file that is broken hides no other.
 * @module
 */
import {
  type Absence,
  absent,
  parseInteger,
  quote,
  type Reading,
  type Sensor,
} from "../../predictor/reading.ts";
import { codeOf, type SmallFiles } from "../../runtime/small-files.ts";

export interface Probe {
  readonly path: string;
  /** Told as absent while the file cannot be read. Empty: its absence is in order. */
  readonly sensors: readonly Sensor[];
  readonly parse: (text: string) => readonly Reading[];
  /** It changes seldom (a limit), or its hardware is slow: not read each second. */
  readonly slow?: true;
}

export interface FindOptions {
  /** Adapters without hardware (bridges, taps) as well. */
  readonly virtual: boolean;
  /** Everything the kernel tells, for people and dashboards; else what the predictor uses. */
  readonly detail: boolean;
}

export interface Source {
  readonly name: string;
  /** Changes when a device comes, goes, or is another. Cheap, and never throws. */
  readonly signature: (files: SmallFiles) => string;
  /** Never throws: what is not there has no probes. */
  readonly find: (files: SmallFiles, options: FindOptions) => readonly Probe[];
}

/** A file of one sensor. */
export function probe(
  sensor: Sensor,
  parse: (sensor: Sensor, text: string) => Reading,
  slow = false,
): Probe {
  return {
    path: sensor.source,
    sensors: [sensor],
    parse: (text) => [parse(sensor, text)],
    ...(slow ? { slow: true } : {}),
  };
}

/** What a probe says when its file cannot be read. */
export function unread({ path, sensors }: Probe, thrown: unknown): readonly Reading[] {
  const code = codeOf(thrown);
  const reason = `Cannot read ${path}${code === undefined ? "" : `: ${code}`}`;
  return sensors.map((sensor) => absent(sensor, absenceOf(code), reason));
}

/**
 * ENOENT, ENODEV and ENXIO: it is not there. EOPNOTSUPP: the driver has none. Everything else
 * (EIO, EAGAIN, EINVAL, ENODATA) comes from hardware that is there and does not answer.
 */
function absenceOf(code: string | undefined): Absence {
  return ["ENOENT", "ENODEV", "ENXIO", "EOPNOTSUPP"].includes(code ?? "")
    ? "missing"
    : "unreadable";
}

/** The signature of a source whose devices are the names in some folders. */
export function namesOf(...folders: readonly string[]): Source["signature"] {
  return (files) => folders.map((folder) => tryList(files, folder).join()).join(";");
}

/** Names in a folder that match, at most `most`; none if it cannot be listed. */
export function namesIn(
  files: SmallFiles,
  path: string,
  pattern: RegExp,
  most: number,
): readonly string[] {
  return tryList(files, path)
    .filter((name) => pattern.test(name))
    .slice(0, most);
}

export function tryList(files: SmallFiles, path: string): readonly string[] {
  try {
    return files.list(path);
  } catch {
    return [];
  }
}

const TEXT_CHARACTERS_MAX = 64;

/** A name or label: one line, no control characters, cut; "" if there is none. */
export function textIn(files: SmallFiles, path: string): string {
  try {
    return files.read(path).replace(/\p{C}/gu, "").trim().slice(0, TEXT_CHARACTERS_MAX);
  } catch {
    return "";
  }
}

/** Tells one boot from another: counters of two boots are never compared. */
export function bootId(files: SmallFiles): string {
  return textIn(files, "/proc/sys/kernel/random/boot_id");
}

/**
 * The parser of a file with one whole number in `unit`s times `divisor`, believed from `min` to
 * `max`.
 */
export function gauge(unit: string, divisor: number, min: number, max: number) {
  return (sensor: Sensor, text: string): Reading => {
    const raw = parseInteger(text);
    if (raw === undefined) return absent(sensor, "unreadable", `Not an integer: ${quote(text)}`);
    const value = Number(raw) / divisor;
    if (value < min || value > max) return absent(sensor, "implausible", `${value} ${unit}`);
    return { ...sensor, status: "ok", value, unit };
  };
}

/** The parser of an alarm or fault file: 0 or 1. */
export function flag(sensor: Sensor, text: string): Reading {
  const value = text.trim();
  if (value === "0" || value === "1") return { ...sensor, status: "ok", value: Number(value) };
  return absent(sensor, "unreadable", `Neither 0 nor 1: ${quote(text)}`);
}
