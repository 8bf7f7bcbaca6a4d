/**
 * One set-up at a time in one checkout. The lock names its holder and the holder's running child
 * by pid and start time, so that it dies with them and not with a reused pid: after a SIGKILL of
 * the set-up its npm still writes node_modules for a while, and the next set-up waits for that.
 * @module
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

const POLL_MS = 100;
const HAS_PROC = existsSync("/proc/self/stat");

/**
 * Waits for the lock and takes it.
 * Returns `track(pid)`, which adds a child to the holders, and `release()`.
 */
export async function acquire(path, log) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  const me = identify(process.pid);
  let waiting = false;
  writeFileSync(draft, `${me}\n`);
  try {
    while (!tryLink(draft, path)) {
      if (breakStale(path)) continue;
      if (!waiting) log("waiting for another set-up of this checkout to end");
      waiting = true;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const track = (pid) => {
    writeFileSync(draft, `${me}\n${identify(pid)}\n`);
    renameSync(draft, path);
  };
  return { track, release: () => rmSync(path, { force: true }) };
}

/** A hard link either appears with its whole content or fails: no half-written lock is seen. */
function tryLink(draft, path) {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock if nobody named in it is alive. True if it is worth trying again at once. */
function breakStale(path) {
  const holders = readText(path);
  if (holders === undefined) return true;
  if (holders.split("\n").some((line) => line !== "" && isAlive(line))) return false;
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return true;
  }
  // Another waiter may have replaced the stale lock between our look and our rename.
  if (readText(aside) !== holders) tryLink(aside, path);
  rmSync(aside, { force: true });
  return true;
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(identity) {
  const pid = Number(identity.split(" ")[0]);
  if (HAS_PROC) return identify(pid) === identity;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** "pid start-time"; the start time, field 22 of /proc/PID/stat, tells a reused pid apart. */
function identify(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return `${pid} gone`;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" ? `${pid} gone` : `${pid} ${fields[19]}`;
}
