/**
 * A health reporter's way to the management server: what must arrive goes through a spool on the
 * disk, and the newest telemetry goes whenever a link is up. For agents and NIC firmware.
 * @module
 */
import type { Principal } from "../protocol/ids.ts";
import type { Message, Reliable } from "../protocol/message.ts";
import type { Telemetry } from "../protocol/prediction.ts";
import type { Clock } from "./clock.ts";
import { dialLink } from "./link-client.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import { seldom } from "./seldom.ts";
import { openSpool } from "./spool.ts";

export const TELEMETRY_MS = 5_000;
/** While so much waits, notices are left out: they must not push a prediction out. */
export const NOTICES_PENDING_MAX = 256;
const NOTICES: readonly Reliable["type"][] = ["sensor-fault", "risk-change"];

export interface UplinkOptions {
  readonly self: Principal;
  /** ws://host:port of the management server. */
  readonly url: string;
  /** Hexadecimal digits of `self`'s secret. */
  readonly secret: string;
  readonly spoolPath: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What the management server says, but for acknowledgements. */
  readonly onMessage?: (message: Message) => void;
  /** What else is said at the start of each link. */
  readonly greeting?: () => readonly Message[];
  /** Asked at the start of each link and every `telemetryMs`. */
  readonly telemetry: () => Telemetry;
  /** Default: TELEMETRY_MS. */
  readonly telemetryMs?: number;
}

export interface Uplink {
  /** Reports not yet durable at the management server. */
  readonly pending: number;
  readonly up: boolean;
  /** Durable when this returns, unless it is a notice too many. @throws JOURNAL_FAILED */
  report(body: Reliable): void;
  /** False when it cannot be sent now; then it is lost. */
  say(message: Message): boolean;
  close(): void;
}

/** @throws SystemError JOURNAL_FAILED */
export function openUplink(options: UplinkOptions): Uplink {
  const { clock, log, telemetry, telemetryMs = TELEMETRY_MS } = options;
  const spool = openSpool({ ...options, path: options.spoolPath });
  const complain = seldom(clock);
  let up = false;
  const client = dialLink({
    ...options,
    peer: "management",
    onUp(link) {
      up = true;
      log.info("Linked to the management server", { pending: spool.pending });
      spool.linkUp((message) => link.send(message));
      link.send(telemetry());
      for (const message of options.greeting?.() ?? []) link.send(message);
    },
    onMessage(message) {
      if (message.type === "delivered") spool.delivered(message.spool, message.sequence);
      else options.onMessage?.(message);
    },
    onDown(reason) {
      up = false;
      spool.linkDown();
      log.info("Lost the management server", { reason, pending: spool.pending });
    },
  });
  const timer = clock.every(telemetryMs, () => {
    if (up) client.send(telemetry());
  });
  return {
    get pending() {
      return spool.pending;
    },
    get up() {
      return up;
    },
    report(body) {
      if (NOTICES.includes(body.type) && spool.pending >= NOTICES_PENDING_MAX) {
        complain((leftOut) => log.warn("Left a notice out", { ...body, leftOut }));
      } else spool.add(body);
    },
    say: (message) => client.send(message),
    close() {
      timer.cancel();
      client.close();
      spool.close();
    },
  };
}
