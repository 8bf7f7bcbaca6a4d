/**
 * The kernel's small text files (/proc, /sys) below a root, so that a test or another machine's
 * tree can stand in for the real one.
 * @module
 */
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SystemError } from "../protocol/error.ts";

/** A file of procfs or sysfs larger than this is not one a sensor should read. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const LIST_ENTRIES_MAX = 100_000;

export interface Files {
  /** Names in a folder, sorted. Throws FILE_FAILED if it cannot be listed. */
  list(path: string): Promise<string[]>;
  /** A file's text. Throws FILE_FAILED if it cannot be read or is over 4 MiB. */
  read(path: string): Promise<string>;
}

/** Real files below `root` ("" is the machine itself). */
export function realFiles(root = ""): Files {
  return {
    list: (path) => listFolder(join("/", root, path)),
    read: (path) => readText(join("/", root, path)),
  };
}

/** Files held in memory, for tests: full path -> text. */
export function memoryFiles(entries: Readonly<Record<string, string>>): Files {
  return {
    async list(path) {
      const prefix = path.endsWith("/") ? path : `${path}/`;
      const names = Object.keys(entries)
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length).split("/")[0] ?? "");
      if (names.length === 0) throw new SystemError("FILE_FAILED", `Cannot list ${path}`);
      return [...new Set(names)].sort();
    },
    async read(path) {
      const text = Object.hasOwn(entries, path) ? entries[path] : undefined;
      if (text === undefined) throw new SystemError("FILE_FAILED", `Cannot read ${path}`);
      return text;
    },
  };
}

async function listFolder(path: string): Promise<string[]> {
  try {
    const names = await readdir(path);
    return names.sort().slice(0, LIST_ENTRIES_MAX);
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot list ${path}`, { cause });
  }
}

/** Reads to EOF: sysfs files claim 4096 bytes whatever they hold, and procfs files claim none. */
async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(65_536) });
      if (bytesRead === 0) break;
      total += bytesRead;
      if (total > FILE_BYTES_MAX) {
        throw new SystemError("FILE_FAILED", `Cannot read ${path}: over ${FILE_BYTES_MAX} bytes`);
      }
      chunks.push(buffer.subarray(0, bytesRead));
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
  }
}
