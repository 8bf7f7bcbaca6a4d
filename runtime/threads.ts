/**
 * Threads of this process: started with a first message, spoken to by messages, and ended.
 * @module
 */
import { type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { reasonOf } from "../protocol/error.ts";

export interface Thread<Said> {
  post(message: Said): void;
  /** Ends it wherever it is; resolves when it has ended. */
  close(): Promise<void>;
}

export interface ThreadOptions<Heard> {
  /** What `thisThread` gives the thread; a compiled WASM module may be part of it. */
  readonly start: unknown;
  readonly onMessage: (message: Heard) => void;
  /** Called at most once: it has ended, and nobody asked it to. */
  readonly onEnded: (reason: string) => void;
}

export type StartThread = <Said, Heard>(main: URL, options: ThreadOptions<Heard>) => Thread<Said>;

/** Runs a TypeScript file as a thread. It keeps the process alive until it is closed. */
export const startThread: StartThread = (main, { start, onMessage, onEnded }) => {
  const worker = new Worker(main, { workerData: start });
  let reason: string | undefined;
  let closing = false;
  const ended = new Promise<void>((resolve) => {
    worker.on("exit", (code) => {
      resolve();
      if (!closing) onEnded(reason ?? `it exited with ${code}`);
    });
  });
  worker.on("message", onMessage);
  worker.on("error", (error) => {
    reason = reasonOf(error);
  });
  return {
    post: (message) => worker.postMessage(message),
    async close() {
      closing = true;
      await worker.terminate();
      await ended;
    },
  };
};

/** Of a thread that was started as above: its first message, and the other end. */
export interface ThisThread<Start, Said, Heard> {
  readonly start: Start;
  /** The buffers in `transfer` go over without a copy, and are gone here. */
  post(message: Said, transfer?: readonly ArrayBuffer[]): void;
  onMessage(take: (message: Heard) => void): void;
}

/** The thread that calls this. */
export function thisThread<Start, Said, Heard>(): ThisThread<Start, Said, Heard> {
  const port = parentPort as MessagePort;
  return {
    start: workerData as Start,
    post: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: (take) => void port.on("message", take),
  };
}
