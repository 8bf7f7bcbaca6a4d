/**
 * Keeps the chains of a running guest's disks short: the layers that a cut or a failed move has
 * left behind are merged into the lowest one, one at a time, until only that and the top are left.
 *
 * Rule 1: the next layer is merged only once the last one is off the record. A record that names a
 *         merged layer is harmless as long as nothing newer lies below it.
 * Rule 2: a layer's file is removed after it is off the record, never before.
 * Rule 3: no merge runs while a stream cuts the guest: `stop` comes first.
 */
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Log } from "../../runtime/log.ts";
import type { Chains } from "../authority/state.ts";
import type { Guest } from "../qemu/guest.ts";

/** The lowest layer and the one that is written. */
const LAYERS_LEFT = 2;

export interface MergePorts {
  readonly guest: Pick<Guest, "vm" | "topLayers" | "mergeLayer" | "cancelMerges" | "depths">;
  readonly log: Log;
  /** As they are on record now. */
  readonly chains: () => Chains;
  /** Makes the new record durable before it returns. */
  readonly record: (chains: Chains) => void;
  /** Removes the file of a layer that is off the record. */
  readonly remove: (path: string) => Promise<void>;
}

/** Whether a disk has layers that could go. */
export function isLong(chains: Chains): boolean {
  return Object.values(chains).some((chain) => chain.length > LAYERS_LEFT);
}

/** One guest's merging. It ends by itself, by `stop`, or with its guest. */
export class Merging {
  /** Resolves when no merge is under way and none will be begun. */
  readonly finished: Promise<void>;
  private readonly ports: MergePorts;
  private stopped = false;

  constructor(ports: MergePorts) {
    this.ports = ports;
    this.finished = this.run();
  }

  /** What is merged half stays where it was. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.ports.guest.cancelMerges().catch((thrown: unknown) => this.complain(thrown));
    await this.finished;
  }

  private async run(): Promise<void> {
    const { guest, chains } = this.ports;
    try {
      // One that an earlier life of the agent began: whether it came to its end, `depths` tells.
      await guest.cancelMerges();
      const depths = await guest.depths();
      for (const disk of Object.keys(chains())) await this.shorten(disk, depths.get(disk));
    } catch (thrown) {
      this.complain(thrown);
    }
  }

  private async shorten(disk: string, found: number | undefined): Promise<void> {
    const { guest, log } = this.ports;
    let depth = found;
    for (;;) {
      const used = this.used(disk);
      const [below, layer] = used;
      if (below === undefined || layer === undefined || used.length <= LAYERS_LEFT) return;
      const merged = depth === used.length - 1;
      if (!merged && depth !== used.length) {
        log.warn("A disk's layers are not as recorded", { vmId: guest.vm, disk, depth });
        return;
      }
      if (this.stopped) return;
      const pair = { disk, layer: layer.layer, below: below.layer };
      if (!merged && !(await guest.mergeLayer(pair))) return;
      depth = used.length - 1;
      await this.forget(disk, layer.path);
    }
  }

  /** The recorded layers up to the top: one above it was prepared for a cut that never came. */
  private used(disk: string): Chains[string] {
    const top = this.ports.guest.topLayers().get(disk) ?? -1;
    return (this.ports.chains()[disk] ?? []).filter(({ layer }) => layer <= top);
  }

  private async forget(disk: string, path: string): Promise<void> {
    const { chains, record, remove } = this.ports;
    const now = chains();
    record({ ...now, [disk]: (now[disk] ?? []).filter((layer) => layer.path !== path) });
    await remove(path);
  }

  /** The chain stays as long as it is; when the guest is continued again, so is the merging. */
  private complain(thrown: unknown): void {
    const { guest, log } = this.ports;
    // The guest has ended, or is let go of: that is told elsewhere.
    if (thrown instanceof SystemError && thrown.code === "QMP_CLOSED") return;
    log.warn("Cannot merge the layers of a disk", { vmId: guest.vm, reason: reasonOf(thrown) });
  }
}
