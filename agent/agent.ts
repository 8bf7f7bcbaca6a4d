/**
 * The agent: performs what its authority core decides, on real guests and links, and turns what
 * happens to them into the core's events.
 *
 * Rule 1: journal records are synchronous: what follows in a list of effects sees them durable.
 * Rule 2: what is done to one guest is done in order, on that VM's lane.
 * Rule 3: right before a guest is let run, the core is asked again whether it may.
 */
import type { Capacity, Inventory, Prepare, VmReport } from "../protocol/authority.ts";
import { reasonOf } from "../protocol/error.ts";
import type { BootId, StreamId, VmId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Observe } from "../protocol/observe.ts";
import { Machine } from "../runtime/core-runner.ts";
import { type CrashPoint, crashPoint } from "../runtime/crash-point.ts";
import type { Files } from "../runtime/files.ts";
import type { Journal } from "../runtime/journal.ts";
import type { TcpProbe } from "../runtime/tcp-probe.ts";
import { mayRun, start, step } from "./authority/authority.ts";
import {
  type Act,
  type Chains,
  durableOf,
  type Effect,
  type Event,
  type Record,
  replay,
  type State,
} from "./authority/state.ts";
import { Drills } from "./drills/drills.ts";
import { Merges } from "./merges.ts";
import type { IncomingStream } from "./migration/incoming.ts";
import { observer } from "./observer.ts";
import { Protections } from "./protection/protections.ts";
import type { Guest } from "./qemu/guest.ts";
import { freeze, tellConsole } from "./questions.ts";
import { Replicas, type ReplicasPorts } from "./replicas/replicas.ts";
import { Streams } from "./streams.ts";

/** An idle guest does something within this; one that does not is looked at again. */
const VERIFY_MS = 10_000;
const VERIFY_AGAIN_MS = 1_000;
/** A journal of more records than this is written anew, one record a VM. */
const RECORDS_MAX = 10_000;

export interface AgentPorts extends ReplicasPorts {
  readonly bootId: BootId;
  readonly journal: Journal<Record>;
  readonly files: Pick<Files, "read">;
  readonly probe: TcpProbe;
}

type Incoming = Pick<IncomingStream, "load" | "sendAck" | "sendActive">;
type Of<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

export class Agent {
  private readonly ports: AgentPorts;
  private readonly machine: Machine<State, Event, Effect>;
  private readonly lanes = new Map<VmId, Promise<void>>();
  private readonly streams: Streams;
  private readonly replicas: Replicas;
  private readonly drills: Drills;
  private readonly merges: Merges;
  private readonly protections: Protections;
  private readonly verifying = new WeakSet<Guest>();
  private readonly observe: (question: Observe) => void;
  private lastCapacity: Capacity | undefined;

  constructor(ports: AgentPorts) {
    this.ports = ports;
    const { hostId, bootId } = ports;
    const { life, vms } = replay(ports.journal.records);
    const state = start({ hostId, bootId, life: life + 1 }, vms);
    this.machine = new Machine(state, step, (effect) => this.perform(effect));
    const dispatch = (event: Event): void => this.dispatch(event);
    this.streams = new Streams(ports, dispatch);
    const onLane = (vmId: VmId, work: () => Promise<void>): void => this.onLane(vmId, work);
    const isSpare = (vmId: VmId): boolean => {
      const phase = this.machine.state.vms[vmId]?.stance.phase;
      return phase === "none" || phase === "burnt";
    };
    this.replicas = new Replicas(ports, { onLane, isSpare }, dispatch);
    this.drills = new Drills({
      ...ports.hypervisor.surroundings,
      hostId,
      open: (stream) => this.replicas.source(stream),
      tell: (result) => void ports.send(result),
    });
    const { log, hypervisor } = ports;
    const chainsOf = (vmId: VmId): Chains => this.machine.state.vms[vmId]?.chains ?? {};
    this.observe = observer(ports);
    this.merges = new Merges({ log, hypervisor, chainsOf, dispatch });
    const shared = { merges: this.merges, gate: this.streams.gate, dispatch };
    this.protections = new Protections({ ...ports, ...shared, state: () => this.machine.state });
  }

