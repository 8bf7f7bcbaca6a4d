// One protected guest, simulated, and its secondaries over real data links. What the authority core
// decides is played here in its shortest form; what the guest was at each cut is remembered.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Chains, Event } from "../../../../agent/authority/state.ts";
import { imageName } from "../../../../agent/capture/disk-images.ts";
import { PauseGate } from "../../../../agent/migration/gate.ts";
import { Protection } from "../../../../agent/protection/engine.ts";
import type { EnginePorts, MeasuredCut } from "../../../../agent/protection/session.ts";
import { loadKernelModule } from "../../../../epochs/kernel.ts";
import type { HostId, VmId } from "../../../../protocol/ids.ts";
import type { Message } from "../../../../protocol/message.ts";
import type { Protect } from "../../../../protocol/replication.ts";
import { runCommand } from "../../../../runtime/command.ts";
import { type DataLink, dialData } from "../../../../runtime/data-link.ts";
import { realRandom } from "../../../../runtime/random.ts";
import { startThread } from "../../../../runtime/threads.ts";
import { ports } from "../../runtime/ports.ts";
import { type Script, SimulatedGuest } from "../simulated-guest.ts";
import { definitionOf, fillRam, MIB, randomBytes } from "../stream-world.ts";
import { type SecondaryScript, TestSecondary } from "./secondary.ts";

export const VM = "6f1c2a44-1111-4222-8333-444455556666" as VmId;
export const TERM = 3;
const module = loadKernelModule();

/** The guest as it was when it was stopped for a cut. */
export interface Instant {
  readonly ram: Buffer;
  readonly disk: Buffer;
  readonly state: Buffer;
}

export interface WorldOptions {
  readonly ramBytes?: number;
  readonly diskBytes?: number;
  readonly intervalMs?: number;
  readonly stagingBytesMax?: number;
  readonly scanThreads?: number;
  readonly secondaries?: readonly SecondaryScript[];
  readonly guest?: Omit<Script, "beforePause">;
  /** The guest's last instructions before it stops, from the first cut on. */
  readonly work?: (world: World, cut: number) => void | Promise<void>;
  readonly bytesPerSecondMax?: number;
}

export interface DiskWrite {
  readonly offset: number;
  readonly bytes: number;
  readonly value: number;
}

