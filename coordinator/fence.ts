/**
 * One fence: a server is switched off by its service processor, and proven to be off
 * (docs/authority.md, section 6).
 *
 *   identifying --its UUID--> switching --taken--> holding --holdMs--> reading
 *                                                                         |
 *                         proven <--signs-- witnessing <--readsMin times Off
 *
 * From every phase: another UUID, an error or the deadline -> failed; from reading on also
 * anything that is not exactly `Off`. Nothing is proven by a fence that failed.
 *
 * Rule 1: nothing is switched off before its service processor has shown the configured UUID, and
 *         every read must show it again.
 * Rule 2: `Off` counts only after the hold, in reads one after the other, readMs apart.
 *         `PoweringOff`, and whatever else a service processor says, counts as on.
 * Rule 3: a service processor alone proves nothing. The host's agent must be silent, and there must
 *         be one more sign: the firmware of its network adapter has fallen silent; or another host,
 *         asked after these reads, sees no kernel there. Nothing is proven while anybody
 *         hears or sees the host.
 * Rule 4: a sign that was there before `ForceOff` shows nothing that it did. Then `Off` must have
 *         been read until steadyMs after it: some service processors say `Off` as soon as they
 *         have taken the order.
 */
import type { OffProof, OffRead } from "../protocol/fence.ts";
import type { HostId, OperationId, ServerId } from "../protocol/ids.ts";
import type { Look } from "../protocol/suspicion.ts";

export interface FenceConfig {
  /** From `ForceOff` taken to the first read that counts. */
  readonly holdMs: number;
  /** Between two reads. */
  readonly readMs: number;
  readonly readsMin: number;
  /** From `ForceOff` to the last read, where no sign came after it. */
  readonly steadyMs: number;
  /** How long NIC firmware must be silent: longer than it takes to connect again. */
  readonly silentMs: number;
  /** From the beginning to the proof. */
  readonly deadlineMs: number;
}

export const FENCE_DEFAULTS: FenceConfig = {
  holdMs: 3_000,
  readMs: 1_000,
  readsMin: 3,
  steadyMs: 10_000,
  silentMs: 5_000,
  deadlineMs: 60_000,
};

export interface Fence {
  readonly operationId: OperationId;
  /** Whose decision it is: an operator's, or the coordinator's own of a host it suspects. */
  readonly by: OffProof["by"];
  readonly hostId: HostId;
  readonly serverId: ServerId;
  /** In lower case. */
  readonly uuid: string;
  readonly phase: "identifying" | "switching" | "holding" | "reading" | "witnessing";
  readonly startedAtMs: number;
  /** Questions to the service processor so far; an answer to an older one is dropped. */
  readonly asked: number;
  /** A question waits for its answer. */
  readonly waiting: boolean;
  /** When `ForceOff` was taken. */
  readonly switchedAtMs: number;
  /** When `ForceOff` was asked for. */
  readonly orderedAtMs: number;
  readonly reads: readonly OffRead[];
  /** Its NIC firmware has been heard up to `ForceOff`, by the management server linked since. */
  readonly nicWatched: boolean;
  /** Another host has seen its kernel live shortly before `ForceOff`. */
  readonly peerWatched: boolean;
}

/** What a service processor is asked; answered by one PowerAnswered. */
export interface PowerAsk {
  readonly type: "power";
  readonly operationId: OperationId;
  readonly serverId: ServerId;
  readonly request: number;
  readonly command: "read" | "force-off";
}

export type PowerAnswer = Readonly<
  | { type: "state"; uuid: string; power: string }
  /** `ForceOff` is taken, which does not mean done. */
  | { type: "taken" }
  | { type: "failed"; reason: string }
>;

export interface PowerAnswered {
  readonly type: "power-answer";
  readonly operationId: OperationId;
  readonly request: number;
  readonly answer: PowerAnswer;
}

/** What else is known of the host at this moment. */
export interface Witnesses {
  readonly agentSilent: boolean;
  /** Infinite while it is heard; undefined: the management server linked now never heard it. */
  readonly nicSilentSinceMs: number | undefined;
  readonly peers: Peers;
}

/** Other hosts as observers of its kernel. */
export interface Peers {
  /** Whether any could be asked. */
  readonly able: boolean;
  /** Some were asked, and may still answer. */
  readonly waiting: boolean;
  readonly looks: readonly Readonly<{ askedAtMs: number; verdict: Look["verdict"] }>[];
}

export type FenceStep = Readonly<
  | { type: "on"; fence: Fence; ask?: PowerAsk }
  | { type: "proven"; proof: OffProof }
  | { type: "failed"; reason: string }
>;

/** Silent since: never. */
const HEARD = Number.POSITIVE_INFINITY;

type Target = Pick<Fence, "operationId" | "by" | "hostId" | "serverId" | "uuid">;

export function beginFence(target: Target, atMs: number): FenceStep {
  const fence: Fence = {
    ...target,
    phase: "identifying",
    startedAtMs: atMs,
    asked: 0,
    waiting: false,
    orderedAtMs: 0,
    switchedAtMs: 0,
    reads: [],
    nicWatched: false,
    peerWatched: false,
  };
  return ask(fence, "read");
}

