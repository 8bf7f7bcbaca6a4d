/**
 * Which parts of the code no input has reached yet, by V8's block coverage of this very process.
 *
 * V8 reports a block only where its count differs from the block around it, so what was reached
 * cannot be read off directly; what was *not* reached can: the ranges with count 0. Each function
 * keeps the intersection of those over all inputs, and an input is new if it makes that smaller.
 * @module
 */
import { type Profiler, Session } from "node:inspector";

/** Half-open character range of a script, that no input has reached. */
type Range = readonly [from: number, to: number];
type Functions = Map<string, readonly Range[]>;

export class Coverage {
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

  /** Forgets what ran since the last look: loading modules, making seeds. */
  reset(): void {
    this.session.post("Profiler.takePreciseCoverage");
  }

  /** What ran since the last look. */
  take(): Functions {
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

  /** Whether `taken` reaches anything that was never reached. */
  isNew(taken: Functions): boolean {
    for (const [key, idle] of taken) {
      const before = this.unreached.get(key);
      if (before === undefined) return true;
      if (length(intersect(before, idle)) < length(before)) return true;
    }
    return false;
  }

  /** Counts `taken` as reached. */
  merge(taken: Functions): void {
    for (const [key, idle] of taken) {
      const before = this.unreached.get(key);
      this.unreached.set(key, before === undefined ? idle : intersect(before, idle));
    }
  }

  /** Functions reached so far. */
  get functions(): number {
    return this.unreached.size;
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
