/**
 * The scan of a guest's RAM, or of a part of it, in batches: what one thread does.
 *
 *   begin("full" | "delta")   what is aside is encoded, then the rest of RAM is read and encoded
 *   begin("aside")            RAM is read from its beginning, and what changed is set aside
 *   begin(windows)            whole pages as the shadow has them; nothing is read
 *
 * `next` does a batch of it, until one says that it is the last. What an aside has not read, for
 * want of room or because its round was let go of, the next delta reads; after that it begins anew.
 * @module
 */
import assert from "node:assert/strict";
import type { ReadInto } from "./guest-ram.ts";
import { PAGE_BYTES, WINDOW_BYTES } from "./kernel.ts";
import { type Encoded, type HeldWindow, type ScanMode, Shadow } from "./shadow.ts";

/** Of windows, each takes those of its own part. */
export type ScanWork = ScanMode | "aside" | readonly HeldWindow[];

/** What a batch has come to. Times are of the thread that made it. */
export interface Batch {
  readonly payloads: readonly Uint8Array[];
  /** How much of RAM was read. */
  readonly scannedBytes: number;
  /** The changed pages: those of `payloads` that are not all zero, or those set aside. */
  readonly changedBytes: number;
  readonly scanMs: number;
  readonly encodeMs: number;
  readonly last: boolean;
}

export interface RamPart {
  /** Where it begins and how long it is, in whole windows but for its end. */
  readonly from: number;
  readonly ramBytes: number;
  /** Room for what is set aside. */
  readonly stagingBytes: number;
}

export interface RamScanPorts {
  readonly module: WebAssembly.Module;
  readonly readInto: ReadInto;
  readonly nowMs: () => number;
  /** A batch ends with so many windows, or with `BATCH_BYTES` of payloads. */
  readonly batchWindows: number;
}

/** What a batch's payloads come to, give or take one. */
export const BATCH_BYTES = 1024 * 1024;

type Counts = { -readonly [Key in keyof Omit<Batch, "payloads" | "last">]: number };

/** Owns the shadow of its part. Not re-entrant. Throws NO_SPACE. */
export class RamScan {
  private readonly shadow: Shadow;
  private readonly ports: RamScanPorts;
  private readonly from: number;
  private readonly end: number;
  private position: number;
  private work: ScanMode | "aside" | undefined;
  private held: HeldWindow[] = [];

  constructor(part: RamPart, ports: RamScanPorts) {
    this.shadow = new Shadow(ports.module, part.ramBytes, part);
    this.ports = ports;
    this.from = part.from;
    this.position = part.from;
    this.end = part.from + part.ramBytes;
  }

  begin(work: ScanWork): void {
    if (typeof work !== "string") {
      const [first, end] = [this.from / PAGE_BYTES, this.end / PAGE_BYTES];
      this.held = work.filter(({ firstPage }) => firstPage >= first && firstPage < end);
      return;
    }
    assert(work !== "aside" || this.position === this.from, "the rest was not read yet");
    this.work = work;
  }

  /** The next batch; an empty one once there is nothing more to be done. */
  next(): Batch {
    const counts: Counts = { scannedBytes: 0, changedBytes: 0, scanMs: 0, encodeMs: 0 };
    const { work } = this;
    const payloads: Uint8Array[] = [];
    if (work === undefined) {
      this.encodeHeld(payloads, counts);
      return { payloads, ...counts, last: this.held.length === 0 };
    }
    const last = work === "aside" ? this.setAside(counts) : this.encode(work, payloads, counts);
    if (last) this.work = undefined;
    if (last && work !== "aside") this.position = this.from;
    return { payloads, ...counts, last };
  }

  /** Gives the memory back. */
  close(): void {
    this.shadow.close();
  }

  private setAside(counts: Counts): boolean {
    const startedMs = this.ports.nowMs();
    const { shadow } = this;
    const goesOn = (): boolean => this.position < this.end && shadow.hasRoom;
    for (let count = 0; count < this.ports.batchWindows && goesOn(); count++) {
      for (const part of this.scanWindow("delta", counts)) {
        shadow.setAside(part);
        counts.changedBytes += part.changedPages * PAGE_BYTES;
      }
    }
    counts.scanMs = this.ports.nowMs() - startedMs;
    return !goesOn();
  }

  private encodeHeld(payloads: Uint8Array[], counts: Counts): void {
    const startedMs = this.ports.nowMs();
    for (const window of this.held.splice(0, this.ports.batchWindows)) {
      const { payload, dataBytes } = this.shadow.encodeHeld(window);
      payloads.push(payload);
      counts.changedBytes += dataBytes;
    }
    counts.encodeMs = this.ports.nowMs() - startedMs;
  }

  private encode(mode: ScanMode, payloads: Uint8Array[], counts: Counts): boolean {
    const { shadow, ports } = this;
    let bytes = 0;
    const take = (encode: () => Encoded | undefined): boolean => {
      const startedMs = ports.nowMs();
      const made = encode();
      counts.encodeMs += ports.nowMs() - startedMs;
      if (made === undefined) return false;
      payloads.push(made.payload);
      bytes += made.payload.length;
      counts.changedBytes += made.dataBytes;
      return true;
    };
    while (bytes < BATCH_BYTES && take(() => shadow.encodeAside()));
    for (let count = 0; count < ports.batchWindows && bytes < BATCH_BYTES; count++) {
      if (this.position === this.end) break;
      const startedMs = ports.nowMs();
      const found = this.scanWindow(mode, counts);
      counts.scanMs += ports.nowMs() - startedMs;
      for (const part of found) take(() => shadow.encodeFound(part));
      // Not in a pause that sets aside: every round of this kind comes before one.
      if (mode === "full") shadow.touchStaging();
    }
    return bytes < BATCH_BYTES && this.position === this.end;
  }

  private scanWindow(mode: ScanMode, counts: Counts): ReturnType<Shadow["scanWindow"]> {
    const length = Math.min(WINDOW_BYTES, this.end - this.position);
    const found = this.shadow.scanWindow(this.ports.readInto, this.position, length, mode);
    this.position += length;
    counts.scannedBytes += length;
    return found;
  }
}
