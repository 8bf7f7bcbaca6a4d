/**
 * What a scanning thread and its owner say to each other.
 * @module
 */
import type { Batch, RamPart, ScanWork } from "../../epochs/ram-scan.ts";
import type { ErrorCode } from "../../protocol/error.ts";

/** 16 MiB of RAM take some milliseconds: far more than a message costs. */
export const BATCH_WINDOWS = 16;

/** What the thread begins with. */
export interface ScanStart {
  readonly module: WebAssembly.Module;
  readonly ramPath: string;
  readonly part: RamPart;
}

export type ScanAsk = Readonly<{ type: "begin"; work: ScanWork } | { type: "next" }>;

/** One for each `next`, in order; after a failure nothing comes any more. */
export type ScanAnswer = Readonly<
  { type: "batch"; batch: Batch } | { type: "failed"; code: ErrorCode; reason: string }
>;
