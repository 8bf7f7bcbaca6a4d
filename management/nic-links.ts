/**
 * Whose NIC firmware is heard, as the coordinator is told: a firmware lives and dies with its
 * server, and not with the server's agent.
 * @module
 */
import { roleOf, type ServerId, subjectOf } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Link } from "../runtime/link.ts";

export interface NicLinks {
  /** A link was lost; of other roles nothing is noted. */
  lost(link: Pick<Link, "peer" | "heardAtMs">): void;
  /** The whole of it, of the links that are up. */
  message(links: readonly Pick<Link, "peer">[], nowMs: number): Message;
}

export function nicLinks(): NicLinks {
  const heardAtMs = new Map<ServerId, number>();
  let version = 0;
  return {
    lost({ peer, heardAtMs: last }) {
      if (roleOf(peer) === "nic") heardAtMs.set(subjectOf(peer) as ServerId, last());
    },
    message(links, nowMs) {
      const nics = links.filter(({ peer }) => roleOf(peer) === "nic");
      const up = nics.map(({ peer }) => subjectOf(peer) as ServerId);
      for (const serverId of up) heardAtMs.delete(serverId);
      const lost = [...heardAtMs].map(([serverId, atMs]) => {
        return { serverId, silentMs: Math.max(0, nowMs - atMs) };
      });
      return { type: "nic-links", version: version++, up, lost };
    },
  };
}
