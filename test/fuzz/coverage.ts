/**
 * Which parts of the code no input has reached yet, by V8's block coverage of this very process.
 *
 * V8 reports a block only where its count differs from the block around it, so what was reached
 * cannot be read off directly; what was *not* reached can: the ranges with count 0. Each function
 * keeps the intersection of those over all inputs, and an input is new if it makes that smaller.
 * @module
 */
import { type Profiler, Session } from "node:inspector";
import type { Guide, Look } from "./guide.ts";

/** Half-open character range of a script, that no input has reached. */
type Range = readonly [from: number, to: number];
type Functions = Map<string, readonly Range[]>;

/** A slow target must not go without looking for long; a fast one must not look all the time. */
const BATCH = 128;

export class Coverage implements Guide {
  readonly batch = BATCH;
  private readonly session = new Session();
  private readonly isMeasured: (url: string) => boolean;
  /** Every function that ever ran -> what of it never ran. */
  private readonly unreached: Functions = new Map();

  /** Starts counting; only scripts whose URL `isMeasured` are looked at. */
  constructor(isMeasured: (url: string) => boolean) {
    this.isMeasured = isMeasured;
    this.session.connect();
    this.session.post("Profiler.enable");
    this.session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  [Symbol.dispose](): void {
    this.session.disconnect();
  }

  look(): Look {
    const taken = this.take();
    return { isNew: this.isNew(taken), merge: () => this.merge(taken) };
  }

  get reached(): string {
    return `${this.unreached.size} functions reached`;
  }

  reset(): void {
    this.session.post("Profiler.takePreciseCoverage");
  }

  private take(): Functions {
    let scripts: Profiler.ScriptCoverage[] = [];
    // The answer of a session in its own thread comes before post() returns.
    this.session.post("Profiler.takePreciseCoverage", (_error, taken) => {
      scripts = taken?.result ?? [];
    });
    const functions: Functions = new Map();
    for (const { url, functions: covered } of scripts) {
      if (!this.isMeasured(url)) continue;
      for (const { ranges } of covered) {
        const whole = ranges[0];
        if (whole === undefined || whole.count === 0) continue;
        const key = `${url}:${whole.startOffset}:${whole.endOffset}`;
        const idle = ranges.filter(({ count }) => count === 0);
        functions.set(
          key,
          idle.map(({ startOffset, endOffset }) => [startOffset, endOffset]),
        );
      }
    }
    return functions;
  }

  private isNew(taken: Functions): boolean {
    for (const [key, idle] of taken) {
      const before = this.unreached.get(key);
      if (before === undefined) return true;
      if (length(intersect(before, idle)) < length(before)) return true;
    }
    return false;
  }

  private merge(taken: Functions): void {
    for (const [key, idle] of taken) {
      const before = this.unreached.get(key);
      this.unreached.set(key, before === undefined ? idle : intersect(before, idle));
    }
  }
}

function intersect(left: readonly Range[], right: readonly Range[]): Range[] {
  const ranges: Range[] = [];
  for (const [from, to] of left) {
    for (const [otherFrom, otherTo] of right) {
      const start = Math.max(from, otherFrom);
      const end = Math.min(to, otherTo);
      if (start < end) ranges.push([start, end]);
    }
  }
  return ranges;
}

function length(ranges: readonly Range[]): number {
  return ranges.reduce((total, [from, to]) => total + to - from, 0);
}
