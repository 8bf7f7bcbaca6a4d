/**
 * What the programs of the simulated site see of each other: the site around them, an agent and
 * the parts of its data path.
 * @module
 */
import type { Chains, Effect, Event, State } from "../../agent/authority/state.ts";
import type { PowerAnswer, PowerAsk } from "../../coordinator/fence.ts";
import type { MigrateOut, Prepare } from "../../protocol/authority.ts";
import type { HostId, StreamId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { Machine } from "../../runtime/core-runner.ts";
import type { Breakage } from "./breakages.ts";
import type { Chance } from "./chance.ts";
import type { Faults } from "./faults.ts";
import type { Frame } from "./frame.ts";
import type { Guest, SimulatedHost } from "./host.ts";
import type { Network } from "./network.ts";
import type { Oracle } from "./oracle.ts";
import type { Cut } from "./replica-store.ts";
import type { World } from "./world.ts";

/** A program that can die and be started again. */
export interface Program {
  start(): void;
  crash(): void;
}

export interface Surroundings {
  readonly world: World;
  readonly oracle: Oracle;
  readonly network: Network;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly random: boolean;
  readonly breakage: Breakage | undefined;
  readonly wallClockMs: number;
  agentAt(hostId: HostId): Agent;
  /** @param peer who is to receive something by this step. */
  reached(place: string, step: string, peer?: HostId): void;
  askPower(question: PowerAsk, answer: (told: PowerAnswer) => void): void;
  sent(hostId: HostId, message: Message): void;
  died(program: Program): void;
}

export interface Agent {
  readonly cluster: Surroundings;
  readonly host: SimulatedHost;
  readonly chance: Chance;
  readonly receivers: Map<VmId, Receiving>;
  readonly senders: Map<VmId, Sending>;
  readonly dataLinks: Set<Wire>;
  readonly protectors: ReadonlyMap<VmId, Protecting>;
  readonly replicas: Replicating | undefined;
  readonly running: boolean;
  readonly life: number;
  readonly machine: Machine<State, Event, Effect> | undefined;
  dispatch(event: Event): void;
  guarded(act: () => void): void;
  after(delayMs: number, act: () => void): void;
  tookMs(): number;
  reached(step: string): void;
  adopt(guest: Guest): void;
  chainOf(vmId: VmId): Chains[string];
  sendProgress(order: MigrateOut, round: number): void;
  linkLost(link: Wire): void;
}

/** The primary's part of a VM's replication. */
export interface Protecting {
  /** A cut has stopped the guest, or is about to. */
  readonly cutting: boolean;
}

/** What a host does as a secondary. */
export interface Replicating {
  welcomes(vmId: VmId, stream: StreamId, token: string): boolean;
  newest(stream: StreamId): Cut | undefined;
  take(cut: Cut, link: Wire, acked: () => void): void;
}

export interface Receiving {
  readonly prepare: Prepare;
  link: Wire | undefined;
  take(frame: Frame): void;
  load(epoch: number): void;
  linkLost(): void;
}

export interface Sending {
  readonly order: MigrateOut;
  readonly link: Wire | undefined;
  acked(epoch: number): void;
  fail(reason: string): void;
}

export interface Wire {
  readonly source: Agent;
  readonly target: Agent;
  carry(to: "source" | "target", act: () => void): void;
  cut(): void;
}
