/**
 * The evacuation of one host, by P1's exchange: identify, plan, migrate (see state.ts).
 * @module
 */
import type { HostVms, MigrationResult, VmSummary } from "../protocol/evacuation.ts";
import type { HostId, OperationId, ServerId } from "../protocol/ids.ts";
import { memoryNeeded, place } from "./placement.ts";
import { heldBack, hostsAtOnce, stampede } from "./policy.ts";
import {
  type Config,
  type Effect,
  type Evacuation,
  type Move,
  putEvacuation,
  recordOf,
  type State,
  type Step,
  save,
} from "./state.ts";

/** Longest operation id: see protocol/ids.ts. */
const ID_LENGTH_MAX = 63;
const CANCELLED = "Cancelled by an operator";

/** Starts what is queued, as far as the limits and the coordinator allow. */
export function startQueued(state: State, atMs: number, config: Config): Step {
  if (!state.coordinatorUp) return [state, []];
  let next = state;
  const effects: Effect[] = [];
  for (const evacuation of Object.values(state.evacuations)) {
    if (evacuation.phase !== "queued" || heldBack(next, evacuation)) continue;
    const byPrediction = evacuation.cause === "prediction" && !evacuation.planOnly;
    const crowd = byPrediction ? stampede(next, atMs, config) : undefined;
    const full = !evacuation.planOnly && busyHosts(next) >= hostsAtOnce(next, config);
    if (crowd === undefined && full) continue;
    const [after, asked] =
      crowd === undefined
        ? identify(next, evacuation)
        : finish(next, evacuation, "cancelled", crowd);
    next = after;
    effects.push(...asked);
  }
  return [next, effects];
}

/** Hosts that VMs are leaving now; one whose every move waits for something holds up no other. */
function busyHosts(state: State): number {
  return Object.values(state.evacuations).filter(
    (one) =>
      !one.planOnly &&
      (one.phase === "identifying" || one.moves.some((move) => move.state === "running")),
  ).length;
}

/** Asks the coordinator which VMs the host runs; asked again after its link was lost. */
export function identify(state: State, evacuation: Evacuation): Step {
  const { evacuationId, hostId } = evacuation;
  const next: Evacuation = { ...evacuation, phase: "identifying" };
  return [
    putEvacuation(state, next),
    [
      save(next),
      {
        type: "send-coordinator",
        causedBy: evacuation.predictionId ?? evacuationId,
        message: { type: "identify-host", operationId: evacuationId, hostId },
      },
    ],
  ];
}

/** The host's VMs are known: plan, and begin unless it is only a plan. */
export function takeHostVms(state: State, message: HostVms, atMs: number, config: Config): Step {
  const evacuation = state.evacuations[message.operationId];
  if (evacuation?.phase !== "identifying") return [state, []];
  const chosen = evacuation.vmIds;
  const vms = message.vms.filter((vm) => chosen === undefined || chosen.includes(vm.vmId));
  const moves = plan(state, evacuation, vms);
  const planned: Evacuation = { ...evacuation, phase: "moving", moves };
  if (evacuation.planOnly) return finish(state, planned, "planned", "Planned; nothing was moved");
  if (!message.known) return finish(state, planned, "failed", `Host ${message.hostId} is unknown`);
  if (moves.length === 0) {
    const [next, effects] = finish(state, planned, "nothing", "No VM runs on the host");
    // Nothing shall come to an empty host either; an empty selection means nothing at all.
    return [next, chosen === undefined ? [cordon(evacuation), ...effects] : effects];
  }
  const [next, effects] = proceed(putEvacuation(state, planned), planned, atMs, config);
  return [next, [save(planned), cordon(evacuation), ...effects]];
}

function cordon({ evacuationId, hostId }: Evacuation): Effect {
  const operationId = `${evacuationId}-cordon`.slice(-ID_LENGTH_MAX) as OperationId;
  const message = { type: "cordon", operationId, hostId, cordoned: true } as const;
  return { type: "send-coordinator", causedBy: evacuationId, message };
}

/** Running VMs, the largest first: they are the hardest to place. */
function plan(state: State, evacuation: Evacuation, vms: readonly VmSummary[]): Move[] {
  const promised = new Map<HostId, number>();
  const order = [...vms].sort(
    (a, b) => b.memoryBytes - a.memoryBytes || (a.vmId < b.vmId ? -1 : 1),
  );
  return order.map((vm) => {
    const base = { vmId: vm.vmId, name: vm.name, memoryBytes: vm.memoryBytes, attempts: 0 };
    if (vm.phase === "stopped") {
      return { ...base, state: "blocked", reason: "It is stopped: only running VMs are moved" };
    }
    const where = choose(state, evacuation, vm, promised);
    if (where.target === undefined) return { ...base, state: "blocked", reason: where.reason };
    promised.set(where.target, (promised.get(where.target) ?? 0) + memoryNeeded(vm.memoryBytes));
    return { ...base, state: "pending", target: where.target, reason: where.reason };
  });
}

