/**
 * The management server as a running program: predictions and requests in, the core's decisions
 * out, and a time line of both.
 *
 * Agents, NIC firmware and operators dial it; it dials the coordinator. Whatever is saved in a row
 * becomes durable in one transaction, before anything behind it is sent or acknowledged; a store
 * that fails ends the program.
 * @module
 */
import { type Principal, type Role, roleOf, type ServerId, subjectOf } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Request } from "../protocol/operator.ts";
import type { SensorFault } from "../protocol/prediction.ts";
import { type Address, isLoopback } from "../runtime/address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Machine } from "../runtime/core-runner.ts";
import { type CrashPoint, crashPoint } from "../runtime/crash-point.ts";
import type { Link } from "../runtime/link.ts";
import { dialLink, type LinkClient } from "../runtime/link-client.ts";
import { type LinkServer, listenLinks } from "../runtime/link-server.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { takeAnswer } from "./answers.ts";
import { baselinesOf } from "./baselines.ts";
import { type DrillRecord, drillRecordOf } from "./drill.ts";
import { crashOf, isSaving, perform } from "./effects.ts";
import { followersOf } from "./followers.ts";
import { type Heard, heardOf } from "./heard.ts";
import { type History, historyOf } from "./history.ts";
import { takeDelivery } from "./intake.ts";
import { start, step } from "./management.ts";
import { nicLinks } from "./nic-links.ts";
import { operations } from "./operations.ts";
import { takeRequest } from "./requests.ts";
import { type Board, parameterBoard } from "./rules/board.ts";
import { reviews } from "./rules/values.ts";
import type { Config, Effect, Event, State } from "./state.ts";
import { type Status, statusOf } from "./status.ts";
import type { ManagementStore } from "./store.ts";
import { type Happening, ofSent, progressBoard } from "./timeline.ts";

const TICK_MS = 250;
/** Who predicts, and is to know what was acknowledged. */
const SENSING: ReadonlySet<Role> = new Set<Role>(["agent", "nic"]);

export interface ManagementOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly insecureNetwork: boolean;
  /** ws://host:port */
  readonly coordinatorUrl: string;
  readonly config: Config;
  /** Server -> rack, where the configuration says so. */
  readonly rackOf?: ReadonlyMap<string, string>;
  /** Host -> what an hour of it costs, where the configuration says so. */
  readonly costPerHour?: ReadonlyMap<string, number>;
  /** Stays open when the management server is closed. */
  readonly store: ManagementStore;
  readonly secretOf: (who: Principal) => string | undefined;
  /** The management server's own, shared with the coordinator. */
  readonly secret: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Management {
  readonly port: number;
  status(): Status;
  close(): Promise<void>;
}

/** @throws SystemError INSECURE_NETWORK, LISTEN_FAILED, JOURNAL_CORRUPT */
export async function startManagement(options: ManagementOptions): Promise<Management> {
  const shell = new Shell(options);
  const port = await shell.listen();
  return { port, status: () => shell.status(), close: () => shell.close() };
}

/** Something to be written, and where a test may end the program once it is durable. */
interface Write {
  readonly task: () => void;
  readonly crash?: CrashPoint | undefined;
}

class Shell {
  private readonly options: ManagementOptions;
  private readonly machine: Machine<State, Event, Effect>;
  private readonly startedAtMs: number;
  private readonly unsaved: Write[] = [];
  private readonly pending = operations();
  private readonly followers;
  private readonly board = progressBoard();
  private readonly heard: Heard;
  private readonly history: History;
  private readonly parameters: Board;
  private readonly nextReview: ReturnType<typeof reviews>;
  private server: LinkServer | undefined;
  private coordinator: LinkClient | undefined;
  private timer: Timer | undefined;
  private closed = false;
  private readonly nicLinks = nicLinks();

  constructor(options: ManagementOptions) {
    const { clock, config, store } = options;
    const { settings, predictions, evacuations, sensorFaults, alarms, baselines, rules, ...kept } =
      store.load();
    this.options = options;
    this.startedAtMs = clock.nowMs();
    this.parameters = parameterBoard(options.costPerHour);
    this.nextReview = reviews(this.parameters, options);
    this.followers = followersOf(store.eventsAfter);
    this.heard = heardOf(sensorFaults, kept.drills);
    this.history = historyOf(kept, store, (task) => this.unsaved.push({ task }));
    this.machine = new Machine<State, Event, Effect>(
      start(
        settings,
        predictions,
        evacuations,
        this.startedAtMs,
        alarms,
        baselines,
        rules,
        kept.places,
      ),
      (state, event) => step(state, event, config),
      (effect) => this.perform(effect),
    );
  }

