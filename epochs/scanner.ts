/**
 * The scan of all of a guest's RAM, by this thread or by several that own a part of it each.
 * @module
 */
import { WINDOW_BYTES } from "./kernel.ts";
import type { Batch, RamPart, RamScan, ScanWork } from "./ram-scan.ts";
import type { HeldWindow, ScanMode } from "./shadow.ts";

/** Who scans one part. */
export interface ScanPort {
  /** As `RamScan.begin`. */
  begin(work: ScanWork): void;
  /** As `RamScan.next`. Rejects when the scan has failed; so does every later call. */
  next(): Promise<Batch>;
  /** How many batches may be asked for ahead of the one that is being taken. */
  readonly ahead: number;
  /** Ends whatever goes on. */
  close(): Promise<void>;
}

/** What a caller does around the batches; each may throw, which ends the scan. */
export interface ScanHooks {
  /** Before a batch is asked for. */
  readonly before: () => Promise<void>;
  readonly payload: (payload: Uint8Array) => Promise<void>;
  /** After a batch was taken; so much of RAM was read in this scan. */
  readonly after: (scannedBytes: number) => Promise<void>;
}

export interface Scanned {
  readonly scannedBytes: number;
  /** As in `Batch`. */
  readonly changedBytes: number;
  /** Of the thread that took longest over both. */
  readonly scanMs: number;
  readonly encodeMs: number;
}

/** Splits RAM in as many parts of about one size as there are threads and windows for. */
export function splitRam(ramBytes: number, threads: number, stagingBytes: number): RamPart[] {
  const windows = Math.ceil(ramBytes / WINDOW_BYTES);
  const count = Math.max(1, Math.min(threads, windows));
  const border = (part: number): number =>
    Math.min(ramBytes, Math.floor((windows * part) / count) * WINDOW_BYTES);
  const room = Math.floor(stagingBytes / count);
  return Array.from({ length: count }, (_, part) => {
    const from = border(part);
    const partBytes = border(part + 1) - from;
    return { from, ramBytes: partBytes, stagingBytes: Math.min(room, wholeWindows(partBytes)) };
  });
}

/** See the head of this file. Owned by one stream, and not re-entrant. */
export class Scanner {
  private readonly ports: readonly ScanPort[];

  constructor(ports: readonly ScanPort[]) {
    this.ports = ports;
  }

  /** Sets aside what changed, as much of it as may be held, of each part from its beginning. */
  async setAside(hooks: Pick<ScanHooks, "after">): Promise<Scanned> {
    const none = async (): Promise<void> => {};
    return this.run("aside", { before: none, payload: none, ...hooks });
  }

  /**
   * Makes the payloads of what is aside, and of all RAM that was not looked at when it was set
   * aside; in the order in which they are to be sent.
   */
  async encode(mode: ScanMode, hooks: ScanHooks): Promise<Scanned> {
    return this.run(mode, hooks);
  }

  /** Makes payloads of whole pages out of the shadow: of what was cut, while nothing is aside. */
  async held(windows: readonly HeldWindow[], hooks: ScanHooks): Promise<Scanned> {
    return this.run(windows, hooks);
  }

  async close(): Promise<void> {
    await Promise.all(this.ports.map((port) => port.close()));
  }

  private async run(work: ScanWork, { before, payload, after }: ScanHooks): Promise<Scanned> {
    const lanes = this.ports.map((port) => new Lane(port, work));
    let scannedBytes = 0;
    for (;;) {
      const open = lanes.filter((lane) => !lane.ended);
      if (open.length === 0) break;
      await before();
      // Whoever is behind comes first, when several are there.
      const order = open.toSorted((a, b) => a.taken - b.taken);
      const lane = await Promise.race(order.map((one) => one.ready()));
      const batch = await lane.take();
      for (const one of batch.payloads) await payload(one);
      scannedBytes += batch.scannedBytes;
      await after(scannedBytes);
    }
    // Whatever was asked for too much is answered before the next work begins.
    await Promise.all(lanes.map((lane) => lane.settled()));
    const slowest = lanes.reduce((a, b) => (b.busyMs > a.busyMs ? b : a));
    const changedBytes = lanes.reduce((sum, lane) => sum + lane.changedBytes, 0);
    return { scannedBytes, changedBytes, scanMs: slowest.scanMs, encodeMs: slowest.encodeMs };
  }
}

/** One port's batches, in order, asked for as far ahead as it wants. */
class Lane {
  ended = false;
  taken = 0;
  changedBytes = 0;
  scanMs = 0;
  encodeMs = 0;
  private readonly port: ScanPort;
  private readonly asked: Promise<Batch>[] = [];

  constructor(port: ScanPort, work: ScanWork) {
    this.port = port;
    port.begin(work);
  }

  get busyMs(): number {
    return this.scanMs + this.encodeMs;
  }

  /** Resolves with this lane once its next batch is there. */
  async ready(): Promise<Lane> {
    if (this.asked.length === 0) this.ask();
    await this.asked[0];
    return this;
  }

  async take(): Promise<Batch> {
    const batch = await this.asked.shift()!;
    this.taken++;
    this.ended = batch.last;
    this.changedBytes += batch.changedBytes;
    this.scanMs += batch.scanMs;
    this.encodeMs += batch.encodeMs;
    while (!this.ended && this.asked.length < this.port.ahead) this.ask();
    return batch;
  }

  async settled(): Promise<void> {
    await Promise.all(this.asked);
  }

  private ask(): void {
    const next = this.port.next();
    // Seen by whoever takes it.
    next.catch(() => {});
    this.asked.push(next);
  }
}

/** The scan of this very thread. */
export function scanHere(scan: RamScan): ScanPort {
  return {
    ahead: 0,
    begin: (work) => scan.begin(work),
    next: async () => scan.next(),
    close: async () => scan.close(),
  };
}

function wholeWindows(bytes: number): number {
  return Math.ceil(bytes / WINDOW_BYTES) * WINDOW_BYTES;
}
