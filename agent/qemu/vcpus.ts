/**
 * Whether a guest's vCPUs really run: the processor time of their threads grows.
 */
import * as z from "zod";
import type { Clock } from "../../runtime/clock.ts";
import type { Files } from "../../runtime/files.ts";
import type { QmpClient } from "./qmp-client.ts";

const queryCpus = z.array(z.object({ "thread-id": z.int().positive() }));
const queryStatus = z.object({ status: z.string(), running: z.boolean() });

const STEP_MS = 10;
/** A vCPU thread that is only woken to find itself stopped uses less than this, nanoseconds. */
const PROGRESS_NANOSECONDS = 50_000;

export interface Observation {
  readonly clock: Clock;
  readonly files: Files;
  readonly pid: number;
  /** How long an idle guest may take to do anything. */
  readonly withinMs: number;
}

/** QEMU's own word on its run state, such as "running" or "paused". */
export async function readStatus(qmp: QmpClient): Promise<z.infer<typeof queryStatus>> {
  return queryStatus.parse(await qmp.execute("query-status"));
}

/** True once the vCPU threads used processor time while QEMU says that it runs. */
export async function observeVcpus(qmp: QmpClient, observation: Observation): Promise<boolean> {
  const { clock, files, pid, withinMs } = observation;
  const threads = queryCpus
    .parse(await qmp.execute("query-cpus-fast"))
    .map((cpu) => cpu["thread-id"]);
  const before = await timeOf(files, pid, threads);
  const untilMs = clock.nowMs() + withinMs;
  while (clock.nowMs() < untilMs) {
    await clock.sleep(STEP_MS);
    if (!(await readStatus(qmp)).running) return false;
    if ((await timeOf(files, pid, threads)) - before >= PROGRESS_NANOSECONDS) return true;
  }
  return false;
}

/** Nanoseconds on a processor, of all `threads`: Documentation/scheduler/sched-stats.rst. */
async function timeOf(files: Files, pid: number, threads: readonly number[]): Promise<number> {
  const texts = await Promise.all(
    threads.map((thread) => files.read(`/proc/${pid}/task/${thread}/schedstat`)),
  );
  return texts.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0);
}
