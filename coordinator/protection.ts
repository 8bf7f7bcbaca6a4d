/**
 * Replicas of VMs: which hosts keep one, and what primary and secondaries are told of it
 * (docs/authority.md, sections 2 and 6).
 *
 * Rule 1: a replica is on record before its host hears of it; its stream is of one primary and
 *         one term, and is never gone on with under another.
 * Rule 2: what an earlier primary filled, or what leaves, is dropped only once as many can be
 *         restored of the primary in force as are asked for.
 * Rule 3: a secondary that has heard of a higher term than the primary's takes no frame of it: the
 *         primary is granted one above, and all streams begin anew.
 */
import type { VmReport } from "../protocol/authority.ts";
import type { HostId, StreamId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Protect, ReplicaReport } from "../protocol/replication.ts";
import { grantTo } from "./assignment.ts";
import {
  COPIES_MAX,
  type CopyRecord,
  type FreshIds,
  type Protection,
  protectionRecordOf,
} from "./protection-record.ts";
import { type Choice, chooseSecondaries } from "./secondaries.ts";
import {
  busy,
  type Config,
  type Effect,
  type Host,
  putProtection,
  reportFrom,
  type State,
  type Step,
  type Vm,
} from "./state.ts";

/** A replica that broke is not begun again on its host before so many times `resendMs`. */
const AGAIN_RESENDS = 10;

export interface At {
  readonly state: State;
  readonly vm: Vm;
  readonly atMs: number;
  readonly config: Config;
}

/** Filled by the primary in force. */
export function isCurrent(vm: Vm, { leaving, term, primary }: CopyRecord): boolean {
  return !leaving && term === vm.term && primary === vm.hostId;
}

/** What a host says of a replica; undefined: it has none, or was not heard. */
export function replicaOn(
  state: State,
  vm: Vm,
  { hostId, stream }: Pick<CopyRecord, "hostId" | "stream">,
): ReplicaReport | undefined {
  return reportFrom(state, hostId, vm.vmId)?.replicas?.find((one) => one.stream === stream);
}

/** What is to be done about the replicas of a VM that nothing moves. */
export function settleProtection(now: At, fresh: FreshIds | undefined): Step {
  const { state, vm } = now;
  const before = state.protections[vm.vmId];
  if (before === undefined || busy(state, vm.vmId)) return [state, []];
  let next = learn(now, forgetGone(now, watchAway(now, before)));
  if (primaryReport(now) !== undefined) {
    next = begin(now, leave(now, next), fresh);
    if (mustRenew(now, next)) return renew({ ...now, state: save(state, next) }, before, next);
  }
  next = numbered(now, before, next);
  const [sent, effects] = commands(now, next);
  return [save(state, sent), [...saved(before, sent), ...effects]];
}

function save(state: State, protection: Protection): State {
  return state.protections[protection.vmId] === protection
    ? state
    : putProtection(state, protection);
}

/** Durable before anybody hears of it. */
export function saved(before: Protection | undefined, after: Protection): Effect[] {
  const record = protectionRecordOf(after);
  const known = before && JSON.stringify(protectionRecordOf(before));
  if (JSON.stringify(record) === known) return [];
  return [{ type: "save-protection", protection: record }];
}

/** The report of a primary that runs the VM under the term in force. */
function primaryReport({ state, vm }: At): VmReport | undefined {
  const report = reportFrom(state, vm.hostId, vm.vmId);
  const runs = report?.phase === "active" && report.term === vm.term && report.guest === "running";
  return runs && state.hosts[vm.hostId]?.connected === true ? report : undefined;
}

function watchAway({ state, atMs }: At, protection: Protection): Protection {
  const away: { [stream: StreamId]: number } = {};
  for (const { hostId, stream } of protection.copies) {
    if (state.hosts[hostId]?.connected === true) continue;
    away[stream] = protection.awaySinceMs[stream] ?? atMs;
  }
  const same = JSON.stringify(away) === JSON.stringify(protection.awaySinceMs);
  return same ? protection : { ...protection, awaySinceMs: away };
}

