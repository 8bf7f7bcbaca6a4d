/**
 * How replicas become guests: a standby a VM, which is kept at the newest cut when there is memory
 * for it, and from which a guest is let run after a failover or a planned swap.
 *
 * Rule 1: all of this is done on the VM's lane, in turns that are short while nobody waits.
 * Rule 2: the store is only read: whatever fails here leaves it as it was.
 * Rule 3: at activation the manifest and the newest log are proven again. A standby that is at no
 *         cut, or beyond the one that is asked for, is not used: the guest is then restored whole.
 */
import type { Prepare } from "../../protocol/authority.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Term, VmId } from "../../protocol/ids.ts";
import type { Activation as WholeActivation } from "../../protocol/replication.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { Log } from "../../runtime/log.ts";
import type { Chains, Effect, Event } from "../authority/state.ts";
import type { HeldReplica } from "./held.ts";
import { coldReasonOf, Standby, type StandbyHypervisor } from "./standby.ts";

/** MiB that are written in one turn. */
const CHUNKS_A_TURN = 32;
/** What could not be made is tried again after this. */
const RETRY_MS = 60_000;

export interface StandbysPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly hypervisor: StandbyHypervisor;
  /** @throws SystemError NO_SPACE: no memory is to be had for a guest more */
  readonly assertRoom: (definition: FrozenDefinition) => Promise<void>;
  /** Nothing of the VM may run here, and nothing of it is being made. */
  readonly isSpare: (vmId: VmId) => boolean;
  readonly onLane: (vmId: VmId, work: () => Promise<void>) => void;
  readonly dataAddress: string;
  readonly dispatch: (event: Event) => void;
}

interface Kept {
  readonly held: HeldReplica;
  readonly standby: Standby;
  /** While it is filled: with which cut, and how far. */
  filling: { readonly epoch: number; from: number } | undefined;
}

/** What is known before the guest is let run. */
export type Activation = Pick<WholeActivation, "standby" | "proveMs" | "applyMs" | "loadMs">;
type Restore = Extract<Effect, { type: "restore-guest" }>;

export class Standbys {
  private readonly ports: StandbysPorts;
  private readonly kept = new Map<VmId, Kept>();
  private readonly queued = new Set<VmId>();
  private readonly retryAtMs = new Map<VmId, number>();
  private closed = false;

  constructor(ports: StandbysPorts) {
    this.ports = ports;
  }

  /** Brings the VM's standby nearer to the newest cut; calls itself until it is there. */
  keepWarm(held: HeldReplica): void {
    const { vmId } = held;
    if (this.queued.has(vmId) || !this.isDue(held)) return;
    this.queued.add(vmId);
    this.ports.onLane(vmId, async () => {
      this.queued.delete(vmId);
      const more = await this.turn(held).catch((thrown: unknown) => this.goCold(held, thrown));
      if (more) this.keepWarm(held);
    });
  }

  /**
   * Makes the guest from a replica, stopped.
   * @returns its chains and how long each part took
   * @throws SystemError: the replica stays as it is
   */
  async restore(held: HeldReplica, { term, promotion }: Restore): Promise<[Chains, Activation]> {
    const { epoch } = promotion;
    const warm = await this.activateWarm(held, epoch);
    const [standby, activation] = warm ?? (await this.activateCold(held, term, epoch));
    return [standby.chains, activation];
  }

  /** Makes everything ready for the last epoch of a replica's stream, which goes on meanwhile. */
  async receive(held: HeldReplica, { term }: Prepare): Promise<void> {
    const point = held.newest;
    if (point === undefined) throw new SystemError("STATE_CONFLICT", "It has no restore point yet");
    let kept = this.usable(held, point.epoch);
    if (kept === undefined) kept = await this.fillWhole(held, term, point.epoch);
    else await kept.standby.advance(held.store(), held.kernel, point.epoch);
    held.keepFrom = point.epoch;
  }

