/**
 * The coordinator as a running program: links in, the core's decisions out.
 *
 * Agents and the management server dial it. Whatever the core wants saved is durable before what
 * follows it is sent; a store that fails ends the program, since nothing may be announced then.
 * @module
 */
import {
  type HostId,
  type OperationId,
  type Principal,
  roleOf,
  type StreamId,
  subjectOf,
} from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import { type Address, isLoopback } from "../runtime/address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Machine } from "../runtime/core-runner.ts";
import { crashPoint } from "../runtime/crash-point.ts";
import { type LinkServer, listenLinks } from "../runtime/link-server.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { start, step } from "./coordinator.ts";
import type { ServicePowers } from "./power.ts";
import type { FreshIds } from "./protection-record.ts";
import { type Questions, questions } from "./questions.ts";
import { type Config, type Effect, type Event, type State, sagaFor } from "./state.ts";
import type { CoordinatorStore } from "./store.ts";
import { noteOf, type Traces, traceOf, tracesTo, vmOf } from "./traces.ts";

const TICK_MS = 250;
/** Replicas that may begin by one tick. */
const FRESH_A_TICK = 4;

export interface CoordinatorOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly insecureNetwork: boolean;
  readonly config: Config;
  /** Stays open when the coordinator is closed. */
  readonly store: CoordinatorStore;
  readonly secretOf: (who: Principal) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Closed with the coordinator. */
  readonly powers: ServicePowers;
}

export interface Coordinator {
  readonly port: number;
  state(): State;
  close(): Promise<void>;
}

/** @throws SystemError INSECURE_NETWORK, LISTEN_FAILED, JOURNAL_CORRUPT */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const shell = new Shell(options);
  const port = await shell.listen();
  return { port, state: () => shell.machine.state, close: () => shell.close() };
}

type SaveEffect = Extract<Effect, { type: `save-${string}` }>;

class Shell {
  readonly machine: Machine<State, Event, Effect>;
  private readonly options: CoordinatorOptions;
  private readonly traces: Traces;
  private readonly questions: Questions;
  private readonly unsaved: SaveEffect[] = [];
  private server: LinkServer | undefined;
  private timer: Timer | undefined;
  private closed = false;

  constructor(options: CoordinatorOptions) {
    const { store, clock, config } = options;
    const { hosts, vms, sagas, ...kept } = store.load();
    this.options = options;
    this.traces = tracesTo((trace) => this.toManagement(trace));
    this.questions = questions((hostId, message) => this.toAgent(hostId, message));
    this.machine = new Machine(
      start(hosts, vms, sagas, clock.nowMs(), kept),
      (state, event) => step(state, event, config),
      (effect) => this.perform(effect),
    );
  }

  async listen(): Promise<number> {
    const { clock, listen } = this.options;
    this.server = await listenLinks({
      ...this.options,
      ...listen,
      self: "coordinator",
      accepts: ["agent", "management"],
      onLink: ({ peer }) => this.linked(peer),
      onMessage: ({ peer }, message) => {
        if (roleOf(peer) === "agent") this.fromAgent(hostOf(peer), message);
        else this.fromManagement(message);
      },
      onDown: ({ peer }, reason) => this.lost(peer, reason),
    });
    this.timer = clock.every(TICK_MS, () => {
      this.questions.tick(clock.nowMs());
      this.dispatch({ type: "tick", fresh: this.freshIds(), atMs: clock.nowMs() });
    });
    return this.server.port;
  }

