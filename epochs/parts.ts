/**
 * Parts of a guest: pages of its RAM, and granules of its disks.
 * @module
 */
import { Bits } from "./bits.ts";
import { PAGE_BYTES } from "./kernel.ts";

/** Disks are accounted for in pieces of this: QEMU's own granularity of dirty bitmaps. */
export const GRANULE_BYTES = 64 * 1024;

export interface Geometry {
  readonly memoryBytes: number;
  readonly diskBytes: readonly number[];
}

/** A set of them, for one geometry. */
export class Parts {
  readonly pages: Bits;
  /** Disk by disk, in the order of the definition. */
  readonly granules: readonly Bits[];

  constructor({ memoryBytes, diskBytes }: Geometry) {
    this.pages = new Bits(memoryBytes / PAGE_BYTES);
    this.granules = diskBytes.map((bytes) => new Bits(Math.ceil(bytes / GRANULE_BYTES)));
  }

  get isEmpty(): boolean {
    return this.pages.count === 0 && this.granules.every(({ count }) => count === 0);
  }

  /** How much that is, before it is encoded. */
  get bytes(): number {
    const granules = this.granules.reduce((sum, { count }) => sum + count, 0);
    return this.pages.count * PAGE_BYTES + granules * GRANULE_BYTES;
  }

  /** Whatever of a disk the range touches. */
  addRange(disk: number, offset: number, length: number): void {
    const from = Math.floor(offset / GRANULE_BYTES);
    this.granules[disk]!.addRange(from, Math.ceil((offset + length) / GRANULE_BYTES));
  }

  addAll(other: Parts): void {
    this.pages.addAll(other.pages);
    for (const [disk, granules] of this.granules.entries()) granules.addAll(other.granules[disk]!);
  }

  addEverything(): void {
    this.pages.addEverything();
    for (const granules of this.granules) granules.addEverything();
  }

  clear(): void {
    this.pages.clear();
    for (const granules of this.granules) granules.clear();
  }
}
