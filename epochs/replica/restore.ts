/**
 * Reading a replica out: a cut whole, a part of it, or what one epoch changed.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { CHUNK_BYTES, type EditKind } from "./edits.ts";
import { entriesAbove } from "./points.ts";
import type { Store } from "./store.ts";

/** Where a restore writes. */
export interface RestoreTarget {
  /**
   * Image 0 is the RAM, image n + 1 is disk n; every byte comes once, in order. `bytes` is the
   * target's until the promise is settled.
   */
  write(image: number, position: number, bytes: Uint8Array): Promise<void>;
}

/** Runs a read of the replica: damage that it finds breaks the replica. */
export type Guard = <Result>(task: () => Promise<Result>) => Promise<Result>;

/** The chunks `from` to `end`, without it, as they are at the restore point `epoch`. */
export async function copyChunks(
  store: Store,
  guard: Guard,
  epoch: number,
  [from, end]: readonly [from: number, end: number],
  target: RestoreTarget,
): Promise<void> {
  const { images } = store;
  for (let index = from; index < end; index++) {
    const [image, chunk] = images.chunkAt(index);
    const content = await guard(() => store.contentOf(image, chunk, epoch, true));
    // Not guarded: the target's failure is not the replica's.
    await target.write(image, chunk * CHUNK_BYTES, content);
  }
}

/**
 * What epoch `epoch`, which is not 0, did to the one before it, in order.
 * @throws SystemError STATE_CONFLICT: not in the log; REPLICA_BROKEN; what `take` throws
 */
export async function replayEpoch(
  store: Store,
  guard: Guard,
  epoch: number,
  take: (kind: EditKind, payload: Uint8Array) => Promise<void>,
): Promise<void> {
  if (!entriesAbove(store.manifest, epoch).some((entry) => entry.epoch === epoch)) {
    throw new SystemError("STATE_CONFLICT", `Epoch ${epoch} is not in the log any more`);
  }
  const contents = (await guard(async () => store.logOf(epoch))).contents();
  for (;;) {
    const next = await guard(() => contents.next());
    if (next.done) return;
    await take(next.value.kind, next.value.payload);
  }
}
