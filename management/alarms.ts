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
import type { OperationId } from "../protocol/ids.ts";
import type { Prediction } from "../protocol/prediction.ts";
import { ALARMS_KEPT, type AlarmRecord, isOpen, JOINED_MAX, type WordAsk } from "./alarm.ts";
import type { Effect, Evacuation, PredictionRecord, State, Step } from "./state.ts";

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

/** Guests left a server: of its predictions nobody will know what would have come. */
export function actOn(state: State, { serverId: server, evacuationId }: Evacuation): Step {
  const open = openOf(state, { serverId: server }).filter(({ actedOn }) => actedOn === undefined);
  return putAll(
    state,
    open.map((alarm) => ({ ...alarm, actedOn: evacuationId })),
  );
}

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
  ask: Extract<WordAsk, { method: "failure" }>,
  wallTime: string,
): Step {
  const { hostId: host, component: what, device, note, at } = ask;
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
