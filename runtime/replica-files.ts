/**
 * The files of one folder, as a store needs them that must survive a power loss: written at an
 * offset, made durable one by one. A port, so that tests can let any of it fail.
 * @module
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { ensureFolder, FILE_MODE, syncFolder } from "./durable.ts";

/** Every method throws SystemError NO_SPACE or FILE_FAILED. */
export interface ReplicaFiles {
  /** Names in the folder, sorted. */
  list(): Promise<string[]>;
  /** Opens a file for reading and writing; `create` makes it, or empties it. */
  open(name: string, mode: "create" | "existing"): Promise<ReplicaFile>;
  remove(name: string): Promise<void>;
  /** Makes the names in the folder durable. A failure is final: never ask again. */
  syncFolder(): Promise<void>;
}

/** Every method throws SystemError NO_SPACE or FILE_FAILED. */
export interface ReplicaFile {
  /** @returns bytes read: fewer than asked at the end of the file */
  read(view: Uint8Array, position: number): Promise<number>;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** What is added is zeros, without room taken for it. */
  truncate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  /** fdatasync. A failure is final: what was written before may be lost, and a second try lies. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const NO_ROOM: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];
const FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The files of a folder, which is made if it is not there. @throws SystemError FILE_FAILED */
export function replicaFiles(folder: string): ReplicaFiles {
  try {
    ensureFolder(folder);
  } catch (cause) {
    throw failed(folder, cause);
  }
  return {
    list: () => attempt(folder, async () => (await readdir(folder)).sort()),
    open: (name, mode) => attempt(name, () => openFile(join(folder, name), mode)),
    remove: (name) => attempt(name, () => rm(join(folder, name))),
    syncFolder: () => attempt(folder, async () => syncFolder(folder)),
  };
}

/** Only a regular file with one name: a link could lead elsewhere. */
async function openFile(path: string, mode: "create" | "existing"): Promise<ReplicaFile> {
  const create = mode === "create" ? constants.O_CREAT | constants.O_TRUNC : 0;
  const handle = await open(path, FLAGS | create, FILE_MODE);
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.nlink !== 1) throw new Error("not a file of this folder alone");
    return realFile(path, handle);
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

function realFile(path: string, handle: FileHandle): ReplicaFile {
  return {
    read: (view, position) => attempt(path, () => readAt(handle, view, position)),
    write: (bytes, position) => attempt(path, () => writeAt(handle, bytes, position)),
    truncate: (sizeBytes) => attempt(path, () => handle.truncate(sizeBytes)),
    size: () => attempt(path, async () => (await handle.stat()).size),
    flush: () => attempt(path, () => handle.datasync()),
    close: () => attempt(path, () => handle.close()),
  };
}

async function readAt(handle: FileHandle, view: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < view.length) {
    const { bytesRead } = await handle.read(view, done, view.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.length - done;
    done += (await handle.write(bytes, done, rest, position + done)).bytesWritten;
  }
}

async function attempt<Result>(path: string, task: () => Promise<Result>): Promise<Result> {
  try {
    return await task();
  } catch (cause) {
    throw failed(path, cause);
  }
}

function failed(path: string, cause: unknown): SystemError {
  const full = NO_ROOM.includes((cause as NodeJS.ErrnoException).code);
  const code = full ? "NO_SPACE" : "FILE_FAILED";
  return new SystemError(code, `Cannot use ${path}: ${reasonOf(cause)}`, { cause });
}
