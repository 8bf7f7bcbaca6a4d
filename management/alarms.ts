/**
 * What became of each prediction: an alarm is what was predicted of one device until that ended.
 *
 *   open --its device is well again, or another-------> ended (healed, replaced, acknowledged)
 *     |  --its host was put back into service---------> ended (uncordoned)
 *     +--guests were moved away meanwhile-------------> acted on, in whichever of these it is
 *     +--an operator says what became of it-----------> worded: this counts above all
 *
 * Rule 1: later predictions of the same device join its open alarm: one trouble counts once.
 * Rule 2: what was acted on is unknown unless somebody says otherwise. Nobody knows what the
 * device would have done, and taking it for a failure would teach the predictor its own deeds.
 */
import { z } from "zod";
import { type OperationId, operationId, serverId } from "../protocol/ids.ts";
import { type Ask, told } from "../protocol/operator.ts";
import { component, type Prediction, prediction, source } from "../protocol/prediction.ts";
import type { Effect, Evacuation, PredictionRecord, State, Step } from "./state.ts";

const JOINED_MAX = 16;
/** Alarms kept in memory and in the store; the oldest that are over give way. */
export const ALARMS_KEPT = 10_000;

/** When, by the wall clock: ISO 8601. */
const when = z.string().max(32);

export const alarmRecord = z.strictObject({
  /** Its first prediction's. */
  alarmId: operationId,
  /** The newest of those that joined it. */
  joined: z.array(operationId).max(JOINED_MAX),
  serverId,
  source,
  component,
  device: z.string().max(1_024),
  rules: z.array(z.string().max(32)).max(JOINED_MAX),
  /** The highest that was told. */
  probability: z.number(),
  horizonMs: z.int(),
  basis: prediction.shape.basis,
  wallTime: when,
  ended: z
    .strictObject({
      cause: z.enum(["healed", "replaced", "acknowledged", "uncordoned"]),
      reason: z.string().max(1_024),
      wallTime: when,
    })
    .optional(),
  /** The evacuation that moved guests off its server while it was open. */
  actedOn: operationId.optional(),
  word: z
    .strictObject({
      outcome: told,
      note: z.string().max(1_024).optional(),
      /** When it failed. */
      failedAt: when.optional(),
      wallTime: when,
    })
    .optional(),
});
export type AlarmRecord = z.infer<typeof alarmRecord>;
export type Alarms = Readonly<{ [alarmId: string]: AlarmRecord }>;

/** A failure that no alarm had told of. */
export const failureRecord = z.strictObject({
  failureId: operationId,
  serverId,
  component,
  device: z.string().max(1_024),
  failedAt: when,
  note: z.string().max(1_024).optional(),
  wallTime: when,
});
export type FailureRecord = z.infer<typeof failureRecord>;

export type Outcome =
  | "failed"
  | "healthy"
  | "cleared"
  | "replaced"
  | "acted-on"
  | "open"
  | "unknown";

/** What became of it, as far as anybody knows. */
export function outcomeOf({ word, ended, actedOn }: AlarmRecord): Outcome {
  if (word !== undefined) return word.outcome;
  if (actedOn !== undefined) return "acted-on";
  switch (ended?.cause) {
    case undefined:
      return "open";
    case "healed":
      return "cleared";
    case "acknowledged":
      return "healthy";
    case "replaced":
      return "replaced";
    case "uncordoned":
      return "unknown";
  }
}

/** Whether it came true; undefined where that is not known, which is no false alarm either. */
export function cameTrue(alarm: AlarmRecord): boolean | undefined {
  const outcome = outcomeOf(alarm);
  if (outcome === "failed") return true;
  return outcome === "healthy" || outcome === "cleared" ? false : undefined;
}

type Subject = Pick<Prediction, "serverId" | "component" | "device">;

/** A prediction opens an alarm, or joins the open one of its device. */
export function openAlarm(state: State, { prediction: one, wallTime }: PredictionRecord): Step {
  const { predictionId } = one;
  if (findAlarm(state, predictionId) !== undefined) return [state, []];
  const open = openOf(state, one).find(({ source: from }) => from === one.source);
  return put(state, open === undefined ? begun(one, wallTime) : joinedBy(open, one));
}

function begun(one: Prediction, wallTime: string): AlarmRecord {
  const { predictionId, serverId: server, source: from, device, probability, horizonMs } = one;
  return {
    alarmId: predictionId,
    joined: [],
    serverId: server,
    source: from,
    component: one.component,
    device,
    rules: rulesOf(one, []),
    probability,
    horizonMs,
    ...(one.basis === undefined ? {} : { basis: one.basis }),
    wallTime,
  };
}

function joinedBy(alarm: AlarmRecord, one: Prediction): AlarmRecord {
  const joined = [...alarm.joined, one.predictionId].slice(-JOINED_MAX);
  const probability = Math.max(alarm.probability, one.probability);
  return { ...alarm, joined, probability, rules: rulesOf(one, alarm.rules) };
}

function rulesOf({ evidence }: Prediction, before: readonly string[]): string[] {
  const rules = evidence.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  return [...new Set([...before, ...rules])].slice(0, JOINED_MAX);
}

/** Ends what is open of a device, or of a whole server. */
export function endAlarms(
  state: State,
  subject: Pick<Subject, "serverId"> & Partial<Subject & Pick<Prediction, "source">>,
  ended: NonNullable<AlarmRecord["ended"]>,
): Step {
  const over = openOf(state, subject).filter(
    (one) => subject.source === undefined || one.source === subject.source,
  );
  return putAll(
    state,
    over.map((alarm) => ({ ...alarm, ended })),
  );
}

