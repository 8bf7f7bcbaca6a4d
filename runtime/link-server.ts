/**
 * The listening end of control links.
 * @module
 */
import type { IncomingMessage } from "node:http";
import { CLOSE } from "../protocol/handshake.ts";
import { type Principal, principal, type Role, roleOf } from "../protocol/ids.ts";
import { MESSAGE_BYTES_MAX, type Message } from "../protocol/message.ts";
import { CONTROL_PROTOCOL } from "../protocol/version.ts";
import type { Clock } from "./clock.ts";
import { PING_MS } from "./heartbeat.ts";
import { type Link, type LinkCounts, noCounts, openLink } from "./link.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import { seldom } from "./seldom.ts";
import { listenSockets } from "./socket-server.ts";

export interface ListenOptions {
  readonly self: Principal;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Allows a host other than loopback. */
  readonly insecureNetwork: boolean;
  /** Hexadecimal digits of a principal's secret; undefined refuses it. */
  readonly secretOf: (who: Principal) => string | undefined;
  readonly accepts: readonly Role[];
  /** Roles of which several may be there at once, each with a link of its own: operators. */
  readonly many?: readonly Role[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onLink: (link: Link) => void;
  readonly onMessage: (link: Link, message: Message) => void;
  readonly onDown: (link: Link, reason: string) => void;
  /** Seam for mutual TLS: the principal in the peer's certificate. */
  readonly identityOf?: (request: IncomingMessage) => Principal | undefined;
  readonly pingMs?: number;
  readonly handshakeMs?: number;
}

export interface LinkServer {
  readonly port: number;
  readonly counts: Readonly<LinkCounts>;
  links(): Link[];
  /** The link of a principal that has one at most. */
  linkTo(who: Principal): Link | undefined;
  /** Ends every link, telling `onDown`, and the listener. */
  close(): Promise<void>;
}

/**
 * One link a principal, but for `many`: a second connection takes the place of the first, whose
 * `onDown` comes before the second's `onLink`.
 * @throws SystemError INSECURE_NETWORK, LISTEN_FAILED
 */
export async function listenLinks(options: ListenOptions): Promise<LinkServer> {
  const { clock, log, many = [], pingMs = PING_MS } = options;
  const counts = noCounts();
  const links = new Map<string, Link>();
  const keyOf = ({ peer, session }: Link): string => (many.includes(roleOf(peer)) ? session : peer);
  const complain = seldom(clock);
  const ports = {
    ...options,
    pingMs,
    counts,
    onDown(link: Link, reason: string) {
      if (links.get(keyOf(link)) === link) links.delete(keyOf(link));
      options.onDown(link, reason);
    },
  };
  const server = await listenSockets({
    ...options,
    protocol: CONTROL_PROTOCOL,
    payloadBytesMax: MESSAGE_BYTES_MAX,
    secretOf: (from) => secretFor(from, options),
    onEstablished(socket, established) {
      const link = openLink(socket, established, ports);
      links.get(keyOf(link))?.close(CLOSE.replaced, "replaced by a newer link");
      links.set(keyOf(link), link);
      options.onLink(link);
    },
    onRefused(error) {
      counts.refusedPeers++;
      complain((leftOut) => log.warn("Refused a peer", { error, leftOut }));
    },
  });
  return {
    port: server.port,
    counts,
    links: () => [...links.values()],
    linkTo: (who) => links.get(who),
    close() {
      for (const link of [...links.values()]) link.close(CLOSE.goingAway, "going down");
      return server.close();
    },
  };
}

function secretFor(from: string, { accepts, secretOf }: ListenOptions): string | undefined {
  const who = principal.safeParse(from);
  return who.success && accepts.includes(roleOf(who.data)) ? secretOf(who.data) : undefined;
}