  /** From here on the newest cut is what the guest is resumed from, if its primary dies. */
  announce({ newest, vmId, stream }: HeldReplica): void {
    const kept = this.kept.get(vmId);
    if (kept === undefined || newest === undefined) return;
    const { dispatch, dataAddress: address } = this.ports;
    dispatch({ type: "prepared", vmId, stream, address, chains: kept.standby.chains });
    dispatch({ type: "epoch-complete", vmId, stream, epoch: newest.epoch, kind: "cut" });
  }

  /** Brings the standby to a cut. A failure shows at the load, and ends the swap. */
  async follow(held: HeldReplica, epoch: number): Promise<void> {
    const kept = this.usable(held, epoch);
    await kept?.standby.advance(held.store(), held.kernel, epoch);
    held.keepFrom = epoch;
  }

  /** Gives a cut to the guest that waits for it. @throws SystemError */
  async load(held: HeldReplica, epoch: number): Promise<void> {
    const kept = this.usable(held, epoch);
    if (kept === undefined) throw new SystemError("STREAM_FAILED", "No guest waits for this epoch");
    const state = await held.store().prove(epoch);
    await kept.standby.advance(held.store(), held.kernel, epoch);
    await kept.standby.guest.loadState(state);
    crashPoint("agent-target-loaded", kept.standby.guest.identity.pid);
  }

  /** The guest runs: what it was made in is its own. */
  async hand(vmId: VmId): Promise<void> {
    const kept = this.forget(vmId);
    await kept?.standby.hand();
  }

  /** The standby's process ends and its files go; a guest that runs has been handed over. */
  async discard(vmId: VmId): Promise<void> {
    const kept = this.forget(vmId);
    await kept?.standby.discard();
  }

