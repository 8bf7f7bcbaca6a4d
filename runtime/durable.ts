/**
 * Files that must be there after a power loss, and be nobody else's to read.
 * @module
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

export const FILE_MODE = 0o600;
export const FOLDER_MODE = 0o700;

/** Makes a folder, and those above it, readable by this user only. */
export function ensureFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: FOLDER_MODE });
  if (first !== undefined) syncFolder(dirname(first));
}

/** Makes the names in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Puts `text` in the place of a file: whoever reads sees the old or the new, whole. */
export function replaceFile(path: string, text: string): void {
  const draft = `${path}.draft`;
  writeDurably(draft, text);
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** Makes a file that is not there yet. @returns false if somebody else was first. */
export function createFile(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}.draft`;
  writeDurably(draft, text);
  try {
    linkSync(draft, path);
    syncFolder(dirname(path));
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  } finally {
    rmSync(draft);
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "w", FILE_MODE);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
