// Two simulated guests and the streams between them, over a real data link on loopback. What the
// authority core decides is played here in its shortest form.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../../agent/authority/state.ts";
import { FlatImage } from "../../../agent/capture/disk-flat.ts";
import { PauseGate } from "../../../agent/migration/gate.ts";
import { IncomingStream } from "../../../agent/migration/incoming.ts";
import { OutgoingStream } from "../../../agent/migration/outgoing.ts";
import { Kernel, loadKernelModule } from "../../../epochs/kernel.ts";
import type { MigrateOut, MigrationProgress, Prepare } from "../../../protocol/authority.ts";
import { type FrozenDefinition, frozenDefinition } from "../../../protocol/definition.ts";
import { reasonOf } from "../../../protocol/error.ts";
import type { HostId, OperationId, StreamId, VmId } from "../../../protocol/ids.ts";
import { realClock } from "../../../runtime/clock.ts";
import { runCommand } from "../../../runtime/command.ts";
import { type DataLink, dialData, listenData } from "../../../runtime/data-link.ts";
import { type StartThread, startThread } from "../../../runtime/threads.ts";
import { ports, SECRET as TOKEN, until } from "../runtime/ports.ts";
import { frozen } from "../runtime/samples.ts";
import { PAGE, type Script, SimulatedGuest } from "./simulated-guest.ts";

export const MIB = 1024 * 1024;
const VM = "6f1c2a44-1111-4222-8333-444455556666" as VmId;
const STREAM = "cd".repeat(16) as StreamId;
const module = loadKernelModule();

export interface WorldOptions {
  readonly ramBytes?: number;
  /** Where the target's RAM file, aside file and images are; a folder in tmpfs by default. */
  readonly targetFolder?: string;
  readonly source?: Script;
  readonly target?: Script;
  readonly token?: string;
  readonly pauseMsMax?: number;
  readonly stagingBytesMax?: number;
  /** That scan the source's RAM, and how they are started. */
  readonly scanThreads?: number;
  readonly startThread?: StartThread;
  readonly disk?: { readonly sizeBytes: number; readonly path: string };
  /** Sees the source's frames, from 0 on, before they go; undefined: it does not go. */
  readonly onSend?: (world: World, frame: Buffer, index: number) => Uint8Array | undefined;
  /** Between two windows of a round. */
  readonly breathe?: (world: World) => void;
  readonly onTargetEvent?: (world: World, event: Event) => void;
}

export interface World {
  readonly source: SimulatedGuest;
  readonly target: SimulatedGuest;
  readonly outgoing: OutgoingStream;
  readonly incoming: IncomingStream;
  readonly events: { readonly source: Event[]; readonly target: Event[] };
  readonly progress: MigrationProgress[];
  readonly link: DataLink | undefined;
  /** The guest's process has ended. */
  dead: boolean;
  /** Resolves when the source's guest is released, or runs again. */
  settled(): Promise<"moved" | "refused" | "died">;
  ended(): Promise<void>;
  close(): Promise<void>;
}

export function definitionOf(ramBytes: number, diskBytes?: number): FrozenDefinition {
  const disks = frozen.disks.map((disk) => ({ ...disk, sizeBytes: diskBytes ?? 0 }));
  return frozenDefinition.parse({
    ...frozen,
    id: VM,
    memoryBytes: ramBytes,
    disks: diskBytes === undefined ? [] : disks,
  });
}

export function randomBytes(seed: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  let state = seed + 1;
  for (let at = 0; at < bytes; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out.writeUInt32LE((state ^ (state >>> 13)) >>> 0, at);
  }
  return out;
}

