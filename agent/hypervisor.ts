/**
 * The guests of this host: their folders, RAM files, images and QEMU processes. Mechanism only:
 * who may run is decided by the authority core, and asked right before anything is let run.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FrozenDefinition, GuestDefinition } from "../protocol/definition.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { Term, VmId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunCommand } from "../runtime/command.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Chains, DurableVm, Found } from "./authority/state.ts";
import { existingChains, originChains } from "./capture/chains.ts";
import { discardImages, FlatImage } from "./capture/disk-flat.ts";
import { inspectImage } from "./capture/disk-images.ts";
import { type GuestPaths, guestPaths } from "./qemu/argv.ts";
import { freezeDefinition } from "./qemu/definition.ts";
import { type CommandLine, findGuestProcess, processes } from "./qemu/find.ts";
import { adoptGuest, type Guest, startGuest } from "./qemu/guest.ts";
import type { Phase } from "./qemu/machine.ts";
import { prepareNetwork, releaseNetwork } from "./qemu/network.ts";
import type { QemuProbe } from "./qemu/probe.ts";
import { adoptProcess, type ProcessIdentity } from "./qemu/process.ts";
import { parseRamPath, RamFiles, sweepRamFiles } from "./qemu/ram-files.ts";
import { type SilentGuest, watchSilent } from "./silent-guest.ts";

/** Images that agents make: what a target received, and the overlays of cuts. */
const OWN_IMAGE = /^[a-z][a-z0-9]{0,15}-(t\d{1,16}\.raw|\d{1,9}\.qcow2)$/;

export interface HypervisorPorts {
  readonly clock: Clock;
  readonly run: RunCommand;
  readonly files: Files;
  readonly log: Log;
  /** Undefined until QEMU was probed, which must not hold up what waits for a restart. */
  readonly probe: () => QemuProbe | undefined;
  /** Guests' folders are below it. */
  readonly stateFolder: string;
  /** A folder of this agent's own below a tmpfs. */
  readonly ramFolder: string;
  readonly allowUserNetwork: boolean;
  readonly onDied: (vmId: VmId, reason: string) => void;
  /** A guest that did not answer when it was found does so now. */
  readonly onAnswered: (vmId: VmId) => void;
}

/** A guest's process as it was found. */
interface Known {
  readonly vmId: VmId;
  readonly identity: ProcessIdentity;
  readonly paths: GuestPaths;
  readonly definition: FrozenDefinition;
}

/** What a guest that was taken over is found doing. */
const FOUND: Readonly<Record<Phase, Found>> = {
  absent: "paused",
  starting: "paused",
  running: "running",
  paused: "paused",
  postmigrate: "paused",
  incoming: "incoming",
  gone: "paused",
};

/** A guest's process and where its files are. */
export interface Running {
  readonly guest: Guest;
  readonly paths: GuestPaths;
  readonly definition: FrozenDefinition;
}

export class Hypervisor {
  private readonly ports: HypervisorPorts;
  private readonly ram: RamFiles;
  private readonly guests = new Map<VmId, Running>();
  private readonly silent = new Map<VmId, SilentGuest>();

  constructor(ports: HypervisorPorts) {
    this.ports = ports;
    this.ram = new RamFiles({ run: ports.run });
    for (const folder of [ports.ramFolder, join(ports.stateFolder, "vms")]) makeFolder(folder);
  }

  get(vmId: VmId): Running | undefined {
    return this.guests.get(vmId);
  }

