/**
 * What a delta holds until it is whole: a file in tmpfs without a name, so that it is gone with
 * whoever had it open. Each entry is its kind, its length and its bytes.
 * @module
 */
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { SystemError } from "../../protocol/error.ts";
import { PAYLOAD_BYTES_MAX } from "../../protocol/frame.ts";

const KINDS = ["pages", "extent", "state"] as const;
export type AsideKind = (typeof KINDS)[number];

export interface AsideEntry {
  readonly kind: AsideKind;
  /** Valid until the next entry is read. */
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 8;

/** One open file. Reads and writes are synchronous: they are copies within memory. */
export class Aside {
  private readonly path: string;
  private readonly fd: number;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private readonly payload = Buffer.allocUnsafe(PAYLOAD_BYTES_MAX);
  private bytes = 0;

  /** @throws SystemError FILE_FAILED, NO_SPACE */
  constructor(path: string) {
    this.path = path;
    this.fd = attempt(path, () => openSync(path, "w+", 0o600));
    rmSync(path);
  }

  /** @throws SystemError NO_SPACE, FILE_FAILED */
  add(kind: AsideKind, payload: Uint8Array): void {
    this.header.writeUInt32LE(KINDS.indexOf(kind), 0);
    this.header.writeUInt32LE(payload.length, 4);
    attempt(this.path, () => {
      for (const part of [this.header, payload]) {
        for (let done = 0; done < part.length; ) {
          done += writeSync(this.fd, part, done, part.length - done, this.bytes + done);
        }
        this.bytes += part.length;
      }
    });
  }

  /** What was added since the last `clear`, in order. @throws SystemError FILE_FAILED */
  *entries(): Generator<AsideEntry> {
    for (let at = 0; at < this.bytes; ) {
      this.read(this.header, at);
      const kind = KINDS[this.header.readUInt32LE(0)];
      const length = this.header.readUInt32LE(4);
      if (kind === undefined || length > this.payload.length) throw failed(this.path);
      const payload = this.payload.subarray(0, length);
      this.read(payload, at + HEADER_BYTES);
      at += HEADER_BYTES + length;
      yield { kind, payload };
    }
  }

  /** Forgets everything and gives its memory back. */
  clear(): void {
    this.bytes = 0;
    ftruncateSync(this.fd, 0);
  }

  close(): void {
    closeSync(this.fd);
  }

  private read(into: Uint8Array, position: number): void {
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.fd, into, done, into.length - done, position + done);
      if (count === 0) throw failed(this.path);
      done += count;
    }
  }
}

function attempt<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw failed(path, cause);
    throw new SystemError("NO_SPACE", `No space to set an epoch aside: ${path}`, { cause });
  }
}

function failed(path: string, cause?: unknown): SystemError {
  return new SystemError("FILE_FAILED", `Cannot set an epoch aside: ${path}`, { cause });
}