  private freshIds(): FreshIds[] {
    const { random } = this.options;
    return Array.from({ length: FRESH_A_TICK }, () => {
      return { stream: random.hex(16) as StreamId, token: random.hex(32) };
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    this.options.powers.close();
    await this.server?.close();
  }

  private linked(peer: Principal): void {
    const { clock, log } = this.options;
    log.info("Linked", { peer });
    const atMs = clock.nowMs();
    if (roleOf(peer) === "agent") {
      this.dispatch({ type: "agent-up", hostId: hostOf(peer), atMs });
    } else {
      this.traces.flush();
      this.dispatch({ type: "management-up", atMs });
    }
  }

  private lost(peer: Principal, reason: string): void {
    const { clock, log } = this.options;
    log.info("Link lost", { peer, reason });
    const atMs = clock.nowMs();
    if (roleOf(peer) === "agent") {
      this.dispatch({ type: "agent-down", hostId: hostOf(peer), atMs });
    } else this.dispatch({ type: "management-down", atMs });
  }

  private fromAgent(hostId: HostId, message: Message): void {
    const vmId = vmOf(message);
    const saga = vmId === undefined ? undefined : sagaFor(this.machine.state, vmId);
    this.trace(message, hostId, "taken", saga?.sagaId);
    const atMs = this.options.clock.nowMs();
    switch (message.type) {
      case "inventory":
      case "vm-report":
      case "refusal":
      case "replica-status":
      case "protection-status":
        this.dispatch({ ...message, atMs });
        break;
      case "observed":
        this.dispatch({ ...message, from: hostId, atMs });
        break;
      case "frozen":
      case "migration-progress":
        this.dispatch({ ...message, hostId, atMs });
        break;
      case "console-text":
      case "drill-result":
      case "operation-result":
        if (this.questions.answers(hostId, message)) this.toManagement(message);
    }
  }

  private fromManagement(message: Message): void {
    const { clock, random } = this.options;
    const atMs = clock.nowMs();
    switch (message.type) {
      case "identify-host":
      case "cancel-saga":
      case "cordon":
      case "declare-off":
      case "fence":
      case "nic-links":
      case "run-vm":
      case "end-vm":
      case "protect-vm":
      case "failover":
      case "switch-over":
        this.dispatch({ ...message, atMs });
        break;
      case "migrate": {
        const stream = random.hex(16) as StreamId;
        this.dispatch({ ...message, stream, token: random.hex(32), atMs });
        break;
      }
      case "drill":
      case "read-console": {
        const refusal = this.questions.ask(this.machine.state, message, atMs);
        if (refusal !== undefined) this.toManagement(refusal);
      }
    }
  }

  /** The fleet is also told what only this shell knows. */
  private withOwn(message: Message): Message {
    const { insecureNetwork, listen } = this.options;
    if (message.type !== "fleet" || !insecureNetwork || isLoopback(listen.host)) return message;
    return { ...message, insecureNetwork };
  }

  private dispatch(event: Event): void {
    if (this.closed) return;
    this.machine.dispatch(event);
    this.flush();
  }

  private perform(effect: Effect): void {
    switch (effect.type) {
      case "save-host":
      case "save-vm":
      case "save-saga":
      case "save-protection":
      case "save-failover":
        this.unsaved.push(effect);
        break;
      case "send-agent":
        this.flush();
        this.send(effect);
        break;
      case "send-management":
        this.flush();
        this.toManagement(this.withOwn(effect.message));
        break;
      case "note": {
        this.flush();
        const { text, type: _type, ...about } = effect;
        this.options.log.info(text, about);
        this.traces.say(noteOf(text, about));
        break;
      }
      case "power":
        this.flush();
        void this.power(effect);
    }
  }

  private async power(question: Extract<Effect, { type: "power" }>): Promise<void> {
    const { powers, clock, log } = this.options;
    const answer = await powers.ask(question);
    const { operationId, request } = question;
    const fencing = this.machine.state.fence?.operationId === operationId;
    log[fencing ? "info" : "debug"]("Asked a service processor", { ...question, answer });
    this.dispatch({ type: "power-answer", operationId, request, answer, atMs: clock.nowMs() });
  }

  /** What was saved in a row becomes durable at once, before anything is sent after it. */
  private flush(): void {
    const { store } = this.options;
    const batch = this.unsaved.splice(0);
    if (batch.length === 0) return;
    try {
      store.transaction(() => {
        for (const effect of batch) save(store, effect);
      });
    } catch (thrown) {
      // What was decided is not durable: from here on nothing is heard or said.
      void this.close();
      throw thrown;
    }
    for (const effect of batch) crashAfterSave(effect);
  }

  private send({ hostId, message, causedBy }: Extract<Effect, { type: "send-agent" }>): void {
    if (!this.toAgent(hostId, message)) return;
    crashAfterSend(message);
    this.trace(message, hostId, "sent", causedBy);
  }

  private trace(
    message: Message,
    hostId: HostId,
    way: "sent" | "taken",
    causedBy: OperationId | undefined,
  ): void {
    const trace = traceOf(message, hostId, way, causedBy);
    if (trace !== undefined) this.traces.say(trace);
  }

  private toManagement(message: Message): boolean {
    return this.server?.linkTo("management")?.send(message) ?? false;
  }

  private toAgent(hostId: HostId, message: Message): boolean {
    return this.server?.linkTo(`agent:${hostId}`)?.send(message) ?? false;
  }
}

function hostOf(peer: Principal): HostId {
  return subjectOf(peer) as HostId;
}

function save(store: CoordinatorStore, effect: SaveEffect): void {
  switch (effect.type) {
    case "save-host":
      store.saveHost(effect.host);
      break;
    case "save-vm":
      store.saveVm(effect.vm);
      break;
    case "save-saga":
      store.saveSaga(effect.saga);
      break;
    case "save-protection":
      store.saveProtection(effect.protection);
      break;
    case "save-failover":
      store.saveFailover(effect.failover);
  }
}

function crashAfterSave(effect: SaveEffect): void {
  if (effect.type !== "save-saga") return;
  const { phase } = effect.saga;
  if (phase === "preparing") crashPoint("coordinator-saga-journal");
  if (phase === "verifying") crashPoint("coordinator-active-journal");
}

function crashAfterSend({ type }: Message): void {
  if (type === "prepare") crashPoint("coordinator-prepare-sent");
  if (type === "migrate-out") crashPoint("coordinator-migrate-out-sent");
  if (type === "retire") crashPoint("coordinator-retire-sent");
}
