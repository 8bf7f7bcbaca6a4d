/**
 * A thread that scans a part of one guest's RAM: it owns the shadow of that part, reads the RAM
 * file itself, and answers each `next` with a batch.
 */
import { type Batch, RamScan } from "../../epochs/ram-scan.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { realClock } from "../../runtime/clock.ts";
import { thisThread } from "../../runtime/threads.ts";
import { RamFile } from "../capture/ram.ts";
import {
  BATCH_WINDOWS,
  type ScanAnswer,
  type ScanAsk,
  type ScanStart,
} from "../capture/scan-messages.ts";

const thread = thisThread<ScanStart, ScanAnswer, ScanAsk>();
let scan: RamScan | undefined;

thread.onMessage((ask) => {
  try {
    scan ??= open(thread.start);
    if (ask.type === "begin") scan.begin(ask.work);
    else answer(scan.next());
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    thread.post({ type: "failed", code: thrown.code, reason: reasonOf(thrown) });
  }
});

/** The RAM file stays open until the thread ends. */
function open({ module, ramPath, part }: ScanStart): RamScan {
  const { readInto } = new RamFile(ramPath, "read");
  const nowMs = (): number => realClock.nowMs();
  return new RamScan(part, { module, readInto, nowMs, batchWindows: BATCH_WINDOWS });
}

/** All payloads of a batch go over in one buffer, without another copy. */
function answer(batch: Batch): void {
  const bytes = new Uint8Array(batch.payloads.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  const payloads = batch.payloads.map((payload) => {
    const start = end;
    end += payload.length;
    bytes.set(payload, start);
    return bytes.subarray(start, end);
  });
  thread.post({ type: "batch", batch: { ...batch, payloads } }, [bytes.buffer]);
}
