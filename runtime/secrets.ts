/**
 * The secret that each principal shares with those it dials: 256 random bits in a file that only
 * its owner can read.
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { Principal } from "../protocol/ids.ts";
import { createFile, ensureFolder } from "./durable.ts";
import { type Random, realRandom } from "./random.ts";

const SECRET = /^([0-9a-f]{64})\n?$/;
const SECRET_BYTES_MAX = 128;
const PASSWORD_BYTES_MAX = 1_024;
const OTHERS = 0o077;

/** Where a principal's secret is kept. */
export function secretPath(folder: string, who: Principal): string {
  return join(folder, `${who.replace(":", ".")}.secret`);
}

/** A principal's secret, made if there is none yet. @throws SystemError SECRET_UNUSABLE */
export function ensureSecret(folder: string, who: Principal, random: Random = realRandom): string {
  const known = readSecret(folder, who);
  if (known !== undefined) return known;
  const path = secretPath(folder, who);
  try {
    ensureFolder(folder);
    createFile(path, `${random.hex(32)}\n`);
  } catch (cause) {
    throw unusable(path, `cannot be written: ${reasonOf(cause)}`, `Make ${folder} writable`, cause);
  }
  // Read back: another process may have been first.
  return readSecret(folder, who)!;
}

/**
 * A principal's secret, 64 hexadecimal digits; undefined if there is none.
 * @throws SystemError SECRET_UNUSABLE, which says what to do
 */
export function readSecret(folder: string, who: Principal): string | undefined {
  const path = secretPath(folder, who);
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, `cannot be read: ${reasonOf(cause)}`, "Make it a file of yours", cause);
  }
  try {
    const status = fstatSync(file);
    requireOwn(folder, statSync(folder), "700");
    requireOwn(path, status, "600");
    if (!status.isFile() || status.size > SECRET_BYTES_MAX) {
      throw unusable(path, "is no secret", "Remove it, and have it made again");
    }
    const secret = SECRET.exec(readFileSync(file, "utf8"))?.[1];
    if (secret !== undefined) return secret;
    throw unusable(path, "is no secret", "Remove it, and have it made again");
  } finally {
    closeSync(file);
  }
}

/**
 * A password that an operator keeps in a file of its own: its first line.
 * @throws SystemError SECRET_UNUSABLE, which says what to do
 */
export function readPassword(path: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const remedy = "Put the password into a file that only you can read";
    throw unusable(path, `cannot be read: ${reasonOf(cause)}`, remedy, cause);
  }
  try {
    const status = fstatSync(file);
    requireOwn(path, status, "600");
    const usable = status.isFile() && status.size <= PASSWORD_BYTES_MAX;
    const [password = ""] = usable ? readFileSync(file, "utf8").split("\n", 1) : [];
    if (password !== "") return password;
    throw unusable(path, "holds no password", "Put the password into its first line");
  } finally {
    closeSync(file);
  }
}

function requireOwn(path: string, status: Stats, mode: string): void {
  if (status.uid !== process.geteuid?.()) {
    throw unusable(path, "belongs to another user", "Run as its owner, or chown it");
  }
  if ((status.mode & OTHERS) !== 0) {
    throw unusable(path, "is open to other users", `Run: chmod ${mode} ${path}`);
  }
}

function unusable(path: string, what: string, remedy: string, cause?: unknown): SystemError {
  return new SystemError("SECRET_UNUSABLE", `${path} ${what}. ${remedy}`, { cause });
}
