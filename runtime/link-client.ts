/**
 * The dialling end of a control link: connects, and again for as long as it is not closed.
 * @module
 */
import type { SystemError } from "../protocol/error.ts";
import { CLOSE } from "../protocol/handshake.ts";
import type { Principal } from "../protocol/ids.ts";
import { MESSAGE_BYTES_MAX, type Message } from "../protocol/message.ts";
import { CONTROL_PROTOCOL } from "../protocol/version.ts";
import type { Clock, Timer } from "./clock.ts";
import { PING_MS } from "./heartbeat.ts";
import { type Link, type LinkCounts, noCounts, openLink } from "./link.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import { seldom } from "./seldom.ts";
import { connectSocket } from "./socket-client.ts";

const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 10_000;

export interface DialOptions {
  readonly self: Principal;
  readonly peer: Principal;
  /** ws://host:port */
  readonly url: string;
  /** Hexadecimal digits of this end's own secret. */
  readonly secret: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onUp: (link: Link) => void;
  readonly onMessage: (message: Message, link: Link) => void;
  /** The link that was up is down. Attempts that fail are logged and not told here. */
  readonly onDown: (reason: string) => void;
  /** An attempt to connect failed; another follows. For programs that ask once and give up. */
  readonly onFailed?: (error: SystemError) => void;
  readonly pingMs?: number;
  readonly handshakeMs?: number;
  readonly reconnectMsMin?: number;
  readonly reconnectMsMax?: number;
}

export interface LinkClient {
  readonly counts: Readonly<LinkCounts>;
  /** False while the link is down. @throws SystemError NOT_AUTHORISED */
  send(message: Message): boolean;
  /** Ends the link, telling `onDown`, and connects no more. */
  close(): void;
}

export function dialLink(options: DialOptions): LinkClient {
  const { clock, log, random, pingMs = PING_MS } = options;
  const { reconnectMsMin = RECONNECT_MS_MIN, reconnectMsMax = RECONNECT_MS_MAX } = options;
  const counts = noCounts();
  const complain = seldom(clock);
  let link: Link | undefined;
  let closed = false;
  let failures = 0;
  let upSinceMs = 0;
  let retry: Timer | undefined;
  let abort = (): void => {};

  const connect = (): void => {
    abort = connectSocket({
      ...options,
      protocol: CONTROL_PROTOCOL,
      payloadBytesMax: MESSAGE_BYTES_MAX,
      from: options.self,
      to: options.peer,
      onEstablished(socket, established) {
        upSinceMs = clock.nowMs();
        link = openLink(socket, established, ports);
        options.onUp(link);
      },
      onFailed(error) {
        if (closed) return;
        const peer = options.peer;
        complain((leftOut) => log.warn("Cannot reach a peer", { peer, error, leftOut }));
        reconnect(error.code === "AUTHENTICATION_FAILED");
        options.onFailed?.(error);
      },
    });
  };
  /** Full jitter, so that a fleet does not come back as one; `slowly` where haste cannot help. */
  const reconnect = (slowly: boolean): void => {
    const ceiling = slowly ? reconnectMsMax : reconnectMsMin * 2 ** Math.min(++failures, 30);
    const delayMs = random.fraction() * Math.min(ceiling, reconnectMsMax);
    retry = clock.after(Math.max(reconnectMsMin, delayMs), connect);
  };
  const ports = {
    ...options,
    pingMs,
    counts,
    onMessage: (from: Link, message: Message) => options.onMessage(message, from),
    onDown(_link: Link, reason: string, code: number) {
      link = undefined;
      // A link that held is a new start; one that breaks at once is one more failure.
      if (clock.nowMs() - upSinceMs >= reconnectMsMax) failures = 0;
      if (!closed) reconnect(code === CLOSE.replaced || code === CLOSE.policy);
      options.onDown(reason);
    },
  };
  connect();
  return {
    counts,
    send: (message) => link?.send(message) ?? false,
    close() {
      if (closed) return;
      closed = true;
      retry?.cancel();
      if (link !== undefined) link.close(CLOSE.goingAway, "closed by this end");
      else abort();
    },
  };
}
