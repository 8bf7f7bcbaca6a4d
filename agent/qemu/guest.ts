/**
 * One guest: a QEMU process, its QMP connection and the machine that knows what may be asked of it.
 *
 * This is the mechanism only. Whether a guest may be started or resumed is decided by the authority
 * core, before any of this is called.
 */
import { type ErrorCode, reasonOf, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunCommand } from "../../runtime/command.ts";
import type { Files } from "../../runtime/files.ts";
import { createOverlay } from "../capture/disk-images.ts";
import { type GuestPaths, guestArgv, type Launch } from "./argv.ts";
import { cancelMerges, type Merge, type Merged, mergeLayer, readDepths } from "./commit.ts";
import { enableStateTransfer, loadDeviceState, saveDeviceState } from "./device-state.ts";
import { type GuestEvent, guestEventOf } from "./guest-events.ts";
import { type Event, initial, type Operation, type Phase, type State, step } from "./machine.ts";
import {
  attachOverlay,
  cutDisks,
  detachOverlay,
  detachStale,
  type Overlay,
  readTopLayers,
} from "./overlays.ts";
import {
  adoptProcess,
  type GuestProcess,
  logTail,
  type ProcessIdentity,
  startProcess,
} from "./process.ts";
import { connectQmp, type QmpClient } from "./qmp-client.ts";
import { observeVcpus, readStatus } from "./vcpus.ts";

/** What the agent asks of one guest. The real one speaks QMP; a simulated one keeps a table. */
export interface Guest {
  readonly vm: string;
  readonly identity: ProcessIdentity;
  readonly qemuVersion: string;
  phase(): Phase;
  /** Stops the vCPUs and drains block I/O; a paused guest stays paused. */
  pause(): Promise<void>;
  /** Lets the vCPUs run, also for the first time and after `migrateState`. */
  resume(): Promise<void>;
  /** Asks QEMU, and corrects the phase by its answer. */
  status(): Promise<Phase>;
  /** Device state of a paused guest; it is in `postmigrate` afterwards. At most 64 MiB. */
  migrateState(): Promise<Uint8Array>;
  /** Gives a guest started with `incoming` its device state; it is paused afterwards. */
  loadState(bytes: Uint8Array): Promise<void>;
  /** Makes the overlay's file and attaches it, unused. Call it before the pause. */
  prepareOverlay(overlay: Overlay & { readonly sizeBytes: number }): Promise<void>;
  /** Puts the overlays on top of their disks, all or none; in a pause before `migrateState`. */
  snapshot(overlays: readonly Overlay[]): Promise<void>;
  /** Disk id -> number of its top layer. */
  topLayers(): ReadonlyMap<string, number>;
  /** Merges a covered layer into the one below, while the guest runs. False: cancelled. */
  mergeLayer(merge: Omit<Merge, "top">): Promise<Merged>;
  /** No merge is in the way of a cut when it resolves. */
  cancelMerges(): Promise<void>;
  /** Disk id -> of how many layers it is made, as QEMU has it. */
  depths(): Promise<ReadonlyMap<string, number>>;
  /** True when the vCPUs are seen to run within that time. */
  vcpusAdvance(withinMs: number): Promise<boolean>;
  onEvent(listener: (event: GuestEvent) => void): () => void;
  /** Ends the QEMU process at once. What the guest had not flushed is lost. */
  end(): Promise<void>;
  /** Lets go of the guest, which stays as it is. */
  release(): void;
}

/** The world as a guest needs it. */
export interface GuestPorts {
  readonly clock: Clock;
  readonly run: RunCommand;
  readonly files: Files;
}

export interface Adoption {
  readonly vm: string;
  readonly identity: ProcessIdentity;
  readonly paths: GuestPaths;
  readonly disks: readonly string[];
}

const PROGRAM = "qemu-system-x86_64";
/** Exec to the first answer took 60-160 ms; the rest is for a busy host. */
const START_MS = 20_000;
const CONNECT_STEP_MS = 10;

/**
 * Starts a guest, paused, or waiting for its state when `launch.incoming`. Its RAM file must be
 * reserved already.
 * @throws SystemError QEMU_MISSING, QEMU_EXITED (with the end of its log) or QMP_TIMEOUT
 */