  /** The worker's first act: whoever was stopped by an epoch goes on, before any link is up. */
  async recover(): Promise<void> {
    const vms = Object.values(this.machine.state.vms);
    const found = await this.ports.hypervisor.recover(vms);
    await this.replicas.sweep(vms);
    this.drills.sweep();
    this.compact(this.machine.state.life - 1);
    this.dispatch({ type: "recovered", found });
    await this.settled();
  }

  /** A guest can be spoken to at last: what was to be done with it at this life's start is done. */
  answered(vmId: VmId): void {
    const stopped = this.machine.state.vms[vmId]?.stoppedByAgent === true;
    const runs = this.ports.hypervisor.get(vmId)?.guest.phase() === "running";
    if (stopped || runs) this.onLane(vmId, () => this.continueGuest(vmId));
  }

  /** Resolves when nothing waits on any VM's lane. */
  async settled(): Promise<void> {
    await Promise.all(this.lanes.values());
  }

  /**
   * Ends the streams, so that no guest stays paused by one, and leaves the guests as they are; a
   * new life of the agent takes them over.
   */
  async close(): Promise<void> {
    await this.protections.close();
    await this.streams.close("The agent stops");
    await this.settled();
    await this.replicas.close();
    this.ports.hypervisor.release();
    this.ports.journal.close();
  }

  dispatch(event: Event): void {
    this.machine.dispatch(event);
  }

  /** All that is journalled, for the coordinator's link that has come up. */
  async inventory(): Promise<Pick<Inventory, "capacity" | "vms">> {
    const capacity = await this.ports.capacity();
    this.lastCapacity = capacity;
    const vms: VmReport[] = [];
    const [, effects] = step(this.machine.state, { type: "report-all" });
    for (const effect of effects) if (effect.type === "report") vms.push(effect.report);
    return { capacity, vms };
  }

  /** What the coordinator sent. Messages of authority are the core's events as they are. */
  take(message: Message): void {
    switch (message.type) {
      case "grant":
      case "prepare":
      case "migrate-out":
      case "cancel-migration":
      case "released":
      case "burn":
      case "retire":
      case "stop-vm":
      case "hold-replica":
      case "seal-replica":
      case "drop-replica":
      case "protect":
        return this.dispatch(message);
      case "freeze":
        return void freeze(message, this.ports);
      case "drill-replica":
        return this.drills.begin(message);
      case "read-console":
        return void tellConsole(message, this.ports);
      case "observe":
        return this.observe(message);
      default:
        this.ports.log.warn("Unexpected message", { type: message.type });
    }
  }

  private perform(effect: Effect): void {
    switch (effect.type) {
      case "journal":
        return this.journal(effect.record);
      case "start-guest":
        return this.onLane(effect.vmId, () => this.startGuest(effect));
      case "continue-guest":
        return this.onLane(effect.vmId, () => this.continueGuest(effect.vmId));
      case "end-guest":
        return this.onLane(effect.vmId, () => this.ports.hypervisor.end(effect.vmId));
      case "sweep":
        return this.onLane(effect.vmId, () =>
          this.ports.hypervisor.sweep(effect.vmId, effect.quarantine),
        );
      case "verify-guest":
        return void this.verify(effect.vmId);
      case "receive":
        return this.onLane(effect.prepare.vmId, () => this.receive(effect.prepare));
      case "restore-guest":
        return this.restore(effect);
      case "load-epoch":
        return this.incoming(effect)?.load(effect.epoch);
      case "send-ack":
        return this.incoming(effect)?.sendAck(effect.epoch);
      case "send-active":
        // Behind the guest's continuation: the source measures the pause by it.
        return this.onLane(effect.vmId, async () => this.incoming(effect)?.sendActive());
      case "end-receive":
        return this.onLane(effect.vmId, async () => {
          await this.replicas.endReceive(effect.vmId, effect.stream);
          await this.streams.endReceive(effect.vmId, effect.stream, effect.reason);
        });
      case "stream":
        return this.onLane(effect.migrateOut.vmId, () => this.stream(effect));
      case "end-stream":
        return this.endStream(effect);
      case "send-released": {
        const { vmId, reason, epoch } = effect.released;
        if (this.protections.sendReleased(effect.released)) return;
        return this.streams.out(vmId)?.sendReleased(reason, epoch);
      }
      case "hold-replica":
        return this.replicas.hold(effect);
      case "seal-replicas":
        return void this.replicas.seal(effect.vmId, effect.term);
      case "drop-replica":
        return this.onLane(effect.vmId, () => this.replicas.drop(effect.stream));
      case "protect":
        return this.onLane(effect.vmId, () => this.protections.apply(effect.vmId));
      case "report":
        return this.report(effect.report);
      case "refuse":
        return this.refuse(effect);
    }
  }

