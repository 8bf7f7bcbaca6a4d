/**
 * A guest's process that waits for its state, over a RAM file and images that are brought to a cut
 * of a replica. All of it is a cache of the replica's store: it is trusted only in the life of the
 * agent that wrote it, and the store keeps whatever the guest could be made from.
 */
import { rm } from "node:fs/promises";
import { decodePages } from "../../epochs/delta.ts";
import { decodeExtent } from "../../epochs/extent.ts";
import type { Kernel } from "../../epochs/kernel.ts";
import type { EditKind } from "../../epochs/replica/edits.ts";
import type { Replica } from "../../epochs/replica/replica.ts";
import type { RestoreTarget } from "../../epochs/replica/restore.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Term } from "../../protocol/ids.ts";
import type { Chains } from "../authority/state.ts";
import type { FlatImage } from "../capture/disk-flat.ts";
import { RamFile } from "../capture/ram.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Guest } from "../qemu/guest.ts";

export type StandbyHypervisor = Pick<Hypervisor, "receive" | "get" | "end" | "sweep">;

/** Its process and files, as they were made. */
interface Made {
  readonly guest: Guest;
  readonly chains: Chains;
  readonly ram: RamFile;
  readonly images: readonly FlatImage[];
}

const ZEROS = Buffer.alloc(1024 * 1024);

export class Standby {
  readonly chains: Chains;
  readonly guest: Guest;
  private readonly definition: FrozenDefinition;
  private readonly hypervisor: StandbyHypervisor;
  private readonly ram: RamFile;
  private readonly images: readonly FlatImage[];
  /** The cut that RAM and images are; undefined while they are none. */
  private at: number | undefined;
  private open = true;

  /**
   * Starts the process, over zeros. Files are named by `term`.
   * @throws SystemError NO_SPACE, FILE_FAILED, QEMU_EXITED and what else keeps it from starting
   */
  static async make(
    hypervisor: StandbyHypervisor,
    definition: FrozenDefinition,
    term: Term,
  ): Promise<Standby> {
    const { id } = definition;
    const { chains, images } = await hypervisor.receive(id, term, definition);
    try {
      const running = hypervisor.get(id);
      if (running === undefined) throw new SystemError("QEMU_EXITED", "The guest has ended");
      const ram = new RamFile(running.paths.ram, "write");
      return new Standby(hypervisor, definition, { guest: running.guest, chains, ram, images });
    } catch (thrown) {
      for (const image of images) await image.close();
      await hypervisor.end(id);
      throw thrown;
    }
  }

  private constructor(
    hypervisor: StandbyHypervisor,
    definition: FrozenDefinition,
    { guest, chains, ram, images }: Made,
  ) {
    this.hypervisor = hypervisor;
    this.definition = definition;
    this.guest = guest;
    this.chains = chains;
    this.ram = ram;
    this.images = images;
  }

  /** The cut that it is at. */
  get epoch(): number | undefined {
    return this.at;
  }

  /** Its process waits still, and is the one that this host knows of. */
  get waits(): boolean {
    const known = this.hypervisor.get(this.definition.id)?.guest === this.guest;
    return this.open && known && this.guest.phase() === "incoming";
  }

  /** Takes a whole cut, whose writes begin over zeros. */
  readonly target: RestoreTarget = {
    write: async (image, position, bytes) => {
      const zero = ZEROS.subarray(0, bytes.length).equals(bytes);
      if (zero) return;
      if (image === 0) this.ram.write({ position, length: bytes.length, bytes });
      else await this.images[image - 1]?.writeExtent(position, bytes);
    },
  };

  /** All of `epoch` was written. */
  filled(epoch: number): void {
    this.at = epoch;
  }

  /**
   * Brings it from its cut to the cut `epoch`, by what the epochs between changed.
   * @throws SystemError: it is then at no cut
   */
  async advance(replica: Replica, kernel: Kernel, epoch: number): Promise<void> {
    const from = this.at;
    if (from === epoch) return;
    if (from === undefined || from > epoch) {
      throw new SystemError(
        "STATE_CONFLICT",
        `It is at epoch ${from ?? "none"}, not before ${epoch}`,
      );
    }
    this.at = undefined;
    for (let next = from + 1; next <= epoch; next++) {
      await replica.replay(next, (kind, payload) => this.apply(kernel, kind, payload));
    }
    this.at = epoch;
  }

  /** The guest runs over the files: they become durable and are its own. */
  async hand(): Promise<void> {
    if (!this.open) return;
    try {
      for (const image of this.images) await image.flush();
    } finally {
      await this.close();
    }
  }

  /** It is of no use: its process ends, and its files go. */
  async discard(): Promise<void> {
    if (this.hypervisor.get(this.definition.id)?.guest === this.guest) {
      await this.hypervisor.end(this.definition.id);
    }
    if (!this.open) return;
    await this.close();
    for (const { path } of this.images) await rm(path, { force: true });
  }

  private async apply(kernel: Kernel, kind: EditKind, payload: Uint8Array): Promise<void> {
    if (kind === "pages") {
      const { memoryBytes } = this.definition;
      decodePages(kernel, payload, memoryBytes, this.ram.readInto, (run) => this.ram.write(run));
      return;
    }
    const sizes = this.images.map(({ sizeBytes }) => sizeBytes);
    const { disk, offset, length, bytes } = decodeExtent(kernel, payload, sizes);
    if (bytes !== undefined) await this.images[disk]?.writeExtent(offset, bytes);
    else await this.images[disk]?.zeroExtent(offset, length);
  }

  private async close(): Promise<void> {
    this.open = false;
    this.ram.close();
    for (const image of this.images) await image.close();
  }
}

/** Why no standby was made, for people. */
export function coldReasonOf(thrown: unknown): string {
  return reasonOf(thrown).slice(0, 1_000);
}
