/**
 * The file that holds a replica's manifest.
 *
 * Rule 1: a write goes to the slot that does not hold, and is durable before it counts.
 * Rule 2: what was read counts only once it is durable: a predecessor may have died between its
 *         write and its flush, and the next write goes over the other slot.
 * @module
 */
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { ReplicaFile, ReplicaFiles } from "../../runtime/replica-files.ts";
import {
  encodeSlot,
  MANIFEST_BYTES,
  type Manifest,
  parseManifest,
  SLOT_BYTES,
  type Slot,
  type Slots,
} from "./manifest.ts";

export const MANIFEST_NAME = "manifest";

export class ManifestFile {
  private readonly file: ReplicaFile;
  private slots: [Slot | undefined, Slot | undefined] = [undefined, undefined];
  private newest: 0 | 1 = 1;

  /** Makes the file, with one manifest in both slots. */
  static async create(files: ReplicaFiles, manifest: Manifest): Promise<ManifestFile> {
    const made = new ManifestFile(await files.open(MANIFEST_NAME, "create"));
    await made.file.truncate(MANIFEST_BYTES);
    await made.write(manifest);
    await made.write(manifest);
    return made;
  }

  /** @throws SystemError REPLICA_BROKEN, FILE_FAILED */
  static async open(files: ReplicaFiles): Promise<ManifestFile> {
    const opened = new ManifestFile(await files.open(MANIFEST_NAME, "existing"));
    try {
      await opened.reload();
      return opened;
    } catch (thrown) {
      await opened.file.close();
      throw thrown;
    }
  }

  private constructor(file: ReplicaFile) {
    this.file = file;
  }

  /** What holds. */
  get manifest(): Manifest {
    return this.slots[this.newest]!.manifest;
  }

  /** Of both slots: a file that one of them names may be needed. */
  get manifests(): Manifest[] {
    return this.slots.flatMap((slot) => (slot === undefined ? [] : [slot.manifest]));
  }

  /** Reads the slots again, makes them durable, and writes the one that is not valid anew. */
  async reload(): Promise<void> {
    const { slots, newest } = await this.read();
    await this.flush();
    this.slots = [...slots];
    this.newest = newest;
    if (slots.includes(undefined)) await this.write(this.manifest);
  }

  /**
   * Durable when this returns.
   * @throws SystemError NO_SPACE, FILE_FAILED: which of the two holds is then unknown; `reload`
   * says. REPLICA_BROKEN: it could not be made durable, which is final
   */
  async write(manifest: Manifest): Promise<void> {
    const slot = this.newest === 0 ? 1 : 0;
    const sequence = (this.slots[this.newest]?.sequence ?? 0) + 1;
    await this.file.write(encodeSlot({ sequence, manifest }), slot * SLOT_BYTES);
    await this.flush();
    this.slots[slot] = { sequence, manifest };
    this.newest = slot;
  }

  /** What is damaged on disk. @throws SystemError FILE_FAILED */
  async check(): Promise<string[]> {
    try {
      const { slots } = await this.read();
      return slots.flatMap((slot, index) =>
        slot?.sequence === this.slots[index]?.sequence ? [] : [`Manifest slot ${index} is damaged`],
      );
    } catch (thrown) {
      if (thrown instanceof SystemError && thrown.code === "REPLICA_BROKEN") {
        return [reasonOf(thrown)];
      }
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async read(): Promise<Slots> {
    const bytes = Buffer.alloc(MANIFEST_BYTES);
    await this.file.read(bytes, 0);
    return parseManifest(bytes);
  }

  private async flush(): Promise<void> {
    await this.file.flush();
  }
}
