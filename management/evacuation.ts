/**
 * The evacuation of one host, by P1's exchange: identify, plan, migrate (see state.ts).
 * @module
 */
import type { HostVms, MigrationResult, VmSummary } from "../protocol/evacuation.ts";
import type { HostId, OperationId, ServerId } from "../protocol/ids.ts";
import { memoryNeeded, place } from "./placement.ts";
import { hostsAtOnce } from "./policy.ts";
import {
  type Config,
  type Effect,
  type Evacuation,
  type Move,
  putEvacuation,
  type State,
  type Step,
  save,
} from "./state.ts";

/** Starts what is queued, as far as the limits and the coordinator allow. */
export function startQueued(state: State, config: Config): Step {
  if (!state.coordinatorUp) return [state, []];
  let next = state;
  const effects: Effect[] = [];
  for (const evacuation of Object.values(state.evacuations)) {
    if (evacuation.phase !== "queued") continue;
    if (!evacuation.planOnly && busyHosts(next) >= hostsAtOnce(next, config)) continue;
    const [after, asked] = identify(next, evacuation);
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
  if (moves.length === 0) return finish(state, planned, "nothing", "No VM runs on the host");
  const cordon: Effect = {
    type: "send-coordinator",
    causedBy: evacuation.evacuationId,
    message: {
      type: "cordon",
      operationId: `${evacuation.evacuationId}-cordon`.slice(-63) as OperationId,
      hostId: evacuation.hostId,
      cordoned: true,
    },
  };
  const [next, effects] = proceed(putEvacuation(state, planned), planned, atMs, config);
  return [next, [save(planned), cordon, ...effects]];
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
  });
}

function noAgent(host: HostId): string {
  return `The agent of ${host} does not answer: its guests cannot be moved without an agent or a \
replica`;
}

export function riskOf(state: State, server: ServerId): number {
  const risks = Object.values(state.predictions)
    .filter((active) => active.prediction.serverId === server)
    .map((active) => active.prediction.probability);
  return Math.max(0, ...risks);
}

/** Starts as many moves as the limit allows, tries blocked ones again, and ends when all are. */
export function proceed(state: State, evacuation: Evacuation, atMs: number, config: Config): Step {
  if (evacuation.phase !== "moving" || !state.coordinatorUp) return [state, []];
  const replanned =
    atMs >= evacuation.retryAtMs ? replan(state, evacuation, atMs, config) : evacuation;
  const running = replanned.moves.filter((move) => move.state === "running").length;
  let room = config.streamsMax - running;
  const effects: Effect[] = [];
  const moves = replanned.moves.map((move) => {
    if (move.state !== "pending" || move.target === undefined || room <= 0) return move;
    room--;
    const operationId = operationOf(evacuation, move);
    effects.push(instruct(evacuation, move, move.target, operationId, config));
    return { ...move, state: "running", operationId } as const;
  });
  const next: Evacuation = { ...replanned, moves };
  const open = moves.some((move) => move.state === "pending" || move.state === "running");
  const waiting = moves.some((move) => move.state === "blocked" && retriable(state, move));
  if (!open && !waiting) return finishMoves(state, next);
  const saved: Effect[] = next === evacuation || same(next, evacuation) ? [] : [save(next)];
  return [putEvacuation(state, next), [...saved, ...effects]];
}

/** The same attempt has the same id, so that asking twice moves once. */
function operationOf(evacuation: Evacuation, move: Move): OperationId {
  const vm = move.vmId.slice(0, 8);
  return `${evacuation.evacuationId.slice(0, 40)}-${vm}-${move.attempts + 1}` as OperationId;
}

function instruct(
  evacuation: Evacuation,
  move: Move,
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
  const promised = new Map<HostId, number>();
  const moves = evacuation.moves.map((move): Move => {
    if (move.state !== "blocked" || !retriable(state, move)) return move;
    const vm = state.fleet?.vms.find((one) => one.vmId === move.vmId);
    if (vm === undefined) return move;
    const where = choose(state, evacuation, vm, promised);
    if (where.target === undefined) return { ...move, reason: where.reason };
    return { ...move, state: "pending", target: where.target, reason: where.reason };
  });
  return { ...evacuation, moves, retryAtMs: atMs + config.retryMs };
}

/** Only a VM that still runs on the host is worth another try. */
function retriable(state: State, move: Move): boolean {
  const vm = state.fleet?.vms.find((one) => one.vmId === move.vmId);
  return vm !== undefined && vm.phase !== "stopped";
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
      ? settled(move, result, config)
      : move,
  );
  const next: Evacuation = { ...evacuation, moves, retryAtMs: atMs + config.retryMs };
  const [after, effects] = proceed(putEvacuation(state, next), next, atMs, config);
  return [after, [save(next), ...effects]];
}

function settled(move: Move, result: MigrationResult, config: Config): Move {
  const { reason, lost } = result;
  const after = { ...move, reason, ...(lost === undefined ? {} : { lost }) };
  switch (result.outcome) {
    case "moved":
      return { ...after, state: "moved" };
    case "cancelled":
      return { ...after, state: "cancelled" };
    case "failed": {
      const attempts = move.attempts + 1;
      return { ...after, attempts, state: attempts < config.attemptsMax ? "blocked" : "failed" };
    }
  }
}

/** Asks again for everything that may have been lost with the coordinator's last link. */
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
    for (const move of evacuation.moves) {
      if (move.state !== "running" || move.target === undefined) continue;
      const operationId = move.operationId ?? operationOf(evacuation, move);
      effects.push(instruct(evacuation, move, move.target, operationId, config));
    }
  }
  return [next, effects];
}

/** Nothing new is started; what runs is asked to stop before its point of no return. */
export function cancel(state: State, evacuation: Evacuation): Step {
  const effects: Effect[] = [];
  const moves = evacuation.moves.map((move): Move => {
    if (move.state === "running" && move.operationId !== undefined) {
      const { operationId } = move;
      const reason = "Cancelled by an operator";
      effects.push({
        type: "send-coordinator",
        causedBy: evacuation.evacuationId,
        message: { type: "cancel-saga", operationId, reason },
      });
      return move;
    }
    return move.state === "moved" ? move : { ...move, state: "cancelled" };
  });
  const next: Evacuation = { ...evacuation, moves };
  if (moves.some((move) => move.state === "running")) {
    return [putEvacuation(state, next), [save(next), ...effects]];
  }
  return finish(state, next, "cancelled", "Cancelled by an operator");
}

function finishMoves(state: State, evacuation: Evacuation): Step {
  const moved = evacuation.moves.filter((move) => move.state === "moved").length;
  const total = evacuation.moves.length;
  const reason = `${moved} of ${total} moved`;
  if (moved === total) return finish(state, evacuation, "evacuated", reason);
  const cancelled = evacuation.moves.some((move) => move.state === "cancelled");
  if (cancelled) return finish(state, evacuation, "cancelled", reason);
  return finish(state, evacuation, moved === 0 ? "failed" : "partial", reason);
}

function finish(
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
    effects.push({ type: "answer", operationId: done.askedBy, result: done });
  }
  return [putEvacuation(state, done), effects];
}

function same(a: Evacuation, b: Evacuation): boolean {
  return a.moves.every((move, at) => JSON.stringify(move) === JSON.stringify(b.moves[at]));
}
