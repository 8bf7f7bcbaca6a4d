/**
 * Whether a host can run a VM exactly as it is: asked before a move, and before a replica.
 * @module
 */
import type { AgentCapabilities } from "./authority.ts";
import type { FrozenDefinition } from "./definition.ts";

const FLAGS_NAMED_MAX = 5;

/** Why a host cannot; undefined: it can. `cpuFlags` are those of the host that runs it now. */
export function whyIncompatible(
  capabilities: AgentCapabilities | undefined,
  { accelerator, qemuVersion }: Pick<FrozenDefinition, "accelerator" | "qemuVersion">,
  cpuFlags: readonly string[],
): string | undefined {
  if (capabilities === undefined) return "its capabilities are unknown";
  if (capabilities.accelerator !== accelerator) {
    return `it has ${capabilities.accelerator}, the VM needs ${accelerator}`;
  }
  if (olderThan(capabilities.qemuVersion, qemuVersion)) {
    return `its QEMU ${capabilities.qemuVersion} is older than ${qemuVersion}`;
  }
  const lacking = cpuFlags.filter((flag) => !capabilities.cpuFlags.includes(flag));
  if (accelerator === "kvm" && lacking.length > 0) {
    return `its CPU lacks ${lacking.slice(0, FLAGS_NAMED_MAX).join(", ")}`;
  }
  return undefined;
}

/** Bytes of all disks of a VM. */
export function diskBytesOf({ disks }: Pick<FrozenDefinition, "disks">): number {
  return disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
}

/** Whether dotted version `a` is lower than `b`. One that cannot be read is lower than any. */
export function olderThan(a: string, b: string): boolean {
  const left = numbersOf(a);
  const right = numbersOf(b);
  if (left.length === 0) return true;
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** What comes first decides: distributions append words of their own. */
function numbersOf(version: string): number[] {
  const dotted = /^\d+(\.\d+)*/.exec(version)?.[0];
  return dotted === undefined ? [] : dotted.split(".").map(Number);
}
