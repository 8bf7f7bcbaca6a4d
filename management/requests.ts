/**
 * Operators' requests: answered from the state, decided by the core, or passed on to the
 * coordinator.
 * @module
 */
import type { HostId, OperationId, ServerId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Ask, Event as LineEvent, Request } from "../protocol/operator.ts";
import type { Link } from "../runtime/link.ts";
import type { AlarmRecord, FailureRecord, WordAsk } from "./alarm.ts";
import { backtest } from "./backtest.ts";
import type { AcknowledgeAsk } from "./baseline.ts";
import { evidenceOf, explain } from "./explain.ts";
import { type FleetView, fleetView } from "./fleet.ts";
import type { Followers } from "./followers.ts";
import type { History } from "./history.ts";
import { type Operations, refuse, respond } from "./operations.ts";
import { outcomesOf } from "./outcomes.ts";
import { answerMsOf, type RelayedAsk, relayedOf } from "./relay.ts";
import type { Board } from "./rules/board.ts";
import { type DeskAsk, takeDeskRequest } from "./rules/desk.ts";
import type { DecidedAsk, Event, State } from "./state.ts";
import type { Status } from "./status.ts";
import type { Happening } from "./timeline.ts";

/** Events in one answer; who wants more asks again, after the last of them. */
export const EVENTS_ANSWERED_MAX = 500;
const DAY_MS = 86_400_000;
/** Devices in one answer, the newest first. */
const EXPLANATIONS_MAX = 256;
/** How long the core may take to answer. */
const ANSWER_MS = 15_000;

export interface RequestPorts {
  readonly pending: Operations;
  readonly followers: Followers;
  readonly nowMs: () => number;
  readonly wallTime: () => string;
  readonly alarms: () => readonly AlarmRecord[];
  readonly failures: () => readonly FailureRecord[];
  readonly serverOf: (hostId: HostId) => ServerId | undefined;
  readonly history: Pick<History, "risks" | "watchedMs" | "components">;
  /** Server -> rack. */
  readonly rackOf: ReadonlyMap<string, string>;
  /** How close together alarms are "at once". */
  readonly atOnceMs: number;
  readonly state: () => State;
  readonly parameters: Board;
  readonly status: () => Status;
  readonly eventsAfter: (id: number, limit: number) => LineEvent[];
  readonly dispatch: (event: Event) => void;
  readonly toCoordinator: (message: Message, causedBy?: string) => boolean;
  readonly tell: (happening: Happening) => void;
}

export function takeRequest(link: Link, { operationId, ask }: Request, ports: RequestPorts): void {
  switch (ask.method) {
    case "status":
      respond(link, operationId, ports.status());
      break;
    case "events":
      events(link, operationId, ask, ports);
      break;
    case "mode":
    case "disarm":
    case "evacuate":
    case "cancel":
      decide(link, operationId, ask, ports);
      break;
    case "outcomes":
      respond(link, operationId, outcomesOf(ports.alarms(), ports.failures()));
      break;
    case "backtest":
      respond(
        link,
        operationId,
        backtest(ports.alarms(), ports.failures(), ports.history.watchedMs()),
      );
      break;
    case "fleet":
      respond(link, operationId, fleetFor(ask.days, ports));
      break;
    case "explain":
      explainFor(link, operationId, ask, ports);
      break;
    case "outcome":
    case "failure":
      takeWord(link, operationId, ask, ports);
      break;
    case "acknowledge":
    case "unacknowledge":
      acknowledge(link, operationId, ask, ports);
      break;
    case "rules-set":
    case "rules-show":
    case "rules-remove":
    case "rules-explain":
    case "parameter-set":
    case "parameters":
      rules(link, operationId, ask, ports);
      break;
    case "cordon":
    case "declare-off":
    case "fence":
    case "vm-run":
    case "vm-stop":
    case "vm-console":
    case "protect":
    case "failover":
    case "switch-over":
    case "drill":
      relay(link, operationId, ask, ports);
  }
}

/** A page of the past; or, to follow, every event from there on as a message of its own. */
function events(
  link: Link,
  operationId: OperationId,
  { after, follow }: Extract<Ask, { method: "events" }>,
  { eventsAfter, followers }: RequestPorts,
): void {
  if (!follow) {
    respond(link, operationId, { events: eventsAfter(after, EVENTS_ANSWERED_MAX) });
  } else if (followers.add(link, after)) {
    respond(link, operationId, { events: [] });
    followers.pump();
  } else {
    refuse(link, operationId, "LINK_OVERFLOW", "Too many follow the events already");
  }
}

function decide(link: Link, operationId: OperationId, ask: DecidedAsk, ports: RequestPorts): void {
  const atMs = ports.nowMs();
  if (!ports.pending.add(operationId, { link, deadlineMs: atMs + ANSWER_MS, relayed: false })) {
    return;
  }
  tellAsked(operationId, ask, ports);
  ports.dispatch({ type: "ask", operationId, ask, atMs });
}