  /** RAM of the guests that live here, with a shadow of each: what a move out of them takes. */
  usedBytes(): number {
    const sizes = [...this.guests.values()].map(({ definition }) => definition.memoryBytes * 2);
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** What of this host a drill may use. */
  get surroundings(): Pick<
    HypervisorPorts,
    "clock" | "run" | "files" | "log" | "stateFolder" | "ramFolder"
  > {
    return this.ports;
  }

  folder(vmId: VmId): string {
    return join(this.ports.stateFolder, "vms", vmId);
  }

  async serialPath(vmId: VmId): Promise<string> {
    return guestPaths(this.folder(vmId), this.ports.ramFolder, vmId, 0).serial;
  }

  /** What the definition is on this host, exactly; reads the sizes of its disks. */
  async freeze(definition: GuestDefinition): Promise<FrozenDefinition> {
    const { run, allowUserNetwork } = this.ports;
    const probe = this.ports.probe();
    if (probe === undefined) throw new SystemError("GUEST_BUSY", "QEMU is being probed: try again");
    const diskBytes: Record<string, number> = {};
    for (const { id, path, format } of definition.disks) {
      diskBytes[id] = await inspectImage(run, { path, format });
    }
    const { qemuVersion, accelerator } = probe;
    await this.assertBootFiles(definition);
    return freezeDefinition(definition, { qemuVersion, accelerator, diskBytes, allowUserNetwork });
  }

  /**
   * Finds the guests that outlived the last agent, all at once, and removes the RAM files of those
   * that did not. One that lives and does not answer counts as running, and is asked again.
   */
  async recover(vms: readonly DurableVm[]): Promise<Record<VmId, Found>> {
    const running = await processes();
    const ramFiles = new Set<string>();
    const statuses = await Promise.all(
      vms.map(async (vm) => [vm.vmId, await this.adopt(vm, running, ramFiles)] as const),
    );
    await sweepRamFiles(this.ports.ramFolder, ramFiles);
    const found: Record<VmId, Found> = {};
    for (const [vmId, status] of statuses) if (status !== undefined) found[vmId] = status;
    return found;
  }

  private async adopt(
    { vmId, definition }: DurableVm,
    among: readonly CommandLine[],
    ramFiles: Set<string>,
  ): Promise<Found | undefined> {
    const { clock, log } = this.ports;
    const base = guestPaths(this.folder(vmId), this.ports.ramFolder, vmId, 0);
    const process = await findGuestProcess(base.qmp, among);
    if (process === undefined) return undefined;
    const { identity, ramPath } = process;
    if (definition === undefined || ramPath === undefined) {
      await adoptProcess(identity, clock)?.end();
      return undefined;
    }
    ramFiles.add(ramPath);
    const known: Known = { vmId, identity, paths: { ...base, ram: ramPath }, definition };
    try {
      const guest = await this.takeOver(known);
      return guest === undefined ? undefined : FOUND[guest.phase()];
    } catch (thrown) {
      log.error("A guest does not answer: asking again", { vmId, reason: reasonOf(thrown) });
      return this.keepAsking(known) ? "running" : undefined;
    }
  }

  private async takeOver({ vmId, identity, paths, definition }: Known): Promise<Guest | undefined> {
    const disks = definition.disks.map(({ id }) => id);
    const guest = await adoptGuest({ vm: vmId, identity, paths, disks }, this.ports);
    if (guest === undefined) return undefined;
    this.ram.adopt(paths.ram, definition.memoryBytes);
    this.keep(vmId, { guest, paths, definition });
    return guest;
  }

  /** False when the process has ended meanwhile. */
  private keepAsking(known: Known): boolean {
    const { vmId, identity, paths } = known;
    const { clock, log, onAnswered, onDied } = this.ports;
    const process = adoptProcess(identity, clock);
    if (process === undefined) return false;
    const ask = async (): Promise<boolean> => {
      const guest = await this.takeOver(known).catch(() => undefined);
      if (guest === undefined) return false;
      log.info("The guest answers again", { vmId });
      this.silent.delete(vmId);
      onAnswered(vmId);
      return true;
    };
    const gone = (reason: string): void => {
      this.silent.delete(vmId);
      void this.ram.release(paths.ram);
      onDied(vmId, reason);
    };
    this.silent.set(vmId, watchSilent(process, clock, ask, gone));
    return true;
  }

  /**
   * Starts a guest from its disks, stopped before its first instruction. Returns the chains it
   * was started with.
   */
  async start(
    vmId: VmId,
    term: Term,
    definition: FrozenDefinition,
    recorded: Chains | undefined,
  ): Promise<Chains> {
    const chains =
      recorded === undefined ? originChains(definition) : await existingChains(recorded);
    await this.launch(vmId, term, definition, chains, false);
    return chains;
  }

  /** Starts a guest that waits for its state, over images of our own making. */
  async receive(
    vmId: VmId,
    term: Term,
    definition: FrozenDefinition,
  ): Promise<{ chains: Chains; images: FlatImage[] }> {
    await this.assertBootFiles(definition);
    const folder = await this.diskFolder(vmId);
    const chains: Chains = {};
    const images: FlatImage[] = [];
    try {
      for (const { id, sizeBytes } of definition.disks) {
        const path = join(folder, `${id}-t${term}.raw`);
        await rm(path, { force: true });
        images.push(await FlatImage.create(path, sizeBytes, this.ports.run));
        chains[id] = [{ layer: 0, path, format: "raw" }];
      }
      await this.launch(vmId, term, definition, chains, true);
    } catch (thrown) {
      await discardImages(images);
      throw thrown;
    }
    return { chains, images };
  }

  async diskFolder(vmId: VmId): Promise<string> {
    const folder = join(this.folder(vmId), "disks");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Removes the file of one layer, if it is of our own making. */
  async removeLayer(vmId: VmId, path: string): Promise<void> {
    const own =
      dirname(path) === join(this.folder(vmId), "disks") && OWN_IMAGE.test(basename(path));
    if (own) await rm(path, { force: true });
  }

  async end(vmId: VmId): Promise<void> {
    await this.silent.get(vmId)?.end();
    this.silent.delete(vmId);
    const running = this.guests.get(vmId);
    if (running === undefined) return;
    this.guests.delete(vmId);
    await running.guest.end();
    await this.cleanUp(vmId, running);
  }

  /** What an ended guest leaves on this host. */
  private async cleanUp(vmId: VmId, { paths, definition }: Running): Promise<void> {
    const complain = (thrown: unknown): void =>
      this.ports.log.warn("Cannot clean up", { vmId, reason: reasonOf(thrown) });
    await this.ram.release(paths.ram).catch(complain);
    await releaseNetwork(this.ports.run, definition).catch(complain);
  }

  /** Removes images of our own making, or puts them aside; what an operator gave stays. */
  async sweep(vmId: VmId, quarantine: boolean): Promise<void> {
    const { ramFolder } = this.ports;
    const used = this.guests.get(vmId)?.paths.ram;
    // Another guest's file may be made already and not yet be its process's.
    const others = (await readdir(ramFolder))
      .map((name) => join(ramFolder, name))
      .filter((path) => path === used || parseRamPath(path)?.vm !== vmId);
    await sweepRamFiles(ramFolder, new Set(others));
    const folder = join(this.folder(vmId), "disks");
    for (const name of await readdir(folder).catch(() => [])) {
      if (!OWN_IMAGE.test(name)) continue;
      const path = join(folder, name);
      if (quarantine) await rename(path, `${path}.quarantine`);
      else await rm(path, { force: true });
    }
  }

  /** Lets go of every guest; they go on. */
  release(): void {
    for (const { guest } of this.guests.values()) guest.release();
    this.guests.clear();
    for (const silent of this.silent.values()) silent.release();
    this.silent.clear();
  }

  private async launch(
    vmId: VmId,
    term: Term,
    definition: FrozenDefinition,
    chains: Chains,
    incoming: boolean,
  ): Promise<void> {
    await this.diskFolder(vmId);
    const paths = guestPaths(this.folder(vmId), this.ports.ramFolder, vmId, term);
    await this.assertMemory(definition);
    await rm(paths.ram, { force: true });
    await this.ram.reserve(paths.ram, definition.memoryBytes);
    try {
      await prepareNetwork(this.ports.run, definition);
      const guest = await startGuest({ definition, paths, disks: chains, incoming }, this.ports);
      this.keep(vmId, { guest, paths, definition });
    } catch (thrown) {
      await this.ram.release(paths.ram);
      throw thrown;
    }
  }

  /** RAM is tmpfs, which is memory: what the kernel could not give would end the guest. */
  private async assertMemory({ memoryBytes }: FrozenDefinition): Promise<void> {
    const text = await this.ports.files.read("/proc/meminfo");
    const availableKiB = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]);
    if (Number.isNaN(availableKiB) || availableKiB * 1024 >= memoryBytes) return;
    const message = `${memoryBytes} bytes of memory are needed, ${availableKiB * 1024} are free`;
    throw new SystemError("NO_SPACE", message);
  }

