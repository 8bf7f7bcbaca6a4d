// A secondary as a protected VM's primary sees it: a replica's store behind a real data link.
import { Kernel, loadKernelModule } from "../../../../epochs/kernel.ts";
import type { ReplicaIdentity } from "../../../../epochs/replica/manifest.ts";
import { createReplica, type Replica } from "../../../../epochs/replica/replica.ts";
import { NO_PARENT } from "../../../../protocol/epoch.ts";
import { reasonOf } from "../../../../protocol/error.ts";
import { encodeFrame, type FrameKind, parseFrame } from "../../../../protocol/frame.ts";
import type { HostId, StreamId, Term, VmId } from "../../../../protocol/ids.ts";
import type { Secondary } from "../../../../protocol/replication.ts";
import { type DataLink, type DataReceiver, listenData } from "../../../../runtime/data-link.ts";
import { SimulatedDisk } from "../../epochs/replica/disk.ts";
import { ports } from "../../runtime/ports.ts";

const module = loadKernelModule();
const LOG_BYTES_MAX = 512 * 1024 * 1024;

/** What a test does with a secondary. */
export interface SecondaryScript {
  /** Before a frame is taken. */
  readonly onFrame?: (
    secondary: TestSecondary,
    index: number,
    bytes: Uint8Array,
  ) => void | Promise<void>;
}

/** An epoch that became whole. */
export interface WholeEpoch {
  readonly epoch: number;
  readonly kind: string;
  readonly cut: number | undefined;
  readonly pulse: number | undefined;
}

export class TestSecondary {
  readonly whole: WholeEpoch[] = [];
  readonly secondary: Secondary;
  /** Pieces of content that came, and epochs that were refused. */
  readonly kinds: string[] = [];
  failures: string[] = [];
  frames = 0;
  links = 0;
  replica: Replica;
  link: DataLink | undefined;
  private readonly identity: ReplicaIdentity;
  private readonly script: SecondaryScript;
  private readonly server: Awaited<ReturnType<typeof listenData>>;
  private work: Promise<void> = Promise.resolve();
  private begun: Pick<WholeEpoch, "cut" | "pulse" | "kind"> | undefined;

  static async start(
    name: string,
    identity: Omit<ReplicaIdentity, "stream"> & { vmId: VmId; term: Term },
    script: SecondaryScript = {},
  ): Promise<TestSecondary> {
    const server = await listenData({
      ...ports,
      host: "127.0.0.1",
      port: 0,
      insecureNetwork: false,
    });
    const stream = Buffer.from(name.padEnd(16, ".")).toString("hex") as StreamId;
    const whole = { ...identity, stream };
    const replica = await newReplica(whole);
    return new TestSecondary(name, whole, script, server, replica);
  }

  constructor(
    name: string,
    identity: ReplicaIdentity,
    script: SecondaryScript,
    server: TestSecondary["server"],
    replica: Replica,
  ) {
    const address = `127.0.0.1:${server.port}`;
    const token = Buffer.from(name.padEnd(32, "t")).toString("hex");
    this.identity = identity;
    this.script = script;
    this.server = server;
    this.replica = replica;
    this.secondary = { hostId: name as HostId, stream: identity.stream, address, token };
    this.offer();
  }

  /** Numbers a moment. */
  pulse(pulse: number): void {
    this.send("pulse", 0, { pulse });
  }

  /** Everything it kept is lost. */
  async forget(): Promise<void> {
    this.link?.close();
    await this.work;
    this.replica = await newReplica(this.identity);
    this.whole.length = 0;
  }

  /** RAM, disks and device state of an epoch. */
  async restore(epoch: number): Promise<{ images: Buffer[]; state: Buffer }> {
    const { memoryBytes, diskBytes } = this.identity;
    const images = [memoryBytes, ...diskBytes].map((bytes) => Buffer.alloc(bytes));
    const state = await this.replica.restore(epoch, {
      write: async (image, position, bytes) => void images[image]!.set(bytes, position),
    });
    return { images, state };
  }

  async close(): Promise<void> {
    this.link?.close();
    await this.work;
    await this.server.close();
  }

  /** A token is good for each link of the stream. */
  private offer(): void {
    this.server.offer(this.secondary.token, (link) => this.accept(link));
  }

  private accept(link: DataLink): DataReceiver {
    this.link = link;
    this.links++;
    this.offer();
    this.later(async () => {
      const newest = await this.replica.resume();
      const { epoch, root } = newest ?? { epoch: -1, root: NO_PARENT };
      if (this.link === link) this.send("resume", 0, { epoch, root });
    });
    return {
      onFrame: (bytes) => this.later(() => this.take(link, bytes)),
      onClose: () => {},
    };
  }

  private async take(link: DataLink, bytes: Uint8Array): Promise<void> {
    if (this.link !== link) return;
    await this.script.onFrame?.(this, this.frames++, bytes);
    if (this.link !== link) return;
    const frame = parseFrame(bytes);
    this.kinds.push(frame.kind);
    if (frame.kind === "released") {
      this.send("active", frame.epoch, { activateMs: 3 });
      return;
    }
    if (frame.kind === "begin") this.begun = JSON.parse(Buffer.from(frame.payload).toString());
    const taken = await this.replica.take(frame);
    if (taken.type === "ended") throw new Error(taken.reason);
    if (taken.type === "whole") {
      const { kind = "fuzzy", cut, pulse } = this.begun ?? {};
      this.whole.push({ epoch: taken.epoch, kind, cut, pulse });
      this.send("ack", taken.epoch, { root: taken.root, applyMs: 1 });
      while ((await this.replica.fold()) !== undefined);
    }
    this.send("credit", 0, { bytes: Math.max(1, frame.payload.length) });
  }

  private later(task: () => Promise<void>): void {
    this.work = this.work.then(task).catch((thrown: unknown) => {
      this.failures.push(reasonOf(thrown));
      this.link?.close();
      this.link = undefined;
    });
  }

  private send(kind: FrameKind, epoch: number, record: object): void {
    const { vmId, term, stream } = this.identity;
    const header = { kind, vmId, term, stream, epoch, sequence: 0, rawBytes: 0 };
    try {
      this.link?.send(encodeFrame(header, Buffer.from(JSON.stringify(record))));
    } catch {
      this.link = undefined;
    }
  }
}

async function newReplica(identity: ReplicaIdentity): Promise<Replica> {
  const kernel = new Kernel(module);
  return createReplica(
    { files: new SimulatedDisk(), kernel, logBytesMax: LOG_BYTES_MAX },
    identity,
  );
}
