/**
 * Fuzzes one target in a thread of its own, so that several run side by side.
 * @module
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type FuzzOptions, fuzz, type Summary } from "./fuzzer.ts";
import { loadTargets } from "./target.ts";

/** A summary as it crosses threads: errors are texts there. */
export interface Told extends Omit<Summary, "crashes"> {
  readonly crashes: readonly { readonly input: Uint8Array; readonly error: string }[];
}

type Task = { readonly target: string } & Omit<FuzzOptions, "isMeasured">;

/** Runs one target by its name. Rejects if the thread itself fails. */
export function fuzzInThread(task: Task): Promise<Told> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task });
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`The thread ended with ${code}`)));
  });
}

/** Runs them `parallel` at a time and hands each summary on as it comes. */
export async function fuzzAll(
  tasks: readonly Task[],
  parallel: number,
  onSummary: (told: Told) => void,
): Promise<void> {
  const queue = [...tasks];
  const work = async (): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      onSummary(await fuzzInThread(task));
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
}

if (!isMainThread) {
  const { target: wanted, ...options } = workerData as Task;
  const target = (await loadTargets()).find(({ name }) => name === wanted);
  if (target === undefined) throw new Error(`No target ${wanted}`);
  const { crashes, ...summary } = fuzz(target, options);
  const texts = crashes.map(({ input, error }) => ({
    input,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }));
  const told: Told = { ...summary, crashes: texts };
  parentPort?.postMessage(told);
}
