/**
 * Liveness of one socket: pings it, and ends it when nothing has been heard.
 * @module
 */
import type { WebSocket } from "ws";
import type { Clock } from "./clock.ts";

/** How often a link is pinged; it is given up after 2.5 times this without a sound. */
export const PING_MS = 5_000;
/** Pings a peer may send between two of ours: more is a flood. */
const PINGS_MAX = 100;

/**
 * Watches until the socket closes. `onSilent` is called at most once; ending the socket is its
 * duty. Two looks in a row must find silence: after a pause of our own process the first look
 * comes before what has arrived meanwhile is read.
 * @returns when something was heard last
 */
export function watchHeartbeat(
  socket: WebSocket,
  clock: Clock,
  pingMs: number,
  onSilent: (reason: string) => void,
): { heardAtMs(): number } {
  let heardAtMs = clock.nowMs();
  let looks = 0;
  let suspected = false;
  let pings = 0;
  const stop = (reason?: string): void => {
    timer.cancel();
    if (reason !== undefined) onSilent(reason);
  };
  const heard = (): void => {
    heardAtMs = clock.nowMs();
    suspected = false;
  };
  const timer = clock.every(pingMs / 2, () => {
    const silent = clock.nowMs() - heardAtMs >= 2 * pingMs;
    if (silent && suspected) return stop(`nothing heard for ${2.5 * pingMs} ms`);
    suspected = silent;
    if (looks++ % 2 === 0) return;
    pings = 0;
    socket.ping();
  });
  socket.on("message", heard);
  socket.on("pong", heard);
  socket.on("ping", () => {
    heard();
    if (++pings > PINGS_MAX) stop("flood of pings");
  });
  socket.on("close", () => stop());
  return { heardAtMs: () => heardAtMs };
}
