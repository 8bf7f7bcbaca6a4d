/**
 * Where replicas are: a folder a stream, below one a VM.
 * @module
 */
import { readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StreamId, VmId } from "../../protocol/ids.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import { syncFolder } from "../../runtime/durable.ts";
import { type ReplicaFile, type ReplicaFiles, replicaFiles } from "../../runtime/replica-files.ts";
import type { DurableVm } from "../authority/state.ts";

/** Ends the name of a folder that is on its way out. */
const DROPPED = ".dropped";

export function replicaFolder(root: string, vmId: VmId, stream: StreamId): string {
  return join(root, vmId, stream);
}

/** Removes a replica. A crash leaves nothing that could be taken for one. */
export async function dropFolder(path: string): Promise<void> {
  try {
    await rename(path, path + DROPPED);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    return;
  }
  syncFolder(dirname(path));
  await rm(path + DROPPED, { recursive: true, force: true });
}

/** Removes what no journal record names, and what was on its way out. */
export async function sweepFolders(root: string, vms: readonly DurableVm[]): Promise<void> {
  const kept = new Set(
    vms.flatMap(({ vmId, replicas }) => replicas.map((one) => `${vmId}/${one.stream}`)),
  );
  for (const vmId of await readdir(root).catch(() => [])) {
    const names = await readdir(join(root, vmId));
    const stale = names.filter((name) => !kept.has(`${vmId}/${name}`));
    for (const name of stale) await rm(join(root, vmId, name), { recursive: true, force: true });
    if (stale.length === names.length) await rm(join(root, vmId), { recursive: true, force: true });
  }
}

/** The files of a replica, with the moments of its commit named for tests of crashes. */
export function filesOf(folder: string): ReplicaFiles {
  const files = replicaFiles(folder);
  return { ...files, open: async (name, mode) => watched(name, await files.open(name, mode)) };
}

function watched(name: string, file: ReplicaFile): ReplicaFile {
  const point = name === "manifest" ? "agent-replica-manifest" : "agent-replica-log";
  if (name !== "manifest" && !name.endsWith(".log")) return file;
  return {
    ...file,
    flush: async () => {
      await file.flush();
      crashPoint(point);
    },
  };
}
