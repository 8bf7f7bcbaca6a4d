// A VM on alpha that is to be protected, and what hosts say of its replicas.
import type { Effect } from "../../../coordinator/state.ts";
import type { HostId, StreamId } from "../../../protocol/ids.ts";
import type { ProtectionPolicy, ReplicaReport } from "../../../protocol/replication.ts";
import { type HostName, operation, running, type Session, VM } from "./session.ts";

export const POLICY: ProtectionPolicy = {
  mode: "async",
  intervalMs: 1_000,
  secondaries: 1,
  apart: "server",
};

export const TICK_MS = 250;

/** Asks for it; the next tick chooses. */
export function protect(at: Session, policy?: ProtectionPolicy, dryRun = false): readonly Effect[] {
  const wish = policy === undefined ? {} : { policy };
  const operationId = operation("protect-1");
  return at.take({ type: "protect-vm", operationId, vmId: VM, ...wish, dryRun });
}

/** The stream of the newest replica on record for a host. */
export function streamOn(at: Session, host: HostName): StreamId {
  const copies = at.state.protections[VM]?.copies ?? [];
  const copy = copies.findLast(({ hostId }) => (hostId as string) === host);
  if (copy === undefined) throw new Error(`No replica on ${host}`);
  return copy.stream;
}

export function replica(at: Session, host: HostName, patch: Partial<ReplicaReport> = {}) {
  return {
    stream: streamOn(at, host),
    term: 1,
    primary: "alpha" as HostId,
    sealed: 0,
    settled: 0,
    state: "ready",
    address: `${host}:7001`,
    ...patch,
  } as ReplicaReport;
}

/** A secondary says what it has, under the term of its streams or above. */
export function holds(
  at: Session,
  host: HostName,
  patch: Partial<ReplicaReport> = {},
  termSeen = 1,
): readonly Effect[] {
  const replicas = [replica(at, host, patch)];
  return at.reports(host, { phase: "none", term: 0, termSeen, guest: "absent", replicas });
}

export function hears(at: Session, host: HostName, lagMs: number, cut = 1): void {
  at.take({
    type: "replica-status",
    hostId: host as string as HostId,
    vmId: VM,
    stream: streamOn(at, host),
    newest: { epoch: cut, cut },
    lagMs,
    standby: "cold",
    diskBytes: 1,
    logBytes: 0,
    memoryBytes: 0,
  });
}

/** bravo, and charlie if there are two, hold what cut 1 made. */
export function replicated(policy: ProtectionPolicy = POLICY): Session {
  const at = running();
  protect(at, policy);
  for (const host of (["bravo", "charlie"] as const).slice(0, policy.secondaries)) {
    at.wait(TICK_MS);
    holds(at, host, { newest: { epoch: 1, cut: 1 } });
    hears(at, host, 500);
  }
  at.reports("alpha", { verified: true, protectVersion: at.state.protections[VM]!.version });
  at.wait(TICK_MS);
  return at;
}
