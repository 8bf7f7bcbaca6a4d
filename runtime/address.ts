/**
 * Network addresses, and the rule that plain text stays on the machine.
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";
import { SystemError } from "../protocol/error.ts";

export interface Address {
  /** A name or an address; IPv6 without its brackets. */
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]{1,253})):(\d{1,5})$/;

/**
 * Reads `host:port`, IPv6 in brackets.
 * @throws SystemError USAGE
 */
export function parseAddress(text: string): Address {
  const [, ipv6, plain, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) {
    throw new SystemError("USAGE", `Cannot read address ${JSON.stringify(text)}: want host:port`);
  }
  return { host: ipv6 ?? plain!, port };
}

export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether what is said to `host` stays on this machine. A name other than localhost may not. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith("127.");
  return host === "localhost" || host === "::1";
}

/**
 * Refuses to listen beyond loopback unless told so: links prove who speaks, but do not encrypt.
 * @throws SystemError INSECURE_NETWORK
 */
export function requireLoopback(host: string, insecureNetwork: boolean): void {
  if (insecureNetwork || isLoopback(host)) return;
  throw new SystemError(
    "INSECURE_NETWORK",
    `Refusing to listen on ${host}: links are not encrypted yet. Listen on 127.0.0.1, or pass ` +
      "--insecure-network if this network is trusted",
  );
}
