/**
 * The base of a replica: a flat image of RAM and of each disk, and a checksum for each MiB of them.
 *
 * The checksums are in two files, of which the manifest names one by its SHA-256. Those of the
 * state after a fold are written, whole, before the fold changes a byte: so a chunk that a fold or
 * its redo comes to is compared with what it had to come to.
 * @module
 */
import { hash } from "node:crypto";
import { SystemError } from "../../protocol/error.ts";
import type { ReplicaFile, ReplicaFiles } from "../../runtime/replica-files.ts";
import { CHUNK_BYTES, type Geometry, imageSizes } from "./edits.ts";

/** Of the SHA-256 of a chunk, its first half. */
export const SUM_BYTES = 16;
export const SUMS_NAMES = ["sums-0", "sums-1"] as const;

/** The names of the images, RAM first. */
export function imageNames(geometry: Geometry): string[] {
  return imageSizes(geometry).map((_, image) => (image === 0 ? "ram" : `disk-${image - 1}`));
}

/** Open images with the checksums that hold for them. */
export class Images {
  /** How many bytes each image has, RAM first. */
  readonly sizes: readonly number[];
  private readonly files: readonly ReplicaFile[];
  private readonly sumFiles: readonly ReplicaFile[];
  /** The number of each image's first chunk, counted through all. */
  private readonly firstChunks: readonly number[];
  private sums: Buffer;
  /** What was read last: a MiB anew for each read would keep the collector busy. */
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);

  /** Opens, or makes, the files. @throws SystemError NO_SPACE, FILE_FAILED */
  static async open(
    files: ReplicaFiles,
    geometry: Geometry,
    mode: "create" | "existing",
  ): Promise<Images> {
    const opened: ReplicaFile[] = [];
    try {
      for (const name of [...imageNames(geometry), ...SUMS_NAMES]) {
        opened.push(await files.open(name, mode));
      }
      return new Images(opened, imageSizes(geometry));
    } catch (thrown) {
      for (const file of opened) await file.close();
      throw thrown;
    }
  }

  private constructor(files: readonly ReplicaFile[], sizes: readonly number[]) {
    this.sizes = sizes;
    this.files = files.slice(0, sizes.length);
    this.sumFiles = files.slice(sizes.length);
    const starts = [0];
    for (const size of sizes) starts.push(starts.at(-1)! + Math.ceil(size / CHUNK_BYTES));
    this.firstChunks = starts;
    this.sums = Buffer.alloc(starts.at(-1)! * SUM_BYTES);
  }

  /** Of all images. */
  get chunks(): number {
    return this.firstChunks.at(-1)!;
  }

  /** Which chunk of which image is the `index`-th of all. */
  chunkAt(index: number): readonly [image: number, chunk: number] {
    const image = this.firstChunks.findLastIndex((first) => first <= index);
    return [image, index - this.firstChunks[image]!];
  }

  /** Makes every image zeros, as epoch 0 finds it. @throws SystemError NO_SPACE, FILE_FAILED */
  async reset(): Promise<void> {
    for (const [image, size] of this.sizes.entries()) {
      await this.files[image]!.truncate(0);
      await this.files[image]!.truncate(size);
      const whole = sumOf(Buffer.alloc(Math.min(CHUNK_BYTES, size)));
      const from = this.firstChunks[image]!;
      const to = this.firstChunks[image + 1]!;
      this.sums.fill(whole, from * SUM_BYTES, to * SUM_BYTES);
      const rest = size % CHUNK_BYTES;
      if (rest > 0) this.setSum(image, to - from - 1, Buffer.alloc(rest));
    }
  }

  /**
   * Valid until the next read. Its caller may change it.
   * @throws SystemError REPLICA_BROKEN: the image ends early; FILE_FAILED
   */
  async read(image: number, chunk: number): Promise<Buffer> {
    const content = this.chunk.subarray(0, this.lengthOf(image, chunk));
    const count = await this.files[image]!.read(content, chunk * CHUNK_BYTES);
    if (count !== content.length) throw broken(image, chunk, "it ends early");
    return content;
  }

  /** @throws SystemError NO_SPACE, FILE_FAILED */
  async write(image: number, chunk: number, content: Uint8Array): Promise<void> {
    await this.files[image]!.write(content, chunk * CHUNK_BYTES);
  }

  /** @throws SystemError FILE_FAILED, which is final */
  async flush(): Promise<void> {
    for (const file of this.files) await file.flush();
  }

  /** @throws SystemError REPLICA_BROKEN: not what the checksums say */
  verify(image: number, chunk: number, content: Uint8Array): void {
    if (!sumOf(content).equals(this.sumAt(this.sums, image, chunk))) {
      throw broken(image, chunk, "its checksum differs");
    }
  }

  /** Notes what a chunk is to hold, in `sums` or in those that hold. */
  setSum(image: number, chunk: number, content: Uint8Array, sums: Buffer = this.sums): void {
    this.sumAt(sums, image, chunk).set(sumOf(content));
  }

  /** To be changed by `setSum`, and then saved and used. */
  copySums(): Buffer {
    return Buffer.from(this.sums);
  }

  /** Writes checksums to a file, durably. @returns the SHA-256 that the manifest names them by */
  async saveSums(slot: 0 | 1, sums: Buffer = this.sums): Promise<string> {
    const file = this.sumFiles[slot]!;
    await file.write(sums, 0);
    await file.flush();
    return hash("sha256", sums);
  }

  useSums(sums: Buffer): void {
    this.sums = sums;
  }

  /** @throws SystemError REPLICA_BROKEN: the file is not the one that the manifest names */
  async loadSums(slot: 0 | 1, digest: string): Promise<void> {
    const sums = Buffer.alloc(this.sums.length);
    const count = await this.sumFiles[slot]!.read(sums, 0);
    if (count !== sums.length || hash("sha256", sums) !== digest) {
      const message = `The checksums in ${SUMS_NAMES[slot]} are damaged`;
      throw new SystemError("REPLICA_BROKEN", message);
    }
    this.sums = sums;
  }

  async close(): Promise<void> {
    for (const file of [...this.files, ...this.sumFiles]) await file.close();
  }

  /** Memory that the checksums take: bytes. */
  get memoryBytes(): number {
    return this.sums.length;
  }

  private lengthOf(image: number, chunk: number): number {
    return Math.min(CHUNK_BYTES, this.sizes[image]! - chunk * CHUNK_BYTES);
  }

  private sumAt(sums: Buffer, image: number, chunk: number): Buffer {
    const at = (this.firstChunks[image]! + chunk) * SUM_BYTES;
    return sums.subarray(at, at + SUM_BYTES);
  }
}

function sumOf(content: Uint8Array): Buffer {
  return hash("sha256", content, "buffer").subarray(0, SUM_BYTES);
}

function broken(image: number, chunk: number, reason: string): SystemError {
  const name = image === 0 ? "RAM" : `disk ${image - 1}`;
  const message = `The base of ${name} is damaged at MiB ${chunk}: ${reason}`;
  return new SystemError("REPLICA_BROKEN", message, { detail: { image, chunk } });
}
