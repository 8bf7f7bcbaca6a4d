/**
 * What the demo's course of events stands on: the world, the site, and waiting that ends.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import type { World } from "../world.ts";
import type { Fleet } from "./fleet.ts";

const LOOK_MS = 100;

export interface Stage {
  readonly world: World;
  readonly fleet: Fleet;
  /** Tells people: a line, with the time since the demo's start. */
  readonly say: (text: string) => void;
  /** Aborted when the demo is to end before its time. */
  readonly ending: AbortSignal;
}

/** Looks again and again; undefined when nothing was there in time. */
export async function within<Value>(
  { world: { clock }, ending }: Stage,
  timeoutMs: number,
  look: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  const untilMs = clock.nowMs() + timeoutMs;
  for (;;) {
    ending.throwIfAborted();
    const value = await look();
    if (value !== undefined) return value;
    if (clock.nowMs() >= untilMs) return undefined;
    await clock.sleep(LOOK_MS);
  }
}

/** The same, for what must come. @throws SystemError TIMED_OUT */
export async function until<Value>(
  stage: Stage,
  what: string,
  timeoutMs: number,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  const value = await within(stage, timeoutMs, look);
  if (value !== undefined) return value;
  throw new SystemError("TIMED_OUT", `Waited ${timeoutMs / 1_000} s in vain: ${what}`);
}
