// The replicas of a host over real files and real data links, and a primary's end of a link whose
// frames a test sends by hand.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Chains, DurableReplica, Event } from "../../../../agent/authority/state.ts";
import { FlatImage } from "../../../../agent/capture/disk-flat.ts";
import type { Hypervisor } from "../../../../agent/hypervisor.ts";
import { Replicas } from "../../../../agent/replicas/replicas.ts";
import { loadKernelModule } from "../../../../epochs/kernel.ts";
import { encodeFrame, type Frame, type FrameKind, parseFrame } from "../../../../protocol/frame.ts";
import type { HostId } from "../../../../protocol/ids.ts";
import type { Message } from "../../../../protocol/message.ts";
import { runCommand } from "../../../../runtime/command.ts";
import { type DataLink, dialData, listenData } from "../../../../runtime/data-link.ts";
import { startThread } from "../../../../runtime/threads.ts";
import { IDENTITY } from "../../epochs/frames.ts";
import { identityOf, type Sent, Source, someWrites } from "../../epochs/replica/source.ts";
import { ports, SECRET, until } from "../../runtime/ports.ts";
import { type Script, SimulatedGuest } from "../simulated-guest.ts";
import { definitionOf, MIB } from "../stream-world.ts";

export const RAM_BYTES = 2 * MIB;
export const DISK_BYTES = MIB;
export const definition = definitionOf(RAM_BYTES, DISK_BYTES);
export const { vmId, stream, term } = IDENTITY;
export const DURABLE: DurableReplica = {
  stream,
  term,
  primary: "alpha" as HostId,
  token: SECRET,
  sealed: 0,
  whole: false,
};

export type FoundEvent = Extract<Event, { type: "replica-found" }>;
export type StatusMessage = Extract<Message, { type: "replica-status" }>;

/** A guest whose epochs are of these kinds. */
export function sourceOf(kinds: readonly Sent["kind"][]): Source {
  const identity = identityOf(RAM_BYTES, [DISK_BYTES]);
  const source = new Source(identity);
  for (const [number, kind] of kinds.entries()) source.epoch(kind, someWrites(number, identity));
  return source;
}

/** The primary's end of one link. */
export class Primary {
  readonly frames: Frame[] = [];
  closed: string | undefined;
  link!: DataLink;

  static async dial(address: string, token = SECRET): Promise<Primary> {
    const primary = new Primary();
    primary.link = await dialData({
      ...ports,
      address,
      token,
      accept: () => ({
        onFrame: (bytes) => void primary.frames.push(parseFrame(bytes)),
        onClose: (reason) => {
          primary.closed = reason;
        },
      }),
    });
    return primary;
  }

  send(...frames: readonly Frame[]): void {
    for (const frame of frames) this.link.send(encodeFrame(frame, frame.payload));
  }

  records(kind: FrameKind): Record<string, unknown>[] {
    return this.frames.filter((frame) => frame.kind === kind).map(recordOf);
  }

  async until(kind: FrameKind, count = 1): Promise<Record<string, unknown>> {
    await until(() => this.records(kind).length >= count, `${count} frames of kind ${kind}`);
    return this.records(kind)[count - 1]!;
  }

  /** Sends a whole epoch and waits for its acknowledgement. */
  async epoch(sent: Sent): Promise<void> {
    const acked = this.records("ack").length;
    this.send(...sent.frames);
    await this.until("ack", acked + 1);
  }
}

function recordOf(frame: Frame): Record<string, unknown> {
  const record = JSON.parse(Buffer.from(frame.payload).toString()) as Record<string, unknown>;
  return frame.kind === "ack" ? { ...record, epoch: frame.epoch } : record;
}

/** One guest that waits for its state, over real files. */
export class SimulatedHypervisor {
  guest: SimulatedGuest | undefined;
  started = 0;
  script: Script = {};
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async receive(
    _: string,
    of: number,
    { disks, memoryBytes }: typeof definition,
  ): Promise<{ chains: Chains; images: FlatImage[] }> {
    this.started++;
    const ram = join(this.folder, "guest.ram");
    writeFileSync(ram, Buffer.alloc(memoryBytes));
    const images: FlatImage[] = [];
    const chains: Chains = {};
    for (const { id, sizeBytes } of disks) {
      const path = join(this.folder, `${id}-t${of}.raw`);
      rmSync(path, { force: true });
      images.push(await FlatImage.create(path, sizeBytes, runCommand));
      chains[id] = [{ layer: 0, path, format: "raw" }];
    }
    this.guest = new SimulatedGuest(vmId, ram, "incoming", { script: this.script });
    return { chains, images };
  }

