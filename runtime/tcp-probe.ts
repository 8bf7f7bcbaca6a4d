/**
 * One look at a machine from outside: a TCP connection that is closed as soon as it is there.
 * @module
 */
import { connect, isIP } from "node:net";
import { type Address, parseAddress } from "./address.ts";
import type { Clock } from "./clock.ts";

/** What came of a connection. */
export interface TcpOutcome {
  /** `connected`, `timed-out`, or the system's error, such as ECONNREFUSED. */
  readonly outcome: string;
  /** The address that was tried, once its name was resolved. */
  readonly ip?: string;
}

/** Tries to connect to `host:port`, for at most `timeoutMs`. Never rejects, says nothing. */
export type TcpProbe = (address: string, timeoutMs: number) => Promise<TcpOutcome>;

export function tcpProbe(clock: Clock): TcpProbe {
  return (address, timeoutMs) =>
    new Promise((resolve) => {
      const target = parseTarget(address);
      if (target === undefined) return resolve({ outcome: "no address" });
      let ip = isIP(target.host) === 0 ? undefined : target.host;
      const socket = connect(target);
      const end = (outcome: string): void => {
        timer.cancel();
        socket.destroy();
        resolve(ip === undefined ? { outcome } : { outcome, ip });
      };
      const timer = clock.after(timeoutMs, () => end("timed-out"));
      socket.once("connect", () => end("connected"));
      socket.on("lookup", (_error, found) => {
        ip = found;
      });
      socket.on("error", ({ code }: NodeJS.ErrnoException) => end(code ?? "failed"));
    });
}

function parseTarget(address: string): Address | undefined {
  try {
    return parseAddress(address);
  } catch {
    return undefined;
  }
}