function choose(
  state: State,
  evacuation: Evacuation,
  vm: VmSummary,
  promised: ReadonlyMap<HostId, number>,
  failedAt?: HostId,
): ReturnType<typeof place> {
  const { fleet } = state;
  if (fleet === undefined) return { reason: "The coordinator has not told the fleet yet" };
  const source = fleet.hosts.find((host) => host.hostId === evacuation.hostId);
  if (!source?.connected) return { reason: noAgent(evacuation.hostId) };
  return place(fleet, {
    vm,
    from: evacuation.hostId,
    promised,
    risk: (server) => riskOf(state, server),
    ...(evacuation.target === undefined ? {} : { only: evacuation.target }),
    ...(failedAt === undefined ? {} : { failedAt }),
  });
}

function noAgent(host: HostId): string {
  return `The agent of ${host} does not answer: its guests cannot be moved without an agent or a \
replica`;
}

export function riskOf(state: State, server: ServerId): number {
  const risks = Object.values(state.predictions)
    .filter(({ cleared, prediction }) => cleared === undefined && prediction.serverId === server)
    .map((active) => active.prediction.probability);
  return Math.max(0, ...risks);
}

/** Starts as many moves as the limit allows, tries blocked ones again, and ends when all are. */
export function proceed(state: State, evacuation: Evacuation, atMs: number, config: Config): Step {
  if (evacuation.phase !== "moving" || !state.coordinatorUp) return [state, []];
  const replanned =
    atMs >= evacuation.retryAtMs ? replan(state, evacuation, atMs, config) : evacuation;
  const running = replanned.moves.filter((move) => move.state === "running").length;
  const mayStart =
    !heldBack(state, evacuation) && (running > 0 || busyHosts(state) < hostsAtOnce(state, config));
  let room = mayStart ? config.streamsMax - running : 0;
  const effects: Effect[] = [];
  const moves = replanned.moves.map((move, at) => {
    if (move.state !== "pending" || move.target === undefined || room <= 0) return move;
    room--;
    const operationId = operationOf(evacuation, move, at);
    effects.push(instruct(evacuation, move, move.target, operationId, config));
    return { ...move, state: "running", operationId } as const;
  });
  const next: Evacuation = { ...replanned, moves };
  const open = moves.some((move) => move.state === "pending" || move.state === "running");
  const waiting = moves.some((move) => retriable(state, evacuation, move));
  if (!open && !waiting) return finishMoves(state, next);
  const saved: Effect[] = next === evacuation || same(next, evacuation) ? [] : [save(next)];
  return [putEvacuation(state, next), [...saved, ...effects]];
}

/**
 * The same attempt has the same id, so that asking twice moves once; no other attempt has it. Of
 * an id too long its end is kept, which is what tells it from others.
 */
function operationOf({ evacuationId }: Evacuation, move: Move, at: number): OperationId {
  const attempt = `-${at}-${move.attempts + 1}`;
  return `${evacuationId.slice(attempt.length - ID_LENGTH_MAX)}${attempt}` as OperationId;
}

function instruct(
  evacuation: Evacuation,
  move: Pick<Move, "vmId">,
  target: HostId,
  operationId: OperationId,
  config: Config,
): Effect {
  const { pauseMsMax, evacuationId } = evacuation;
  const limits = { pauseMsMax, roundsMax: config.roundsMax };
  const { vmId } = move;
  const message = { type: "migrate", operationId, vmId, target, limits } as const;
  return { type: "send-coordinator", causedBy: evacuationId, message };
}

/** A blocked move is planned anew: an agent may be back, a host may have room again. */
function replan(state: State, evacuation: Evacuation, atMs: number, config: Config): Evacuation {
  const promised = promisedTo(evacuation.moves);
  const moves = evacuation.moves.map((move): Move => {
    if (!retriable(state, evacuation, move)) return move;
    const vm = state.fleet?.vms.find((one) => one.vmId === move.vmId);
    if (vm === undefined) return move;
    const failedAt = move.attempts > 0 ? move.target : undefined;
    const where = choose(state, evacuation, vm, promised, failedAt);
    if (where.target === undefined) return { ...move, reason: where.reason };
    promised.set(where.target, (promised.get(where.target) ?? 0) + memoryNeeded(move.memoryBytes));
    return { ...move, state: "pending", target: where.target, reason: where.reason };
  });
  return { ...evacuation, moves, retryAtMs: atMs + config.retryMs };
}

/** Memory that moves not yet begun will take. */
function promisedTo(moves: readonly Move[]): Map<HostId, number> {
  const promised = new Map<HostId, number>();
  for (const { state, target, memoryBytes } of moves) {
    if (state !== "pending" || target === undefined) continue;
    promised.set(target, (promised.get(target) ?? 0) + memoryNeeded(memoryBytes));
  }
  return promised;
}

