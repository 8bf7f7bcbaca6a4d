/**
 * What is known of hosts, the board's values and the predictions together; and when it is time to
 * look at the rules again.
 * @module
 */
import type { HostId } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { State } from "../state.ts";
import type { Board, KnownValue } from "./board.ts";
import type { HostValues, Review } from "./record.ts";
import { risksOf, secondariesOf } from "./situation.ts";

/** Everything that is known of a host now. */
export function knownOf(
  state: State,
  board: Board,
  hostId: HostId,
  atMs: number,
  risks = risksOf(state),
): readonly KnownValue[] {
  const server = state.settings.hosts[hostId];
  const known = board.known(hostId, server, atMs);
  if (server === undefined) return known;
  const value = risks.get(server) ?? 0;
  // That nothing is predicted says something only of a server that is watched.
  if (value === 0 && !board.hears(server, atMs)) return known;
  return [{ name: "failure-probability", value, from: "predictions", ageMs: 0 }, ...known];
}

/** The rules of VMs are looked at so often. */
export const REVIEW_MS = 1_000;

/** Says what the next review looks at, when one is due: never without rules. */
export function reviews(
  board: Board,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): (state: State, atMs: number) => (Review & { readonly atMs: number }) | undefined {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  return (state, atMs) => {
    if (atMs - lastAtMs < REVIEW_MS || Object.keys(state.rules).length === 0) return undefined;
    lastAtMs = atMs;
    const values = valuesForReview(state, board, atMs);
    return { type: "review", values, nonce: random.hex(8), wallTime: clock.wallTime(), atMs };
  };
}

/** Of the primaries and secondaries of all VMs that have rules. */
function valuesForReview(state: State, board: Board, atMs: number): HostValues {
  const hosts = new Set<HostId>();
  for (const vm of state.fleet?.vms ?? []) {
    if (state.rules[vm.vmId] === undefined || vm.hostId === undefined) continue;
    hosts.add(vm.hostId);
    for (const { hostId } of secondariesOf(vm)) hosts.add(hostId);
  }
  return valuesOf(state, board, hosts, atMs);
}

export function valuesOf(
  state: State,
  board: Board,
  hosts: Iterable<HostId>,
  atMs: number,
): HostValues {
  const risks = risksOf(state);
  return Object.fromEntries(
    [...hosts].map((hostId) => [
      hostId,
      Object.fromEntries(
        knownOf(state, board, hostId, atMs, risks).map(({ name, value }) => [name, value]),
      ),
    ]),
  );
}
