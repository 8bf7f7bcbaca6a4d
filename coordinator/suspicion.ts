/**
 * Whether a host lives whose agent is silent (docs/authority.md, section 6).
 *
 *   heard --its link is lost--> unheard --silentMs--> silent --nothing of it is seen--> suspected
 *     ^                                                |  ^                                |
 *     |                                     it lives   v  | looks grow old        it lives |
 *     +------------- its agent speaks ------------- agent-dead <---------------------------+
 *
 * Rule 1: silence of an agent is not silence of its host, since guests outlive their agent. A host
 *         is suspected only if an observer that watches the host, and not the agent, sees nothing
 *         of it, and none sees it live. One that cannot tell says neither.
 * Rule 2: looks count while they are fresh, and only once whoever was asked last has answered or
 *         had time to.
 * Rule 3: hosts that fall silent together are held: that is a fault of the coordinator's own.
 * Rule 4: a coordinator that stood still has heard nobody meanwhile: silences begin anew.
 */
import type { HostId, OperationId } from "../protocol/ids.ts";
import type { Seen } from "../protocol/observe.ts";
import type { Look as LookSummary, Suspicion as SuspicionSummary } from "../protocol/suspicion.ts";
import type { PowerAnswer } from "./fence.ts";

export interface SuspicionConfig {
  /** Longer than two losses of one moment may be noticed apart: see heartbeat.ts. */
  readonly silentMs: number;
  /** Hosts whose silences begin within this are held. */
  readonly togetherMs: number;
  /** From one round of looks to the next, at first, and for an answer. */
  readonly lookMs: number;
  /** Without a tick for so long, the coordinator stood still. */
  readonly standstillMs: number;
}

export const SUSPICION_DEFAULTS: SuspicionConfig = {
  silentMs: 10_000,
  togetherMs: 60_000,
  lookMs: 5_000,
  standstillMs: 5_000,
};

/** The longer a silence lasts, the less often it is looked at. */
const LOOK_MS_MAX = 60_000;
/** Of a silence's length, between two looks. */
const LOOK_SHARE = 0.1;
/** Times between two rounds for which a look counts. */
const FRESH_ROUNDS = 4;
/** Silences kept of hosts that are heard again. */
const ENDED_MAX = 1_000;

export const PROCESSOR = "service-processor";
export const NIC = "nic-firmware";
/** The service processor, NIC firmware, or a host by its id: `agent:` and it. */
export type Observer = typeof PROCESSOR | typeof NIC | `agent:${string}`;

export type Verdict = LookSummary["verdict"];

/** What an observer said last of a host. */
export interface Look {
  readonly observer: Observer;
  readonly verdict: Verdict;
  /** In its own word, for people. */
  readonly saw: string;
  readonly askedAtMs: number;
  readonly atMs: number;
}

/** Observers that were asked at once; answers to an older round are dropped. */
interface Round {
  readonly operationId: OperationId;
  readonly askedAtMs: number;
  readonly waiting: readonly Observer[];
}

export interface Silence {
  readonly hostId: HostId;
  readonly sinceMs: number;
  /** Absent: not long enough to say anything. */
  readonly phase?: SuspicionSummary["phase"];
  readonly looks: Readonly<{ [observer: string]: Look }>;
  readonly round?: Round;
  /** With whom it fell silent, as it was told last. */
  readonly heldWith?: HostId;
}

/** One that lasted long enough to count, and is over. */
interface Ended {
  readonly hostId: HostId;
  readonly sinceMs: number;
}

export interface Suspicion {
  readonly silences: Readonly<{ [id: HostId]: Silence }>;
  readonly ended: readonly Ended[];
  readonly rounds: number;
  /** When this life began, and its newest tick. */
  readonly bornAtMs: number;
  readonly atMs: number;
}

/** In a new life nobody is heard yet. */
export function startSuspicion(hosts: readonly HostId[], atMs: number): Suspicion {
  const silences = Object.fromEntries(hosts.map((hostId) => [hostId, begin(hostId, atMs)]));
  return { silences, ended: [], rounds: 0, bornAtMs: atMs, atMs };
}

/** Its agent's link is lost. */
export function fallSilent(suspicion: Suspicion, hostId: HostId, atMs: number): Suspicion {
  if (suspicion.silences[hostId] !== undefined) return suspicion;
  return putSilence(suspicion, begin(hostId, atMs));
}

/** Its agent speaks. */
export function hear(
  suspicion: Suspicion,
  hostId: HostId,
  atMs: number,
  { silentMs }: SuspicionConfig,
): Suspicion {
  const { [hostId]: was, ...silences } = suspicion.silences;
  if (was === undefined) return suspicion;
  const counts = atMs - was.sinceMs >= silentMs;
  const ended = counts ? [...suspicion.ended, { hostId, sinceMs: was.sinceMs }] : suspicion.ended;
  return { ...suspicion, silences, ended: ended.slice(-ENDED_MAX) };
}

