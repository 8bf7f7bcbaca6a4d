/**
 * Runs a handshake over one socket, within a deadline.
 * @module
 */
import { WebSocket } from "ws";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { CLOSE } from "../protocol/handshake.ts";
import type { Clock } from "./clock.ts";
import type { Advance, Established } from "./handshake.ts";

/** An end that has not proven itself within this is let go. */
export const HANDSHAKE_MS = 5_000;

export interface Greeting<State> {
  readonly clock: Clock;
  /** Default: HANDSHAKE_MS. */
  readonly handshakeMs?: number | undefined;
  /** What the side that speaks first says. */
  readonly first: Advance<State>;
  readonly step: (state: State, text: string) => Advance<State>;
  /** Called in the same turn as the last text, so that no message behind it is missed. */
  readonly onEstablished: (established: Established) => void;
  /** The socket is closed already. */
  readonly onFailed: (error: SystemError) => void;
}

/** Calls exactly one of `onEstablished` and `onFailed`. */
export function greet<State>(socket: WebSocket, greeting: Greeting<State>): void {
  const { clock, first, step, onEstablished, onFailed, handshakeMs = HANDSHAKE_MS } = greeting;
  let { state } = first;
  const settle = (): void => {
    timer.cancel();
    socket.off("message", onText);
    socket.off("close", onClose);
  };
  const fail = (code: number, error: SystemError): void => {
    settle();
    socket.close(code);
    onFailed(error);
  };
  const onText = (bytes: Buffer, isBinary: boolean): void => {
    let next: Advance<State>;
    try {
      if (isBinary) throw new SystemError("MESSAGE_INVALID", "A handshake is text");
      next = step(state, bytes.toString("utf8"));
    } catch (thrown) {
      // A refusal says no more than that: why is for our own log.
      fail(CLOSE.unauthenticated, asSystemError(thrown));
      return;
    }
    state = next.state;
    if (next.send !== undefined) socket.send(next.send);
    if (next.established === undefined) return;
    settle();
    onEstablished(next.established);
  };
  const onClose = (code: number): void => {
    settle();
    const refused = code === CLOSE.unauthenticated;
    const what = refused ? "AUTHENTICATION_FAILED" : "LINK_CLOSED";
    onFailed(new SystemError(what, `The peer ended the handshake (${code})`));
  };
  const timer = clock.after(handshakeMs, () => {
    fail(CLOSE.timeout, new SystemError("LINK_TIMEOUT", `No handshake within ${handshakeMs} ms`));
  });
  socket.on("message", onText);
  socket.on("close", onClose);
  if (first.send !== undefined && socket.readyState === WebSocket.OPEN) socket.send(first.send);
}

function asSystemError(thrown: unknown): SystemError {
  if (thrown instanceof SystemError) return thrown;
  return new SystemError("AUTHENTICATION_FAILED", reasonOf(thrown), { cause: thrown });
}
