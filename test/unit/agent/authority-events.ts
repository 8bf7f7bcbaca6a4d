/** What an agent may be told, in short, and a life of one that keeps a journal. */
import { start, step } from "../../../agent/authority/authority.ts";
import {
  type Effect,
  type Event,
  type Found,
  type Record,
  replay,
  type State,
} from "../../../agent/authority/state.ts";
import type { OffProof } from "../../../protocol/fence.ts";
import type { BootId, HostId, StreamId } from "../../../protocol/ids.ts";
import type { PromotionProof } from "../../../protocol/replication.ts";
import { DEFINITIONS, diskLayer, vmIdOf } from "../../sim/model.ts";

export const VM = vmIdOf("vm1");
const definition = DEFINITIONS.get(VM)!.frozen;
export const BOOT = "00000000-0001" as BootId;
export const NEXT_BOOT = "00000000-0002" as BootId;
const ALPHA = "alpha" as HostId;
export const BRAVO = "bravo" as HostId;
const STREAM = "a".repeat(32) as StreamId;
export const OTHER_STREAM = "b".repeat(32) as StreamId;
const TOKEN = "c".repeat(64);
const SAGA = "move-1" as never;
const ADDRESS = "bravo:7000";
const CHAINS = { disk0: [diskLayer(0, "/vm1/0")] };
const LIMITS = { pauseMsMax: 1_000, roundsMax: 20 };

export const grant = (term: number, patch: object = {}): Event => ({
  type: "grant",
  vmId: VM,
  term,
  hostId: ALPHA,
  bootId: BOOT,
  start: "first",
  definition,
  ...patch,
});
export const prepare = (term: number, stream = STREAM): Event => ({
  type: "prepare",
  sagaId: SAGA,
  vmId: VM,
  term,
  stream,
  source: BRAVO,
  token: TOKEN,
  definition,
});
export const migrateOut = (term: number, toTerm: number, stream = STREAM): Event => ({
  type: "migrate-out",
  sagaId: SAGA,
  vmId: VM,
  term,
  toTerm,
  stream,
  target: BRAVO,
  address: ADDRESS,
  token: TOKEN,
  limits: LIMITS,
});
export const released = (toTerm: number, reason: "moved" | "died", epoch: number): Event => ({
  type: "released",
  vmId: VM,
  term: toTerm - 1,
  toTerm,
  stream: STREAM,
  reason,
  epoch,
});
export const complete = (epoch: number, kind: "fuzzy" | "cut" | "last"): Event => ({
  type: "epoch-complete",
  vmId: VM,
  stream: STREAM,
  epoch,
  kind,
});
export const cancel = (term: number, toTerm: number): Event => ({
  type: "cancel-migration",
  vmId: VM,
  term,
  toTerm,
  reason: "Cancelled",
});
export const running: Event = { type: "guest-running", vmId: VM };
export const died: Event = { type: "guest-died", vmId: VM, reason: "It ended" };
export const cut: Event = { type: "cut", vmId: VM, chains: CHAINS };
export const chains: Event = { type: "chains", vmId: VM, chains: CHAINS };
export const lastAcked: Event = { type: "last-acked", vmId: VM, stream: STREAM, epoch: 3 };
export const loaded: Event = { type: "epoch-loaded", vmId: VM, stream: STREAM, epoch: 3 };
export const failed: Event = { type: "stream-failed", vmId: VM, stream: STREAM, reason: "Cut" };
export const burn = (term: number): Event => ({ type: "burn", vmId: VM, term, reason: "Aborted" });
export const retire = (term: number): Event => ({ type: "retire", vmId: VM, term });
export const stopVm = (term: number): Event => ({ type: "stop-vm", vmId: VM, term });
export const prepared: Event = {
  type: "prepared",
  vmId: VM,
  stream: STREAM,
  address: ADDRESS,
  chains: CHAINS,
};

export const hold = (term: number, stream = STREAM): Event => ({
  type: "hold-replica",
  vmId: VM,
  term,
  stream,
  primary: BRAVO,
  token: TOKEN,
  definition,
});
export const seal = (term: number): Event => ({ type: "seal-replica", vmId: VM, term });
export const dropReplica = (term: number, stream = STREAM): Event => ({
  type: "drop-replica",
  vmId: VM,
  term,
  stream,
});
export const found = (stream = STREAM, patch: object = {}): Event => ({
  type: "replica-found",
  vmId: VM,
  stream,
  found: {
    state: "ready",
    address: ADDRESS,
    newest: { epoch: 4, cut: 2 },
    settled: 0,
    ...patch,
  },
});
export const offProof = (patch: object = {}): OffProof => ({
  operationId: "fence-1" as never,
  hostId: BRAVO,
  serverId: "bravo" as never,
  uuid: "u-1",
  by: "operator",
  reads: [4_000, 5_000, 6_000].map((afterMs) => ({ afterMs, uuid: "u-1", power: "Off" })),
  signs: ["agent-silent", "nic-firmware-silent"],
  ...patch,
});
export const byFence = (patch: object = {}): PromotionProof => ({
  by: "fence",
  reason: "It was switched off",
  hostId: BRAVO,
  proof: offProof(patch),
});
export const promote = (term: number, proof: PromotionProof = byFence(), stream = STREAM): Event =>
  grant(term, { start: "replica", promotion: { stream, epoch: 4, proof } });
export const protect = (term: number, version = 1): Event => ({
  type: "protect",
  vmId: VM,
  term,
  version,
  intervalMs: 1_000,
  secondaries: [{ hostId: BRAVO, stream: STREAM, address: ADDRESS, token: TOKEN }],
});

/** Holds a replica of term 3 that can be restored. */
export const KEEPS = [hold(3), found()];
export const RUNS = [grant(1), chains, running];
export const MOVES_OUT = [...RUNS, migrateOut(1, 2)];
export const RECEIVES = [prepare(2), prepared, complete(0, "fuzzy")];
export const HOLDS = [...RECEIVES, complete(3, "last"), loaded];

/** An agent's life and the ones after it, on one journal. */
export class Life {
  state: State;
  readonly journal: Record[];

  constructor(journal: Record[] = [], bootId = BOOT, found: { [id: string]: Found } = {}) {
    this.journal = journal;
    const { life, vms } = replay(journal);
    this.state = start({ hostId: ALPHA, bootId, life: life + 1 }, vms);
    this.first = this.take({ type: "recovered", found });
  }

  /** What the first event of this life asked for. */
  readonly first: readonly string[];

  /** The names of what was asked for, in order; records by their act. */
  take(...events: readonly Event[]): string[] {
    const names: string[] = [];
    for (const event of events) {
      const [next, effects] = step(this.state, event);
      this.state = next;
      for (const effect of effects) this.note(effect, names);
    }
    return names;
  }

  get stance(): string {
    const stance = this.state.vms[VM]?.stance;
    if (stance === undefined || stance.phase === "none") return "none";
    return `${stance.phase} ${stance.term}`;
  }

  private note(effect: Effect, names: string[]): void {
    if (effect.type === "journal") this.journal.push(effect.record);
    if (effect.type === "report" || effect.type === "refuse") names.push(effect.type);
    else if (effect.type !== "journal") names.push(effect.type);
    else if (effect.record.type === "vm") names.push(effect.record.act);
  }
}

export function after(events: readonly Event[]): Life {
  const life = new Life();
  life.take(...events);
  return life;
}