  async listen(): Promise<number> {
    const { listen, clock, coordinatorUrl: url, secret, random, log } = this.options;
    this.server = await listenLinks({
      ...this.options,
      ...listen,
      self: "management",
      accepts: ["agent", "nic", "operator"],
      many: ["operator"],
      onLink: ({ peer }) => {
        this.linkChanged(peer, "link-up");
        if (SENSING.has(roleOf(peer))) this.sendBaselines(subjectOf(peer) as ServerId, peer);
      },
      onMessage: (link, message) => this.fromClient(link, message),
      onDown: (link, reason) => this.clientLost(link, reason),
    });
    this.coordinator = dialLink({
      self: "management",
      peer: "coordinator",
      url,
      secret,
      clock,
      random,
      log,
      onUp: () => {
        this.linkChanged("coordinator", "link-up");
        this.tellNicLinks();
        this.dispatch({ type: "coordinator-up", atMs: clock.nowMs() });
      },
      onMessage: (message) => this.fromCoordinator(message),
      onDown: (reason) => {
        this.pending.coordinatorDown();
        this.linkChanged("coordinator", "link-down", reason);
        this.dispatch({ type: "coordinator-down", atMs: clock.nowMs() });
      },
    });
    this.timer = clock.every(TICK_MS, () => this.tick());
    return this.server.port;
  }

  status(): Status {
    const { listen, insecureNetwork } = this.options;
    return statusOf(this.machine.state, {
      insecure: insecureNetwork && !isLoopback(listen.host),
      connected: this.connected(),
      progress: this.board.newest(),
      ...this.heard.seen(),
    });
  }

  /** All of a server's; who predicts of it takes them in the place of those before. */
  private sendBaselines(serverId: ServerId, only?: Principal): void {
    const baselines = baselinesOf(this.machine.state, serverId);
    for (const link of this.server?.links() ?? []) {
      const { peer } = link;
      const senses = SENSING.has(roleOf(peer)) && subjectOf(peer) === serverId;
      if (senses && (only ?? peer) === peer) link.send({ type: "baselines", serverId, baselines });
    }
  }

  private connected(): Principal[] {
    const links = this.server?.links() ?? [];
    return links.map(({ peer }) => peer).filter((peer) => roleOf(peer) !== "operator");
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    this.coordinator?.close();
    await this.server?.close();
  }

  private tick(): void {
    const atMs = this.options.clock.nowMs();
    this.pending.tick(atMs);
    this.dispatch({ type: "tick", atMs });
    const review = this.nextReview(this.machine.state, atMs);
    if (review !== undefined) this.dispatch(review);
    this.history.watch(this.connected(), atMs);
    this.flush();
    this.followers.pump();
  }

  private linkChanged(peer: Principal, message: string, text?: string): void {
    if (this.closed || roleOf(peer) === "operator") return;
    this.options.log.info(message, { peer, text });
    const about = text === undefined ? {} : { text };
    this.tell({ message, from: peer, to: "management", subject: peer, ...about });
    this.flush();
    if (roleOf(peer) === "nic") this.tellNicLinks();
  }

  private tellNicLinks(): void {
    const links = this.server?.links() ?? [];
    this.toCoordinator(this.nicLinks.message(links, this.options.clock.nowMs()));
  }

  private clientLost(link: Link, reason: string): void {
    this.followers.drop(link);
    this.pending.drop(link);
    this.nicLinks.lost(link);
    this.linkChanged(link.peer, "link-down", reason);
  }

  private fromClient(link: Link, message: Message): void {
    switch (message.type) {
      case "deliver":
        link.send(takeDelivery(link.peer, message, this.intake()));
        break;
      case "telemetry":
        this.heard.takeTelemetry(link.peer, message);
        this.parameters.take(message, this.options.clock.nowMs());
        break;
      case "server-components":
        this.history.takeComponents(message);
        this.flush();
        break;
      case "baselines-taken":
        this.heard.takeBaselines(message);
        break;
      case "request":
        this.request(link, message);
    }
  }