/** One that leaves, or of an earlier primary, of which its host has nothing any more. */
function forgetGone({ state, vm }: At, protection: Protection): Protection {
  const { policy } = protection;
  const copies = protection.copies.filter((copy) => {
    if (policy !== undefined && isCurrent(vm, copy)) return true;
    const { connected } = state.hosts[copy.hostId] ?? {};
    return connected !== true || replicaOn(state, vm, copy) !== undefined;
  });
  if (copies.length === protection.copies.length) return protection;
  const streams = new Set(copies.map(({ stream }) => stream));
  const heard = Object.entries(protection.replicas).filter(([id]) => streams.has(id as StreamId));
  return { ...protection, copies, replicas: Object.fromEntries(heard) };
}

function learn({ state, vm }: At, protection: Protection): Protection {
  let learnt = false;
  const copies = protection.copies.map((copy) => {
    const { state: phase, address } = replicaOn(state, vm, copy) ?? {};
    if (phase !== "ready" || address === undefined || address === copy.address) return copy;
    learnt = true;
    return { ...copy, address };
  });
  return learnt ? { ...protection, copies } : protection;
}

/** Those that cuts shall not go to any more: broken, one too many, or away while another could. */
function leave(now: At, protection: Protection): Protection {
  const { state, vm } = now;
  const { policy } = protection;
  if (policy === undefined) return protection;
  const current = protection.copies.filter((copy) => isCurrent(vm, copy));
  const leaving = new Set(
    current
      .filter((copy) => replicaOn(state, vm, copy)?.state === "broken")
      .map(({ stream }) => stream),
  );
  const ranked = current
    .filter(({ stream }) => !leaving.has(stream))
    .toSorted((a, b) => Number(isWhole(now, b)) - Number(isWhole(now, a)));
  for (const { stream } of ranked.slice(policy.secondaries)) leaving.add(stream);
  const late = ranked.slice(0, policy.secondaries).find((copy) => isLate(now, protection, copy));
  if (late !== undefined && choose(now, protection, 1).hosts.length > 0) leaving.add(late.stream);
  if (leaving.size === 0) return protection;
  const copies = protection.copies.map((copy) =>
    leaving.has(copy.stream) ? { ...copy, leaving: true } : copy,
  );
  return { ...protection, copies };
}

function isLate({ atMs, config }: At, { awaySinceMs }: Protection, { stream }: CopyRecord) {
  const sinceMs = awaySinceMs[stream];
  return sinceMs !== undefined && atMs - sinceMs >= config.replicas.replaceMs;
}

/** It can be restored, and its host is there to do it. */
export function isWhole({ state, vm }: Pick<At, "state" | "vm">, copy: CopyRecord): boolean {
  const replica = replicaOn(state, vm, copy);
  if (state.hosts[copy.hostId]?.connected !== true || replica === undefined) return false;
  return replica.newest !== undefined && replica.state !== "broken";
}

/** The best hosts for so many more secondaries. */
export function choose(now: At, protection: Protection, count: number): Choice {
  const { state, vm, config } = now;
  const primary = state.hosts[vm.hostId];
  const { policy, copies } = protection;
  if (primary === undefined || policy === undefined) {
    return { hosts: [], refusals: {}, lacking: `Host ${vm.hostId} is not known` };
  }
  const current = copies.filter((copy) => isCurrent(vm, copy)).map(({ hostId }) => hostId);
  return chooseSecondaries(Object.values(state.hosts), {
    definition: vm.definition,
    primary,
    apart: policy.apart,
    count,
    taken: current.flatMap((id) => state.hosts[id] ?? []),
    before: new Set(copies.map(({ hostId }) => hostId)),
    promised: promisedTo(state),
    refuses: (host) => whyRefused(now, protection, host),
    racks: config.racks,
  });
}

