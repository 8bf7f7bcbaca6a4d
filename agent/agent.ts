/**
 * The agent: performs what its authority core decides, on real guests and links, and turns what
 * happens to them into the core's events.
 *
 * Rule 1: journal records are synchronous: what follows in a list of effects sees them durable.
 * Rule 2: what is done to one guest is done in order, on that VM's lane.
 * Rule 3: right before a guest is let run, the core is asked again whether it may.
 */
import { join } from "node:path";
import { Kernel } from "../epochs/kernel.ts";
import { reserveBytes } from "../epochs/shadow.ts";
import type { Capacity, Prepare, VmReport } from "../protocol/authority.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { CONSOLE_BYTES_MAX } from "../protocol/evacuation.ts";
import type { BootId, HostId, VmId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunCommand } from "../runtime/command.ts";
import { Machine } from "../runtime/core-runner.ts";
import { type CrashPoint, crashPoint } from "../runtime/crash-point.ts";
import { type DataServer, dialData } from "../runtime/data-link.ts";
import type { Journal } from "../runtime/journal.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { mayRun, start, step } from "./authority/authority.ts";
import {
  type Act,
  type Effect,
  type Event,
  type Record,
  replay,
  type State,
} from "./authority/state.ts";
import { RamFile } from "./capture/ram.ts";
import { type Hypervisor, readConsole } from "./hypervisor.ts";
import { IncomingStream } from "./migration/incoming.ts";
import { OutgoingStream } from "./migration/outgoing.ts";

/** The guest is seen to run within this, or it counts as failed. */
const VERIFY_MS = 10_000;
/** QMP broke: so long until the process's end is noticed, if that was the reason. */
const GRACE_MS = 200;

export interface AgentPorts {
  readonly hostId: HostId;
  readonly bootId: BootId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly run: RunCommand;
  readonly journal: Journal<Record>;
  readonly hypervisor: Hypervisor;
  readonly dataServer: DataServer;
  /** What other agents are told to dial. */
  readonly dataAddress: string;
  readonly module: WebAssembly.Module;
  readonly capacity: () => Promise<Capacity>;
  /** To the coordinator; false while its link is down, which loses nothing. */
  readonly send: (message: Message) => boolean;
  readonly breathe: () => Promise<void>;
}

type Of<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

export class Agent {
  private readonly ports: AgentPorts;
  private readonly machine: Machine<State, Event, Effect>;
  private readonly lanes = new Map<VmId, Promise<void>>();
  private readonly outgoing = new Map<VmId, OutgoingStream>();
  private readonly incoming = new Map<VmId, IncomingStream>();
  private readonly offers = new Map<VmId, string>();
  private lastCapacity: Capacity | undefined;

  constructor(ports: AgentPorts) {
    this.ports = ports;
    const { hostId, bootId } = ports;
    const { life, vms } = replay(ports.journal.records);
    const state = start({ hostId, bootId, life: life + 1 }, vms);
    this.machine = new Machine(state, step, (effect) => this.perform(effect));
  }

  /** The worker's first act: whoever was stopped by an epoch goes on, before any link is up. */
  async recover(): Promise<void> {
    const vms = Object.values(this.machine.state.vms);
    const found = await this.ports.hypervisor.recover(vms);
    this.compact();
    this.dispatch({ type: "recovered", found });
    await this.settled();
  }

  /** Resolves when nothing waits on any VM's lane. */
  async settled(): Promise<void> {
    await Promise.all(this.lanes.values());
  }

  /** Leaves guests and streams as they are; a new life of the agent takes them over. */
  close(): void {
    for (const stream of this.outgoing.values()) stream.end("The agent stops");
    for (const stream of this.incoming.values()) void stream.end("The agent stops");
    this.ports.hypervisor.release();
    this.ports.journal.close();
  }

  dispatch(event: Event): void {
    this.machine.dispatch(event);
  }