export async function startGuest(launch: Launch, ports: GuestPorts): Promise<Guest> {
  const { definition, paths } = launch;
  const args = guestArgv(launch);
  const process = await startProcess({ file: PROGRAM, args, log: paths.log, clock: ports.clock });
  try {
    const qmp = await connectStarting(process, paths, ports.clock);
    return await assemble(definition.id, process, qmp, paths, Object.keys(launch.disks), ports);
  } catch (thrown) {
    await process.end();
    throw thrown;
  }
}

/**
 * Takes over a guest that outlived its agent; undefined when it did not.
 * @throws SystemError QMP_CLOSED or QMP_TIMEOUT when the process lives and does not answer
 */
export async function adoptGuest(
  { vm, identity, paths, disks }: Adoption,
  ports: GuestPorts,
): Promise<Guest | undefined> {
  const process = adoptProcess(identity, ports.clock);
  if (process === undefined) return undefined;
  try {
    const qmp = await connectQmp(paths.qmp, { clock: ports.clock });
    return await assemble(vm, process, qmp, paths, disks, ports);
  } catch (thrown) {
    process.release();
    throw thrown;
  }
}

async function connectStarting(
  process: GuestProcess,
  paths: GuestPaths,
  clock: Clock,
): Promise<QmpClient> {
  const untilMs = clock.nowMs() + START_MS;
  for (;;) {
    try {
      return await connectQmp(paths.qmp, { clock });
    } catch (thrown) {
      if (!process.alive()) throw await exited(paths.log);
      // Refused until QEMU listens; anything else will not get better.
      const waiting = thrown instanceof SystemError && thrown.code === "QMP_CLOSED";
      if (!waiting || clock.nowMs() > untilMs) throw thrown;
    }
    await clock.sleep(CONNECT_STEP_MS);
  }
}

async function exited(log: string): Promise<SystemError> {
  const tail = await logTail(log);
  const message = `QEMU ended at its start: ${tail === "" ? "it said nothing" : tail}`;
  return new SystemError("QEMU_EXITED", message);
}

async function assemble(
  vm: string,
  process: GuestProcess,
  qmp: QmpClient,
  paths: GuestPaths,
  disks: readonly string[],
  ports: GuestPorts,
): Promise<Guest> {
  await enableStateTransfer(qmp);
  const tops = await readTopLayers(qmp, disks);
  await detachStale(qmp, tops);
  const guest = new QmpGuest(vm, process, qmp, paths, tops, ports);
  await guest.status();
  return guest;
}

class QmpGuest implements Guest {
  readonly vm: string;
  readonly identity: ProcessIdentity;
  readonly qemuVersion: string;
  private readonly process: GuestProcess;
  private readonly qmp: QmpClient;
  private readonly paths: GuestPaths;
  private readonly ports: GuestPorts;
  private readonly tops: Map<string, number>;
  private readonly attached = new Map<string, Overlay>();
  private readonly listeners = new Set<(event: GuestEvent) => void>();
  private state: State = { ...initial, phase: "starting" };

  constructor(
    vm: string,
    process: GuestProcess,
    qmp: QmpClient,
    paths: GuestPaths,
    tops: Map<string, number>,
    ports: GuestPorts,
  ) {
    this.vm = vm;
    this.process = process;
    this.identity = process.identity;
    this.qmp = qmp;
    this.qemuVersion = qmp.version;
    this.paths = paths;
    this.tops = tops;
    this.ports = ports;
    qmp.onEvent((message) => {
      if (message.name === "STOP") this.take({ type: "status", status: "paused" });
      if (message.name === "RESUME") this.take({ type: "status", status: "running" });
      const event = guestEventOf(message);
      if (event !== undefined) this.tell(event);
    });
    qmp.onClose((error) => {
      process.suspect();
      this.tell({ type: "closed", error });
    });
    process.onExit((reason) => {
      this.take({ type: "exited" });
      this.tell({ type: "exited", reason });
    });
  }

  phase(): Phase {
    return this.state.phase;
  }

  topLayers(): ReadonlyMap<string, number> {
    return this.tops;
  }

  pause(): Promise<void> {
    return this.perform("pause", async () => void (await this.qmp.execute("stop")));
  }

  resume(): Promise<void> {
    return this.perform("resume", async () => void (await this.qmp.execute("cont")));
  }

  async status(): Promise<Phase> {
    const { status } = await readStatus(this.qmp);
    this.take({ type: "status", status });
    return this.state.phase;
  }

