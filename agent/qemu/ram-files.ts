/**
 * The RAM files of guests below a tmpfs. A full tmpfs ends a guest with SIGBUS at its next new
 * page, so space is reserved before a guest starts, or it is refused (docs/authority.md, section
 * 3).
 *
 * Every agent has a folder of its own: what is in it and not in its journal is stale.
 */
import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";

export interface RamOptions {
  readonly run: RunCommand;
  /** Left free for others on the same tmpfs, bytes. */
  readonly marginBytes?: number;
  /**
   * Allocate at once (the default). Otherwise only the account holds the space, which other
   * programs on the same tmpfs do not know of.
   */
  readonly allocate?: boolean;
}

const MARGIN_BYTES = 64 * 1024 * 1024;
const ALLOCATE_MS = 120_000;
const RAM_NAME = /^lifeboat-([0-9a-f-]{36})-(\d{1,16})\.ram$/;

export class RamFiles {
  private readonly run: RunCommand;
  private readonly marginBytes: number;
  private readonly allocate: boolean;
  /** Path -> size, also of what is sized and not yet allocated. */
  private readonly reserved = new Map<string, number>();

  constructor({ run, marginBytes = MARGIN_BYTES, allocate = true }: RamOptions) {
    this.run = run;
    this.marginBytes = marginBytes;
    this.allocate = allocate;
  }

  /**
   * Makes the RAM file of a guest, of zeros.
   * @throws SystemError NO_SPACE, leaving nothing behind, or FILE_FAILED (it exists already)
   */
  async reserve(path: string, sizeBytes: number): Promise<void> {
    // Entered before anything is awaited, so that two at once do not take the same space.
    this.reserved.set(path, sizeBytes);
    const spare = await this.spareBytes(dirname(path));
    try {
      if (spare < 0) throw noSpace(path, sizeBytes, spare + sizeBytes);
      await createSized(path, sizeBytes);
    } catch (thrown) {
      this.reserved.delete(path);
      throw thrown;
    }
    if (!this.allocate) return;
    const { code } = await this.run("fallocate", ["-l", String(sizeBytes), path], {
      timeoutMs: ALLOCATE_MS,
    });
    if (code === 0) return;
    await this.release(path);
    throw noSpace(path, sizeBytes, spare + sizeBytes);
  }

  /** Counts a file that is there already, of a guest that outlived its agent. */
  adopt(path: string, sizeBytes: number): void {
    this.reserved.set(path, sizeBytes);
  }

  /** Removes the file and gives its space back. */
  async release(path: string): Promise<void> {
    await rm(path, { force: true });
    this.reserved.delete(path);
  }

  /** Bytes that another guest may still reserve in `folder`. */
  async freeBytes(folder: string): Promise<number> {
    return Math.max(0, await this.spareBytes(folder));
  }

  /** Negative when more is promised than is there. */
  private async spareBytes(folder: string): Promise<number> {
    const { bavail, bsize } = await statfs(folder);
    const owed = await Promise.all(
      [...this.reserved].map(async ([path, sizeBytes]) => sizeBytes - (await allocated(path))),
    );
    const promised = owed.reduce((sum, bytes) => sum + Math.max(0, bytes), 0);
    return bavail * bsize - promised - this.marginBytes;
  }
}

/** Removes the RAM files in `folder` that are not in `keep`; returns the names removed. */
export async function sweepRamFiles(folder: string, keep: ReadonlySet<string>): Promise<string[]> {
  const names = await readdir(folder);
  const stale = names.filter((name) => RAM_NAME.test(name) && !keep.has(join(folder, name)));
  await Promise.all(stale.map((name) => rm(join(folder, name), { force: true })));
  return stale;
}

/** Whose RAM a file is; undefined when it is none of ours. */
export function parseRamPath(path: string): { vm: string; term: number } | undefined {
  const match = RAM_NAME.exec(basename(path));
  return match === null ? undefined : { vm: match[1] as string, term: Number(match[2]) };
}

async function createSized(path: string, sizeBytes: number): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o600);
    await file.truncate(sizeBytes);
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot create RAM file ${path}`, { cause });
  }
}

async function allocated(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  // Not made yet: all of it is still owed.
  return found === undefined ? 0 : found.blocks * 512;
}

function noSpace(path: string, sizeBytes: number, freeBytes: number): SystemError {
  const message = `Cannot reserve ${sizeBytes} bytes for ${path}: ${freeBytes} bytes are free`;
  return new SystemError("NO_SPACE", message, { detail: { sizeBytes, freeBytes } });
}
