/**
 * A scan in a thread of its own, as one of a scanner's ports.
 *
 * A thread that fails or ends fails the scan, once and for all. The guest knows nothing of it: the
 * thread only reads its RAM file.
 * @module
 */
import type { Batch } from "../../epochs/ram-scan.ts";
import type { ScanPort } from "../../epochs/scanner.ts";
import { SystemError } from "../../protocol/error.ts";
import type { StartThread } from "../../runtime/threads.ts";
import type { ScanAnswer, ScanAsk, ScanStart } from "./scan-messages.ts";

const MAIN = new URL("../scan-thread/main.ts", import.meta.url);
/** One batch is in work and one waits, while the one before them is sent. */
const AHEAD = 2;

interface Waiting {
  readonly resolve: (batch: Batch) => void;
  readonly reject: (error: SystemError) => void;
}

export function scanInThread(start: ScanStart, startThread: StartThread): ScanPort {
  const waiting: Waiting[] = [];
  let failure: SystemError | undefined;
  const fail = (error: SystemError): void => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  const thread = startThread<ScanAsk, ScanAnswer>(MAIN, {
    start,
    onMessage(answer) {
      if (answer.type === "batch") waiting.shift()?.resolve(answer.batch);
      else fail(new SystemError(answer.code, answer.reason));
    },
    onEnded: (reason) =>
      fail(new SystemError("STREAM_FAILED", `A scanning thread died: ${reason}`)),
  });
  return {
    ahead: AHEAD,
    begin: (work) => thread.post({ type: "begin", work }),
    next() {
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        thread.post({ type: "next" });
      });
    },
    async close() {
      fail(new SystemError("CANCELLED", "The scan is over"));
      await thread.close();
    },
  };
}