  migrateState(): Promise<Uint8Array> {
    const { clock } = this.ports;
    return this.perform("save-state", () => saveDeviceState(this.qmp, this.paths.state, clock));
  }

  loadState(bytes: Uint8Array): Promise<void> {
    const { clock } = this.ports;
    return this.perform("load-state", () =>
      loadDeviceState(this.qmp, this.paths.state, bytes, clock),
    );
  }

  prepareOverlay(overlay: Overlay & { readonly sizeBytes: number }): Promise<void> {
    return this.perform("prepare-overlay", async () => {
      this.assertAbove(overlay);
      const before = this.attached.get(overlay.disk);
      if (before !== undefined) {
        // A cut that was given up left it unused.
        await detachOverlay(this.qmp, before);
        this.attached.delete(overlay.disk);
      }
      await createOverlay(this.ports.run, overlay);
      await attachOverlay(this.qmp, overlay);
      this.attached.set(overlay.disk, overlay);
    });
  }

  snapshot(overlays: readonly Overlay[]): Promise<void> {
    return this.perform("snapshot", async () => {
      const cuts = overlays.map((overlay) => {
        const below = this.assertAbove(overlay);
        const prepared = this.attached.get(overlay.disk);
        const attached = prepared?.layer === overlay.layer && prepared.path === overlay.path;
        return { overlay, below, attached };
      });
      await cutDisks(this.qmp, cuts);
      for (const { overlay } of cuts) {
        this.tops.set(overlay.disk, overlay.layer);
        this.attached.delete(overlay.disk);
      }
    });
  }

  async mergeLayer(merge: Omit<Merge, "top">): Promise<Merged> {
    const top = this.tops.get(merge.disk) ?? -1;
    if (merge.below < merge.layer && merge.layer < top) {
      return mergeLayer(this.qmp, { ...merge, top });
    }
    const layers = `${merge.below}, ${merge.layer} and top ${top}`;
    throw new SystemError("DISK_INVALID", `Layers ${layers} of ${merge.disk} are out of order`);
  }

  cancelMerges(): Promise<void> {
    return cancelMerges(this.qmp, this.ports.clock);
  }

  depths(): Promise<ReadonlyMap<string, number>> {
    return readDepths(this.qmp, [...this.tops.keys()]);
  }

  async vcpusAdvance(withinMs: number): Promise<boolean> {
    const { clock, files } = this.ports;
    return observeVcpus(this.qmp, { clock, files, pid: this.identity.pid, withinMs });
  }

  onEvent(listener: (event: GuestEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async end(): Promise<void> {
    await this.process.end();
    this.take({ type: "exited" });
    this.release();
  }

  release(): void {
    this.listeners.clear();
    this.qmp.close();
    this.process.release();
  }

  /** Number of the layer that `overlay` would cover. */
  private assertAbove({ disk, layer }: Overlay): number {
    const top = this.tops.get(disk);
    if (top === undefined) throw new SystemError("DISK_INVALID", `The guest has no disk ${disk}`);
    if (layer > top) return top;
    throw new SystemError("DISK_INVALID", `Layer ${layer} of ${disk} is not above layer ${top}`);
  }

  private async perform<Value>(operation: Operation, work: () => Promise<Value>): Promise<Value> {
    this.take({ type: "ask", operation });
    try {
      const value = await work();
      this.take({ type: "done", operation });
      return value;
    } catch (thrown) {
      this.take({ type: "failed", operation });
      // QEMU knows in which state the failure left the guest; without it the old phase stands.
      await this.status().catch(() => {});
      throw this.explain(thrown);
    }
  }

  /** The end of the process explains a broken connection. */
  private explain(thrown: unknown): unknown {
    const broke: readonly ErrorCode[] = ["QMP_CLOSED"];
    if (!(thrown instanceof SystemError) || !broke.includes(thrown.code)) return thrown;
    if (this.process.alive()) return thrown;
    const message = `QEMU ended: ${reasonOf(thrown)}`;
    return new SystemError("QEMU_EXITED", message, { cause: thrown });
  }

  private take(event: Event): void {
    const [state, effects] = step(this.state, event);
    this.state = state;
    for (const effect of effects) {
      if (effect.type === "refuse") throw effect.error;
      if (effect.type === "announce") this.tell({ type: "phase", phase: effect.phase });
    }
  }

  private tell(event: GuestEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}
