/**
 * Baselines that operators acknowledge: kept here, and told whole to the agent of their server
 * whenever they change and on each new link.
 */
import { acceptable, isToldOtherwise, worseOf } from "../predictor/accepted.ts";
import type { OperationId, ServerId } from "../protocol/ids.ts";
import { BASELINES_MAX, type Baseline, type Evidence } from "../protocol/prediction.ts";
import type { Acknowledge, AcknowledgeAsk, BaselineRecord } from "./baseline.ts";
import type { Effect, State, Step } from "./state.ts";

const ID_LENGTH_MAX = 63;

export function takeAcknowledge(state: State, event: Acknowledge): Step {
  const { operationId, ask } = event;
  const server = state.settings.hosts[ask.hostId];
  if (server === undefined) {
    return refuse(state, operationId, "HOST_UNKNOWN", `Host ${ask.hostId} is unknown`);
  }
  return ask.method === "acknowledge"
    ? acknowledge(state, server, { ...event, ask })
    : unacknowledge(state, server, operationId, ask);
}

type AskFor<Method extends AcknowledgeAsk["method"]> = Extract<AcknowledgeAsk, { method: Method }>;

function acknowledge(
  state: State,
  server: ServerId,
  { operationId, ask, evidence, wallTime }: Acknowledge & { readonly ask: AskFor<"acknowledge"> },
): Step {
  const { component, device, note } = ask;
  const wanted = wantedOf(ask, evidence);
  if (typeof wanted === "string") return refuse(state, operationId, "STATE_CONFLICT", wanted);
  const fresh = wanted.map(({ signal, value }, place): BaselineRecord => {
    const suffix = `-${place + 1}`;
    const baselineId =
      `${operationId.slice(suffix.length - ID_LENGTH_MAX)}${suffix}` as OperationId;
    const about = { baselineId, serverId: server, component, device, signal, value };
    return { ...about, ...(note === undefined ? {} : { note }), wallTime };
  });
  const old = ofServer(state, server).filter((one) =>
    fresh.some((other) => isSame(one, other) && one.signal === other.signal),
  );
  if (ofServer(state, server).length - old.length + fresh.length > BASELINES_MAX) {
    const reason = `${BASELINES_MAX} baselines of ${server} are acknowledged already`;
    return refuse(state, operationId, "STATE_CONFLICT", reason);
  }
  if (ask.dryRun) return [state, [{ type: "answer", operationId, result: { baselines: fresh } }]];
  return change(state, server, operationId, { fresh, old, result: fresh });
}

function unacknowledge(
  state: State,
  server: ServerId,
  operationId: OperationId,
  ask: AskFor<"unacknowledge">,
): Step {
  const old = ofServer(state, server).filter(
    (one) => isSame(one, ask) && (ask.signal === undefined || one.signal === ask.signal),
  );
  if (old.length === 0) {
    const reason = `Nothing of ${ask.component}/${ask.device} is acknowledged`;
    return refuse(state, operationId, "STATE_CONFLICT", reason);
  }
  return change(state, server, operationId, { fresh: [], old, result: old });
}

/** The signals and values that are meant; or why nothing can be. */
function wantedOf(
  { component, device, signal, value }: AskFor<"acknowledge">,
  evidence: readonly Evidence[],
): readonly Pick<Baseline, "signal" | "value">[] | string {
  const known: readonly string[] = acceptable(component);
  const can = known.length === 0 ? "none" : known.join(", ");
  if (signal !== undefined && !known.includes(signal)) {
    return `${signal} of a ${component} cannot be acknowledged; these can: ${can}`;
  }
  if (signal !== undefined && value !== undefined) return [{ signal, value }];
  const told = evidence.filter(
    (one) => known.includes(one.signal) && (signal === undefined || one.signal === signal),
  );
  const late = told.find((one) => isToldOtherwise(component, one.signal))?.signal;
  if (late !== undefined) {
    const how = "as `lifeboat sensors` on the host shows it";
    return `${late} was told as a rate: give --signal ${late} and --value, ${how}`;
  }
  const signals = [...new Set(told.map((one) => one.signal))];
  if (signals.length === 0) {
    const what = `Nothing that can be acknowledged was told of ${component}/${device}`;
    return `${what}; give --signal and --value (signals: ${can})`;
  }
  return signals.map((one) => {
    const facts = told.filter((other) => other.signal === one);
    return { signal: one, value: facts.reduce(worseOf).value };
  });
}

function change(
  state: State,
  server: ServerId,
  operationId: OperationId,
  { fresh, old, result }: Readonly<Record<"fresh" | "old" | "result", readonly BaselineRecord[]>>,
): Step {
  const gone = new Set(old.map(({ baselineId }) => baselineId));
  const kept = Object.values(state.baselines).filter(({ baselineId }) => !gone.has(baselineId));
  const all = [...kept, ...fresh].map((one) => [one.baselineId, one]);
  const effects: Effect[] = [
    ...old.map(({ baselineId }): Effect => ({ type: "forget-baseline", baselineId })),
    ...fresh.map((record): Effect => ({ type: "save-baseline", record })),
    { type: "send-baselines", serverId: server },
    { type: "answer", operationId, result: { baselines: result } },
  ];
  return [{ ...state, baselines: Object.fromEntries(all) }, effects];
}

/** What the agent of a server is to be told. */
export function baselinesOf(state: State, server: string): Baseline[] {
  return ofServer(state, server).map(
    ({ serverId: _server, note: _note, wallTime: _time, ...one }) => one,
  );
}

function ofServer({ baselines }: State, server: string): BaselineRecord[] {
  return Object.values(baselines).filter((one) => one.serverId === server);
}

function isSame(
  a: Pick<Baseline, "component" | "device">,
  b: Pick<Baseline, "component" | "device">,
): boolean {
  return a.component === b.component && a.device === b.device;
}

function refuse(state: State, operationId: OperationId, code: string, reason: string): Step {
  return [state, [{ type: "answer-error", operationId, code, reason }]];
}
