/**
 * An fsync that fails is final. The kernel has then dropped what it could not write and holds it
 * for clean, so that a second try succeeds without the bytes.
 * @module
 */
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { ReplicaFile, ReplicaFiles } from "../../runtime/replica-files.ts";

/** The same files; a failed flush, of whatever cause, throws REPLICA_BROKEN. */
export function finalFlushes(files: ReplicaFiles): ReplicaFiles {
  return {
    list: () => files.list(),
    open: async (name, mode) => finalFlush(name, await files.open(name, mode)),
    remove: (name) => files.remove(name),
    syncFolder: () => final("the folder", () => files.syncFolder()),
  };
}

function finalFlush(name: string, file: ReplicaFile): ReplicaFile {
  return {
    read: (view, position) => file.read(view, position),
    write: (bytes, position) => file.write(bytes, position),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    size: () => file.size(),
    flush: () => final(name, () => file.flush()),
    close: () => file.close(),
  };
}

async function final(name: string, flush: () => Promise<void>): Promise<void> {
  try {
    await flush();
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    const message = `Cannot make ${name} durable: ${reasonOf(cause)}`;
    throw new SystemError("REPLICA_BROKEN", message, { cause });
  }
}