  get(): { guest: SimulatedGuest; paths: { ram: string } } | undefined {
    const { guest } = this;
    return guest === undefined ? undefined : { guest, paths: { ram: guest.ramPath } };
  }

  async sweep(): Promise<void> {}

  async end(): Promise<void> {
    await this.guest?.end();
    this.guest = undefined;
  }
}

export class ReplicaWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "lifeboat-replicas-"));
  readonly events: Event[] = [];
  readonly sent: Message[] = [];
  replicas!: Replicas;
  address = "";
  diskFreeBytes = 2 ** 40;
  /** None by default, so that replicas stay cold. */
  memoryBytes = 0;
  spare = true;
  lane: Promise<void> = Promise.resolve();
  onEvent: (event: Event) => void = () => {};
  readonly hypervisor = new SimulatedHypervisor(this.folder);
  private server!: Awaited<ReturnType<typeof listenData>>;

  static async start(): Promise<ReplicaWorld> {
    const world = new ReplicaWorld();
    const listening = { ...ports, host: "127.0.0.1", port: 0, insecureNetwork: false };
    world.server = await listenData(listening);
    world.address = `127.0.0.1:${world.server.port}`;
    world.begin();
    return world;
  }

  /** A new life of the agent. */
  begin(): void {
    const capacity = async () => {
      const { diskFreeBytes } = this;
      return { memoryBytes: this.memoryBytes, memoryUsedBytes: 0, diskFreeBytes };
    };
    this.lane = Promise.resolve();
    this.replicas = new Replicas(
      {
        ...ports,
        hostId: "bravo" as HostId,
        stateFolder: this.folder,
        run: runCommand,
        hypervisor: this.hypervisor as unknown as Hypervisor,
        dataServer: this.server,
        dataAddress: this.address,
        module: loadKernelModule(),
        capacity,
        send: (message) => this.sent.push(message) > 0,
        breathe: async () => {},
        scanThreads: () => 1,
        startThread,
      },
      { onLane: (_, work) => this.onLane(work), isSpare: () => this.spare },
      (event) => {
        this.events.push(event);
        this.onEvent(event);
      },
    );
  }

  hold(patch: Partial<DurableReplica> = {}): void {
    const replica = { ...DURABLE, ...patch };
    this.replicas.hold({ type: "hold-replica", vmId, replica, definition });
  }

  /** What was found of the replica, oldest first. */
  found(of = stream): FoundEvent["found"][] {
    return this.events
      .filter((event): event is FoundEvent => event.type === "replica-found")
      .filter((event) => event.stream === of)
      .map(({ found }) => found);
  }

  async held(patch: Partial<DurableReplica> = {}): Promise<FoundEvent["found"]> {
    const count = this.found(patch.stream).length;
    this.hold(patch);
    await until(() => this.found(patch.stream).length > count, "the replica's store");
    return this.found(patch.stream).at(-1)!;
  }

  onLane(work: () => Promise<void>): void {
    this.lane = this.lane.then(work);
  }

  /** Until nothing is to be done for the VM, for the moment. */
  async idle(): Promise<void> {
    for (let before: Promise<void> | undefined; before !== this.lane; ) {
      before = this.lane;
      await before;
    }
  }

  /** Waits for the standby to be at the newest cut. */
  async warm(epoch: number): Promise<void> {
    const isWarm = (): boolean => {
      const last = this.statuses().at(-1);
      return last?.standby === "warm" && last.newest?.epoch === epoch;
    };
    await until(isWarm, "a warm standby");
    await this.idle();
  }

  statuses(): StatusMessage[] {
    return this.sent.filter((one): one is StatusMessage => one.type === "replica-status");
  }

  async close(): Promise<void> {
    await this.replicas.close();
    await this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
