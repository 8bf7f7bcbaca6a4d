/**
 * Whether a guest more has room on this host.
 * @module
 */
import { reserveBytes } from "../epochs/shadow.ts";
import type { Capacity } from "../protocol/authority.ts";
import type { FrozenDefinition } from "../protocol/definition.ts";
import { SystemError } from "../protocol/error.ts";

/** With less than this on the disk of the images, nothing is received. */
const DISK_FREE_BYTES_MIN = 64 * 1024 * 1024;

export interface RoomPorts {
  readonly capacity: () => Promise<Capacity>;
  /** How many threads scan a guest with so much RAM; 1: this one. */
  readonly scanThreads: (memoryBytes: number) => number;
}

/**
 * RAM, and the shadow that its next move will take; and a disk that is not full already.
 * @throws SystemError NO_SPACE
 */
export async function assertRoom(
  { memoryBytes, disks }: FrozenDefinition,
  { capacity, scanThreads }: RoomPorts,
): Promise<void> {
  const { memoryBytes: offered, memoryUsedBytes, diskFreeBytes } = await capacity();
  const needed = memoryBytes + reserveBytes(memoryBytes, scanThreads(memoryBytes));
  if (memoryUsedBytes + needed > offered) {
    const free = offered - memoryUsedBytes;
    throw new SystemError("NO_SPACE", `${needed} bytes of memory are needed, ${free} are free`);
  }
  if (disks.length > 0 && diskFreeBytes < DISK_FREE_BYTES_MIN) {
    throw new SystemError("NO_SPACE", `The disk is full: ${diskFreeBytes} bytes are free`);
  }
}