  /** All that is journalled, for the coordinator's link that has come up. */
  async inventory(): Promise<readonly VmReport[]> {
    this.lastCapacity = await this.ports.capacity();
    const reports: VmReport[] = [];
    const [, effects] = step(this.machine.state, { type: "report-all" });
    for (const effect of effects) if (effect.type === "report") reports.push(effect.report);
    return reports;
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
        return this.dispatch(message);
      case "freeze":
        return void this.freeze(message);
      case "read-console":
        return void this.console(message);
      default:
        this.ports.log.warn("Unexpected message", { type: message.type });
    }
  }

  private async freeze(message: Extract<Message, { type: "freeze" }>): Promise<void> {
    const { operationId } = message;
    try {
      const definition = await this.ports.hypervisor.freeze(message.definition);
      this.ports.send({ type: "frozen", operationId, definition });
    } catch (thrown) {
      const code = thrown instanceof SystemError ? thrown.code : "DEFINITION_INVALID";
      const reason = reasonOf(thrown).slice(0, 1_000);
      this.ports.send({ type: "frozen", operationId, code, reason });
    }
  }

  private async console(message: Extract<Message, { type: "read-console" }>): Promise<void> {
    const { operationId, vmId } = message;
    const path = await this.ports.hypervisor.serialPath(vmId);
    const { offset, size, bytes } = await readConsole(path, message.offset, CONSOLE_BYTES_MAX);
    const base64 = bytes.toString("base64");
    this.ports.send({ type: "console-text", operationId, vmId, offset, size, base64 });
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
          this.ports.hypervisor.sweep(effect.vmId, effect.chains, effect.quarantine),
        );
      case "verify-guest":
        return void this.verify(effect.vmId);
      case "receive":
        return this.onLane(effect.prepare.vmId, () => this.receive(effect.prepare));
      case "load-epoch":
        return this.incomingOf(effect)?.load(effect.epoch);
      case "send-ack":
        return this.incomingOf(effect)?.sendAck(effect.epoch);
      case "send-active":
        return this.incomingOf(effect)?.sendActive(effect.term);
      case "end-receive":
        return this.endReceive(effect);
      case "stream":
        return this.onLane(effect.migrateOut.vmId, async () => this.stream(effect));
      case "end-stream":
        return this.endStream(effect);
      case "send-released": {
        const { vmId, reason, epoch } = effect.released;
        return this.outgoing.get(vmId)?.sendReleased(reason, epoch);
      }
      case "report":
        return this.report(effect.report);
      case "refuse":
        return this.refuse(effect);
    }
  }

  private journal(record: Record): void {
    this.ports.journal.append(record);
    if (record.type !== "vm") return;
    const point = AFTER_RECORD[record.act];
    const guest = this.ports.hypervisor.get(record.vm.vmId)?.guest;
    if (point !== undefined) crashPoint(point, guest?.identity.pid);
  }

  /** One record a VM is enough to begin with. */
  private compact(): void {
    const { journal } = this.ports;
    const { life, vms } = replay(journal.records);
    if (journal.records.length <= vms.length + 1) return;
    const { bootId } = this.ports;
    const lived: Record[] = life === 0 ? [] : [{ type: "life", life, bootId }];
    const kept = vms.map((vm): Record => ({ type: "vm", act: "HEARD", vm }));
    journal.rewrite([...lived, ...kept]);
  }

  private async startGuest({ vmId, term, definition, chains }: Of<"start-guest">): Promise<void> {
    try {
      const used = await this.ports.hypervisor.start(vmId, term, definition, chains);
      this.dispatch({ type: "chains", vmId, chains: used });
      await this.letRun(vmId);
    } catch (thrown) {
      await this.guestFailed(vmId, thrown);
    }
  }

  private async continueGuest(vmId: VmId): Promise<void> {
    await this.outgoing.get(vmId)?.finished;
    try {
      await this.letRun(vmId);
    } catch (thrown) {
      await this.guestFailed(vmId, thrown);
    }
  }

  private async letRun(vmId: VmId): Promise<void> {
    const guest = this.ports.hypervisor.get(vmId)?.guest;
    if (guest === undefined || !mayRun(this.machine.state, vmId)) return;
    await guest.resume();
    crashPoint("agent-active-continued", guest.identity.pid);
    this.dispatch({ type: "guest-running", vmId });
  }

  private async guestFailed(vmId: VmId, thrown: unknown): Promise<void> {
    const reason = reasonOf(thrown);
    this.ports.log.error("Guest failed", { vmId, reason });
    await this.ports.hypervisor.end(vmId);
    this.dispatch({ type: "guest-failed", vmId, reason });
  }

  /** Seen to run, and its disks durable here: then the source need not keep anything. */
  private async verify(vmId: VmId): Promise<void> {
    const guest = this.ports.hypervisor.get(vmId)?.guest;
    if (guest === undefined) return;
    try {
      const runs = await guest.vcpusAdvance(VERIFY_MS);
      const stream = this.incoming.get(vmId);
      this.incoming.delete(vmId);
      await stream?.finish();
      if (!runs) throw new SystemError("TIMED_OUT", "The guest's vCPUs do not advance");
      crashPoint("agent-verified", guest.identity.pid);
      this.dispatch({ type: "guest-verified", vmId });
    } catch (thrown) {
      this.ports.log.warn("Guest not verified", { vmId, reason: reasonOf(thrown) });
    }
  }

  private async receive(prepare: Prepare): Promise<void> {
    const { vmId, term, stream, definition, token } = prepare;
    const { hypervisor, dataServer, dataAddress, clock, log, module } = this.ports;
    try {
      await this.assertRoom(definition.memoryBytes);
      const { chains, images } = await hypervisor.receive(vmId, term, definition);
      const running = hypervisor.get(vmId);
      if (running === undefined) throw new SystemError("QEMU_EXITED", "The guest has ended");
      const incoming = new IncomingStream(prepare, {
        clock,
        log,
        guest: running.guest,
        kernel: new Kernel(module),
        ram: new RamFile(running.paths.ram, "write"),
        disks: images,
        asidePath: `${running.paths.ram}.aside`,
        dispatch: (event) => this.dispatch(event),
      });
      this.incoming.set(vmId, incoming);
      this.offers.set(vmId, token);
      dataServer.offer(token, (link) => incoming.accept(link));
      this.dispatch({ type: "prepared", vmId, stream, address: dataAddress, chains });
    } catch (thrown) {
      const reason = reasonOf(thrown);
      log.warn("Cannot receive", { vmId, reason });
      this.dispatch({ type: "incoming-failed", vmId, stream, reason });
    }
  }

  /** RAM, and the shadow that its next move will take. */
  private async assertRoom(memoryBytes: number): Promise<void> {
    const { memoryBytes: offered, memoryUsedBytes } = await this.ports.capacity();
    const needed = memoryBytes + reserveBytes(memoryBytes);
    if (memoryUsedBytes + needed <= offered) return;
    const message = `${needed} bytes of memory are needed, ${offered - memoryUsedBytes} are free`;
    throw new SystemError("NO_SPACE", message);
  }

  private endReceive({ vmId, stream, reason }: Of<"end-receive">): void {
    const token = this.offers.get(vmId);
    if (token !== undefined) this.ports.dataServer.withdraw(token);
    this.offers.delete(vmId);
    const incoming = this.incoming.get(vmId);
    if (incoming?.stream !== stream) return;
    this.incoming.delete(vmId);
    this.onLane(vmId, () => incoming.end(reason));
  }

  private stream({ migrateOut }: Of<"stream">): void {
    const { vmId, stream, address, token } = migrateOut;
    const { hypervisor, clock, random, log, run, module, send, breathe } = this.ports;
    const running = hypervisor.get(vmId);
    const vm = this.machine.state.vms[vmId];
    if (running === undefined || vm?.outgoing?.stream !== stream) {
      this.dispatch({ type: "stream-failed", vmId, stream, reason: "The guest is gone" });
      return;
    }
    const outgoing = new OutgoingStream(migrateOut, {
      clock,
      log,
      guest: running.guest,
      definition: running.definition,
      chains: vm.chains ?? {},
      ramPath: running.paths.ram,
      disks: { run, folder: join(hypervisor.folder(vmId), "disks") },
      module,
      dial: (accept) => dialData({ address, token, accept, clock, random }),
      dispatch: (event) => this.dispatch(event),
      progress: (progress) => void send(progress),
      died: async () => {
        await clock.sleep(GRACE_MS);
        return hypervisor.get(vmId) === undefined;
      },
      breathe,
    });
    this.outgoing.set(vmId, outgoing);
  }

  private endStream({ vmId, reason }: Of<"end-stream">): void {
    const stream = this.outgoing.get(vmId);
    stream?.end(reason);
    this.onLane(vmId, async () => {
      await stream?.finished;
      if (this.outgoing.get(vmId) === stream) this.outgoing.delete(vmId);
    });
  }

  private incomingOf({ vmId, stream }: { vmId: VmId; stream: string }): IncomingStream | undefined {
    const incoming = this.incoming.get(vmId);
    return incoming?.stream === stream ? incoming : undefined;
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