  private journal(record: Record): void {
    this.ports.journal.append(record);
    if (record.type !== "vm") return;
    if (this.ports.journal.count > RECORDS_MAX) this.compact(this.machine.state.life);
    const point = AFTER_RECORD[record.act];
    const guest = this.ports.hypervisor.get(record.vm.vmId)?.guest;
    if (point !== undefined) crashPoint(point, guest?.identity.pid);
  }

  /** One record a VM is enough; the newest life comes first. */
  private compact(life: number): void {
    const { journal, bootId } = this.ports;
    const vms = Object.values(this.machine.state.vms);
    if (journal.count <= vms.length + 1) return;
    const lived: Record[] = life === 0 ? [] : [{ type: "life", life, bootId }];
    const kept = vms.map((vm): Record => ({ type: "vm", act: "HEARD", vm: durableOf(vm) }));
    journal.rewrite([...lived, ...kept]);
  }

  private async startGuest({ vmId, term, definition, chains }: Of<"start-guest">): Promise<void> {
    try {
      await this.replicas.standDown(vmId);
      const used = await this.ports.hypervisor.start(vmId, term, definition, chains);
      this.dispatch({ type: "chains", vmId, chains: used });
      await this.letRun(vmId);
    } catch (thrown) {
      await this.guestFailed(vmId, thrown);
    }
  }

  private restore(effect: Of<"restore-guest">): void {
    const { vmId } = effect;
    const askedAtMs = this.ports.clock.nowMs();
    this.onLane(vmId, async () => {
      try {
        await this.replicas.restore(effect, askedAtMs, async (chains) => {
          this.dispatch({ type: "chains", vmId, chains });
          await this.letRun(vmId);
        });
      } catch (thrown) {
        await this.guestFailed(vmId, thrown);
      }
    });
  }

  private async receive(prepare: Prepare): Promise<void> {
    if (prepare.replica === true) return await this.replicas.receive(prepare);
    await this.replicas.standDown(prepare.vmId);
    await this.streams.receive(prepare);
  }

  /** What comes in for this VM: a stream of its own, or that of a replica. */
  private incoming(of: { vmId: VmId; stream: StreamId }): Incoming | undefined {
    return this.replicas.in(of) ?? this.streams.in(of);
  }

  private async arrived(vmId: VmId): Promise<void> {
    await this.streams.arrived(vmId);
    await this.replicas.arrived(vmId);
  }

  private async continueGuest(vmId: VmId): Promise<void> {
    await this.streams.out(vmId)?.finished;
    try {
      await this.letRun(vmId);
    } catch (thrown) {
      await this.guestFailed(vmId, thrown);
    }
  }

  private async letRun(vmId: VmId): Promise<void> {
    const guest = this.ports.hypervisor.get(vmId)?.guest;
    if (guest === undefined || !mayRun(this.machine.state, vmId)) return;
    await this.protections.resume(vmId, guest);
    crashPoint("agent-active-continued", guest.identity.pid);
    this.dispatch({ type: "guest-running", vmId });
    const isCut =
      this.machine.state.vms[vmId]?.outgoing !== undefined || this.protections.has(vmId);
    if (!isCut) this.merges.begin(vmId);
  }