  /** Of `discard`, if the VM's standby is one of this replica and does not run. */
  async discardOf(held: HeldReplica): Promise<void> {
    const kept = this.kept.get(held.vmId);
    if (kept?.held !== held) return;
    if (kept.standby.waits) await this.discard(held.vmId);
    else await this.hand(held.vmId);
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const [vmId, { standby }] of [...this.kept]) {
      if (standby.waits) await this.discard(vmId);
      else await this.hand(vmId);
    }
  }

  private isDue(held: HeldReplica): boolean {
    const { vmId, newest } = held;
    if (this.closed || newest === undefined || !held.isSound || !this.ports.isSpare(vmId))
      return false;
    const kept = this.kept.get(vmId);
    if (kept !== undefined) return !kept.standby.waits || kept.standby.epoch !== newest.epoch;
    return this.ports.clock.nowMs() >= (this.retryAtMs.get(vmId) ?? 0);
  }

  /** @returns whether there is more to do */
  private async turn(held: HeldReplica): Promise<boolean> {
    const { vmId, newest } = held;
    if (newest === undefined || !this.isDue(held)) return false;
    const before = this.kept.get(vmId);
    if (before !== undefined && (before.held !== held || !before.standby.waits)) {
      await this.discard(vmId);
    }
    const kept = this.kept.get(vmId) ?? (await this.makeWarm(held));
    const { standby } = kept;
    if (standby.epoch === undefined) return await this.fill(kept, newest.epoch);
    await standby.advance(held.store(), held.kernel, newest.epoch);
    held.keepFrom = newest.epoch;
    held.warmed(true);
    return false;
  }

  /** Nothing of the VM may run here: what an earlier life has left of a standby goes first. */
  private async makeWarm(held: HeldReplica): Promise<Kept> {
    await this.ports.hypervisor.sweep(held.vmId, false);
    return await this.make(held, held.term);
  }

  private async make(held: HeldReplica, term: Term): Promise<Kept> {
    const { hypervisor, assertRoom } = this.ports;
    if (hypervisor.get(held.vmId) !== undefined) {
      throw new SystemError("STATE_CONFLICT", "Another process of this VM is here");
    }
    await assertRoom(held.definition);
    const standby = await Standby.make(hypervisor, held.definition, term);
    const kept: Kept = { held, standby, filling: undefined };
    this.kept.set(held.vmId, kept);
    return kept;
  }

  /** Writes some of a cut. @returns true: there is always more, if only what came meanwhile */
  private async fill(kept: Kept, newest: number): Promise<boolean> {
    const { held, standby } = kept;
    kept.filling ??= { epoch: newest, from: 0 };
    const { epoch, from } = kept.filling;
    held.keepFrom = epoch;
    const next = await held.store().copy(epoch, from, CHUNKS_A_TURN, standby.target);
    if (next === undefined) {
      standby.filled(epoch);
      kept.filling = undefined;
      held.warmed(true);
    } else kept.filling.from = next;
    return true;
  }

  private async fillWhole(held: HeldReplica, term: Term, epoch: number): Promise<Kept> {
    await this.discard(held.vmId);
    const kept = await this.make(held, term);
    await held.store().restore(epoch, kept.standby.target);
    kept.standby.filled(epoch);
    return kept;
  }

  private async activateWarm(
    held: HeldReplica,
    epoch: number,
  ): Promise<[Standby, Activation] | undefined> {
    const kept = this.usable(held, epoch);
    if (kept === undefined) return undefined;
    const { standby } = kept;
    const took = stopwatch(this.ports.clock);
    try {
      const state = await held.store().prove(epoch);
      const proveMs = took();
      await standby.advance(held.store(), held.kernel, epoch);
      const applyMs = took();
      await standby.guest.loadState(state);
      crashPoint("agent-replica-restored", standby.guest.identity.pid);
      return [standby, { standby: "warm", proveMs, applyMs, loadMs: took() }];
    } catch (thrown) {
      const { vmId, stream } = held;
      const reason = reasonOf(thrown);
      this.ports.log.warn("The standby is of no use: restoring", { vmId, stream, reason });
      return undefined;
    }
  }

  /** The whole cut, out of the store, with everything proven on the way. */
  private async activateCold(
    held: HeldReplica,
    term: Term,
    epoch: number,
  ): Promise<[Standby, Activation]> {
    await this.discard(held.vmId);
    const took = stopwatch(this.ports.clock);
    const { standby } = await this.make(held, term);
    const proveMs = took();
    try {
      const state = await held.store().restore(epoch, standby.target);
      standby.filled(epoch);
      const applyMs = took();
      await standby.guest.loadState(state);
      crashPoint("agent-replica-restored", standby.guest.identity.pid);
      return [standby, { standby: "cold", proveMs, applyMs, loadMs: took() }];
    } catch (thrown) {
      await this.discard(held.vmId);
      throw thrown;
    }
  }

  /** A standby of this replica that waits, at a cut that is not beyond `epoch`. */
  private usable(held: HeldReplica, epoch: number): Kept | undefined {
    const kept = this.kept.get(held.vmId);
    if (kept?.held !== held || !kept.standby.waits) return undefined;
    const at = kept.standby.epoch;
    return at !== undefined && at <= epoch ? kept : undefined;
  }

  private async goCold(held: HeldReplica, thrown: unknown): Promise<boolean> {
    const { clock, log } = this.ports;
    const { vmId, stream } = held;
    const reason = coldReasonOf(thrown);
    log.warn("No warm standby", { vmId, stream, reason });
    await this.discard(vmId);
    held.warmed(false, reason);
    this.retryAtMs.set(vmId, clock.nowMs() + RETRY_MS);
    return false;
  }

  private forget(vmId: VmId): Kept | undefined {
    const kept = this.kept.get(vmId);
    this.kept.delete(vmId);
    if (kept !== undefined) {
      kept.held.keepFrom = undefined;
      kept.held.warmed(false);
    }
    return kept;
  }
}

/** Milliseconds since it was made, or was asked before. */
function stopwatch(clock: Clock): () => number {
  let beforeMs = clock.nowMs();
  return () => {
    const nowMs = clock.nowMs();
    const ms = nowMs - beforeMs;
    beforeMs = nowMs;
    return ms;
  };
}
