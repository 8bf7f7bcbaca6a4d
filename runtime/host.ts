/**
 * What the kernel says of this host.
 * @module
 */
import { availableParallelism } from "node:os";
import { SystemError } from "../protocol/error.ts";
import { type BootId, bootId } from "../protocol/ids.ts";
import type { Files } from "./files.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const MEMORY = "/proc/meminfo";

/**
 * The id of this boot; `pretended` stands in for it where several hosts share a machine.
 * @throws SystemError FILE_FAILED
 */
export async function readBootId(files: Files, pretended?: string): Promise<BootId> {
  const text = pretended ?? (await files.read(BOOT_ID)).trim();
  const parsed = bootId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new SystemError("FILE_FAILED", `${BOOT_ID} holds no boot id`);
}

/** How many processors this process may use at once. */
export function readCores(): number {
  return availableParallelism();
}

export interface HostMemory {
  readonly totalBytes: number;
  /** What new programs can take without swapping, by the kernel's estimate. */
  readonly availableBytes: number;
}

/** @throws SystemError FILE_FAILED: unreadable, or a field is missing; never taken as zero. */
export async function readMemory(files: Files): Promise<HostMemory> {
  const text = await files.read(MEMORY);
  const read = (field: string): number => {
    const kib = new RegExp(`^${field}: +(\\d{1,12}) kB$`, "m").exec(text)?.[1];
    if (kib === undefined) throw new SystemError("FILE_FAILED", `${MEMORY} has no ${field}`);
    return Number(kib) * 1_024;
  };
  return { totalBytes: read("MemTotal"), availableBytes: read("MemAvailable") };
}