  private async assertBootFiles({ boot }: Pick<FrozenDefinition, "boot">): Promise<void> {
    if (!("kernel" in boot)) return;
    for (const path of [boot.kernel, boot.initrd]) {
      if (path === undefined) continue;
      await access(path).catch((cause: unknown) => {
        const message = `${path} is not readable on this host: it must be the same on every host`;
        throw new SystemError("DEFINITION_INVALID", message, { cause });
      });
    }
  }

  private keep(vmId: VmId, running: Running): void {
    this.guests.set(vmId, running);
    running.guest.onEvent((event) => {
      if (event.type !== "exited" || this.guests.get(vmId) !== running) return;
      this.guests.delete(vmId);
      void this.cleanUp(vmId, running);
      this.ports.onDied(vmId, event.reason);
    });
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const message = `Cannot use folder ${path}: ${reasonOf(cause)}`;
    throw new SystemError("FILE_FAILED", message, { cause });
  }
}

/** The end of a guest's serial log from `offset`; a negative one counts from the end. */
export async function readConsole(
  path: string,
  offset: number,
  bytesMax: number,
): Promise<{ offset: number; size: number; bytes: Buffer }> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch {
    // A guest that never ran here has said nothing.
    return { offset: 0, size: 0, bytes: Buffer.alloc(0) };
  }
  try {
    const { size } = await file.stat();
    const from = offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
    const buffer = Buffer.alloc(Math.min(bytesMax, size - from));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return { offset: from, size, bytes: buffer.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}