/** Time has passed, or something was seen. */
export function tickFence(
  fence: Fence,
  seen: Witnesses,
  atMs: number,
  config: FenceConfig,
): FenceStep {
  if (atMs - fence.startedAtMs >= config.deadlineMs) {
    return failed(
      `It was not done after ${Math.round(config.deadlineMs)} ms, ${whereAt(fence, seen)}`,
    );
  }
  if (fence.waiting) return { type: "on", fence };
  switch (fence.phase) {
    case "identifying":
    case "switching":
      return { type: "on", fence };
    case "holding": {
      const due = atMs - fence.switchedAtMs >= config.holdMs;
      return due ? ask({ ...fence, phase: "reading" }, "read") : { type: "on", fence };
    }
    case "reading": {
      const last = fence.reads.at(-1)?.afterMs ?? 0;
      const due = atMs - fence.switchedAtMs - last >= config.readMs;
      return due ? ask(fence, "read") : { type: "on", fence };
    }
    case "witnessing":
      return witness(fence, seen, atMs, config);
  }
}

export function answerFence(
  fence: Fence,
  { operationId, request, answer }: PowerAnswered,
  seen: Witnesses,
  atMs: number,
  config: FenceConfig,
): FenceStep {
  const current = operationId === fence.operationId && request === fence.asked && fence.waiting;
  if (!current) return { type: "on", fence };
  const heard: Fence = { ...fence, waiting: false };
  switch (answer.type) {
    case "failed":
      return failed(`Its service processor, while ${fence.phase}: ${answer.reason}`);
    case "taken":
      if (fence.phase !== "switching") return { type: "on", fence };
      return { type: "on", fence: { ...heard, phase: "holding", switchedAtMs: atMs } };
    case "state":
      return takeState(heard, answer, seen, atMs, config);
  }
}

/** What it still waits for, for people. */
function whereAt({ phase }: Fence, { agentSilent, nicSilentSinceMs, peers }: Witnesses): string {
  if (phase !== "witnessing") return `while ${phase}`;
  const said = "though its service processor says Off";
  if (!agentSilent) return `${said}: its agent is heard`;
  if (nicSilentSinceMs === HEARD) return `${said}: its NIC firmware is heard`;
  const alive = peers.looks.some(({ verdict }) => verdict === "lives");
  return `${said}: ${alive ? "another host sees it live" : "there was no independent sign"}`;
}

/** Who watched for the management server that is gone watches no more. */
export function unwatched(fence: Fence): Fence {
  return { ...fence, nicWatched: false };
}

function takeState(
  fence: Fence,
  { uuid, power }: Extract<PowerAnswer, { type: "state" }>,
  seen: Witnesses,
  atMs: number,
  config: FenceConfig,
): FenceStep {
  if (uuid.toLowerCase() !== fence.uuid) {
    return failed(`Its service processor is of another machine: UUID ${uuid}, not ${fence.uuid}`);
  }
  if (fence.phase === "identifying") {
    const nicWatched = seen.nicSilentSinceMs === HEARD;
    const peerWatched = seen.peers.looks.some(({ verdict }) => verdict === "lives");
    const watched = { nicWatched, peerWatched, orderedAtMs: atMs };
    return ask({ ...fence, phase: "switching", ...watched }, "force-off");
  }
  if (fence.phase !== "reading") return { type: "on", fence };
  if (power !== "Off") return failed(`Its service processor says ${power} after ForceOff`);
  const read: OffRead = { afterMs: Math.round(atMs - fence.switchedAtMs), uuid: fence.uuid, power };
  const reads = [...fence.reads, read];
  const phase = reads.length >= config.readsMin ? "witnessing" : "reading";
  return { type: "on", fence: { ...fence, phase, reads } };
}

function witness(fence: Fence, seen: Witnesses, atMs: number, config: FenceConfig): FenceStep {
  const { agentSilent, nicSilentSinceMs, peers } = seen;
  const { operationId, by, hostId, serverId, uuid, reads } = fence;
  if (nicSilentSinceMs === undefined && !peers.able) {
    const said = `Its service processor says Off ${reads.length} times`;
    return failed(`${said}, but nobody else watched: no independent sign`);
  }
  const readAtMs = fence.switchedAtMs + (reads[config.readsMin - 1]?.afterMs ?? 0);
  const since = peers.looks.filter(({ askedAtMs }) => askedAtMs >= readAtMs);
  const alive = since.some(({ verdict }) => verdict === "lives");
  if (!agentSilent || nicSilentSinceMs === HEARD || alive) return { type: "on", fence };
  const nic = nicSilentSinceMs !== undefined && atMs - nicSilentSinceMs >= config.silentMs;
  const peer = !peers.waiting && since.some(({ verdict }) => verdict === "silent");
  if (!nic && !peer) return { type: "on", fence };
  // A loss is noticed late: what was heard last decides.
  const nicAfter = nic && fence.nicWatched && nicSilentSinceMs >= fence.orderedAtMs;
  const caused = nicAfter || (peer && fence.peerWatched);
  const lastMs = reads.at(-1)?.afterMs ?? 0;
  if (!caused && lastMs < config.steadyMs) {
    return { type: "on", fence: { ...fence, phase: "reading" } };
  }
  const signs: OffProof["signs"] = ["agent-silent"];
  if (nic) signs.push("nic-firmware-silent");
  if (peer) signs.push("peer-silent");
  const proof: OffProof = { operationId, hostId, serverId, uuid, by, reads: [...reads], signs };
  return { type: "proven", proof };
}

function ask(fence: Fence, command: PowerAsk["command"]): FenceStep {
  const { operationId, serverId } = fence;
  const request = fence.asked + 1;
  return {
    type: "on",
    fence: { ...fence, asked: request, waiting: true },
    ask: { type: "power", operationId, serverId, request, command },
  };
}

function failed(reason: string): FenceStep {
  return { type: "failed", reason };
}