function whyRefused(
  { vm, atMs, config }: At,
  protection: Protection,
  { hostId, reports }: Host,
): string | undefined {
  const { phase = "none" } = reports[vm.vmId] ?? {};
  if (phase !== "none" && phase !== "burnt") return `it still has the VM as ${phase}`;
  const begunAtMs = protection.sentAtMs[`begin ${hostId}`] ?? Number.NEGATIVE_INFINITY;
  const left = protection.copies.some((copy) => copy.hostId === hostId && copy.leaving);
  if (left && atMs - begunAtMs < AGAIN_RESENDS * config.resendMs) return "its replica has failed";
  return undefined;
}

/** Memory of replicas that their hosts have not reported yet. */
function promisedTo(state: State): Map<HostId, number> {
  const promised = new Map<HostId, number>();
  for (const protection of Object.values(state.protections)) {
    const vm = state.vms[protection.vmId];
    if (vm === undefined) continue;
    for (const copy of protection.copies) {
      if (!isCurrent(vm, copy) || replicaOn(state, vm, copy) !== undefined) continue;
      const sum = promised.get(copy.hostId) ?? 0;
      promised.set(copy.hostId, sum + vm.definition.memoryBytes);
    }
  }
  return promised;
}

/** One more secondary where there are too few; `fresh` is for one. */
function begin(now: At, protection: Protection, fresh: FreshIds | undefined): Protection {
  const { vm, atMs } = now;
  const { policy, copies } = protection;
  const { lacking: was, ...rest } = protection;
  const current = copies.filter((copy) => isCurrent(vm, copy));
  const count = (policy?.secondaries ?? 0) - current.length;
  if (count <= 0) return was === undefined ? protection : rest;
  const { hosts, lacking } = choose(now, protection, count);
  const told = lacking === undefined ? rest : { ...rest, lacking };
  const next = lacking === was ? protection : told;
  const [host] = hosts;
  if (host === undefined || fresh === undefined || copies.length >= COPIES_MAX) return next;
  const { hostId } = host;
  const copy = { hostId, ...fresh, term: vm.term, primary: vm.hostId, leaving: false };
  const sentAtMs = { ...next.sentAtMs, [`begin ${hostId}`]: atMs };
  return { ...next, copies: [...copies, copy], sentAtMs };
}

function mustRenew({ state, vm }: At, { copies }: Protection): boolean {
  return copies.some((copy) => {
    const { connected } = state.hosts[copy.hostId] ?? {};
    const { termSeen = 0 } = reportFrom(state, copy.hostId, vm.vmId) ?? {};
    return isCurrent(vm, copy) && connected === true && termSeen > vm.term;
  });
}

/** A term for the primary that is above all; what was not filled under it begins anew. */
function renew(now: At, before: Protection, next: Protection): Step {
  const { state, vm, atMs, config } = now;
  if (atMs < vm.retryAtMs || primaryReport(now)?.outgoingTerm !== undefined) {
    return [state, saved(before, next)];
  }
  const [granted, effects] = grantTo(state, { ...vm, attempts: 0 }, vm.termMax + 1, atMs, config);
  const text = `Term ${vm.termMax + 1}: a secondary has heard of a term above ${vm.term}`;
  return [granted, [...saved(before, next), { type: "note", text, vmId: vm.vmId }, ...effects]];
}

/** A word to the primary that differs from the last has a higher number. */
function numbered(now: At, before: Protection, next: Protection): Protection {
  const { vm } = now;
  const taken = primaryReport(now)?.protectVersion ?? 0;
  const same = JSON.stringify(wordOf(vm, before)) === JSON.stringify(wordOf(vm, next));
  if (same && taken <= next.version) return next;
  return { ...next, version: Math.max(next.version, taken) + 1 };
}