/** Guests left a server: of all that is predicted of it nobody will know what it would have done. */
export function actOn(state: State, { serverId: server, evacuationId }: Evacuation): Step {
  const open = openOf(state, { serverId: server }).filter(({ actedOn }) => actedOn === undefined);
  return putAll(
    state,
    open.map((alarm) => ({ ...alarm, actedOn: evacuationId })),
  );
}

/** An operator's word on what became of a prediction, or on a failure. */
export type WordAsk = Extract<Ask, { method: "outcome" | "failure" }>;

export function takeWord(
  state: State,
  { operationId: id, ask, wallTime }: Readonly<{ operationId: OperationId; ask: WordAsk }> & When,
): Step {
  return ask.method === "outcome"
    ? takeOutcome(state, id, ask, wallTime)
    : takeFailure(state, id, ask, wallTime);
}

interface When {
  readonly wallTime: string;
}

function takeOutcome(
  state: State,
  operation: OperationId,
  { predictionId, outcome, note, at }: Extract<WordAsk, { method: "outcome" }>,
  wallTime: string,
): Step {
  const alarm = findAlarm(state, predictionId);
  if (alarm === undefined) {
    const reason = `No prediction ${predictionId} is on record: lifeboat predictor outcomes`;
    return [state, [refusal(operation, "PREDICTION_UNKNOWN", reason)]];
  }
  const failed = outcome === "failed" ? { failedAt: at ?? wallTime } : {};
  return worded(state, operation, alarm, { outcome, ...noteOf(note), ...failed, wallTime });
}

/** A failure that an alarm told of makes that alarm come true; any other is one that was missed. */
function takeFailure(
  state: State,
  operation: OperationId,
  { hostId: host, component: what, device, note, at }: Extract<WordAsk, { method: "failure" }>,
  wallTime: string,
): Step {
  const server = state.settings.hosts[host];
  if (server === undefined) {
    return [state, [refusal(operation, "HOST_UNKNOWN", `Host ${host} is unknown`)]];
  }
  const subject = { serverId: server, component: what, device };
  const failedAt = at ?? wallTime;
  const alarm = Object.values(state.alarms).findLast(
    (one) => isOf(one, subject) && toldBefore(one, failedAt),
  );
  if (alarm !== undefined) {
    const word = { outcome: "failed", failedAt, ...noteOf(note), wallTime } as const;
    return worded(state, operation, alarm, word);
  }
  const failure = { failureId: operation, ...subject, failedAt, ...noteOf(note), wallTime };
  return [
    state,
    [
      { type: "save-failure", failure },
      { type: "answer", operationId: operation, result: { missed: failure } },
    ],
  ];
}

/** It was told before the failure, and stood at that time. */
function toldBefore({ wallTime, ended, word }: AlarmRecord, failedAt: string): boolean {
  if (word !== undefined && word.failedAt !== failedAt) return false;
  const at = Date.parse(failedAt);
  return Date.parse(wallTime) <= at && (ended === undefined || at <= Date.parse(ended.wallTime));
}

function noteOf(note: string | undefined): { note?: string } {
  return note === undefined ? {} : { note };
}

function worded(
  state: State,
  operation: OperationId,
  alarm: AlarmRecord,
  word: NonNullable<AlarmRecord["word"]>,
): Step {
  const after = { ...alarm, word };
  const [next, effects] = put(state, after);
  return [next, [...effects, { type: "answer", operationId: operation, result: after }]];
}

function refusal(operation: OperationId, code: string, reason: string): Effect {
  return { type: "answer-error", operationId: operation, code, reason };
}

/** The oldest that are over leave the memory; the store drops them by the same rule. */
export function forgetAlarms(state: State): State {
  const all = Object.values(state.alarms);
  const excess = all.length - ALARMS_KEPT;
  if (excess <= 0) return state;
  const old = new Set(all.filter((one) => !isOpen(one)).slice(0, excess));
  const kept = all.filter((one) => !old.has(one));
  return { ...state, alarms: Object.fromEntries(kept.map((one) => [one.alarmId, one])) };
}

export function isOpen({ ended, word }: AlarmRecord): boolean {
  return ended === undefined && word === undefined;
}

export function findAlarm({ alarms }: State, predictionId: OperationId): AlarmRecord | undefined {
  const first = alarms[predictionId];
  if (first !== undefined) return first;
  return Object.values(alarms).find(({ joined }) => joined.includes(predictionId));
}

function openOf(state: State, subject: Partial<Subject>): AlarmRecord[] {
  return Object.values(state.alarms).filter((one) => isOpen(one) && isOf(one, subject));
}

function isOf(one: AlarmRecord, subject: Partial<Subject>): boolean {
  return (["serverId", "component", "device"] as const).every(
    (field) => subject[field] === undefined || subject[field] === one[field],
  );
}

function put(state: State, alarm: AlarmRecord): Step {
  return putAll(state, [alarm]);
}

function putAll(state: State, changed: readonly AlarmRecord[]): Step {
  if (changed.length === 0) return [state, []];
  const entries = changed.map((alarm) => [alarm.alarmId, alarm] as const);
  return [
    { ...state, alarms: { ...state.alarms, ...Object.fromEntries(entries) } },
    changed.map((alarm) => ({ type: "save-alarm", alarm })),
  ];
}
