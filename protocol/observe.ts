/**
 * Whether a host's kernel lives, as another host sees it: asked while its own agent is silent.
 * @module
 */
import { z } from "zod";
import { address, hostId, operationId } from "./ids.ts";

/** Look at that host's kernel, once. Answered by `observed`, or by nothing. */
export const observe = z.strictObject({
  type: z.literal("observe"),
  operationId,
  /** Who is to be looked at. */
  hostId,
  /** `host:port` of its data listener. Whether anything listens there is no matter. */
  address,
});
export type Observe = z.infer<typeof observe>;

/**
 * - connected, refused: its kernel has answered, with a connection or with a reset.
 * - silent: nothing has answered, and its address does not answer ARP of late.
 * - unreachable: the one that looked could not tell.
 */
export const seen = z.enum(["connected", "refused", "silent", "unreachable"]);
export type Seen = z.infer<typeof seen>;

/** What was seen. The host is the one that was looked at; who looked is who sends it. */
export const observed = z.strictObject({
  type: z.literal("observed"),
  operationId,
  hostId,
  seen,
  /** Of its address in the observer's ARP table, where it is a neighbour. */
  neighbour: z.enum(["complete", "incomplete"]).optional(),
});
export type Observed = z.infer<typeof observed>;
