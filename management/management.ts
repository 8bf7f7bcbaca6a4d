/**
 * The management server's decisions, as a pure state machine: predictions in, evacuations out.
 *
 * Rule 1: a prediction is durable before anything follows from it, whoever else is away.
 * Rule 2: the coordinator is asked which VMs a host runs; nothing is moved by a guess.
 * Rule 3: no evacuation is started in shadow mode, while disarmed, or when too many servers are
 *         predicted to fail at once; an operator's own evacuation is.
 */
import type { OperationId } from "../protocol/ids.ts";
import type { AlarmRecord } from "./alarm.ts";
import { actOn, endAlarms, forgetAlarms, openAlarm, takeWord } from "./alarms.ts";
import type { BaselineRecord } from "./baseline.ts";
import { takeAcknowledge } from "./baselines.ts";
import { forgetCleared, takeCleared } from "./clearing.ts";
import { cancel, proceed, resume, startQueued, takeHostVms, takeResult } from "./evacuation.ts";
import type { PlaceRecord } from "./place.ts";
import { takePlaces } from "./places.ts";
import { stampede, whyNotAct } from "./policy.ts";
import { protectionNotes } from "./protection.ts";
import type { RulesRecord } from "./rules/record.ts";
import { resumeSwaps, takeReview, takeRules, takeSwapResult } from "./rules/review.ts";
import { beginRules } from "./rules/standing.ts";
import {
  type ActivePrediction,
  type Config,
  type DecidedAsk,
  type Effect,
  type Evacuation,
  type EvacuationRecord,
  type Event,
  hostOfServer,
  keyOf,
  type PredictionRecord,
  putEvacuation,
  recordOf,
  type Settings,
  type State,
  type Step,
  save,
} from "./state.ts";

type Of<Type extends Event["type"]> = Extract<Event, { type: Type }>;

/**
 * The state of a new life, from what is durable. How old a prediction is nobody knows any more:
 * it counts as new for the stampede, unless the evacuation that it led to is over.
 */
export function start(
  settings: Settings,
  predictions: readonly PredictionRecord[],
  evacuations: readonly EvacuationRecord[],
  atMs: number,
  alarms: readonly AlarmRecord[] = [],
  baselines: readonly BaselineRecord[] = [],
  rules: readonly RulesRecord[] = [],
  places: readonly PlaceRecord[] = [],
): State {
  return {
    settings,
    predictions: Object.fromEntries(
      predictions.map((record) => {
        const { predictionId } = record.prediction;
        const over = evacuations.some(
          (one) => one.predictionId === predictionId && one.phase === "done" && !one.planOnly,
        );
        const active = { ...record, atMs: over ? Number.NEGATIVE_INFINITY : atMs };
        return [keyOf(record.prediction), active];
      }),
    ),
    baselines: Object.fromEntries(baselines.map((record) => [record.baselineId, record])),
    alarms: Object.fromEntries(alarms.map((alarm) => [alarm.alarmId, alarm])),
    evacuations: Object.fromEntries(
      evacuations.map((record) => [record.evacuationId, { ...record, retryAtMs: 0 }]),
    ),
    rules: Object.fromEntries(rules.map((record) => [record.vmId, beginRules(record, atMs)])),
    places: Object.fromEntries(places.map((record) => [record.vmId, record])),
    fleet: undefined,
    coordinatorUp: false,
  };
}

export function step(state: State, event: Event, config: Config): Step {
  const [taken, first] = take(state, event, config);
  const [next, then] = goOn(taken, event.atMs, config);
  return [next, [...first, ...then]];
}

function take(state: State, event: Event, config: Config): Step {
  switch (event.type) {
    case "prediction":
      return takePrediction(state, event, config);
    case "prediction-cleared":
      return takeCleared(state, event);
    case "coordinator-up":
      return comeUp({ ...state, coordinatorUp: true }, config);
    case "coordinator-down":
      return [{ ...state, coordinatorUp: false }, []];
    case "fleet":
      return takeFleet(state, event, config);
    case "host-vms":
      return takeHostVms(state, event, event.atMs, config);
    case "migration-result":
      return takeMigrationResult(state, event, config);
    case "uncordoned":
      return takeUncordoned(state, event);
    case "acknowledge":
      return takeAcknowledge(state, event);
    case "review":
      return takeReview(state, event);
    case "rules":
      return takeRules(state, event);
    case "word":
      return takeWord(state, event);
    case "ask":
      return decide(state, event.operationId, event.ask, config);
    case "tick":
      return forgetCleared(forgetAlarms(forget(state, config)), event.atMs, config);
  }
}

/** Asks again for everything that may have been lost with the coordinator's last link. */
function comeUp(state: State, config: Config): Step {
  const [next, effects] = resume(state, config);
  return [next, [...effects, ...resumeSwaps(next)]];
}

function goOn(state: State, atMs: number, config: Config): Step {
  const [started, effects] = startQueued(state, atMs, config);
  let next = started;
  const all: Effect[] = [...effects];
  for (const evacuation of Object.values(started.evacuations)) {
    if (evacuation.phase !== "moving") continue;
    const [after, asked] = proceed(next, evacuation, atMs, config);
    next = after;
    all.push(...asked);
  }
  return [next, all];
}

