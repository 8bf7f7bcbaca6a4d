// A coordinator's core with hosts alpha, bravo and charlie, and short ways to talk to it.

import { type Kept, start, step } from "../../../coordinator/coordinator.ts";
import {
  type Config,
  DEFAULTS,
  type Effect,
  type Event,
  type HostRecord,
  type SagaRecord,
  type State,
  type VmRecord,
} from "../../../coordinator/state.ts";
import type { Inventory, VmReport } from "../../../protocol/authority.ts";
import { frozenDefinition, type GuestDefinition } from "../../../protocol/definition.ts";
import type {
  BootId,
  HostId,
  OperationId,
  ServerId,
  StreamId,
  VmId,
} from "../../../protocol/ids.ts";
import type { Message } from "../../../protocol/message.ts";

export const VM = "11111111-2222-4333-8444-555555555555" as VmId;
export const HOSTS = ["alpha", "bravo", "charlie"] as const;
export type HostName = (typeof HOSTS)[number];
export const BOOT = "b0070001" as BootId;
const GIB = 1024 ** 3;

export const operation = (id: string): OperationId => id as OperationId;

export const frozen = frozenDefinition.parse({
  id: VM,
  name: "worker",
  machine: "pc-q35-7.2",
  cpu: "qemu64",
  accelerator: "tcg",
  qemuVersion: "7.2.0",
  memoryBytes: 128 * 1024 ** 2,
  vcpus: 1,
  boot: { disk: "disk0" },
  disks: [
    {
      id: "disk0",
      sizeBytes: 1024 ** 2,
      originPath: "/srv/worker.img",
      originFormat: "raw",
      pciAddress: "02.0",
    },
  ],
  network: [],
});

export const definition: GuestDefinition = {
  id: VM,
  name: "worker",
  memoryMiB: 128,
  vcpus: 1,
  boot: { disk: "disk0" },
  disks: [{ id: "disk0", path: "/srv/worker.img", format: "raw" }],
  network: [],
  channel: false,
};

export const capacity = { memoryBytes: GIB, memoryUsedBytes: 0, diskFreeBytes: GIB };

export function vmRecord(patch: Partial<VmRecord> = {}): VmRecord {
  return {
    vmId: VM,
    definition: frozen,
    term: 1,
    hostId: "alpha" as HostId,
    termMax: 1,
    desired: "running",
    ran: true,
    ...patch,
  };
}

export function report(patch: Partial<VmReport> = {}): VmReport {
  const term = patch.term ?? 1;
  return {
    vmId: VM,
    version: 1,
    phase: "active",
    term,
    termSeen: Math.max(term, patch.toTerm ?? 0),
    refusedTerm: 0,
    guest: patch.phase === undefined || patch.phase === "active" ? "running" : "absent",
    definition: frozen,
    verified: false,
    ...patch,
  };
}

export function inventory(host: HostName, vms: VmReport[], boot: BootId = BOOT): Inventory {
  return {
    type: "inventory",
    hostId: host as string as HostId,
    serverId: `server-${host}` as ServerId,
    bootId: boot,
    agentVersion: "0.1.0",
    capabilities: {
      qemuVersion: "7.2.0",
      accelerator: "tcg",
      acceleratorReason: "No KVM",
      cpuFlags: [],
    },
    capacity,
    vms,
  };
}

type Untimed<Timed> = Timed extends unknown ? Omit<Timed, "atMs"> : never;

export interface Session {
  readonly state: State;
  /** Lets time pass, then takes a tick; what was asked for. */
  wait(ms: number): readonly Effect[];
  take(event: Untimed<Event>): readonly Effect[];
  /** A newer report of a host. */
  reports(host: HostName, patch?: Partial<VmReport>): readonly Effect[];
  /** The host's agent connects and tells everything. */
  connects(host: HostName, vms?: Partial<VmReport>[], boot?: BootId): readonly Effect[];
  migrate(id: string, target?: HostName): readonly Effect[];
}

/** A coordinator's life from these records; nobody is heard yet. */
export function session(
  vms: readonly VmRecord[] = [],
  sagas: readonly SagaRecord[] = [],
  config: Config = DEFAULTS,
  hosts: readonly HostRecord[] = HOSTS.map(hostRecord),
  kept?: Kept,
): Session {
  let atMs = 1_000;
  let version = 1;
  let ids = 0;
  let state = start(hosts, vms, sagas, atMs, kept);
  const take = (event: Untimed<Event>): readonly Effect[] => {
    const [next, effects] = step(state, { ...event, atMs } as Event, config);
    state = next;
    return effects;
  };
  return {
    get state() {
      return state;
    },
    take,
    wait(ms) {
      atMs += ms;
      ids++;
      const stream = ids.toString(16).padStart(32, "0") as StreamId;
      const token = ids.toString(16).padStart(64, "0");
      return take({ type: "tick", fresh: [{ stream, token }] });
    },
    reports(host, patch = {}) {
      const hostId = host as string as HostId;
      const { bootId = BOOT } = state.hosts[hostId] ?? {};
      const newer = report({ version: ++version, ...patch });
      return take({ type: "vm-report", hostId, bootId, capacity, report: newer });
    },
    connects(host, vms = [], boot = BOOT) {
      const first = take({ type: "agent-up", hostId: host as string as HostId });
      const all = vms.map((patch) => report({ version: ++version, ...patch }));
      return [...first, ...take(inventory(host, all, boot))];
    },
    migrate(id, target = "bravo") {
      return take({
        type: "migrate",
        operationId: operation(id),
        vmId: VM,
        target: target as string as HostId,
        limits: { pauseMsMax: 1_000, roundsMax: 20 },
        stream: "5".repeat(32) as StreamId,
        token: "7".repeat(64),
      });
    },
  };
}

export function hostRecord(host: HostName): HostRecord {
  return {
    hostId: host as string as HostId,
    serverId: `server-${host}` as ServerId,
    cordoned: false,
  };
}

/** Three hosts connected, the VM running on alpha under term 1. */
export function running(config: Config = DEFAULTS): Session {
  const at = session([vmRecord()], [], config);
  at.connects("alpha", [{ verified: true }]);
  at.connects("bravo");
  at.connects("charlie");
  return at;
}

/** What agents were told: host, message and the term it speaks of. */
export function sent(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.type !== "send-agent") return [];
    const { message, hostId } = effect;
    const { toTerm, term } = message as { toTerm?: number; term?: number };
    const about = toTerm === undefined ? `${term ?? "-"}` : `${term}>${toTerm}`;
    return [`${hostId} ${message.type} ${about}`];
  });
}

/** What the management server was told, the fleet left out. */
export function told(effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) =>
    effect.type === "send-management" && effect.message.type !== "fleet" ? [effect.message] : [],
  );
}

/** The kinds of effects in order, and of messages: what is durable before what is said. */
export function order(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.type === "send-agent") return [`agent ${effect.message.type}`];
    if (effect.type !== "send-management") return [effect.type];
    return effect.message.type === "fleet" ? [] : [`management ${effect.message.type}`];
  });
}
