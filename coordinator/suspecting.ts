/**
 * Suspicion in the coordinator: who is asked about a host whose agent is silent, and what is told
 * of it.
 */
import type { HostId, OperationId } from "../protocol/ids.ts";
import type { Suspicion as SuspicionSummary } from "../protocol/suspicion.ts";
import { whyNotFenced } from "./automatic-fence.ts";
import { looksOf, peersOf, phaseOf } from "./observers.ts";
import type { Config, Effect, Event, State, Step } from "./state.ts";
import {
  ask,
  fallSilent,
  fellWith,
  hear,
  isDue,
  type Observer,
  PROCESSOR,
  passTime,
  putSilence,
  type Silence,
  takeLook,
  verdictOf,
  verdictOfPower,
} from "./suspicion.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/** Hosts that are looked at in the time of one round. */
export const LOOKED_AT_MAX = 8;
const LOOKS_TOLD_MAX = 16;
/** The part of a round before its end in which answers come. */
const AHEAD = 0.75;

/** A link of its agent is lost. */
export function lost(state: State, hostId: HostId, atMs: number): State {
  if (state.hosts[hostId] === undefined) return state;
  return { ...state, suspicion: fallSilent(state.suspicion, hostId, atMs) };
}

/** Its agent speaks: what was thought of it is over. */
export function heard(state: State, hostId: HostId, atMs: number, config: Config): Step {
  const was = state.suspicion.silences[hostId];
  if (was === undefined) return [state, []];
  const next = { ...state, suspicion: hear(state.suspicion, hostId, atMs, config.suspicion) };
  if (was.phase === undefined) return [next, []];
  const text = `The agent of ${hostId} is heard again after ${seconds(atMs - was.sinceMs)}`;
  return [next, [{ type: "note", text }]];
}

/** A host was looked at by another. */
export function observed(state: State, event: Of<"observed">): State {
  const { operationId, hostId, from, seen, atMs } = event;
  const silence = state.suspicion.silences[hostId];
  if (silence === undefined) return state;
  const look = { observer: `agent:${from}`, verdict: verdictOf(seen), saw: seen, atMs } as const;
  return { ...state, suspicion: putSilence(state.suspicion, takeLook(silence, operationId, look)) };
}

/** A service processor was asked, and not by a fence. */
export function powerTold(state: State, event: Of<"power-answer">, config: Config): State {
  const { operationId, answer, atMs } = event;
  const silence = Object.values(state.suspicion.silences).find(
    ({ round }) => round?.operationId === operationId,
  );
  const server = silence && state.hosts[silence.hostId]?.serverId;
  if (silence === undefined || server === undefined) return state;
  const uuid = config.servers[server]?.uuid.toLowerCase() ?? "";
  const look = { observer: PROCESSOR, ...verdictOfPower(answer, uuid), atMs } as const;
  return { ...state, suspicion: putSilence(state.suspicion, takeLook(silence, operationId, look)) };
}

/** Looks at whom it is time to look at, and says what has changed. */
export function tickSuspecting(state: State, atMs: number, config: Config): Step {
  const suspicion = passTime(state.suspicion, atMs, config.suspicion);
  const effects: Effect[] = [];
  let next: State = { ...state, suspicion };
  for (const silence of dueSilences(next, config)) {
    const [after, asked] = look(next, silence, atMs, config);
    next = after;
    effects.push(...asked);
  }
  for (const silence of Object.values(next.suspicion.silences)) {
    const [after, told] = rejudge(next, silence, config);
    next = after;
    effects.push(...told);
  }
  return [next, effects];
}

/** Whom to look at now: the one that is fenced, then who waits longest. */
function dueSilences(state: State, config: Config): Silence[] {
  const { silences, atMs } = state.suspicion;
  const all = Object.values(silences);
  const askedAt = ({ round }: Silence): number => round?.askedAtMs ?? Number.NEGATIVE_INFINITY;
  const asked = all.filter((one) => atMs - askedAt(one) < config.suspicion.lookMs).length;
  const first = (one: Silence): number =>
    one.hostId === state.fence?.hostId ? Number.NEGATIVE_INFINITY : askedAt(one);
  return all
    .filter((one) => isLookedAt(state, one, config))
    .sort((one, other) => (first(one) < first(other) ? -1 : 1))
    .slice(0, Math.max(0, LOOKED_AT_MAX - asked));
}

/**
 * One that counts as off is not asked about; one that is being fenced is, from the beginning.
 * Others are early enough that there are answers when their silence has lasted.
 */
