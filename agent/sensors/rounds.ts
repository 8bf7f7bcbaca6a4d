/**
 * Reads all files of the sensors, round after round, at little cost.
 *
 * Rule 1: a round lists no folder but to see whether a device came or went; then its source is
 * asked anew what to read.
 * Rule 2: a round reads synchronously, so what blocks must not be in it: a file is read for the
 * first time, and as long as it is slow, by promise, in `readSlow`, one file after the other.
 * Rule 3: what `readSlow` finds is told by the next round: a device's readings come together.
 * Rule 4: a file that cannot be read rests, and is told as it was, so that a broken chip does not
 * cost more than a sound one.
 */
import type { Reading } from "../../predictor/reading.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Files } from "../../runtime/files.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import { type FindOptions, type Probe, type Source, unread } from "./probe.ts";

export interface RoundsPorts {
  readonly clock: Pick<Clock, "nowMs">;
  /** For what is read each round, and for what never blocks: names and lists. */
  readonly files: SmallFiles;
  /** The same files, for what may block. */
  readonly slowFiles: Pick<Files, "read">;
}

export interface Rounds {
  /** One round. Never throws. */
  read(): readonly Reading[];
  /** Reads what is slow, changes seldom or is new; never twice at a time. */
  readSlow(): Promise<void>;
  /** Files in a round, and outside of it. */
  counts(): { readonly fast: number; readonly slow: number };
}

/** A read that takes longer is not for the round: a whole round shall take 5 ms. */
const SLOW_MS = 2;
/** So many in a row: one may have waited for a processor, not for its hardware. */
const SLOW_READS = 2;
/** By promise so many: on a busy host each waits for a thread and a processor. */
const SLOW_READS_PROMISED = 5;
/** So many rounds pass between looks for devices that came or went. */
const LOOK_ROUNDS = 5;
/** After so many failures in a row a file is read only each so many rounds. */
const FAILURES_MAX = 3;
const REST_ROUNDS = 10;
/** Of all files of a host. */
const PROBES_MAX = 8_192;

interface Watched {
  readonly probe: Probe;
  /** "new": never read yet. */
  pace: "new" | "fast" | "slow";
  /** Reads in a row that took longer than `SLOW_MS`. */
  slowReads: number;
  failures: number;
  rests: number;
  last: readonly Reading[];
}

interface Found {
  readonly source: Source;
  signature: string;
  watched: readonly Watched[];
}

export function startRounds(
  sources: readonly Source[],
  options: FindOptions,
  { clock, files, slowFiles }: RoundsPorts,
): Rounds {
  const found = sources.map((source) => find(source, files, options));
  let round = 0;
  let slowRound: Promise<void> | undefined;
  let waiting: Reading[] = [];

  const look = (): void => {
    for (const each of found) {
      if (each.source.signature(files) === each.signature) continue;
      const before = new Map(each.watched.map((watched) => [keyOf(watched.probe), watched]));
      Object.assign(each, find(each.source, files, options, before));
      void readSlow();
    }
  };
  const readSlow = (): Promise<void> => {
    slowRound ??= readAllSlow().finally(() => {
      slowRound = undefined;
    });
    return slowRound;
  };
  const readAllSlow = async (): Promise<void> => {
    const slow = found.flatMap(({ watched }) => watched.filter(({ pace }) => pace !== "fast"));
    for (const watched of slow) waiting.push(...(await readOneSlow(watched, clock, slowFiles)));
    // A device that went away while it was read is told by nobody else.
    waiting = waiting.slice(-PROBES_MAX);
  };
  return {
    read() {
      if (round % LOOK_ROUNDS === 0) look();
      round += 1;
      const told = waiting;
      waiting = [];
      for (const { watched } of found) {
        for (const each of watched) {
          if (each.pace === "fast") for (const reading of readOne(each)) told.push(reading);
        }
      }
      return told;
    },
    readSlow,
    counts() {
      const all = found.flatMap(({ watched }) => watched);
      const fast = all.filter(({ pace }) => pace === "fast").length;
      return { fast, slow: all.length - fast };
    },
  };

  function readOne(watched: Watched): readonly Reading[] {
    if (watched.rests > 0) {
      watched.rests -= 1;
      return watched.last;
    }
    const beganMs = clock.nowMs();
    const readings = readProbe(watched.probe, files);
    note(watched, readings, clock.nowMs() - beganMs);
    if (watched.slowReads >= SLOW_READS) {
      watched.pace = "slow";
      // A lock that somebody held is soon free again; a minute without its readings is long.
      void readSlow();
    }
    return readings;
  }
}

/** Every probe of some sources, read once: for a look at a machine or at a copied tree. */
export function readOnce(
  sources: readonly Source[],
  files: SmallFiles,
  options: FindOptions,
): readonly Reading[] {
  return sources.flatMap((source) =>
    source
      .find(files, options)
      .slice(0, PROBES_MAX)
      .flatMap((each) => readProbe(each, files)),
  );
}

function find(
  source: Source,
  files: SmallFiles,
  options: FindOptions,
  before: ReadonlyMap<string, Watched> = new Map(),
): Found {
  const signature = source.signature(files);
  const watched = source
    .find(files, options)
    .slice(0, PROBES_MAX)
    .map((probe): Watched => {
      const known = before.get(keyOf(probe));
      if (known !== undefined) return { ...known, probe };
      return { probe, pace: "new", slowReads: 0, failures: 0, rests: 0, last: [] };
    });
  return { source, signature, watched };
}

/** The same file of the same device; another device under its name is new. */
function keyOf({ path, sensors }: Probe): string {
  return `${path} ${sensors[0]?.instance ?? ""}`;
}

function readProbe(probe: Probe, files: SmallFiles): readonly Reading[] {
  let text: string;
  try {
    text = files.read(probe.path);
  } catch (thrown) {
    return unread(probe, thrown);
  }
  return probe.parse(text);
}

/** Reads again at once what was slow, to tell slow hardware from a busy host. */
async function readOneSlow(
  watched: Watched,
  clock: Pick<Clock, "nowMs">,
  files: Pick<Files, "read">,
): Promise<readonly Reading[]> {
  const { probe } = watched;
  let readings: readonly Reading[] = [];
  watched.slowReads = 0;
  do {
    const beganMs = clock.nowMs();
    readings = await files
      .read(probe.path)
      .then(probe.parse, (thrown: unknown) => unread(probe, thrown));
    note(watched, readings, clock.nowMs() - beganMs);
  } while (probe.slow !== true && watched.slowReads > 0 && watched.slowReads < SLOW_READS_PROMISED);
  watched.pace = probe.slow === true || watched.slowReads > 0 ? "slow" : "fast";
  return readings;
}

function note(watched: Watched, readings: readonly Reading[], tookMs: number): void {
  const failed = readings.length > 0 && readings.every(({ status }) => status === "unreadable");
  watched.slowReads = tookMs > SLOW_MS ? watched.slowReads + 1 : 0;
  watched.failures = failed ? watched.failures + 1 : 0;
  watched.rests = watched.failures >= FAILURES_MAX ? REST_ROUNDS : 0;
  watched.last = readings;
}