/** The prediction is durable first; then the server's host is looked up, and the policy asked. */
function takePrediction(state: State, event: Of<"prediction">, config: Config): Step {
  const { prediction, from, wallTime, atMs } = event;
  const known = state.predictions[keyOf(prediction)];
  if (known?.prediction.predictionId === prediction.predictionId) {
    return [state, [savePrediction(known)]];
  }
  const active: ActivePrediction = { prediction, from, wallTime, atMs };
  const [opened, saved] = openAlarm(putPrediction(state, active), active);
  const [next, effects] = consider(opened, active, atMs, config);
  return [next, [savePrediction(active), ...saved, ...effects]];
}

/** What a prediction leads to: decided once, as soon as the server's host is known. */
function consider(state: State, active: ActivePrediction, atMs: number, config: Config): Step {
  const { predictionId, serverId } = active.prediction;
  const host = hostOfServer(state, serverId);
  if (host === undefined) {
    return [state, [decision(active, "No host is known on this server yet: held until one is")]];
  }
  const running = underWay(state, host);
  if (running !== undefined) {
    return decided(state, active, `Evacuation ${running.evacuationId} is under way`);
  }
  const crowd = stampede(state, atMs, config);
  if (crowd !== undefined) return decided(state, active, crowd);
  const why = whyNotAct(state, active, config);
  if (why !== undefined && state.settings.mode === "act") return decided(state, active, why);
  const evacuation: Evacuation = {
    evacuationId: `evacuation-${predictionId.slice(-52)}` as OperationId,
    hostId: host,
    serverId,
    cause: "prediction",
    predictionId,
    phase: "queued",
    planOnly: why !== undefined,
    pauseMsMax: config.pauseMsMax,
    moves: [],
    reason: why ?? "Predicted to fail",
    retryAtMs: 0,
  };
  const { evacuationId } = evacuation;
  if (state.evacuations[evacuationId] !== undefined) {
    return decided(state, active, `It led to ${evacuationId} already`);
  }
  const queued = putEvacuation(state, evacuation);
  const [next, effects] = decided(queued, active, why ?? `Evacuating ${host}`);
  return [next, [save(evacuation), ...effects]];
}

function decided(state: State, active: ActivePrediction, text: string): Step {
  const after = { ...active, decision: text };
  return [putPrediction(state, after), [decision(active, text), savePrediction(after)]];
}

function decision({ prediction }: ActivePrediction, text: string): Effect {
  const { serverId: subject, predictionId: causedBy } = prediction;
  return { type: "note", message: "decision", subject, text, causedBy };
}

function putPrediction(state: State, active: ActivePrediction): State {
  const predictions = { ...state.predictions, [keyOf(active.prediction)]: active };
  return { ...state, predictions };
}

function savePrediction({ atMs: _at, ...record }: ActivePrediction): Effect {
  return { type: "save-prediction", record };
}

/** A guest that left makes what becomes of the server's predictions unknown: see alarms.ts. */
function takeMigrationResult(state: State, event: Of<"migration-result">, config: Config): Step {
  const leaves = Object.values(state.evacuations).find(({ moves }) =>
    moves.some((move) => move.operationId === event.operationId && move.state === "running"),
  );
  const [swapped, told] = takeSwapResult(state, event);
  if (told.length > 0) return [swapped, told];
  const [taken, effects] = takeResult(state, event, event.atMs, config);
  if (leaves === undefined || event.outcome !== "moved") return [taken, effects];
  const [next, saved] = actOn(taken, leaves);
  return [next, [...effects, ...saved]];
}

/** The operator's word counts: the server may take guests again until something is predicted. */
function takeUncordoned(state: State, { hostId, wallTime }: Of<"uncordoned">): Step {
  const serverId = state.settings.hosts[hostId];
  const over = Object.entries(state.predictions).filter(
    ([, active]) => active.prediction.serverId === serverId,
  );
  if (serverId === undefined) return [state, []];
  const reason = `${hostId} was put back into service`;
  const [ended, saved] = endAlarms(state, { serverId }, { cause: "uncordoned", reason, wallTime });
  if (over.length === 0) return [ended, saved];
  const keys = over.map(([key]) => key);
  const kept = Object.entries(state.predictions).filter(([key]) => !keys.includes(key));
  const text = `${keys.length} predictions are over: ${reason}`;
  return [
    { ...ended, predictions: Object.fromEntries(kept) },
    [
      ...saved,
      ...keys.map((key): Effect => ({ type: "forget-prediction", key })),
      { type: "note", message: "decision", subject: serverId, text },
    ],
  ];
}

function underWay(state: State, host: string): Evacuation | undefined {
  return Object.values(state.evacuations).find(
    (one) => one.hostId === host && one.phase !== "done" && !one.planOnly,
  );
}

