/** The management server of the simulation: the production core on a simulated disk and links. */
import type { AlarmRecord } from "../../management/alarm.ts";
import * as core from "../../management/management.ts";
import {
  type Config,
  type DecidedAsk,
  type Effect,
  type EvacuationRecord,
  type Event,
  keyOf,
  type PredictionRecord,
  type Settings,
  type State,
} from "../../management/state.ts";
import {
  type OperationId,
  type Principal,
  roleOf,
  type ServerId,
  subjectOf,
} from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { Machine } from "../../runtime/core-runner.ts";
import type { Chance } from "./chance.ts";
import { SimulatedDisk } from "./disk.ts";
import { Lifetime } from "./lifetime.ts";
import { describe } from "./model.ts";
import type { Link, Port } from "./network.ts";
import type { Surroundings } from "./surroundings.ts";
import type { SkewedClock } from "./world.ts";

const TICK_MS = 1_000;
const PLACE = "management";
const FRESH: Settings = { mode: "shadow", disarmed: false, hosts: {} };

type Saved = Extract<
  Effect,
  {
    type:
      | "save-prediction"
      | "forget-prediction"
      | "save-alarm"
      | "save-evacuation"
      | "save-settings";
  }
>;

export class SimulatedManagement {
  readonly lifetime: Lifetime;
  coordinator: Link | undefined;
  machine: Machine<State, Event, Effect> | undefined;
  private readonly cluster: Surroundings;
  private readonly config: Config;
  private readonly chance: Chance;
  private readonly clock: SkewedClock;
  private readonly disk: SimulatedDisk<Saved>;
  private readonly predictions = new Map<string, PredictionRecord>();
  private readonly alarms = new Map<string, AlarmRecord>();
  private readonly evacuations = new Map<string, EvacuationRecord>();
  private settings = FRESH;
  /** Whose NIC firmware this life hears. */
  private readonly nics = new Set<ServerId>();
  private readonly nicLostAtMs = new Map<ServerId, number>();
  private nicVersion = 0;

  constructor(cluster: Surroundings, config: Config, chance: Chance, clock: SkewedClock) {
    this.cluster = cluster;
    this.config = config;
    this.chance = chance;
    this.clock = clock;
    this.lifetime = new Lifetime(cluster.world, () => this.crash());
    this.disk = new SimulatedDisk<Saved>(chance.split("disk"), (entry) => this.keep(entry));
  }

  start(): void {
    if (this.lifetime.running) return;
    this.lifetime.begin();
    this.nics.clear();
    this.nicLostAtMs.clear();
    this.nicVersion = 0;
    const predictions = [...this.predictions.values()];
    const evacuations = [...this.evacuations.values()];
    this.machine = new Machine<State, Event, Effect>(
      core.start(this.settings, predictions, evacuations, this.clock.nowMs(), [
        ...this.alarms.values(),
      ]),
      (state, event) => core.step(state, event, this.config),
      (effect) => this.perform(effect),
    );
    this.cluster.world.note(PLACE, () => "starts");
    this.tick();
  }

  crash(): void {
    if (!this.lifetime.running) return;
    this.lifetime.end();
    this.machine = undefined;
    this.disk.crash();
    this.cluster.network.gone(PLACE);
    this.cluster.world.note(PLACE, () => "dies");
    this.cluster.died(this);
  }

  get coordinatorPort(): Port {
    return {
      place: PLACE,
      ready: () => this.lifetime.running,
      up: () => {
        this.tellNicLinks();
        this.dispatch({ type: "coordinator-up", atMs: this.clock.nowMs() });
      },
      down: () => this.dispatch({ type: "coordinator-down", atMs: this.clock.nowMs() }),
      take: (message) => this.takeFromCoordinator(message),
    };
  }

  /** Where one that predicts reports; what it says is acknowledged once it is durable. */
  intakeFor(from: Principal, answer: (message: Message) => void): Port {
    return {
      place: PLACE,
      ready: () => this.lifetime.running,
      up: () => this.nicLink(from, undefined),
      down: (heardAtMs) => this.nicLink(from, heardAtMs),
      take: (message) => {
        if (message.type !== "deliver") return;
        const { spool, sequence, body } = message;
        if (body.type !== "prediction" && body.type !== "prediction-cleared") return;
        const wallMs = this.cluster.wallClockMs + this.chance.below(2 ** 31) * 1_000;
        const wallTime = new Date(wallMs).toISOString();
        const atMs = this.clock.nowMs();
        const { type, predictionId } = body;
        this.cluster.world.note(PLACE, () => `takes ${type} ${predictionId} from ${from}`);
        this.lifetime.guarded(() => {
          this.machine?.dispatch(
            body.type === "prediction"
              ? { type: body.type, from, prediction: body, wallTime, atMs }
              : { type: body.type, cleared: body, wallTime, atMs },
          );
          answer({ type: "delivered", spool, sequence });
        });
      },
    };
  }

