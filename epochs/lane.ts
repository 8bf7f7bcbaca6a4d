/**
 * What one secondary has, lacks and is being sent (docs/decisions/0018).
 *
 *   down --resumed--> idle --begin--> inside an epoch --end--> idle      any of them --lost--> down
 *
 * Rule 1: of whatever differs between the shadow and what the secondary has once all that was
 *         sent is whole there, `lacks` names it. What it names besides costs bytes, not truth.
 * Rule 2: what is sent counts as had; kept beside it until it is acknowledged, it is lacking again
 *         when the link breaks, unless the secondary says that it has it.
 * Rule 3: one that lacks nothing is in step, and only it takes differences. Any other takes whole
 *         pages from the shadow.
 * Rule 4: a window of RAM comes once in an epoch: a pass goes upwards, and what changes behind it
 *         is for the next one.
 */
import assert from "node:assert/strict";
import { type EpochBegin, NO_PARENT } from "../protocol/epoch.ts";
import { SystemError } from "../protocol/error.ts";
import { PAGE_BYTES, WINDOW_PAGES } from "./kernel.ts";
import { type Geometry, GRANULE_BYTES, Parts } from "./parts.ts";
import type { HeldWindow } from "./shadow.ts";

/** Epochs on their way; a secondary that is further behind takes what it missed in one. */
export const UNACKED_MAX = 8;
/** Lacking no more than this, a secondary is brought to a cut in one epoch, held in memory. */
export const CATCH_UP_BYTES_MAX = 128 * 1024 * 1024;

/** Who the epoch is of: a cut's number; undefined for a fuzzy one. */
export interface EpochOf {
  readonly kind: EpochBegin["kind"];
  readonly cut: number | undefined;
}

/** One epoch that was sent. */
export interface SentEpoch extends EpochOf {
  readonly epoch: number;
  readonly root: string;
  readonly carried: Parts;
}

interface OpenEpoch extends EpochOf {
  readonly epoch: number;
  readonly carried: Parts;
  /** Where the pass is: the next page; then the next granule of which disk. */
  page: number;
  disk: number;
  granule: number;
}

/** A piece of a disk, in bytes. */
export interface DiskRange {
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
}