function wordOf(vm: Vm, { policy, copies }: Protection): Omit<Protect, "type" | "version"> {
  const { vmId, term } = vm;
  const { intervalMs = 1_000, bytesPerSecondMax } = policy ?? {};
  const current = policy === undefined ? [] : copies.filter((copy) => isCurrent(vm, copy));
  return {
    vmId,
    term,
    intervalMs,
    ...(bytesPerSecondMax === undefined ? {} : { bytesPerSecondMax }),
    secondaries: current.flatMap(({ hostId, stream, address, token }) =>
      address === undefined ? [] : [{ hostId, stream, address, token }],
    ),
  };
}

interface Command {
  readonly key: string;
  readonly hostId: HostId;
  readonly message: Message;
}

/** What is not reported as done is said, and said again. */
function commands(now: At, protection: Protection): readonly [Protection, Effect[]] {
  const { atMs, config } = now;
  const wanted = [...holds(now, protection), ...word(now, protection), ...drops(now, protection)];
  const effects: Effect[] = [];
  const begun = Object.entries(protection.sentAtMs).filter(([key]) => key.startsWith("begin "));
  const sentAtMs: { [key: string]: number } = Object.fromEntries(begun);
  for (const { key, hostId, message } of wanted) {
    const last = protection.sentAtMs[key] ?? Number.NEGATIVE_INFINITY;
    const due = atMs - last >= config.resendMs;
    sentAtMs[key] = due ? atMs : last;
    if (due) effects.push({ type: "send-agent", hostId, message });
  }
  const same = JSON.stringify(sentAtMs) === JSON.stringify(protection.sentAtMs);
  return [same ? protection : { ...protection, sentAtMs }, effects];
}

function holds(now: At, { policy, copies }: Protection): Command[] {
  const { state, vm } = now;
  if (policy === undefined || primaryReport(now) === undefined) return [];
  return copies.flatMap((copy) => {
    const { hostId, stream, token, term, primary } = copy;
    const there = state.hosts[hostId]?.connected === true;
    if (!isCurrent(vm, copy) || !there || replicaOn(state, vm, copy) !== undefined) return [];
    const { vmId, definition } = vm;
    const message = { vmId, term, stream, primary, token, definition } as const;
    return [{ key: `hold ${stream}`, hostId, message: { type: "hold-replica", ...message } }];
  });
}

function word(now: At, protection: Protection): Command[] {
  const { vm } = now;
  const report = primaryReport(now);
  const { version } = protection;
  if (report === undefined || report.protectVersion === version) return [];
  const said = wordOf(vm, protection);
  // Who sends cuts to nobody need not be told so.
  if (said.secondaries.length === 0 && report.protectVersion === undefined) return [];
  const message: Message = { type: "protect", version, ...said };
  return [{ key: `protect ${vm.hostId} ${version}`, hostId: vm.hostId, message }];
}

/** What no primary fills any more, on whatever host that is there. */
function drops({ state, vm }: At, { policy, copies }: Protection): Command[] {
  const current = copies.filter((copy) => isCurrent(vm, copy));
  const whole = current.filter((copy) => isWhole({ state, vm }, copy));
  const enough = whole.length > 0 && whole.length >= (policy?.secondaries ?? 0);
  if (policy !== undefined && !enough) return [];
  const kept = new Set(policy === undefined ? [] : current.map(({ stream }) => stream));
  const { vmId } = vm;
  return Object.values(state.hosts).flatMap(({ hostId, connected, reports }) => {
    const { replicas = [], termSeen = 0, phase } = reports[vmId] ?? {};
    if (!connected || phase === "active" || phase === "incoming") return [];
    const gone = replicas.filter(({ stream }) => !kept.has(stream));
    // A host refuses what is below the terms that it has heard of.
    const term = Math.max(vm.term, termSeen);
    return gone.map(({ stream }): Command => {
      const message: Message = { type: "drop-replica", vmId, term, stream };
      return { key: `drop ${hostId} ${stream}`, hostId, message };
    });
  });
}
