/**
 * Plays many servers on several threads: each thread gets the next one as soon as it is free.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Soak, SoakCounts } from "./soak.ts";

/** Plays all, and tells each as it is done. Once `signal` aborts, those under way are dropped. */
export async function playAll(
  soaks: readonly Soak[],
  threads: number,
  signal: AbortSignal,
  told: (soak: Soak, counts: SoakCounts) => void,
): Promise<void> {
  const queue = soaks.values();
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL("soak-worker.ts", import.meta.url));
    try {
      for (const soak of queue) {
        const counts = await play(worker, soak, signal);
        if (counts === undefined) return;
        told(soak, counts);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, soaks.length) }, work));
}

/** Undefined if it was aborted. */
function play(worker: Worker, soak: Soak, signal: AbortSignal): Promise<SoakCounts | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  const { promise, resolve, reject } = Promise.withResolvers<SoakCounts | undefined>();
  const stop = (): void => resolve(undefined);
  signal.addEventListener("abort", stop);
  worker.once("error", reject);
  worker.once("message", resolve);
  worker.postMessage(soak);
  return promise.finally(() => {
    signal.removeEventListener("abort", stop);
    worker.off("error", reject);
    worker.off("message", resolve);
  });
}
