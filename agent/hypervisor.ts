/**
 * The guests of this host: their folders, RAM files, images and QEMU processes. Mechanism only:
 * who may run is decided by the authority core, and asked right before anything is let run.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FrozenDefinition, GuestDefinition } from "../protocol/definition.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { Term, VmId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunCommand } from "../runtime/command.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Chains, DurableVm, Found } from "./authority/state.ts";
import { discardImages, FlatImage } from "./capture/disk-flat.ts";
import { inspectImage } from "./capture/disk-images.ts";
import { type GuestPaths, guestPaths } from "./qemu/argv.ts";
import { freezeDefinition } from "./qemu/definition.ts";
import { findGuestProcess } from "./qemu/find.ts";
import { adoptGuest, type Guest, startGuest } from "./qemu/guest.ts";
import { prepareNetwork, releaseNetwork } from "./qemu/network.ts";
import type { QemuProbe } from "./qemu/probe.ts";
import { adoptProcess } from "./qemu/process.ts";
import { parseRamPath, RamFiles, sweepRamFiles } from "./qemu/ram-files.ts";

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
}

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
   * Finds the guests that outlived the last agent, and removes the RAM files of those that did
   * not. A process that cannot be spoken to is ended: nobody could stop it later.
   */
  async recover(vms: readonly DurableVm[]): Promise<Record<VmId, Found>> {
    const found: Record<VmId, Found> = {};
    for (const vm of vms) {
      const status = await this.adopt(vm).catch((thrown) => {
        this.ports.log.error("Cannot adopt a guest", { vmId: vm.vmId, reason: reasonOf(thrown) });
        return undefined;
      });
      if (status !== undefined) found[vm.vmId] = status;
    }
    const keep = new Set([...this.guests.values()].map(({ paths }) => paths.ram));
    await sweepRamFiles(this.ports.ramFolder, keep);
    return found;
  }

  private async adopt({ vmId, definition }: DurableVm): Promise<Found | undefined> {
    const { clock } = this.ports;
    const base = guestPaths(this.folder(vmId), this.ports.ramFolder, vmId, 0);
    const process = await findGuestProcess(base.qmp);
    if (process === undefined) return undefined;
    const { identity, ramPath } = process;
    if (definition === undefined || ramPath === undefined) {
      await adoptProcess(identity, clock)?.end();
      return undefined;
    }
    const paths = { ...base, ram: ramPath };
    const disks = definition.disks.map(({ id }) => id);
    let guest: Guest | undefined;
    try {
      guest = await adoptGuest({ vm: vmId, identity, paths, disks }, this.ports);
    } catch (thrown) {
      await adoptProcess(identity, clock)?.end();
      throw thrown;
    }
    if (guest === undefined) return undefined;
    this.ram.adopt(ramPath, definition.memoryBytes);
    this.keep(vmId, { guest, paths, definition });
    switch (guest.phase()) {
      case "running":
        return "running";
      case "incoming":
        return "incoming";
      default:
        return "paused";
    }
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
    const chains = recorded === undefined ? originChains(definition) : await existing(recorded);
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

  async end(vmId: VmId): Promise<void> {
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

/** A first start: the images that the operator gave are the lowest layers. */
function originChains(definition: FrozenDefinition): Chains {
  const entries = definition.disks.map(({ id, originPath, originFormat }) => {
    const chain: Chains[string] = [{ layer: 0, path: originPath, format: originFormat }];
    return [id, chain] as const;
  });
  return Object.fromEntries(entries);
}

/** The highest recorded layer that exists, with its recorded parents; else it is not started. */
async function existing(recorded: Chains): Promise<Chains> {
  const chains: Chains = {};
  for (const [id, chain] of Object.entries(recorded)) {
    const folders = new Map<string, Set<string>>();
    const there: Chains[string] = [];
    for (const layer of chain) {
      const at = layer.path.lastIndexOf("/");
      const folder = layer.path.slice(0, at);
      const names = folders.get(folder) ?? new Set(await readdir(folder).catch(() => []));
      folders.set(folder, names);
      if (names.has(layer.path.slice(at + 1))) there.push(layer);
      else if (layer !== chain.at(-1)) {
        throw new SystemError("DISK_INVALID", `Layer ${layer.path} of disk ${id} is gone`);
      }
    }
    if (there.length === 0) throw new SystemError("DISK_INVALID", `No layer of disk ${id} exists`);
    chains[id] = there;
  }
  return chains;
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
