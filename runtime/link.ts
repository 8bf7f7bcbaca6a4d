/**
 * One end of an established control link: typed messages, checked against the role matrix in both
 * directions. Both ends are the same from here on.
 * @module
 */
import type { WebSocket } from "ws";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { CLOSE } from "../protocol/handshake.ts";
import { type Principal, principal } from "../protocol/ids.ts";
import { MESSAGE_BYTES_MAX, type Message, parseMessage } from "../protocol/message.ts";
import { authorise } from "../protocol/roles.ts";
import type { Clock } from "./clock.ts";
import type { Established } from "./handshake.ts";
import { watchHeartbeat } from "./heartbeat.ts";
import type { Log } from "./log.ts";
import { seldom } from "./seldom.ts";

/** Bytes that may wait for a slow peer before its link is closed. */
export const OUTBOUND_BYTES_MAX = 2 * MESSAGE_BYTES_MAX;
/** Invalid or unauthorised messages after which a link is closed. */
const STRIKES_MAX = 3;

export interface Link {
  readonly peer: Principal;
  /** 32 hexadecimal digits, another for each connection. */
  readonly session: string;
  /** When something was heard last; of a link that its peer ended, that end. */
  heardAtMs(): number;
  /**
   * Sends, or says that it cannot: the link is down, or overflows and is closed by this.
   * @throws SystemError NOT_AUTHORISED: this end may not say that to this peer.
   */
  send(message: Message): boolean;
  /** Ends the link; `onDown` is called with `reason` before this returns. */
  close(code: number, reason: string): void;
}

/** What happened on the links of one end since it started. */
export interface LinkCounts {
  refusedMessages: number;
  refusedPeers: number;
  overflows: number;
  silences: number;
}

export const noCounts = (): LinkCounts => ({
  refusedMessages: 0,
  refusedPeers: 0,
  overflows: 0,
  silences: 0,
});

export interface LinkPorts {
  readonly self: Principal;
  readonly pingMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: LinkCounts;
  readonly onMessage: (link: Link, message: Message) => void;
  /** Called once; no message of this link comes after it. `code` is the close code. */
  readonly onDown: (link: Link, reason: string, code: number) => void;
}

/** Turns a proven socket into a link. The caller has checked that `peer` is a principal. */
export function openLink(socket: WebSocket, established: Established, ports: LinkPorts): Link {
  const { self, clock, counts, log: parent, onMessage, onDown, pingMs } = ports;
  const peer = principal.parse(established.peer);
  const log = parent.child({ peer });
  const complain = seldom(clock);
  let up = true;
  let strikes = 0;
  let endedAtMs: number | undefined;

  const down = (code: number, reason: string): void => {
    if (!up) return;
    up = false;
    onDown(link, reason, code);
  };
  const strike = (thrown: unknown): void => {
    if (!(thrown instanceof SystemError)) throw thrown;
    counts.refusedMessages++;
    complain((leftOut) => log.warn("Refused a message", { error: thrown, leftOut }));
    if (++strikes >= STRIKES_MAX) link.close(CLOSE.policy, `${strikes} refused messages`);
  };
  const link: Link = {
    peer,
    session: established.session,
    heardAtMs: () => endedAtMs ?? heartbeat.heardAtMs(),
    send(message) {
      authorise(message, self, peer);
      if (!up) return false;
      const text = JSON.stringify(message);
      const bytes = Buffer.byteLength(text);
      if (bytes > MESSAGE_BYTES_MAX) {
        complain(() => log.error("A message is too large to send", { type: message.type, bytes }));
        return false;
      }
      if (socket.bufferedAmount + bytes > OUTBOUND_BYTES_MAX) {
        counts.overflows++;
        link.close(CLOSE.overflow, `${socket.bufferedAmount} bytes wait for it`);
        return false;
      }
      socket.send(text);
      return true;
    },
    close(code, reason) {
      down(code, reason);
      socket.close(code, reason.slice(0, 100));
    },
  };
  socket.on("message", (bytes: Buffer, isBinary) => {
    if (!up) return;
    let message: Message;
    try {
      if (isBinary) throw new SystemError("MESSAGE_INVALID", "A control link is text");
      message = parseMessage(bytes.toString("utf8"));
      authorise(message, peer, self);
    } catch (thrown) {
      return strike(thrown);
    }
    onMessage(link, message);
  });
  // What ws itself refuses: too large, not UTF-8, not a WebSocket frame. It closes the socket.
  socket.on("error", (error) => {
    counts.refusedMessages++;
    down(1006, reasonOf(error));
  });
  socket.on("close", (code, reason) => {
    if (up) endedAtMs = clock.nowMs();
    down(code, reason.toString() || `closed (${code})`);
  });
  const heartbeat = watchHeartbeat(socket, clock, pingMs, (reason) => {
    counts.silences++;
    down(1006, reason);
    socket.terminate();
  });
  return link;
}