/** Time has passed. */
export function passTime(suspicion: Suspicion, atMs: number, config: SuspicionConfig): Suspicion {
  const { silences, ended, atMs: lastMs } = suspicion;
  const stood = atMs - lastMs >= config.standstillMs;
  const anew = Object.keys(silences).map((id) => [id, begin(id as HostId, atMs)]);
  return {
    ...suspicion,
    atMs,
    silences: stood ? Object.fromEntries(anew) : silences,
    ended: ended.filter(({ sinceMs }) => atMs - sinceMs < 2 * config.togetherMs),
  };
}

/** Whether its observers are to be asked now. */
export function isDue(silence: Silence, atMs: number, config: SuspicionConfig): boolean {
  const { round } = silence;
  return round === undefined || atMs - round.askedAtMs >= betweenLooks(silence, atMs, config);
}

/** A new round: answers to the one before it come too late. */
export function ask(
  silence: Silence,
  operationId: OperationId,
  waiting: readonly Observer[],
  askedAtMs: number,
): Silence {
  return { ...silence, round: { operationId, askedAtMs, waiting } };
}

/** An observer's answer; dropped unless it was asked in the newest round, and once. */
export function takeLook(
  silence: Silence,
  operationId: OperationId,
  look: Pick<Look, "observer" | "verdict" | "saw" | "atMs">,
): Silence {
  const { round } = silence;
  if (round?.operationId !== operationId || !round.waiting.includes(look.observer)) return silence;
  const waiting = round.waiting.filter((one) => one !== look.observer);
  const taken: Look = { ...look, askedAtMs: round.askedAtMs };
  return {
    ...silence,
    round: { ...round, waiting },
    looks: { ...silence.looks, [look.observer]: taken },
  };
}

/** Looks that count now; one of NIC firmware is not asked for: it is as of this moment. */
export function freshLooks(
  silence: Silence,
  nic: Look | undefined,
  atMs: number,
  config: SuspicionConfig,
): Look[] {
  const freshMs = FRESH_ROUNDS * betweenLooks(silence, atMs, config);
  const looks = Object.values(silence.looks).filter((look) => atMs - look.atMs < freshMs);
  return nic === undefined ? looks : [...looks, nic];
}

/** What is to be thought of a host that is silent. */
export function judge(
  silence: Silence,
  nic: Look | undefined,
  atMs: number,
  config: SuspicionConfig,
): Silence["phase"] {
  if (atMs - silence.sinceMs < config.silentMs) return undefined;
  const looks = freshLooks(silence, nic, atMs, config);
  if (looks.some(({ verdict }) => verdict === "lives")) return "agent-dead";
  if (!looks.some(({ verdict }) => verdict === "silent")) return "silent";
  const { round, phase } = silence;
  const late = round !== undefined && atMs - round.askedAtMs >= config.lookMs;
  const answered = round === undefined || round.waiting.length === 0 || late;
  // A round that is under way takes back nothing that was thought before it.
  return answered || phase === "suspected" ? "suspected" : "silent";
}

/**
 * Another host that fell silent together with this one. It counts as long as it is silent, and if
 * it was silent and is heard again, until this has lasted as long.
 */
export function fellWith(
  suspicion: Suspicion,
  { hostId, sinceMs }: Silence,
  atMs: number,
  { togetherMs }: SuspicionConfig,
): HostId | undefined {
  const together = (other: Ended): boolean =>
    other.hostId !== hostId && Math.abs(other.sinceMs - sinceMs) < togetherMs;
  const silent = Object.values(suspicion.silences).find(together);
  if (silent !== undefined) return silent.hostId;
  const recent = suspicion.ended.filter(together);
  return recent.find((other) => atMs - Math.max(other.sinceMs, sinceMs) < togetherMs)?.hostId;
}

/** What another host's look at its kernel says. */
export function verdictOf(seen: Seen): Verdict {
  switch (seen) {
    case "connected":
    case "refused":
      return "lives";
    case "silent":
      return "silent";
    case "unreachable":
      return "unsure";
  }
}

/**
 * What a service processor says. That a server has power says nothing of its kernel, and a service
 * processor that is away may have lost its own.
 */
export function verdictOfPower(
  answer: PowerAnswer,
  uuid: string,
): Readonly<{ verdict: Verdict; saw: string }> {
  if (answer.type === "failed") return { verdict: "unsure", saw: answer.reason };
  if (answer.type === "taken") return { verdict: "unsure", saw: "no answer to the question" };
  if (answer.uuid.toLowerCase() !== uuid) return { verdict: "unsure", saw: "another machine" };
  return { verdict: answer.power === "Off" ? "silent" : "unsure", saw: answer.power };
}

export function putSilence(suspicion: Suspicion, silence: Silence): Suspicion {
  const silences = { ...suspicion.silences, [silence.hostId]: silence };
  return { ...suspicion, silences };
}

function begin(hostId: HostId, sinceMs: number): Silence {
  return { hostId, sinceMs, looks: {} };
}

function betweenLooks({ sinceMs }: Silence, atMs: number, { lookMs }: SuspicionConfig): number {
  return Math.max(lookMs, Math.min(LOOK_MS_MAX, (atMs - sinceMs) * LOOK_SHARE));
}
