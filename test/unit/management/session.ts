// A management server's core, a fleet of hosts on servers of their own, and short ways to talk.
import { start, step } from "../../../management/management.ts";
import {
  type Config,
  DEFAULTS,
  type DecidedAsk,
  type Effect,
  type Evacuation,
  type EvacuationRecord,
  type Event,
  type PredictionRecord,
  type Settings,
  type State,
} from "../../../management/state.ts";
import { frozenDefinition } from "../../../protocol/definition.ts";
import type { HostSummary, MigrationResult, VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId, OperationId, ServerId, VmId } from "../../../protocol/ids.ts";
import type { Message } from "../../../protocol/message.ts";
import {
  type Prediction,
  type PredictionCleared,
  prediction,
} from "../../../protocol/prediction.ts";

export const NOON = "2026-01-01T12:00:00.000Z";
export const MIB = 1024 ** 2;
export const operation = (id: string): OperationId => id as OperationId;
export const hostId = (name: string): HostId => name as HostId;

/** UUIDs as people write them: they differ only at the end. */
export const vmId = (number: number): VmId =>
  `00000000-0000-4000-8000-${number.toString().padStart(12, "0")}` as VmId;

export function host(name: string, patch: Partial<HostSummary> = {}): HostSummary {
  return {
    hostId: hostId(name),
    serverId: `server-${name}` as ServerId,
    connected: true,
    heard: true,
    cordoned: false,
    capacity: { memoryBytes: 1_024 * MIB, memoryUsedBytes: 0, diskFreeBytes: 1_024 * MIB },
    capabilities: {
      qemuVersion: "7.2.0",
      accelerator: "tcg",
      acceleratorReason: "No KVM",
      cpuFlags: [],
    },
    ...patch,
  };
}

export function vm(number: number, patch: Partial<VmSummary> = {}): VmSummary {
  const memoryBytes = patch.memoryBytes ?? 128 * MIB;
  const definition = frozenDefinition.parse({
    id: vmId(number),
    name: `guest-${number}`,
    machine: "pc-q35-7.2",
    cpu: "qemu64",
    accelerator: "tcg",
    qemuVersion: "7.2.0",
    memoryBytes,
    vcpus: 1,
    boot: { disk: "disk0" },
    disks: [],
    network: [],
  });
  return {
    vmId: vmId(number),
    name: `guest-${number}`,
    memoryBytes,
    hostId: hostId("alpha"),
    term: 1,
    phase: "active",
    guest: "running",
    definition,
    ...patch,
  };
}

export function predicted(id: string, server = "alpha", patch: Partial<Prediction> = {}) {
  return prediction.parse({
    type: "prediction",
    predictionId: id,
    serverId: `server-${server}`,
    source: "agent",
    component: "disk",
    device: "sda",
    probability: 0.9,
    horizonMs: 3_600_000,
    evidence: [],
    ...patch,
  });
}

export const FLEET = ["alpha", "bravo", "charlie"].map((name) => host(name));
export const ACT: Settings = { mode: "act", disarmed: false, hosts: {} };

type Untimed<Timed> = Timed extends unknown ? Omit<Timed, "atMs"> : never;

export interface Session {
  readonly state: State;
  readonly evacuations: readonly Evacuation[];
  take(event: Untimed<Event>): readonly Effect[];
  wait(ms: number): readonly Effect[];
  /** What is predicted of the server's disk holds no more. */
  clears(id: string, server?: string, patch?: Partial<PredictionCleared>): readonly Effect[];
  predicts(id: string, server?: string, patch?: Partial<Prediction>): readonly Effect[];
  fleet(hosts?: readonly HostSummary[], vms?: readonly VmSummary[]): readonly Effect[];
  /** The coordinator names these VMs of alpha, in answer to the evacuation. */
  names(evacuation: string, vms: readonly VmSummary[], from?: string): readonly Effect[];
  result(id: string, outcome: MigrationResult["outcome"], to?: string): readonly Effect[];
  ask(id: string, ask: DecidedAsk): readonly Effect[];
}

export function session(
  settings: Settings = ACT,
  predictions: readonly PredictionRecord[] = [],
  evacuations: readonly EvacuationRecord[] = [],
  config: Config = DEFAULTS,
): Session {
  let atMs = 1_000;
  let state = start(settings, predictions, evacuations, atMs);
  const take = (event: Untimed<Event>): readonly Effect[] => {
    const [next, effects] = step(state, { ...event, atMs } as Event, config);
    state = next;
    return effects;
  };
  return {
    get state() {
      return state;
    },
    get evacuations() {
      return Object.values(state.evacuations);
    },
    take,
    wait(ms) {
      atMs += ms;
      return take({ type: "tick" });
    },
    predicts(id, server = "alpha", patch = {}) {
      const from = `agent:server-${server}` as const;
      const wallTime = "2026-01-01T00:00:00.000Z";
      const body = predicted(id, server, patch);
      return take({ type: "prediction", from, prediction: body, wallTime });
    },
    clears(id, server = "alpha", patch = {}) {
      const { serverId, source, component, device } = predicted(id, server);
      const about = { predictionId: operation(id), serverId, source, component, device };
      const end = { cause: "healed", reason: "It is well again" } as const;
      const cleared = { type: "prediction-cleared", ...about, ...end, ...patch } as const;
      return take({ type: "prediction-cleared", cleared, wallTime: NOON });
    },
    fleet: (hosts = FLEET, vms = [vm(1)]) =>
      take({ type: "fleet", hosts: [...hosts], vms: [...vms] }),
    names(evacuation, vms, from = "alpha") {
      const operationId = operation(evacuation);
      return take({
        type: "host-vms",
        operationId,
        hostId: hostId(from),
        known: true,
        vms: [...vms],
      });
    },
    result(id, outcome, to = "bravo") {
      const operationId = operation(id);
      const ends = { from: hostId("alpha"), to: hostId(to) };
      const rest = { vmId: vmId(1), reason: `It ${outcome}`, term: 2 };
      return take({ type: "migration-result", operationId, outcome, ...ends, ...rest });
    },
    ask: (id, ask) => take({ type: "ask", operationId: operation(id), ask }),
  };
}

/** Acting, the coordinator up, the fleet known. */
export function armed(vms: readonly VmSummary[] = [vm(1)], config: Config = DEFAULTS): Session {
  const at = session(ACT, [], [], config);
  at.take({ type: "coordinator-up" });
  at.fleet(FLEET, vms);
  return at;
}

export function sent(effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) => (effect.type === "send-coordinator" ? [effect.message] : []));
}

/** The kinds of effects in order: what is durable before what is said. */
export function order(effects: readonly Effect[]): string[] {
  return effects.map((effect) =>
    effect.type === "send-coordinator" ? `send ${effect.message.type}` : effect.type,
  );
}

/** `operation id vm-number target` of each VM that is told to move. */
export function migrations(effects: readonly Effect[]): string[] {
  return sent(effects).flatMap((message) =>
    message.type === "migrate"
      ? [`${message.operationId} ${Number(message.vmId.slice(-12))} ${message.target}`]
      : [],
  );
}

export function notes(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => (effect.type === "note" ? [effect.text] : []));
}