/** See the head of this file. */
export class Lane {
  readonly lacks: Parts;
  /** The newest cut that it acknowledged, and the newest that it was sent. */
  ackedCut: number | undefined;
  sentCut: number | undefined;
  /** The epoch of `ackedCut`. */
  ackedPoint: number | undefined;
  /** Whether it named an epoch that is not known here. */
  private hadOthers = false;
  private readonly geometry: Geometry;
  private up = false;
  private acked: { readonly epoch: number; readonly root: string } | undefined;
  private unacked: SentEpoch[] = [];
  private open: OpenEpoch | undefined;
  private nextEpoch = 0;
  private root: string = NO_PARENT;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
    this.lacks = new Parts(geometry);
  }

  get isUp(): boolean {
    return this.up;
  }

  get inside(): boolean {
    return this.open !== undefined;
  }

  /** Whether it may take the next differences. */
  get inStep(): boolean {
    return this.isFree && this.lacks.isEmpty;
  }

  /** Whether an epoch may be begun. */
  get isFree(): boolean {
    return this.up && this.open === undefined && this.unacked.length < UNACKED_MAX;
  }

  get waitsForAck(): boolean {
    return this.unacked.length > 0;
  }

  /** Whether it never had anything that could be restored, as far as is known. */
  get isFresh(): boolean {
    return this.ackedCut === undefined && !this.hadOthers;
  }

  /**
   * It is there, with this epoch as its newest whole one. `touched` is what the shadow and the
   * disks hold besides zeros.
   */
  resumed(epoch: number, root: string, touched: Parts): void {
    this.lost();
    const at = this.unacked.findIndex((sent) => sent.epoch === epoch && sent.root === root);
    if (root === NO_PARENT) {
      // It holds zeros, as one that is new.
      this.lacks.clear();
      this.lacks.addAll(touched);
      this.ackedCut = undefined;
      this.ackedPoint = undefined;
      this.hadOthers = false;
    } else if (at >= 0 || (this.acked?.epoch === epoch && this.acked.root === root)) {
      this.note(this.unacked.slice(0, at + 1));
      for (const { carried } of this.unacked.slice(at + 1)) this.lacks.addAll(carried);
    } else {
      // Of another life of this agent: nothing is known of what it has, so even a zero counts.
      this.lacks.addEverything();
      this.hadOthers = true;
    }
    this.unacked = [];
    this.acked = { epoch, root };
    this.nextEpoch = epoch + 1;
    this.root = root;
    this.sentCut = this.ackedCut;
    this.up = true;
  }

  /** The link is gone: what was not sent whole is lacking. */
  lost(): void {
    this.up = false;
    if (this.open !== undefined) this.lacks.addAll(this.open.carried);
    this.open = undefined;
  }

  /** Begins an epoch; returns what it is called, and its parent. */
  begin(of: EpochOf): { epoch: number; parent: string; content: EpochBegin["content"] } {
    assert(this.isFree, "an epoch is open, or may not be begun");
    const epoch = this.nextEpoch++;
    const carried = new Parts(this.geometry);
    this.open = { ...of, epoch, carried, page: 0, disk: 0, granule: 0 };
    return { epoch, parent: this.root, content: epoch === 0 ? "full" : "delta" };
  }

  /** Pages of a window that are sent in the open epoch. */
  carryPages(firstPage: number, changed: Uint8Array): void {
    this.inOpen().carried.pages.addBitmap(firstPage, changed);
  }

  /** A range of a disk that is sent in the open epoch. */
  carryRange({ disk, offset, length }: DiskRange): void {
    this.inOpen().carried.addRange(disk, offset, length);
  }

  /** The next windows of a pass, at most `max`; none once all of RAM is behind it. */
  takeWindows(max: number): HeldWindow[] {
    const open = this.inOpen();
    const windows: HeldWindow[] = [];
    while (windows.length < max) {
      const next = this.lacks.pages.next(open.page);
      if (next === undefined) break;
      const firstPage = Math.floor(next / WINDOW_PAGES) * WINDOW_PAGES;
      const pages = Math.min(WINDOW_PAGES, this.geometry.memoryBytes / PAGE_BYTES - firstPage);
      const wanted = this.lacks.pages.take(firstPage, Math.ceil(pages / 8) * 8);
      open.carried.pages.addBitmap(firstPage, wanted);
      open.page = firstPage + WINDOW_PAGES;
      windows.push({ firstPage, wanted });
    }
    return windows;
  }

  /** The next ranges of disks, at most `maxBytes` together; none at the end of the pass. */
  takeRanges(maxBytes: number): DiskRange[] {
    const open = this.inOpen();
    const ranges: DiskRange[] = [];
    for (let left = Math.floor(maxBytes / GRANULE_BYTES); left > 0; ) {
      const granules = this.lacks.granules[open.disk];
      if (granules === undefined) break;
      const from = granules.next(open.granule);
      if (from === undefined) {
        open.disk++;
        open.granule = 0;
        continue;
      }
      const end = granules.runEnd(from, Math.min(granules.size, from + left));
      granules.removeRange(from, end);
      open.carried.granules[open.disk]!.addRange(from, end);
      open.granule = end;
      left -= end - from;
      ranges.push(this.rangeOf(open.disk, from, end));
    }
    return ranges;
  }

  /** The open epoch is sent whole. */
  end(root: string): void {
    const { epoch, kind, cut, carried } = this.inOpen();
    this.unacked.push({ epoch, kind, cut, root, carried });
    this.open = undefined;
    this.root = root;
    if (cut !== undefined) this.sentCut = cut;
  }

  /** An epoch is whole there. @throws SystemError STREAM_FAILED: not one that was sent */
  takeAck(epoch: number, root: string): void {
    const at = this.unacked.findIndex((sent) => sent.epoch === epoch);
    if (this.unacked[at]?.root !== root) {
      throw new SystemError("STREAM_FAILED", `Acknowledged another epoch than ${epoch}`);
    }
    this.note(this.unacked.splice(0, at + 1));
    this.acked = { epoch, root };
  }

  private note(sent: readonly SentEpoch[]): void {
    for (const { cut, epoch } of sent) {
      if (cut === undefined) continue;
      this.ackedCut = cut;
      this.ackedPoint = epoch;
    }
  }

  private rangeOf(disk: number, from: number, end: number): DiskRange {
    const offset = from * GRANULE_BYTES;
    const diskBytes = this.geometry.diskBytes[disk]!;
    return { disk, offset, length: Math.min(end * GRANULE_BYTES, diskBytes) - offset };
  }

  private inOpen(): OpenEpoch {
    assert(this.open !== undefined, "no epoch is open");
    return this.open;
  }
}