  /** Up, or lost, and when it was heard last. */
  private nicLink(from: Principal, lostAtMs: number | undefined): void {
    if (roleOf(from) !== "nic" || !this.lifetime.running) return;
    const serverId = subjectOf(from) as ServerId;
    if (lostAtMs === undefined) this.nicLostAtMs.delete(serverId);
    else this.nicLostAtMs.set(serverId, lostAtMs);
    if (lostAtMs === undefined) this.nics.add(serverId);
    else this.nics.delete(serverId);
    this.tellNicLinks();
  }

  private tellNicLinks(): void {
    const version = this.nicVersion++;
    const nowMs = this.cluster.world.nowMs;
    const lost = [...this.nicLostAtMs].map(([serverId, lostAtMs]) => {
      return { serverId, silentMs: nowMs - lostAtMs };
    });
    this.coordinator?.send(0, { type: "nic-links", version, up: [...this.nics], lost });
  }

  ask(ask: DecidedAsk): void {
    const operationId = this.operation();
    this.dispatch({ type: "ask", operationId, ask, atMs: this.clock.nowMs() });
  }

  /** Passes on what an operator asks and only the coordinator can decide. */
  pass(message: Message): void {
    this.coordinator?.send(0, message);
  }

  operation(): OperationId {
    return `op-${this.chance.hex(8)}` as OperationId;
  }

  private dispatch(event: Event): void {
    this.lifetime.guarded(() => this.machine?.dispatch(event));
  }

  private tick(): void {
    this.lifetime.after(TICK_MS, () => {
      this.dispatch({ type: "tick", atMs: this.clock.nowMs() });
      this.tick();
    });
  }

  private takeFromCoordinator(message: Message): void {
    const atMs = this.clock.nowMs();
    switch (message.type) {
      case "fleet":
      case "host-vms":
      case "migration-result":
        this.dispatch({ ...message, atMs });
        return;
      default:
    }
  }

  private perform(effect: Effect): void {
    const { cluster } = this;
    switch (effect.type) {
      case "save-prediction":
      case "forget-prediction":
      case "save-alarm":
      case "save-evacuation":
      case "save-settings":
        this.disk.append(effect);
        cluster.reached(PLACE, `append:${effect.type}`);
        this.disk.flush();
        cluster.reached(PLACE, effect.type);
        return;
      case "send-coordinator":
        cluster.world.note(PLACE, () => `sends ${describe(effect.message)}`);
        this.coordinator?.send(0, effect.message);
        cluster.reached(PLACE, `send:${effect.message.type}`);
        return;
      case "note":
        cluster.world.mix(effect.text);
        cluster.world.note(PLACE, () => `${effect.message} ${effect.subject}: ${effect.text}`);
        return;
      case "answer":
        cluster.world.note(PLACE, () => `answers ${summary(effect.result)}`);
        return;
      case "answer-error":
        cluster.world.note(PLACE, () => `answers ${effect.code}: ${effect.reason}`);
    }
  }

  private keep(entry: Saved): void {
    switch (entry.type) {
      case "save-prediction":
        this.predictions.set(keyOf(entry.record.prediction), entry.record);
        return;
      case "forget-prediction":
        this.predictions.delete(entry.key);
        return;
      case "save-alarm":
        this.alarms.set(entry.alarm.alarmId, entry.alarm);
        return;
      case "save-evacuation":
        this.evacuations.set(entry.evacuation.evacuationId, entry.evacuation);
        return;
      case "save-settings":
        this.settings = entry.settings;
    }
  }
}

/** The plan of a dry run, move by move; of anything else, that it was taken. */
function summary(result: unknown): string {
  const moves = (result as Partial<EvacuationRecord>).moves ?? [];
  const lines = moves.map((move) => `${move.name} ${move.state}: ${move.reason}`);
  return ["ok", ...lines].join("; ");
}
