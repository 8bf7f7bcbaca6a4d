/**
 * The receiver's own image of a disk: raw, sparse, of exactly the disk's size. Images of a peer are
 * never opened; only their extents arrive, each checked against the size before it is written.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";

/** Zeros of at least this are punched out by fallocate(1); less is written. */
const PUNCH_BYTES_MIN = 1024 * 1024;
const PUNCH_MS = 60_000;

/** One open flat image. Writes of one image are not ordered among themselves: await each. */
export class FlatImage {
  readonly path: string;
  readonly sizeBytes: number;
  private readonly file: FileHandle;
  private readonly run: RunCommand;

  private constructor(path: string, sizeBytes: number, file: FileHandle, run: RunCommand) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.file = file;
    this.run = run;
  }

  /**
   * Makes an empty image; a file that is there already is refused.
   * @throws SystemError FILE_FAILED, NO_SPACE
   */
  static async create(path: string, sizeBytes: number, run: RunCommand): Promise<FlatImage> {
    const file = await openFlat(path, "wx+");
    try {
      await file.truncate(sizeBytes);
    } catch (cause) {
      await file.close();
      await rm(path, { force: true });
      throw failure(`Cannot make ${path} ${sizeBytes} bytes long`, cause);
    }
    return new FlatImage(path, sizeBytes, file, run);
  }

  /**
   * Opens an image made by `create`.
   * @throws SystemError FILE_FAILED, or DISK_INVALID when its size is another
   */
  static async open(path: string, sizeBytes: number, run: RunCommand): Promise<FlatImage> {
    const file = await openFlat(path, "r+");
    const { size } = await file.stat();
    if (size === sizeBytes) return new FlatImage(path, sizeBytes, file, run);
    await file.close();
    throw new SystemError("DISK_INVALID", `${path} has ${size} bytes, not ${sizeBytes}`);
  }

  /**
   * Writes `bytes` at `offset`.
   * @throws SystemError DISK_INVALID (outside the disk), NO_SPACE or FILE_FAILED
   */
  async writeExtent(offset: number, bytes: Uint8Array): Promise<void> {
    this.assertInside(offset, bytes.length);
    try {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.length - done;
        const { bytesWritten } = await this.file.write(bytes, done, rest, offset + done);
        done += bytesWritten;
      }
    } catch (cause) {
      throw failure(`Cannot write ${this.path}`, cause);
    }
  }

  /** Makes a range read as zeros; long ones give their space back where the file system can. */
  async zeroExtent(offset: number, length: number): Promise<void> {
    this.assertInside(offset, length);
    if (length >= PUNCH_BYTES_MIN) {
      const range = ["--punch-hole", "--offset", String(offset), "--length", String(length)];
      const { code } = await this.run("fallocate", [...range, this.path], { timeoutMs: PUNCH_MS });
      if (code === 0) return;
    }
    const zeros = new Uint8Array(Math.min(length, PUNCH_BYTES_MIN));
    for (let done = 0; done < length; done += zeros.length) {
      const size = Math.min(zeros.length, length - done);
      await this.writeExtent(offset + done, zeros.subarray(0, size));
    }
  }

  /** Resolves when all that was written is durable. An error here is fatal for the image. */
  async flush(): Promise<void> {
    try {
      await this.file.datasync();
    } catch (cause) {
      throw failure(`Cannot flush ${this.path}`, cause);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private assertInside(offset: number, length: number): void {
    const inside =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      offset + length <= this.sizeBytes;
    if (inside) return;
    const message = `Extent ${offset}+${length} is outside a disk of ${this.sizeBytes} bytes`;
    throw new SystemError("DISK_INVALID", message);
  }
}

/** Closes and removes images that will not be used: what was made for them fell through. */
export async function discardImages(images: readonly FlatImage[]): Promise<void> {
  for (const image of images) {
    await image.close();
    await rm(image.path, { force: true });
  }
}

async function openFlat(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o600);
  } catch (cause) {
    throw failure(`Cannot open ${path}`, cause);
  }
}

function failure(message: string, cause: unknown): SystemError {
  const code = (cause as NodeJS.ErrnoException).code === "ENOSPC" ? "NO_SPACE" : "FILE_FAILED";
  return new SystemError(code, message, { cause });
}
