/**
 * The kernel's small text files, read at once and at little cost: for a loop that reads hundreds
 * of them a second.
 *
 * Measured on sysfs with Node 24: 1.3 µs of a core a read from a descriptor that stays open, 9 µs
 * to open, read and close, and 46 µs by promises. A read that blocks blocks the process: callers
 * ask slow files through runtime/files.ts instead.
 * @module
 */
import { closeSync, openSync, readdirSync, readSync, realpathSync } from "node:fs";
import { join, relative } from "node:path";
import { SystemError } from "../protocol/error.ts";

export interface SmallFiles {
  /** Names in a folder, sorted. Throws FILE_FAILED if it cannot be listed. */
  list(path: string): readonly string[];
  /** A file's text. Throws FILE_FAILED if it cannot be read or is over `SMALL_FILE_BYTES_MAX`. */
  read(path: string): string;
  /** The path that is left when every link is followed. Throws FILE_FAILED if there is none. */
  real(path: string): string;
  /** Closes what is kept open. */
  close(): void;
}

/** Where the machine's /proc and /sys are, or a tree in their place. */
export interface KernelRoots {
  readonly proc: string;
  readonly sys: string;
}

/** /proc and /sys below `root`; "" is the machine itself. */
export function rootsBelow(root: string): KernelRoots {
  return { proc: `${root}/proc`, sys: `${root}/sys` };
}

/** /proc/diskstats of a thousand disks has 120 kB. */
export const SMALL_FILE_BYTES_MAX = 256 * 1024;
const LIST_ENTRIES_MAX = 10_000;
/** Beyond this files are opened for each read: a process has 1024 descriptors at the least. */
const OPEN_MAX = 640;

/**
 * Real files. `keepOpen` only for the kernel's own: a file that is replaced by another of the same
 * name would be read for ever as it was.
 */
export function realSmallFiles(roots: KernelRoots, keepOpen: boolean): SmallFiles {
  const open = new Map<string, number>();
  const buffer = Buffer.allocUnsafe(SMALL_FILE_BYTES_MAX);
  const place = (path: string): string => placeOf(roots, path);

  const drop = (path: string): void => {
    const descriptor = open.get(path);
    if (descriptor === undefined) return;
    open.delete(path);
    closeQuietly(descriptor);
  };
  const readAnew = (path: string): string => {
    const descriptor = openSync(place(path), "r");
    const keep = keepOpen && open.size < OPEN_MAX;
    if (keep) open.set(path, descriptor);
    try {
      return readWhole(descriptor, path, buffer);
    } finally {
      if (!keep) closeQuietly(descriptor);
    }
  };
  return {
    list: (path) =>
      wrapped(`Cannot list ${path}`, () => readdirSync(place(path)).sort()).slice(
        0,
        LIST_ENTRIES_MAX,
      ),
    read(path) {
      return wrapped(`Cannot read ${path}`, () => {
        const descriptor = open.get(path);
        if (descriptor === undefined) return readAnew(path);
        try {
          return readWhole(descriptor, path, buffer);
        } catch (thrown) {
          // The device may be gone and another have come under its name.
          drop(path);
          if (codeOf(thrown) !== "ENODEV") throw thrown;
          return readAnew(path);
        }
      });
    },
    real: (path) => wrapped(`Cannot follow ${path}`, () => realBelow(roots, path)),
    close() {
      for (const path of [...open.keys()]) drop(path);
    },
  };
}

/** Files held in memory, for tests: full path -> text. `links`: full path -> full path. */
export function memorySmallFiles(
  entries: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): SmallFiles {
  return {
    list(path) {
      const inside = Object.keys({ ...entries, ...links }).filter((name) =>
        name.startsWith(`${path}/`),
      );
      if (inside.length === 0) throw gone(`Cannot list ${path}`);
      return [...new Set(inside.map((name) => name.slice(path.length + 1).split("/")[0]!))].sort();
    },
    read(path) {
      const text = Object.hasOwn(entries, path) ? entries[path] : undefined;
      if (text === undefined) throw gone(`Cannot read ${path}`);
      return text;
    },
    real(path) {
      const target = Object.hasOwn(links, path) ? links[path] : undefined;
      if (target === undefined) throw gone(`Cannot follow ${path}`);
      return target;
    },
    close: () => undefined,
  };
}

/** The errno of what a file's read threw, if it has one. */
export function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if ("code" in thrown && typeof thrown.code === "string" && !(thrown instanceof SystemError)) {
    return thrown.code;
  }
  return thrown.cause === undefined ? undefined : codeOf(thrown.cause);
}

/** A path of /proc or /sys below its root. */
export function placeOf({ proc, sys }: KernelRoots, path: string): string {
  if (path.startsWith("/proc/")) return join(proc, path.slice("/proc".length));
  if (path === "/sys" || path.startsWith("/sys/")) return join(sys, path.slice("/sys".length));
  throw new SystemError("FILE_FAILED", `Cannot read ${path}: neither of /proc nor of /sys`);
}

function realBelow(roots: KernelRoots, path: string): string {
  const inside = relative(realpathSync(roots.sys), realpathSync(placeOf(roots, path)));
  if (inside.startsWith("..")) throw new Error("a link out of /sys");
  return `/sys/${inside}`;
}

/**
 * Reads from the start: a file of sysfs comes whole in one read, one of procfs in as many as it
 * needs, and neither says its size.
 */
function readWhole(descriptor: number, path: string, buffer: Buffer): string {
  let total = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, total, buffer.length - total, total);
    total += count;
    if (count === 0 || path.startsWith("/sys/")) break;
    if (total === buffer.length) throw new Error(`over ${SMALL_FILE_BYTES_MAX} bytes`);
  }
  return buffer.toString("utf8", 0, total);
}

function wrapped<Result>(message: string, act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    throw new SystemError("FILE_FAILED", message, { cause });
  }
}

function gone(message: string): SystemError {
  const cause = Object.assign(new Error("ENOENT"), { code: "ENOENT" });
  return new SystemError("FILE_FAILED", message, { cause });
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // Nothing more can be done with it.
  }
}