export interface World {
  readonly guest: SimulatedGuest;
  readonly secondaries: TestSecondary[];
  readonly engine: Protection;
  readonly events: Event[];
  readonly messages: Message[];
  readonly cuts: MeasuredCut[];
  /** By the number of the cut. */
  readonly instants: Map<number, Instant>;
  readonly standing: { mayRun: boolean; protected: boolean; stopped: boolean; cut: number };
  readonly links: DataLink[];
  /** Writes to the guest's disk, as it would. */
  writeDisk(writes: readonly DiskWrite[]): Promise<void>;
  /** A new life of the agent: another engine for the same guest. */
  again(): Protection;
  policyOf(secondaries: readonly TestSecondary[], more?: Partial<Protect>): Protect;
  close(): Promise<void>;
}

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const { ramBytes = 3 * MIB, diskBytes, intervalMs = 100, scanThreads = 1 } = options;
  const folder = mkdtempSync("/dev/shm/lifeboat-protect-");
  const ramPath = join(folder, "ram");
  writeFileSync(ramPath, Buffer.alloc(ramBytes));
  const definition = definitionOf(ramBytes, diskBytes);
  const base = join(folder, "base.raw");
  const disk = diskBytes === undefined ? Buffer.alloc(0) : randomBytes(7, diskBytes);
  disk.fill(0, disk.length / 2);
  writeFileSync(base, disk);
  let chains: Chains =
    diskBytes === undefined ? {} : { vda: [{ layer: 0, path: base, format: "raw" }] };
  const standing = { mayRun: true, protected: true, stopped: false, cut: 0 };
  const events: Event[] = [];
  const messages: Message[] = [];
  const cuts: MeasuredCut[] = [];
  const instants = new Map<number, Instant>();
  const world = { events, messages, cuts, instants, standing, links: [] } as unknown as {
    -readonly [Key in keyof World]: World[Key];
  };

  const guest = new SimulatedGuest(VM, ramPath, "running", {
    disks: definition.disks.map(({ id }) => id),
    script: {
      ...options.guest,
      async beforePause(paused) {
        const { cut } = standing;
        await options.work?.(world, cut);
        paused.deviceState = randomBytes(cut, 5_000 + 4 * cut);
        const state = Buffer.from(paused.deviceState);
        instants.set(cut, { ram: paused.ram(), disk: Buffer.from(disk), state });
      },
    },
  });
  fillRam(guest, ramBytes / 4096 / 2);
  world.guest = guest;
  world.writeDisk = async (writes) => {
    if (guest.topPath === undefined) return;
    const image = imageName([{ path: guest.topPath, format: "qcow2" }]);
    const commands = writes.flatMap(({ offset, bytes, value }) => {
      disk.fill(value, offset, offset + bytes);
      return ["-c", `write ${value === 0 ? "-z" : `-P ${value}`} ${offset} ${bytes}`];
    });
    const { code, stderr } = await runCommand("qemu-io", [...commands, image]);
    assert.is(code, 0, stderr);
  };
  const identity = {
    vmId: VM,
    term: TERM,
    memoryBytes: ramBytes,
    diskBytes: definition.disks.map(({ sizeBytes }) => sizeBytes),
  };
  world.secondaries = [];
  for (const [index, script] of (options.secondaries ?? [{}]).entries()) {
    world.secondaries.push(await TestSecondary.start(`host-${index}`, identity, script));
  }
  world.policyOf = (secondaries, more = {}) => ({
    type: "protect",
    vmId: VM,
    term: TERM,
    version: 1,
    intervalMs,
    ...(options.bytesPerSecondMax === undefined
      ? {}
      : { bytesPerSecondMax: options.bytesPerSecondMax }),
    secondaries: secondaries.map(({ secondary }) => secondary),
    ...more,
  });

  const dispatch = (event: Event): void => {
    events.push(event);
    if (event.type === "cut" && standing.protected) {
      standing.cut++;
      standing.stopped = true;
      chains = event.chains;
    }
    if (event.type === "cut-over") standing.stopped = false;
    if (event.type === "last-acked") {
      const { stream, epoch } = event;
      Object.assign(standing, { mayRun: false, protected: false });
      world.engine.swapOf(stream)?.sendReleased("moved", epoch);
    }
    // REFUSED: the guest goes on here.
    if (event.type === "stream-failed") void world.engine.alone(() => guest.resume());
  };
  const enginePorts: EnginePorts = {
    hostId: "alpha" as HostId,
    clock: ports.clock,
    random: realRandom,
    log: ports.log,
    guest,
    definition,
    standing: {
      chains: () => chains,
      cut: () => standing.cut,
      stoppedByAgent: () => standing.stopped,
      mayRun: () => standing.mayRun,
    },
    merges: { begin() {}, idle: async () => {}, stop: async () => {} },
    ramPath,
    disks: { run: runCommand, folder },
    module,
    async dial({ address, token }, accept) {
      const { clock, random } = ports;
      const link = await dialData({ address, token, accept, clock, random });
      world.links.push(link);
      return link;
    },
    dispatch,
    send: (message) => void messages.push(message),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
    gate: new PauseGate(),
    scanThreads,
    startThread,
    stagingBytesMax: options.stagingBytesMax ?? 8 * MIB,
    measured: (cut) => void cuts.push(cut),
  };
  world.again = () => new Protection(world.policyOf(world.secondaries), enginePorts);
  world.engine = world.again();
  world.close = async () => {
    await world.engine.end();
    for (const secondary of world.secondaries) await secondary.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return world;
}

/** Runs `body` in a world that is closed again, whatever comes of it. */
export async function inWorld(
  options: WorldOptions,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const world = await makeWorld(options);
  try {
    await body(world);
  } finally {
    await world.close();
  }
}

/** Restores what a secondary has newest, and compares it with what the guest was. */
export async function expectNewest(world: World, secondary: TestSecondary): Promise<number> {
  const newest = secondary.whole.findLast(({ kind }) => kind !== "fuzzy");
  assert.ok(newest?.cut !== undefined, `a cut of ${secondary.secondary.hostId}`);
  const { images, state } = await secondary.restore(newest.epoch);
  const was = world.instants.get(newest.cut)!;
  assert.ok(images[0]!.equals(was.ram), `RAM of cut ${newest.cut}`);
  if (images[1] !== undefined) assert.ok(images[1].equals(was.disk), `disk of cut ${newest.cut}`);
  assert.ok(state.equals(was.state), `device state of cut ${newest.cut}`);
  return newest.cut;
}

/** The newest cut that is whole at a secondary; 0: none. */
export function cutAt(secondary: TestSecondary): number {
  return secondary.whole.findLast(({ cut }) => cut !== undefined)?.cut ?? 0;
}