function isLookedAt(state: State, silence: Silence, { suspicion }: Config): boolean {
  const { atMs } = state.suspicion;
  if (state.hosts[silence.hostId]?.off !== undefined) return false;
  const fenced = state.fence?.hostId === silence.hostId;
  const fromMs = suspicion.silentMs - AHEAD * suspicion.lookMs;
  if (!fenced && atMs - silence.sinceMs < fromMs) return false;
  return isDue(silence, atMs, suspicion);
}

function look(state: State, silence: Silence, atMs: number, config: Config): Step {
  const host = state.hosts[silence.hostId];
  if (host === undefined) return [state, []];
  const { suspicion } = state;
  const { hostId, serverId, address } = host;
  const rounds = suspicion.rounds + 1;
  // No other life of the coordinator has begun at the same moment of this clock.
  const operationId = `look-${Math.round(suspicion.bornAtMs * 1_000)}-${rounds}` as OperationId;
  const effects: Effect[] = [];
  const asked: Observer[] = [];
  if (address !== undefined) {
    for (const peer of peersOf(state, host, rounds)) {
      asked.push(`agent:${peer}`);
      const message = { type: "observe", operationId, hostId, address } as const;
      effects.push({ type: "send-agent", hostId: peer, message });
    }
  }
  // A fence asks it more than this, and some can do one thing at a time.
  if (config.servers[serverId] !== undefined && state.fence?.hostId !== hostId) {
    asked.push(PROCESSOR);
    effects.push({ type: "power", operationId, serverId, request: 0, command: "read" });
  }
  const next = putSilence(suspicion, ask(silence, operationId, asked, atMs));
  return [{ ...state, suspicion: { ...next, rounds } }, effects];
}

/** What is thought of one host now, told when it is something else than before. */
function rejudge(state: State, silence: Silence, config: Config): Step {
  const { suspicion } = state;
  const { hostId } = silence;
  if (state.hosts[hostId]?.off !== undefined) return [state, []];
  const phase = phaseOf(state, silence, config);
  const other = phase && fellWith(suspicion, silence, suspicion.atMs, config.suspicion);
  if (phase === silence.phase && other === silence.heldWith) return [state, []];
  const { phase: _was, heldWith: _with, ...rest } = silence;
  const now: Silence = {
    ...rest,
    ...(phase === undefined ? {} : { phase }),
    ...(other === undefined ? {} : { heldWith: other }),
  };
  const next = { ...state, suspicion: putSilence(suspicion, now) };
  const effects: Effect[] = [];
  if (phase !== undefined && phase !== silence.phase) {
    effects.push({ type: "note", text: told(next, now, config) });
  }
  if (other !== undefined && silence.heldWith === undefined) {
    effects.push({ type: "note", text: `${hostId}: ${heldText(other)}` });
  }
  return [next, effects];
}

function told(state: State, silence: Silence, config: Config): string {
  const { hostId, phase, sinceMs } = silence;
  const looks = looksOf(state, hostId, config).slice(0, LOOKS_TOLD_MAX);
  const words = looks.map(({ observer, saw }) => `${observer} (${saw})`).join(", ") || "nobody";
  const silent = `The agent of ${hostId} is silent for ${seconds(state.suspicion.atMs - sinceMs)}`;
  switch (phase) {
    case "agent-dead":
      return `${silent}; the host lives and its guests may run: ${words}`;
    case "suspected":
      return `${silent}, and nothing of the host is seen: ${words}`;
    default:
      return `${silent}; no observer can say more: ${words}`;
  }
}

export function heldText(other: HostId): string {
  return `It fell silent together with ${other}: that is taken for the coordinator's own fault`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

/** For the fleet; nothing while its silence is too short to say anything. */
export function suspicionOf(
  state: State,
  hostId: HostId,
  config: Config,
): Readonly<{ suspicion?: SuspicionSummary }> {
  const silence = state.suspicion.silences[hostId];
  if (silence?.phase === undefined || state.hosts[hostId]?.off !== undefined) return {};
  const notFenced = silence.phase === "suspected" ? whyNotFenced(state, hostId, config) : undefined;
  const { atMs } = state.suspicion;
  const looks = looksOf(state, hostId, config).slice(0, LOOKS_TOLD_MAX);
  const summary: SuspicionSummary = {
    phase: silence.phase,
    silentMs: Math.max(0, atMs - silence.sinceMs),
    ...(silence.heldWith === undefined ? {} : { held: heldText(silence.heldWith) }),
    ...(notFenced === undefined ? {} : { notFenced }),
    looks: looks.map(({ observer, verdict, saw, atMs: seenMs }) => ({
      observer,
      verdict,
      saw,
      agoMs: Math.max(0, atMs - seenMs),
    })),
  };
  return { suspicion: summary };
}