/** RAM of which a third is zero, a third repeats and a third does not compress. */
export function fillRam(guest: SimulatedGuest, pages: number): void {
  for (let page = 0; page < pages; page++) {
    if (page % 3 === 1) guest.write(page, Buffer.alloc(PAGE, page % 251));
    if (page % 3 === 2) guest.write(page, randomBytes(page, PAGE));
  }
}

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const { ramBytes = 2 * MIB } = options;
  const folder = mkdtempSync("/dev/shm/lifeboat-stream-");
  const paths = {
    source: join(folder, "source.ram"),
    target: join(options.targetFolder ?? folder, "target.ram"),
  };
  for (const path of Object.values(paths)) writeFileSync(path, Buffer.alloc(ramBytes));
  const definition = definitionOf(ramBytes, options.disk?.sizeBytes);
  const state = randomBytes(99, 1.5 * MIB);
  const disks = definition.disks.map(({ id }) => id);
  const source = new SimulatedGuest(VM, paths.source, "running", {
    state,
    disks,
    script: options.source ?? {},
  });
  const target = new SimulatedGuest(VM, paths.target, "incoming", {
    disks,
    script: options.target ?? {},
  });
  fillRam(source, ramBytes / PAGE);
  const listening = { ...ports, host: "127.0.0.1", port: 0, insecureNetwork: false };
  const server = await listenData(listening);
  const address = `127.0.0.1:${server.port}`;
  const images: FlatImage[] = [];
  for (const { id, sizeBytes } of definition.disks) {
    const path = join(options.targetFolder ?? folder, `${id}-t2.raw`);
    images.push(await FlatImage.create(path, sizeBytes, runCommand));
  }

  const names = { vmId: VM, sagaId: "saga-1" as OperationId, stream: STREAM };
  const prepare: Prepare = {
    type: "prepare",
    ...names,
    term: 2,
    source: "alpha" as HostId,
    token: TOKEN,
    definition,
  };
  const command: MigrateOut = {
    type: "migrate-out",
    ...names,
    term: 1,
    toTerm: 2,
    target: "bravo" as HostId,
    address,
    token: options.token ?? TOKEN,
    limits: { pauseMsMax: options.pauseMsMax ?? 60_000, roundsMax: 6 },
  };
  const events = { source: [] as Event[], target: [] as Event[] };
  const progress: MigrationProgress[] = [];
  const work = new Set<Promise<void>>();
  const later = (task: Promise<unknown>): void => {
    const done = task.then(
      () => {},
      (thrown: unknown) => void events.source.push(failure(thrown)),
    );
    work.add(done);
  };
  let outcome: "moved" | "refused" | "died" | undefined;
  let complete = -1;
  const world = { source, target, events, progress, dead: false } as {
    -readonly [Key in keyof World]: World[Key];
  };

  const onTarget = (event: Event): void => {
    events.target.push(event);
    options.onTargetEvent?.(world, event);
    const { incoming } = world;
    switch (event.type) {
      case "epoch-complete":
        complete = event.kind === "fuzzy" ? -1 : event.epoch;
        return event.kind === "last" ? incoming.load(event.epoch) : incoming.sendAck(event.epoch);
      case "epoch-loaded":
        if (outcome !== "died") return incoming.sendAck(event.epoch);
        return later(target.resume());
      case "released":
        if (event.reason === "died") return incoming.load(complete);
        return later(target.resume().then(() => incoming.sendActive()));
      case "incoming-failed":
        return later(incoming.end(event.reason));
    }
  };
  const onSource = (event: Event): void => {
    events.source.push(event);
    switch (event.type) {
      case "last-acked":
        outcome = "moved";
        return world.outgoing.sendReleased("moved", event.epoch);
      case "stream-failed":
        world.outgoing.end(event.reason);
        return later(
          world.outgoing.finished
            .then(() => source.resume())
            .then(() => {
              outcome ??= "refused";
            }),
        );
    }
  };
  world.incoming = new IncomingStream(prepare, {
    clock: realClock,
    log: ports.log,
    guest: target,
    kernel: new Kernel(module),
    ramPath: paths.target,
    disks: images,
    dispatch: onTarget,
  });
  server.offer(TOKEN, (link) => world.incoming.accept(link));

  let frames = 0;
  world.outgoing = new OutgoingStream(command, {
    clock: realClock,
    log: ports.log,
    guest: source,
    definition,
    chains:
      options.disk === undefined
        ? {}
        : { vda: [{ layer: 0, path: options.disk.path, format: "raw" }] },
    ramPath: paths.source,
    disks: { run: runCommand, folder },
    module,
    dial: async (accept) => {
      // The writer's frames pass through the test's hands.
      const link = await dialData({ ...ports, address, token: command.token, accept });
      const watched: DataLink = {
        get bufferedBytes() {
          return link.bufferedBytes;
        },
        drained: () => link.drained(),
        close: () => link.close(),
        send(frame) {
          const sent = options.onSend?.(world, frame as Buffer, frames++) ?? frame;
          link.send(sent);
        },
      };
      world.link = link;
      return watched;
    },
    dispatch: onSource,
    progress: (one) => void progress.push(one),
    died: async () => {
      if (world.dead) outcome = "died";
      return world.dead;
    },
    ...(options.stagingBytesMax === undefined ? {} : { stagingBytesMax: options.stagingBytesMax }),
    gate: new PauseGate(),
    scanThreads: options.scanThreads ?? 1,
    startThread: options.startThread ?? startThread,
    breathe: async () => {
      options.breathe?.(world);
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  world.settled = async () => {
    await world.outgoing.finished;
    await until(() => outcome !== undefined, "the stream's outcome");
    return outcome!;
  };
  world.ended = async () => {
    for (const one of work) await one;
  };
  world.close = async () => {
    world.outgoing.end("The test is over");
    await world.outgoing.finished;
    await world.incoming.end("The test is over");
    await world.ended();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return world;
}

function failure(thrown: unknown): Event {
  return { type: "guest-failed", vmId: VM, reason: reasonOf(thrown) };
}

/** The kinds of the epochs that came whole, in order. */
export function kindsOf(world: World): string[] {
  return world.events.target.flatMap((event) =>
    event.type === "epoch-complete" ? [event.kind] : [],
  );
}

/** Why the source's stream ended. */
export function reasonOfSource(world: World): string | undefined {
  return world.events.source.find((event) => event.type === "stream-failed")?.reason;
}

export function reasonOfTarget(world: World): string | undefined {
  return world.events.target.find((event) => event.type === "incoming-failed")?.reason;
}
