/**
 * The streams of this host: at most one out and one in for each VM. Mechanism only: each is begun
 * and ended by the authority core's effects, and what it comes to is the core's event.
 * @module
 */
import { join } from "node:path";
import { Kernel } from "../epochs/kernel.ts";
import type { Capacity, MigrateOut, Prepare } from "../protocol/authority.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { StreamId, VmId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunCommand } from "../runtime/command.ts";
import { type DataServer, dialData } from "../runtime/data-link.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { StartThread } from "../runtime/threads.ts";
import type { Chains, Event } from "./authority/state.ts";
import { discardImages, type FlatImage } from "./capture/disk-flat.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { PauseGate } from "./migration/gate.ts";
import { IncomingStream } from "./migration/incoming.ts";
import { OutgoingStream } from "./migration/outgoing.ts";
import { assertRoom } from "./room.ts";

/** QMP broke: so long until the process's end is noticed, if that was the reason. */
const GRACE_MS = 200;

export interface StreamPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly run: RunCommand;
  readonly hypervisor: Hypervisor;
  readonly dataServer: DataServer;
  /** What other agents are told to dial. */
  readonly dataAddress: string;
  readonly module: WebAssembly.Module;
  readonly capacity: () => Promise<Capacity>;
  /** To the coordinator; false while its link is down, which loses nothing. */
  readonly send: (message: Message) => boolean;
  readonly breathe: () => Promise<void>;
  /** How many threads scan a guest with so much RAM; 1: this one. */
  readonly scanThreads: (memoryBytes: number) => number;
  readonly startThread: StartThread;
}

interface Incoming {
  readonly stream: IncomingStream;
  readonly token: string;
}

export class Streams {
  private readonly ports: StreamPorts;
  private readonly dispatch: (event: Event) => void;
  private readonly outgoing = new Map<VmId, OutgoingStream>();
  private readonly incoming = new Map<VmId, Incoming>();
  /** Of all that pause a guest here. */
  readonly gate = new PauseGate();

  constructor(ports: StreamPorts, dispatch: (event: Event) => void) {
    this.ports = ports;
    this.dispatch = dispatch;
  }

  out(vmId: VmId): OutgoingStream | undefined {
    return this.outgoing.get(vmId);
  }

  in({ vmId, stream }: { vmId: VmId; stream: StreamId }): IncomingStream | undefined {
    const found = this.incoming.get(vmId)?.stream;
    return found?.stream === stream ? found : undefined;
  }

  /** Makes everything ready for a stream: it tells `prepared`, or why not. */
  async receive(prepare: Prepare): Promise<void> {
    const { vmId, term, stream, definition, token } = prepare;
    const { hypervisor, dataServer, dataAddress, clock, log, module } = this.ports;
    const { dispatch } = this;
    let images: readonly FlatImage[] = [];
    try {
      await assertRoom(definition, this.ports);
      const received = await hypervisor.receive(vmId, term, definition);
      images = received.images;
      const running = hypervisor.get(vmId);
      if (running === undefined) throw new SystemError("QEMU_EXITED", "The guest has ended");
      const { guest, paths } = running;
      const kernel = new Kernel(module);
      const ports = { clock, log, guest, kernel, ramPath: paths.ram, disks: images, dispatch };
      const incoming = new IncomingStream(prepare, ports);
      images = [];
      await this.incoming.get(vmId)?.stream.end("Another stream of this VM begins");
      this.incoming.set(vmId, { stream: incoming, token });
      dataServer.offer(token, (link) => incoming.accept(link));
      dispatch({ type: "prepared", vmId, stream, address: dataAddress, chains: received.chains });
    } catch (thrown) {
      const reason = reasonOf(thrown);
      log.warn("Cannot receive", { vmId, reason });
      await discardImages(images);
      dispatch({ type: "incoming-failed", vmId, stream, reason });
    }
  }

  /** Ends a stream that was refused or burnt; another one of the same VM stays. */
  async endReceive(vmId: VmId, stream: StreamId, reason: string): Promise<void> {
    const incoming = this.incoming.get(vmId);
    if (incoming?.stream.stream !== stream) return;
    this.incoming.delete(vmId);
    this.ports.dataServer.withdraw(incoming.token);
    await incoming.stream.end(reason);
  }

  /** The guest runs here: its stream is over once its disks are durable. */
  async arrived(vmId: VmId): Promise<void> {
    const incoming = this.incoming.get(vmId);
    this.incoming.delete(vmId);
    await incoming?.stream.finish();
  }

  /** Begins a stream to another host. */
  migrate(migrateOut: MigrateOut, chains: Chains): void {
    const { vmId, stream, address, token } = migrateOut;
    const { hypervisor, clock, random, log, run, module, send, breathe, startThread } = this.ports;
    const { dispatch } = this;
    const running = hypervisor.get(vmId);
    if (running === undefined) {
      dispatch({ type: "stream-failed", vmId, stream, reason: "The guest is gone" });
      return;
    }
    const outgoing = new OutgoingStream(migrateOut, {
      clock,
      log,
      guest: running.guest,
      definition: running.definition,
      chains,
      ramPath: running.paths.ram,
      disks: { run, folder: join(hypervisor.folder(vmId), "disks") },
      module,
      dial: (accept) => dialData({ address, token, accept, clock, random }),
      dispatch,
      progress: (progress) => void send(progress),
      died: async () => {
        await clock.sleep(GRACE_MS);
        return hypervisor.get(vmId) === undefined;
      },
      breathe,
      gate: this.gate,
      scanThreads: this.ports.scanThreads(running.definition.memoryBytes),
      startThread,
    });
    this.outgoing.set(vmId, outgoing);
  }

  /** Ends a stream out of this host; resolves when it touches the guest no more. */
  async endMigrate(vmId: VmId, reason: string): Promise<void> {
    const outgoing = this.outgoing.get(vmId);
    outgoing?.end(reason);
    await outgoing?.finished;
    if (this.outgoing.get(vmId) === outgoing) this.outgoing.delete(vmId);
  }

  /** Ends them all: guests that they hold are refused or burnt by the core while it still can. */
  async close(reason: string): Promise<void> {
    const outgoing = [...this.outgoing.values()];
    for (const stream of outgoing) stream.end(reason);
    await Promise.all(outgoing.map(({ finished }) => finished));
    await Promise.all([...this.incoming.values()].map(({ stream }) => stream.end(reason)));
  }
}
