/**
 * The kernel's own arrays: /proc/mdstat, and /sys/block/md*\/md where it has more
 * (Documentation/admin-guide/md.rst).
 * @module
 */
import { absent, type DiskSignal, type Reading, type Sensor } from "../../predictor/reading.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import { gauge, namesIn, namesOf, type Probe, probe, type Source, tryList } from "./probe.ts";

const TABLE = "/proc/mdstat";
const FOLDER = "/sys/block";
const ARRAY = /^md[\w.-]{1,28}$/;
const ARRAYS_MAX = 128;
const MEMBERS_MAX = 4_096;

export const mdraid: Source = {
  name: "mdraid",
  signature: namesOf(FOLDER),
  find(files, { detail }) {
    const degraded = namesIn(files, FOLDER, ARRAY, ARRAYS_MAX).filter((name) =>
      tryList(files, `${FOLDER}/${name}/md`).includes("degraded"),
    );
    const arrays = arraysIn(files).map(({ name }) => name);
    return [
      ...(arrays.length === 0 ? [] : [tableProbe(arrays, degraded, detail)]),
      ...degraded.map((device) => {
        const source = `${FOLDER}/${device}/md/degraded`;
        const sensor = { component: "disk", device, signal: "array-degraded", source } as const;
        return probe(sensor, gauge("disks", 1, 0, MEMBERS_MAX));
      }),
    ];
  },
};

export interface MdArray {
  readonly name: string;
  readonly state: "active" | "inactive" | "recovering" | "resync" | "check" | "reshape";
  /** Disks it should have, has in use, and has lost; and those marked failed or spare. */
  readonly required: number;
  readonly active: number;
  readonly down: number;
  readonly failed: number;
  readonly spare: number;
  readonly blocks: bigint;
  readonly blocksSynced: bigint;
}

/** Each array of /proc/mdstat; what cannot be read of one costs only that one. */
export function parseMdstat(text: string): readonly MdArray[] {
  const lines = text.split("\n");
  return lines
    .flatMap((line, index) => {
      const found = /^(\S+) : (active|inactive)\b(.*)$/.exec(line);
      if (found === null || !ARRAY.test(found[1]!)) return [];
      const end = lines.findIndex((next, at) => at > index && !/^\s+\S/.test(next));
      const rest = lines.slice(index + 1, end < 0 ? lines.length : end).join("\n");
      const [, name = "", state = "", members = ""] = found;
      return [arrayOf(name, state === "active", members, rest)];
    })
    .slice(0, ARRAYS_MAX);
}

const WORK: Readonly<Record<string, MdArray["state"]>> = {
  recovery: "recovering",
  resync: "resync",
  check: "check",
  reshape: "reshape",
};

function arrayOf(name: string, active: boolean, members: string, rest: string): MdArray {
  const count = (pattern: RegExp): number => members.match(pattern)?.length ?? 0;
  const [failed, spare, listed] = [count(/\(F\)/g), count(/\(S\)/g), count(/\w\[\d+\]/g)];
  const blocks = BigInt(/(\d{1,19}) blocks/.exec(rest)?.[1] ?? 0);
  const [, required, inUse, map = ""] = /\[(\d{1,5})\/(\d{1,5})\] \[([U_]+)\]/.exec(rest) ?? [];
  const [, work, progress] = /\b(recovery|resync|check|reshape)\s*=\s*(\S+)/.exec(rest) ?? [];
  const done = /=\s*[\d.]+% \((\d{1,19})\/\d{1,19}\)/.exec(rest)?.[1];
  const waiting = progress === "DELAYED" || progress === "PENDING";
  const none = listed - failed - spare;
  return {
    name,
    state: !active ? "inactive" : work === undefined ? "active" : WORK[work]!,
    required: !active ? 0 : required === undefined ? none : Number(required),
    active: !active ? 0 : inUse === undefined ? none : Number(inUse),
    down: map.split("_").length - 1,
    failed,
    spare,
    blocks,
    blocksSynced: waiting ? 0n : done === undefined ? blocks : BigInt(done),
  };
}

const VALUES: readonly {
  signal: DiskSignal;
  of: (array: MdArray) => string | number | bigint;
  detail?: true;
}[] = [
  { signal: "array-state", of: ({ state }) => state },
  // An array without redundancy has none to lose; one that is not started misses no disk yet.
  { signal: "array-degraded", of: ({ state, down }) => (state === "inactive" ? 0 : down) },
  { signal: "array-disks-failed", of: ({ failed }) => failed },
  { signal: "array-disks", of: ({ required }) => required, detail: true },
  { signal: "array-disks-active", of: ({ active }) => active, detail: true },
  { signal: "array-disks-spare", of: ({ spare }) => spare, detail: true },
  { signal: "array-disks-down", of: ({ down }) => down, detail: true },
  { signal: "array-blocks", of: ({ blocks }) => blocks, detail: true },
  { signal: "array-blocks-synced", of: ({ blocksSynced }) => blocksSynced, detail: true },
];

function tableProbe(names: readonly string[], degraded: readonly string[], detail: boolean): Probe {
  const arrays = names.map((device) => ({
    device,
    values: VALUES.filter(
      (value) =>
        (detail || value.detail !== true) &&
        !(value.signal === "array-degraded" && degraded.includes(device)),
    ).map(({ signal, of }) => {
      const sensor: Sensor = { component: "disk", device, signal, source: TABLE };
      return { sensor, of };
    }),
  }));
  return {
    path: TABLE,
    sensors: arrays.flatMap(({ values }) => values.map(({ sensor }) => sensor)),
    parse(text) {
      const found = new Map(parseMdstat(text).map((array) => [array.name, array]));
      return arrays.flatMap(({ device, values }) => {
        const array = found.get(device);
        return values.map(({ sensor, of }): Reading => {
          if (array === undefined) return absent(sensor, "missing", "The array was stopped");
          return { ...sensor, status: "ok", value: of(array) };
        });
      });
    },
  };
}

function arraysIn(files: SmallFiles): readonly MdArray[] {
  try {
    return parseMdstat(files.read(TABLE));
  } catch {
    return [];
  }
}
