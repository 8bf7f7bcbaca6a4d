/**
 * What the coordinator thinks of a host whose agent is silent, for people.
 * @module
 */
import { z } from "zod";
import { text } from "./ids.ts";

export const look = z.strictObject({
  /** `service-processor`, `nic-firmware`, or `agent:` and another host. */
  observer: z.string().max(80),
  verdict: z.enum(["lives", "silent", "unsure"]),
  saw: text,
  agoMs: z.number().nonnegative(),
});
export type Look = z.infer<typeof look>;

/**
 * - silent: nobody has seen enough to say more.
 * - agent-dead: the host lives, and its guests may run.
 * - suspected: nothing of the host is seen by who watches it.
 */
export const suspicion = z.strictObject({
  phase: z.enum(["silent", "agent-dead", "suspected"]),
  /** For how long its agent is silent. */
  silentMs: z.number().nonnegative(),
  /** Why nothing is done about it: others fell silent with it. */
  held: text.optional(),
  /** suspected: why its server is not fenced without an operator. */
  notFenced: text.optional(),
  looks: z.array(look).max(64),
});
export type Suspicion = z.infer<typeof suspicion>;
