/** What service processors are like, and which machine each is wired to. */
import type { SimulatedHost } from "./host.ts";

/**
 * - honest: it says `PoweringOff` until the server is off.
 * - slow: it answers late, and takes long to switch off.
 * - early: it says `Off` as soon as it has taken the order, some seconds before the server is.
 * - flickering: it says `Off` once, long before the server is.
 * - lying: it says `Off`, and the server runs on.
 * - dead: it never answers.
 * - other-machine: somebody exchanged two cables.
 */
export type Firmware =
  | "honest"
  | "early"
  | "slow"
  | "flickering"
  | "lying"
  | "dead"
  | "other-machine";
export const FIRMWARES: readonly Firmware[] = [
  "honest",
  "early",
  "slow",
  "flickering",
  "lying",
  "dead",
  "other-machine",
];

export function uuidOf(name: string): string {
  const digits = [...name].map((letter) => letter.charCodeAt(0).toString(16)).join("");
  return `00000000-0000-4000-8000-${digits.slice(0, 12).padStart(12, "0")}`;
}

/** Whose machine a service processor is wired to: its own, or its neighbour's. */
export function wiredTo(
  hosts: readonly SimulatedHost[],
  host: SimulatedHost,
  firmware: Firmware,
): SimulatedHost {
  if (firmware !== "other-machine") return host;
  return hosts[(hosts.indexOf(host) + 1) % hosts.length]!;
}
