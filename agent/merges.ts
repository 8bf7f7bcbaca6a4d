/**
 * Which guests' disk layers are being merged: begun whenever a guest goes on with more layers than
 * it needs, ended before a stream touches its disks.
 * @module
 */
import type { VmId } from "../protocol/ids.ts";
import type { Log } from "../runtime/log.ts";
import type { Chains, Event } from "./authority/state.ts";
import { isLong, Merging } from "./capture/merge.ts";
import type { Hypervisor } from "./hypervisor.ts";

export interface MergesPorts {
  readonly log: Log;
  readonly hypervisor: Hypervisor;
  /** As they are on record now; empty for a VM that has none. */
  readonly chainsOf: (vmId: VmId) => Chains;
  readonly dispatch: (event: Event) => void;
}

export class Merges {
  private readonly ports: MergesPorts;
  private readonly merging = new Map<VmId, Merging>();

  constructor(ports: MergesPorts) {
    this.ports = ports;
  }

  /** Does nothing for short chains, and while the guest's layers are being merged already. */
  begin(vmId: VmId): void {
    const { log, hypervisor, chainsOf, dispatch } = this.ports;
    const running = hypervisor.get(vmId);
    if (running === undefined || this.merging.has(vmId) || !isLong(chainsOf(vmId))) return;
    const merging = new Merging({
      guest: running.guest,
      log,
      chains: () => chainsOf(vmId),
      record: (chains) => dispatch({ type: "chains", vmId, chains }),
      remove: (path) => hypervisor.removeLayer(vmId, path),
    });
    this.merging.set(vmId, merging);
    void merging.finished.then(() => {
      if (this.merging.get(vmId) === merging) this.merging.delete(vmId);
    });
  }

  /** Resolves when what was begun has ended by itself, or nothing goes on. */
  async idle(vmId: VmId): Promise<void> {
    await this.merging.get(vmId)?.finished;
  }

  /** No merge of this guest's layers is under way when it resolves. */
  async stop(vmId: VmId): Promise<void> {
    await this.merging.get(vmId)?.stop();
  }
}
