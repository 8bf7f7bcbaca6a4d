/**
 * Merging a covered layer of a running guest's disk into the one below it: QEMU's block-commit.
 *
 * While a job is in the graph no device state can be saved, so it is cancelled before a cut. A job
 * that is cancelled, fails or dies with QEMU leaves the layer where it was: what it has copied so
 * far the layer still covers.
 * @module
 */
import * as z from "zod";
import { SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import { deviceName, nodeName } from "./argv.ts";
import type { QmpClient } from "./qmp-client.ts";

/** The guest's own reads and writes share the disk: a merge may take its time. */
const BYTES_A_SECOND_MAX = 64 * 1024 * 1024;
const CANCEL_MS = 10_000;
const CANCEL_LOOK_MS = 20;
const JOB_PREFIX = "merge-";
/** Chains are at most 64 layers; a deeper answer is not one of ours. */
const DEPTH_MAX = 128;

/** Three layers of one disk: `layer` lies right on `below` and somewhere under `top`. */
export interface Merge {
  readonly disk: string;
  readonly layer: number;
  readonly below: number;
  readonly top: number;
}

/** False: cancelled, and the layer is still there. */
export type Merged = boolean;

const jobEvent = z.object({ device: z.string(), error: z.string().optional() });
const jobs = z.array(z.object({ device: z.string() }));
const queryBlock = z.array(
  z.object({
    qdev: z.string().optional(),
    inserted: z.object({ image: z.unknown() }).optional(),
  }),
);

/**
 * Merges one layer; resolves when its job has ended.
 * @throws SystemError DISK_INVALID (QEMU could not copy), QMP_REFUSED, QMP_CLOSED
 */
export async function mergeLayer(qmp: QmpClient, merge: Merge): Promise<Merged> {
  const { disk, layer, below, top } = merge;
  const job = `${JOB_PREFIX}${nodeName(disk, layer)}`;
  const watch = watchJob(qmp, job);
  try {
    await qmp.execute("block-commit", {
      "job-id": job,
      device: nodeName(disk, top),
      "top-node": nodeName(disk, layer),
      "base-node": nodeName(disk, below),
      speed: BYTES_A_SECOND_MAX,
    });
    const merged = await watch.ended;
    if (merged) await forget(qmp, nodeName(disk, layer));
    return merged;
  } finally {
    watch.stop();
  }
}

interface JobWatch {
  readonly ended: Promise<Merged>;
  stop(): void;
}

/** Listens from before the job begins: a short one may end before its command is answered. */
function watchJob(qmp: QmpClient, job: string): JobWatch {
  const { promise: ended, resolve, reject } = Promise.withResolvers<Merged>();
  // A failure that comes before somebody waits for the end is seen by who waits.
  ended.catch(() => {});
  const unlisten = qmp.onEvent(({ name, body }) => {
    if (name !== "BLOCK_JOB_COMPLETED" && name !== "BLOCK_JOB_CANCELLED") return;
    const parsed = jobEvent.safeParse(body).data;
    if (parsed?.device !== job) return;
    if (parsed.error === undefined) resolve(name === "BLOCK_JOB_COMPLETED");
    else reject(new SystemError("DISK_INVALID", `Cannot merge ${job}: ${parsed.error}`));
  });
  const unclose = qmp.onClose(reject);
  return {
    ended,
    stop() {
      unlisten();
      unclose();
    },
  };
}

/** A node that the agent attached stays until it is deleted; one of the command line goes too. */
async function forget(qmp: QmpClient, node: string): Promise<void> {
  try {
    await qmp.execute("blockdev-del", { "node-name": node });
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== "QMP_REFUSED") throw thrown;
  }
}

/**
 * Cancels every merge and waits for their end: none is in the graph when it resolves.
 * @throws SystemError TIMED_OUT, QMP_CLOSED
 */
export async function cancelMerges(qmp: QmpClient, clock: Clock): Promise<void> {
  const untilMs = clock.nowMs() + CANCEL_MS;
  for (;;) {
    const running = await runningMerges(qmp);
    if (running.length === 0) return;
    if (clock.nowMs() > untilMs) {
      throw new SystemError("TIMED_OUT", `QEMU does not end ${running.join(", ")}`);
    }
    for (const device of running) await cancel(qmp, device);
    await clock.sleep(CANCEL_LOOK_MS);
  }
}

async function runningMerges(qmp: QmpClient): Promise<string[]> {
  const all = jobs.parse(await qmp.execute("query-block-jobs"));
  return all.map(({ device }) => device).filter((device) => device.startsWith(JOB_PREFIX));
}

async function cancel(qmp: QmpClient, device: string): Promise<void> {
  try {
    await qmp.execute("block-job-cancel", { device });
  } catch (thrown) {
    // It ended meanwhile.
    if (!(thrown instanceof SystemError) || thrown.code !== "QMP_REFUSED") throw thrown;
  }
}

/**
 * Of how many images each disk is made now, as QEMU has it.
 * @throws SystemError DISK_INVALID
 */
export async function readDepths(
  qmp: QmpClient,
  disks: readonly string[],
): Promise<Map<string, number>> {
  const blocks = queryBlock.parse(await qmp.execute("query-block"));
  const depths = new Map<string, number>();
  for (const disk of disks) {
    const device = deviceName(disk);
    const block = blocks.find(({ qdev }) => qdev?.split("/").includes(device));
    depths.set(disk, depthOf(block?.inserted?.image));
  }
  return depths;
}

function depthOf(image: unknown): number {
  let depth = 0;
  let at = image;
  while (typeof at === "object" && at !== null && depth < DEPTH_MAX) {
    depth++;
    at = (at as { "backing-image"?: unknown })["backing-image"];
  }
  if (depth > 0 && depth < DEPTH_MAX) return depth;
  throw new SystemError("DISK_INVALID", "QEMU names no images of a disk");
}