  private async guestFailed(vmId: VmId, thrown: unknown): Promise<void> {
    const reason = reasonOf(thrown);
    this.ports.log.error("Guest failed", { vmId, reason });
    await this.ports.hypervisor.end(vmId);
    this.dispatch({ type: "guest-failed", vmId, reason });
  }

  /** Seen to run, and its disks durable here: then the source need not keep anything. */
  private async verify(vmId: VmId): Promise<void> {
    const { log, hypervisor, clock } = this.ports;
    const guest = hypervisor.get(vmId)?.guest;
    if (guest === undefined || this.verifying.has(guest)) return;
    this.verifying.add(guest);
    // One that is paused, moved or gone meanwhile is looked at when it runs again.
    const due = (): boolean =>
      hypervisor.get(vmId)?.guest === guest && mayRun(this.machine.state, vmId);
    try {
      let runs = await guest.vcpusAdvance(VERIFY_MS).finally(() => this.arrived(vmId));
      while (!runs && due()) {
        log.warn("The guest's vCPUs do not advance", { vmId });
        await clock.sleep(VERIFY_AGAIN_MS);
        runs = await guest.vcpusAdvance(VERIFY_MS);
      }
      if (!runs) return;
      crashPoint("agent-verified", guest.identity.pid);
      this.dispatch({ type: "guest-verified", vmId });
    } catch (thrown) {
      log.warn("Guest not verified", { vmId, reason: reasonOf(thrown) });
    } finally {
      this.verifying.delete(guest);
    }
  }

  private async stream({ migrateOut }: Of<"stream">): Promise<void> {
    const { vmId, stream } = migrateOut;
    if (migrateOut.replica === true) return this.protections.swap(migrateOut);
    // A shadow is for one way out; it begins anew when the move is refused.
    await this.protections.end(vmId);
    // No device state can be saved while a block job runs, and no frozen layer may change.
    await this.merges.stop(vmId);
    const vm = this.machine.state.vms[vmId];
    // Refused again while it waited for its turn.
    if (vm?.outgoing?.stream === stream) this.streams.migrate(migrateOut, vm.chains ?? {});
  }

  /** The stream hears it at once; what is asked of the guest next waits for its end. */
  private endStream({ vmId, stream, reason }: Of<"end-stream">): void {
    const swap = this.protections.swapOf(vmId, stream)?.cancel(reason);
    const ended = this.streams.endMigrate(vmId, reason);
    this.onLane(vmId, async () => void (await Promise.all([swap, ended])));
  }

  private report(report: VmReport): void {
    const { hostId, bootId, send } = this.ports;
    const capacity = this.lastCapacity;
    if (capacity === undefined) return;
    const memoryUsedBytes = this.ports.hypervisor.usedBytes();
    const now = { ...capacity, memoryUsedBytes };
    send({ type: "vm-report", hostId, bootId, capacity: now, report });
  }

  private refuse({ vmId, command, term, code, reason }: Of<"refuse">): void {
    const { hostId, send, log } = this.ports;
    log.warn("Refused", { vmId, command, term, code, reason });
    send({ type: "refusal", hostId, vmId, command, term, code, reason: reason.slice(0, 1_000) });
  }

  /** Work on one guest, after what was asked for before. A failure here is a programmer's. */
  private onLane(vmId: VmId, work: () => Promise<void>): void {
    const before = this.lanes.get(vmId) ?? Promise.resolve();
    const after = before.then(work).catch((error: unknown) => {
      this.ports.log.error("Work on a guest failed", { vmId, error, reason: reasonOf(error) });
    });
    this.lanes.set(vmId, after);
  }
}

/** Where the kill matrix strikes: right after a record is durable. */
const AFTER_RECORD: Readonly<Partial<{ [Key in Act]: CrashPoint }>> = {
  OUTGOING: "agent-journal-outgoing",
  INCOMING: "agent-journal-incoming",
  RELEASED: "agent-released-journal",
  ACTIVE: "agent-active-journal",
  RETIRED: "agent-retired",
};
