/**
 * Simulated time: what happens next is the earliest event of a heap, ordered by (time, sequence).
 * @module
 */

interface Scheduled {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class World {
  nowMs = 0;
  /** Events so far: the length of a run, and part of its fingerprint. */
  events = 0;
  /** Lines of what happened, kept only while tracing. */
  readonly log: string[] = [];
  readonly tracing: boolean;
  private sequence = 0;
  private stamps = 0;
  private fingerprint = 0;
  private readonly heap: Scheduled[] = [];

  constructor(tracing: boolean) {
    this.tracing = tracing;
  }

  after(delayMs: number, run: () => void): void {
    this.push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.sequence++, run });
  }

  /** Runs everything due up to `untilMs`, and stops early once `enough` says so. */
  run(untilMs: number, enough: () => boolean): void {
    while (!enough()) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      this.nowMs = next.atMs;
      this.events++;
      next.run();
    }
    if (!enough()) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** A number above all before it: what a running guest last wrote. */
  stamp(): number {
    return ++this.stamps;
  }

  note(who: string, text: () => string): void {
    if (this.tracing) this.log.push(`${this.nowMs.toFixed(0).padStart(7)} ${who}: ${text()}`);
  }

  /** Mixes what a core decided into the fingerprint: equal seeds must have equal ones. */
  mix(what: string): void {
    let hash = this.fingerprint ^ Math.round(this.nowMs * 1_000);
    for (let at = 0; at < what.length; at++) {
      hash = Math.imul(hash ^ what.charCodeAt(at), 0x01000193);
    }
    this.fingerprint = hash >>> 0;
  }

  get digest(): string {
    return `${this.fingerprint.toString(16)}-${this.events}`;
  }

  private push(item: Scheduled): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

/** A monotonic clock of one machine: it starts anywhere and runs a little fast or slow. */
export class SkewedClock {
  private readonly world: World;
  private readonly offsetMs: number;
  private readonly rate: number;

  constructor(world: World, offsetMs: number, rate: number) {
    this.world = world;
    this.offsetMs = offsetMs;
    this.rate = rate;
  }

  nowMs(): number {
    return this.offsetMs + this.world.nowMs * this.rate;
  }
}