/** Only a VM that still runs on the host is worth another try; nobody knows before a fleet came. */
function retriable({ fleet }: State, { hostId, cancelled }: Evacuation, move: Move): boolean {
  if (move.state !== "blocked" || cancelled === true) return false;
  if (fleet === undefined) return true;
  const vm = fleet.vms.find((one) => one.vmId === move.vmId);
  return vm !== undefined && vm.hostId === hostId && vm.phase !== "stopped";
}

export function takeResult(
  state: State,
  result: MigrationResult,
  atMs: number,
  config: Config,
): Step {
  const evacuation = Object.values(state.evacuations).find((one) =>
    one.moves.some((move) => move.operationId === result.operationId),
  );
  if (evacuation === undefined || evacuation.phase === "done") return [state, []];
  const moves = evacuation.moves.map((move) =>
    move.operationId === result.operationId && move.state === "running"
      ? settled(move, result, evacuation.cancelled === true ? 1 : config.attemptsMax)
      : move,
  );
  const next: Evacuation = { ...evacuation, moves, retryAtMs: atMs + config.retryMs };
  const [after, effects] = proceed(putEvacuation(state, next), next, atMs, config);
  return [after, [save(next), ...effects]];
}

function settled(move: Move, result: MigrationResult, attemptsMax: number): Move {
  const { reason, lost } = result;
  const after = { ...move, reason, ...(lost === undefined ? {} : { lost }) };
  switch (result.outcome) {
    case "moved":
      return { ...after, state: "moved" };
    case "cancelled":
      return { ...after, state: "cancelled" };
    case "failed": {
      const attempts = move.attempts + 1;
      return { ...after, attempts, state: attempts < attemptsMax ? "blocked" : "failed" };
    }
  }
}

/** Asks again for what the coordinator may not have heard of each evacuation. */
export function resume(state: State, config: Config): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const evacuation of Object.values(state.evacuations)) {
    if (evacuation.phase === "identifying") {
      const [after, asked] = identify(next, evacuation);
      next = after;
      effects.push(...asked);
    }
    if (evacuation.phase !== "moving") continue;
    effects.push(cordon(evacuation));
    for (const { operationId, target, ...move } of evacuation.moves) {
      if (move.state !== "running" || operationId === undefined || target === undefined) continue;
      effects.push(instruct(evacuation, move, target, operationId, config));
      if (evacuation.cancelled === true) effects.push(cancelSaga(evacuation, operationId));
    }
  }
  return [next, effects];
}

/** Nothing new is started; what runs is asked to stop before its point of no return. */
export function cancel(state: State, evacuation: Evacuation): Step {
  const effects: Effect[] = [];
  const moves = evacuation.moves.map((move): Move => {
    if (move.state === "running" && move.operationId !== undefined) {
      effects.push(cancelSaga(evacuation, move.operationId));
      return move;
    }
    const open = move.state === "pending" || move.state === "blocked";
    return open ? { ...move, state: "cancelled" } : move;
  });
  const next: Evacuation = { ...evacuation, moves, cancelled: true };
  if (moves.some((move) => move.state === "running")) {
    return [putEvacuation(state, next), [save(next), ...effects]];
  }
  return finish(state, next, "cancelled", CANCELLED);
}

function cancelSaga({ evacuationId }: Evacuation, operationId: OperationId): Effect {
  const message = { type: "cancel-saga", operationId, reason: CANCELLED } as const;
  return { type: "send-coordinator", causedBy: evacuationId, message };
}

function finishMoves(state: State, evacuation: Evacuation): Step {
  const moved = evacuation.moves.filter((move) => move.state === "moved").length;
  const total = evacuation.moves.length;
  const reason = `${moved} of ${total} moved`;
  if (moved === total) return finish(state, evacuation, "evacuated", reason);
  if (evacuation.cancelled === true) return finish(state, evacuation, "cancelled", reason);
  return finish(state, evacuation, moved === 0 ? "failed" : "partial", reason);
}

/** Ends it, whatever is left of it. */
export function finish(
  state: State,
  evacuation: Evacuation,
  outcome: NonNullable<Evacuation["outcome"]>,
  reason: string,
): Step {
  const done: Evacuation = { ...evacuation, phase: "done", outcome, reason };
  const effects: Effect[] = [
    save(done),
    {
      type: "note",
      message: "evacuation-result",
      subject: done.hostId,
      text: `${outcome}: ${reason}`,
      causedBy: done.evacuationId,
    },
  ];
  if (done.askedBy !== undefined) {
    effects.push({ type: "answer", operationId: done.askedBy, result: recordOf(done) });
  }
  return [putEvacuation(state, done), effects];
}

function same(a: Evacuation, b: Evacuation): boolean {
  return a.moves.every((move, at) => JSON.stringify(move) === JSON.stringify(b.moves[at]));
}
