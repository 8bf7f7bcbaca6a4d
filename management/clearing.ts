/**
 * A prediction that holds no more, by who had made it: its server may take guests again.
 *
 * Rule 1: an evacuation under way goes on, and a host that it cordoned stays cordoned: both are an
 * operator's to end.
 * Rule 2: what was cleared counts for the stampede as long as what was not: a fault of sensors may
 * well come and go.
 */
import { endAlarms } from "./alarms.ts";
import { finish } from "./evacuation.ts";
import {
  type ActivePrediction,
  type Config,
  type Effect,
  type Event,
  keyOf,
  type State,
  type Step,
} from "./state.ts";

export function takeCleared(state: State, event: Event & { type: "prediction-cleared" }): Step {
  const { cleared: message, wallTime } = event;
  const { cause, reason } = message;
  const over = { cause, reason, wallTime };
  const [ended, saved] = endAlarms(state, message, over);
  const key = keyOf(message);
  const active = state.predictions[key];
  if (active === undefined || active.cleared !== undefined) return [ended, saved];
  const after: ActivePrediction = { ...active, cleared: over };
  const next = { ...ended, predictions: { ...ended.predictions, [key]: after } };
  const { atMs: _at, ...record } = after;
  const [left, effects] = unqueue(next, after);
  return [left, [{ type: "save-prediction", record }, ...saved, note(left, after), ...effects]];
}

function note(state: State, { prediction, cleared }: ActivePrediction): Effect {
  const { serverId: subject, predictionId: causedBy, component, device } = prediction;
  const left = standingOf(state, subject).length;
  const rest = left === 0 ? "nothing is predicted of it any more" : `${left} predictions stand`;
  const text = `${component} ${device} ${cleared?.cause}: ${cleared?.reason}; ${rest}`;
  return { type: "note", message: "decision", subject, text: text.slice(0, 1_000), causedBy };
}

/** What is predicted of a server and was not cleared. */
export function standingOf(state: State, server: string): ActivePrediction[] {
  return Object.values(state.predictions).filter(
    ({ prediction, cleared }) => cleared === undefined && prediction.serverId === server,
  );
}

/** What has not begun need not begin. */
function unqueue(state: State, { prediction }: ActivePrediction): Step {
  const { serverId: server } = prediction;
  if (standingOf(state, server).length > 0) return [state, []];
  let next = state;
  const effects: Effect[] = [];
  for (const one of Object.values(state.evacuations)) {
    if (one.phase !== "queued" || one.cause !== "prediction" || one.serverId !== server) continue;
    const [after, told] = finish(next, one, "cancelled", "Its prediction was cleared in time");
    next = after;
    effects.push(...told);
  }
  return [next, effects];
}

/** Cleared predictions leave once they are too old for the stampede. */
export function forgetCleared(state: State, atMs: number, config: Config): Step {
  const all = Object.entries(state.predictions);
  const isOld = ({ cleared, atMs: fromMs }: ActivePrediction): boolean =>
    cleared !== undefined && atMs - fromMs >= config.stampedeWindowMs;
  const old = all.filter(([, active]) => isOld(active)).map(([key]) => key);
  if (old.length === 0) return [state, []];
  const predictions = Object.fromEntries(all.filter(([key]) => !old.includes(key)));
  return [{ ...state, predictions }, old.map((key) => ({ type: "forget-prediction", key }))];
}
