/**
 * An agent as an observer of other hosts: it looks at the kernel of a host that the coordinator
 * names, once for each question. A kernel that lives answers a connection to any of its ports,
 * with a connection or with a reset; whether its agent lives is no matter. Two ports are tried: the
 * data listener's, which firewalls let through, and one that nobody listens on, since an agent that
 * stands still has a queue of connections that is full some day.
 *
 * Rule 1: what was not seen is not claimed. A host is `silent` only if nothing answered either
 *         connection and its address does not stand resolved in the ARP table: a firewall that
 *         drops connections still answers ARP.
 * Rule 2: bounded. So many looks at once, each for so long; a question too many is dropped, and
 *         the coordinator goes on without this observer.
 */
import type { Observe, Observed, Seen } from "../protocol/observe.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import { seldom } from "../runtime/seldom.ts";
import type { TcpOutcome, TcpProbe } from "../runtime/tcp-probe.ts";

/** Above the second SYN's way there and back: the first one may be lost. */
export const LOOK_MS = 3_000;
/** Looks at once, and in any period of `LOOK_MS`. */
export const LOOKS_MAX = 8;
/** tcpmux (RFC 1078), which nobody uses. */
const CLOSED_PORT = 1;
const ARP = "/proc/net/arp";
/** The kernel has the hardware address (ATF_COM of net/if_arp.h). */
const ARP_COMPLETE = 0x2;

export type Neighbour = NonNullable<Observed["neighbour"]>;

export interface ObserverPorts {
  readonly clock: Clock;
  readonly files: Pick<Files, "read">;
  readonly log: Log;
  readonly probe: TcpProbe;
  readonly send: (message: Observed) => boolean;
}

/** Looks when asked. */
export function observer(ports: ObserverPorts): (question: Observe) => void {
  const { clock, files, log, probe, send } = ports;
  const complain = seldom(clock);
  let begunAtMs: number[] = [];
  let looking = 0;
  return ({ operationId, hostId, address }) => {
    const nowMs = clock.nowMs();
    begunAtMs = begunAtMs.filter((atMs) => nowMs - atMs < LOOK_MS);
    if (looking >= LOOKS_MAX || begunAtMs.length >= LOOKS_MAX) {
      complain((leftOut) => log.warn("Too many looks at other hosts", { hostId, leftOut }));
      return;
    }
    begunAtMs.push(nowMs);
    looking++;
    void look(address)
      .then((sight) => void send({ type: "observed", operationId, hostId, ...sight }))
      .finally(() => looking--);
  };

  async function look(address: string): Promise<Pick<Observed, "seen" | "neighbour">> {
    const ports = [address, address.replace(/:\d+$/, `:${CLOSED_PORT}`)];
    const tried = await Promise.all(ports.map((port) => probe(port, LOOK_MS)));
    const ip = tried.find((one) => one.ip !== undefined)?.ip;
    const table = ip === undefined ? "" : await files.read(ARP).catch(() => "");
    const neighbour = ip === undefined ? undefined : neighbourIn(table, ip);
    const seen = clearest(tried.map(({ outcome }) => seenBy(outcome, neighbour)));
    return neighbour === undefined ? { seen } : { seen, neighbour };
  }
}

/** Any answer is life; silence is only what all attempts found. */
export function clearest(seen: readonly Seen[]): Seen {
  const order: readonly Seen[] = ["connected", "refused", "unreachable", "silent"];
  return order.find((one) => seen.includes(one)) ?? "unreachable";
}

/** What a connection's end says of the kernel at its other end. */
export function seenBy(outcome: TcpOutcome["outcome"], neighbour: Neighbour | undefined): Seen {
  switch (outcome) {
    case "connected":
      return "connected";
    case "ECONNREFUSED":
    case "ECONNRESET":
      return "refused";
    case "timed-out":
    case "ETIMEDOUT":
      return neighbour === "complete" ? "unreachable" : "silent";
    case "EHOSTUNREACH":
      // Of our own kernel: nobody answers ARP there. Of a router: it could not tell us more.
      return neighbour === "incomplete" ? "silent" : "unreachable";
    default:
      return "unreachable";
  }
}

/**
 * How an address stands in the text of /proc/net/arp; undefined: it is not there. A neighbour that
 * fell silent stays resolved for some seconds of attempts, in the worst case for a minute.
 */
export function neighbourIn(table: string, ip: string): Neighbour | undefined {
  for (const line of table.split("\n").slice(1)) {
    const [found, , flags] = line.split(/\s+/);
    if (found !== ip || !/^0x[0-9a-f]+$/.test(flags ?? "")) continue;
    return (Number(flags) & ARP_COMPLETE) === 0 ? "incomplete" : "complete";
  }
  return undefined;
}