  private intake(): Parameters<typeof takeDelivery>[2] {
    const { clock, store } = this.options;
    return {
      store,
      write: (task) => this.unsaved.push({ task }),
      tell: (happening) => this.tell(happening),
      flush: () => this.flush(),
      dispatch: (event) => this.dispatch(event),
      onSensorFault: (from, fault) => this.sensorFault(from, fault),
      onRiskChange: (change) => this.history.take(change, clock.wallTime()),
      nowMs: () => clock.nowMs(),
      wallTime: () => clock.wallTime(),
    };
  }

  private sensorFault(from: Principal, fault: SensorFault): void {
    const { clock, store } = this.options;
    const record = { fault, from, wallTime: clock.wallTime() };
    this.heard.takeFault(record);
    this.unsaved.push({ task: () => store.saveSensorFault(record) });
  }

  private request(link: Link, request: Request): void {
    const { clock, store, config, rackOf = new Map() } = this.options;
    takeRequest(link, request, {
      pending: this.pending,
      followers: this.followers,
      nowMs: () => clock.nowMs(),
      wallTime: () => clock.wallTime(),
      alarms: () => Object.values(this.machine.state.alarms),
      failures: store.failures,
      history: this.history,
      rackOf,
      atOnceMs: config.stampedeWindowMs,
      serverOf: (hostId) => this.machine.state.settings.hosts[hostId],
      state: () => this.machine.state,
      parameters: this.parameters,
      status: () => this.status(),
      eventsAfter: store.eventsAfter,
      dispatch: (event) => this.dispatch(event),
      toCoordinator: (message, causedBy) => {
        const sent = this.toCoordinator(message, causedBy);
        this.flush();
        return sent;
      },
      tell: (happening) => {
        this.tell(happening);
        this.flush();
      },
    });
  }

  private fromCoordinator(message: Message): void {
    takeAnswer(message, this.options.clock.nowMs(), {
      pending: this.pending,
      board: this.board,
      tell: (happening) => this.tell(happening),
      flush: () => this.flush(),
      dispatch: (event) => this.dispatch(event),
      onDrill: (result) => this.drilled(drillRecordOf(result, this.options.clock.wallTime())),
    });
  }

  private drilled(record: DrillRecord): void {
    this.heard.takeDrill(record);
    this.unsaved.push({ task: () => this.options.store.saveDrill(record) });
  }

  private dispatch(event: Event): void {
    if (this.closed) return;
    this.machine.dispatch(event);
    this.flush();
  }

  private perform(effect: Effect): void {
    const { store, log } = this.options;
    if (isSaving(effect)) {
      this.unsaved.push({ task: () => perform(effect, store), crash: crashOf(effect) });
      return;
    }
    switch (effect.type) {
      case "send-baselines":
        this.flush();
        this.sendBaselines(effect.serverId);
        break;
      case "note": {
        const { type: _type, ...happening } = effect;
        log.info(effect.text, { message: effect.message, subject: effect.subject });
        this.tell({ ...happening, from: "management", to: "management" });
        break;
      }
      case "send-coordinator":
        this.flush();
        this.toCoordinator(effect.message, effect.causedBy);
        break;
      case "answer":
        this.flush();
        this.pending.answer(effect.operationId, effect.result);
        break;
      case "answer-error":
        this.flush();
        this.pending.answerError(effect.operationId, effect.code, effect.reason);
    }
  }

  /** An event of the time line, durable with whatever else is saved next. */
  private tell(happening: Happening): void {
    const { clock, store } = this.options;
    const atMs = clock.nowMs() - this.startedAtMs;
    const event = { wallTime: clock.wallTime(), atMs, ...happening };
    this.unsaved.push({ task: () => store.appendEvent(event) });
  }

  private flush(): void {
    const batch = this.unsaved.splice(0);
    if (batch.length === 0) return;
    try {
      this.options.store.transaction(() => {
        for (const { task } of batch) task();
      });
    } catch (thrown) {
      // What was decided is not durable: from here on nothing is heard or said.
      void this.close();
      throw thrown;
    }
    for (const { crash } of batch) if (crash !== undefined) crashPoint(crash);
    this.followers.pump();
  }

  /** A message that cannot be sent now is no event: the core asks again when the link is back. */
  private toCoordinator(message: Message, causedBy?: string): boolean {
    if (this.coordinator?.send(message) !== true) return false;
    if (message.type === "identify-host") crashPoint("management-identify-sent");
    if (message.type === "migrate") crashPoint("management-migrate-sent");
    const happening = ofSent(message, causedBy);
    if (happening !== undefined) this.tell(happening);
    return true;
  }
}
