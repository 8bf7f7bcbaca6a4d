/**
 * A promise with a deadline.
 */
import { type ErrorCode, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";

export interface Deadline {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly code: ErrorCode;
  /** Completes "... within N ms". */
  readonly message: string;
}

/** What `promise` gives, or the deadline's error; the promise itself goes on either way. */
export function within<Value>(promise: Promise<Value>, deadline: Deadline): Promise<Value> {
  const { clock, timeoutMs, code, message } = deadline;
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () =>
      reject(new SystemError(code, `${message} within ${timeoutMs} ms`)),
    );
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