/** The fleet tells which host is on which server: held predictions may be acted upon now. */
function takeFleet(state: State, { atMs, ...fleet }: Of<"fleet">, config: Config): Step {
  const known = Object.fromEntries(fleet.hosts.map((host) => [host.hostId, host.serverId]));
  const merged = { ...state.settings.hosts, ...known };
  const fresh = fleet.hosts.some((host) => state.settings.hosts[host.hostId] !== host.serverId);
  const settings: Settings = fresh ? { ...state.settings, hosts: merged } : state.settings;
  const next: State = { ...state, settings, fleet };
  const [placed, saved] = takePlaces(next, fleet);
  const [after, effects] = considerHeld(placed, atMs, config);
  const first: Effect[] = fresh ? [{ type: "save-settings", settings }] : [];
  return [after, [...first, ...saved, ...protectionNotes(state.fleet, fleet), ...effects]];
}

/**
 * Predictions held for want of their host, and any that the last life of this server had made
 * durable but not decided. What was decided stays: no old plan is carried out behind backs.
 */
function considerHeld(state: State, atMs: number, config: Config): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const active of Object.values(state.predictions)) {
    const { serverId } = active.prediction;
    if (active.cleared !== undefined) continue;
    if (active.decision !== undefined || hostOfServer(next, serverId) === undefined) continue;
    const [after, asked] = consider(next, active, atMs, config);
    next = after;
    effects.push(...asked);
  }
  return [next, effects];
}

function decide(state: State, operationId: OperationId, ask: DecidedAsk, config: Config): Step {
  switch (ask.method) {
    case "mode": {
      if (ask.mode === undefined) return answer(state, operationId, state.settings);
      return change(state, operationId, { ...state.settings, mode: ask.mode });
    }
    case "disarm":
      return change(state, operationId, { ...state.settings, disarmed: ask.disarmed });
    case "evacuate":
      return evacuate(state, operationId, ask, config);
    case "cancel":
      return cancelHost(state, operationId, ask.hostId);
  }
}

/** A mode holds for what is predicted from now on; old plans are not carried out behind backs. */
function change(state: State, operationId: OperationId, settings: Settings): Step {
  const [next, effects] = answer({ ...state, settings }, operationId, settings);
  const text = `Mode ${settings.mode}${settings.disarmed ? ", disarmed" : ""}`;
  return [
    next,
    [
      { type: "save-settings", settings },
      { type: "note", message: "settings", subject: "management", text, causedBy: operationId },
      ...effects,
    ],
  ];
}

function evacuate(
  state: State,
  operationId: OperationId,
  ask: Extract<DecidedAsk, { method: "evacuate" }>,
  config: Config,
): Step {
  const serverId = state.settings.hosts[ask.hostId];
  const refuse = (code: string, reason: string): Step => [
    state,
    [{ type: "answer-error", operationId, code, reason }],
  ];
  const earlier = state.evacuations[operationId];
  if (earlier !== undefined) return answer(state, operationId, earlier);
  if (serverId === undefined) return refuse("HOST_UNKNOWN", `Host ${ask.hostId} is unknown`);
  if (!state.coordinatorUp) return refuse("UNREACHABLE", "The coordinator is not connected");
  const running = underWay(state, ask.hostId);
  if (running !== undefined && !ask.dryRun) {
    return refuse("STATE_CONFLICT", `Evacuation ${running.evacuationId} is under way`);
  }
  const evacuation: Evacuation = {
    evacuationId: operationId,
    hostId: ask.hostId,
    serverId,
    cause: "operator",
    phase: "queued",
    planOnly: ask.dryRun,
    ...(ask.vmIds === undefined ? {} : { vmIds: ask.vmIds }),
    ...(ask.target === undefined ? {} : { target: ask.target }),
    pauseMsMax: ask.pauseMsMax ?? config.pauseMsMax,
    moves: [],
    reason: "Asked for by an operator",
    retryAtMs: 0,
    ...(ask.dryRun ? { askedBy: operationId } : {}),
  };
  const next = putEvacuation(state, evacuation);
  const effects: Effect[] = [save(evacuation)];
  if (!ask.dryRun) effects.push({ type: "answer", operationId, result: recordOf(evacuation) });
  return [next, effects];
}

function cancelHost(state: State, operationId: OperationId, hostId: string): Step {
  const running = underWay(state, hostId);
  if (running === undefined) {
    const reason = `No evacuation of ${hostId} is under way`;
    return [state, [{ type: "answer-error", operationId, code: "STATE_CONFLICT", reason }]];
  }
  const [next, effects] = cancel(state, running);
  const result = { evacuationId: running.evacuationId };
  return [next, [...effects, { type: "answer", operationId, result }]];
}

function answer(state: State, operationId: OperationId, result: unknown): Step {
  return [state, [{ type: "answer", operationId, result }]];
}

/** The oldest finished evacuations leave the memory; the store keeps them. */
function forget(state: State, config: Config): State {
  const all = Object.values(state.evacuations);
  const excess = all.length - config.evacuationsKept;
  if (excess <= 0) return state;
  const old = new Set(all.filter((one) => one.phase === "done").slice(0, excess));
  const kept = all.filter((one) => !old.has(one));
  const evacuations = Object.fromEntries(kept.map((one) => [one.evacuationId, one]));
  return { ...state, evacuations };
}
