/**
 * What the kernel tells of a process: its memory, its time on a core, its children.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { SystemError } from "../protocol/error.ts";

/** USER_HZ, which every Linux of today has at 100, whatever its timer does. */
const TICKS_PER_SECOND = 100;

export interface MemoryUse {
  readonly rssBytes: number;
  /** Of no other process: what would be free if this one ended. */
  readonly privateBytes: number;
  /** Heap and stacks, no file's pages. */
  readonly anonymousBytes: number;
}

/** @throws SystemError FILE_FAILED when the process has ended */
export function readMemoryUse(pid: number): MemoryUse {
  return parseMemoryUse(readProc(`${pid}/smaps_rollup`));
}

/** The sums of /proc/PID/smaps_rollup. */
export function parseMemoryUse(text: string): MemoryUse {
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? Number.NaN) * 1_024;
  return {
    rssBytes: bytes("Rss"),
    privateBytes: bytes("Private_Clean") + bytes("Private_Dirty"),
    anonymousBytes: bytes("Anonymous"),
  };
}

interface ProcessTimes {
  /** One letter of proc(5): Z is a process that has ended and was not waited for. */
  readonly state: string;
  readonly parentPid: number;
  /** In user and kernel mode, since its start. */
  readonly cpuMs: number;
}

/** Reads /proc/PID/stat. @throws SystemError FILE_FAILED when the process has ended */
export function readTimes(pid: number): ProcessTimes {
  return parseTimes(readProc(`${pid}/stat`));
}

/** One line of /proc/PID/stat. The name in parentheses may itself hold both and blanks. */
export function parseTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    state: fields[0] ?? "",
    parentPid: Number(fields[1]),
    cpuMs: (ticks * 1_000) / TICKS_PER_SECOND,
  };
}

export function isRunning(pid: number): boolean {
  try {
    return !/[ZX]/.test(readTimes(pid).state);
  } catch {
    // Not there is the answer.
    return false;
  }
}

/** The living children of a process. */
export function childrenOf(pid: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((one) => {
    try {
      const { parentPid, state } = readTimes(one);
      return parentPid === pid && !/[ZX]/.test(state);
    } catch {
      // It has ended since the folder was read.
      return false;
    }
  });
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot read /proc/${path}`, { cause });
  }
}