function fleetFor(days: number, ports: RequestPorts): FleetView {
  const { history, rackOf, atOnceMs } = ports;
  return fleetView({
    servers: history.components(),
    rackOf,
    alarms: ports.alarms(),
    risks: history.risks(),
    nowMs: Date.parse(ports.wallTime()),
    windowMs: days * DAY_MS,
    atOnceMs,
  });
}

function explainFor(
  link: Link,
  operationId: OperationId,
  { hostId, component, device }: Extract<Ask, { method: "explain" }>,
  ports: RequestPorts,
): void {
  const serverId = ports.serverOf(hostId);
  if (serverId === undefined) {
    refuse(link, operationId, "HOST_UNKNOWN", `Host ${hostId} is unknown`);
    return;
  }
  const all = explain(
    { serverId, component, device },
    ports.history.risks(),
    ports.status().predictions,
  );
  respond(link, operationId, { explanations: all.slice(0, EXPLANATIONS_MAX) });
}

function acknowledge(
  link: Link,
  operationId: OperationId,
  ask: AcknowledgeAsk,
  ports: RequestPorts,
): void {
  const [atMs, wallTime] = [ports.nowMs(), ports.wallTime()];
  if (!ports.pending.add(operationId, { link, deadlineMs: atMs + ANSWER_MS, relayed: false })) {
    return;
  }
  if (!("dryRun" in ask && ask.dryRun)) tellAsked(operationId, ask, ports);
  const serverId = ports.serverOf(ask.hostId);
  const { predictions } = ports.status();
  const evidence =
    serverId === undefined
      ? []
      : evidenceOf({ ...ask, serverId }, ports.history.risks(), predictions);
  ports.dispatch({ type: "acknowledge", operationId, ask, evidence, wallTime, atMs });
}

function takeWord(link: Link, operationId: OperationId, ask: WordAsk, ports: RequestPorts): void {
  const atMs = ports.nowMs();
  if (!ports.pending.add(operationId, { link, deadlineMs: atMs + ANSWER_MS, relayed: false })) {
    return;
  }
  tellAsked(operationId, ask, ports);
  ports.dispatch({ type: "word", operationId, ask, wallTime: ports.wallTime(), atMs });
}

function rules(link: Link, operationId: OperationId, ask: DeskAsk, ports: RequestPorts): void {
  const [atMs, wallTime] = [ports.nowMs(), ports.wallTime()];
  const desk = { state: ports.state(), board: ports.parameters, atMs, wallTime };
  const answer = takeDeskRequest(ask, desk);
  switch (answer.is) {
    case "refused":
      refuse(link, operationId, answer.code, answer.reason);
      break;
    case "result":
      if (ask.method === "parameter-set") tellAsked(operationId, ask, ports);
      respond(link, operationId, answer.result);
      break;
    case "decided": {
      const waiting = { link, deadlineMs: atMs + ANSWER_MS, relayed: false };
      if (!ports.pending.add(operationId, waiting)) return;
      tellAsked(operationId, answer.ask, ports);
      ports.dispatch({ type: "rules", operationId, ask: answer.ask, wallTime, atMs });
    }
  }
}

function relay(link: Link, operationId: OperationId, ask: RelayedAsk, ports: RequestPorts): void {
  const deadlineMs = ports.nowMs() + answerMsOf(ask);
  if (!ports.pending.add(operationId, { link, deadlineMs, relayed: true })) return;
  tellAsked(operationId, ask, ports);
  if (ask.method === "cordon" && !ask.cordoned) {
    const [atMs, wallTime] = [ports.nowMs(), ports.wallTime()];
    ports.dispatch({ type: "uncordoned", hostId: ask.hostId, wallTime, atMs });
  }
  if (ports.toCoordinator(relayedOf(operationId, ask), operationId)) return;
  ports.pending.answerError(operationId, "UNREACHABLE", "The coordinator is not connected");
}

/** What an operator changes is part of the time line; what is only read is not. */
function tellAsked(
  operationId: OperationId,
  ask: DecidedAsk | RelayedAsk | WordAsk | AcknowledgeAsk | DeskAsk,
  ports: RequestPorts,
): void {
  if (ask.method === "vm-console" || (ask.method === "mode" && ask.mode === undefined)) return;
  const { method, ...rest } = ask;
  const subject = "hostId" in rest ? rest.hostId : "vmId" in rest ? rest.vmId : undefined;
  const detail = "definition" in rest ? { vmId: rest.definition.id } : rest;
  ports.tell({
    message: "request",
    from: "operator",
    to: "management",
    text: method,
    detail: { operationId, ...detail },
    ...(subject === undefined ? {} : { subject }),
  });
}
