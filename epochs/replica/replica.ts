/**
 * The replica of one VM's `protect` stream on one secondary (docs/authority.md, section 2).
 *
 * Rule 1: order of an epoch: bounds, proof, log flushed, manifest flushed; only then is it whole.
 *         It goes into the base later (fold.ts), and its log stays until the base has it durably.
 * Rule 2: differences are proven against the pages that they are to before the epoch is whole:
 *         what was acknowledged can be restored.
 * Rule 3: a full disk refuses the epoch, and `resume` says where the stream goes on. A failed
 *         flush, an I/O error or damage breaks the replica for good: it takes nothing more, and
 *         still restores what it can prove.
 * Rule 4: what leaves `restore` was compared with checksums and root hashes on the way.
 *
 * Files: manifest, ram, disk-N, sums-0, sums-1, epoch-N.log, and `broken`.
 * @module
 */
import assert from "node:assert/strict";
import type { EpochBegin } from "../../protocol/epoch.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { type Frame, HEADER_BYTES } from "../../protocol/frame.ts";
import type { Term } from "../../protocol/ids.ts";
import { type Effect, type Receiving, step, stopReceiving } from "../receiver.ts";
import type { EditKind } from "./edits.ts";
import type { EpochLog } from "./epoch-log.ts";
import { finalFlushes } from "./final-flush.ts";
import { foldNext } from "./fold.ts";
import { commitEpoch, fillBase, provePages } from "./intake.ts";
import { LOG_EPOCHS_MAX, type Manifest, type ReplicaIdentity } from "./manifest.ts";
import { newestEpoch, receivingAt, type WholeEpoch } from "./points.ts";
import { copyChunks, type Guard, type RestoreTarget, replayEpoch } from "./restore.ts";
import { bytesOf, type ReplicaStatus, statusOf } from "./status.ts";
import { BROKEN_NAME, gather, isDamage, Store, type StorePorts } from "./store.ts";

export interface ReplicaPorts extends StorePorts {
  /** Bytes that the logs of all epochs may have together. */
  readonly logBytesMax: number;
}

/** What a frame led to. */
export type Taken = Readonly<
  | { type: "taken" }
  /** The epoch is durable: it may be acknowledged. */
  | {
      type: "whole";
      epoch: number;
      kind: EpochBegin["kind"];
      root: string;
      /** As its `begin` had them. */
      cut: number | undefined;
      pulse: number | undefined;
    }
  | { type: "released"; reason: "moved" | "died"; epoch: number; term: Term }
  /** The frame broke the rules of the stream; `resume` says where it may go on. */
  | { type: "ended"; reason: string }
>;

export interface Scrubbed {
  readonly damages: readonly string[];
  /** Where to go on; undefined at the end. */
  readonly next: number | undefined;
}

/** Makes a replica in an empty folder. @throws SystemError STATE_CONFLICT, NO_SPACE, FILE_FAILED */
export async function createReplica(
  ports: ReplicaPorts,
  identity: ReplicaIdentity,
): Promise<Replica> {
  const files = finalFlushes(ports.files);
  const store = await Store.create({ files, kernel: ports.kernel }, identity);
  return new Replica(ports, store, undefined);
}

/**
 * Opens a replica after whatever its host went through. One that is broken opens, and says so.
 * @throws SystemError REPLICA_BROKEN: no manifest, or another replica's; FILE_FAILED
 */
export async function openReplica(
  ports: ReplicaPorts,
  identity: ReplicaIdentity,
): Promise<Replica> {
  const files = finalFlushes(ports.files);
  const store = await Store.open({ files, kernel: ports.kernel }, identity);
  const marked = (await files.list()).includes(BROKEN_NAME);
  const [damage] = await store.load();
  const replica = new Replica(ports, store, marked ? "It was found broken before" : undefined);
  if (damage !== undefined) await replica.markBroken(damage);
  return replica;
}

/** One open replica. Its calls wait for each other; whoever calls bounds how many wait. */
export class Replica {
  private readonly logBytesMax: number;
  private readonly store: Store;
  private receiving: Receiving;
  private open: EpochLog | undefined;
  private begun: EpochBegin | undefined;
  private broken: string | undefined;
  private work: Promise<unknown> = Promise.resolve();

  /** Made by `createReplica` and `openReplica`. */
  constructor({ logBytesMax }: ReplicaPorts, store: Store, broken: string | undefined) {
    this.logBytesMax = logBytesMax;
    this.store = store;
    this.broken = broken;
    this.receiving = receivingAt(store.manifest);
  }

  status(): ReplicaStatus {
    return statusOf(this.store, this.openLogs(), this.broken, this.logBytesMax);
  }

  /**
   * Takes the next frame.
   * @throws SystemError TERM_STALE after a seal; NO_SPACE, FRAME_CORRUPT, BASE_DIFFERS: the open
   * epoch is dropped, see `resume`; REPLICA_BROKEN, FILE_FAILED: for good
   */
  take(frame: Frame): Promise<Taken> {
    return this.exclusive(async () => {
      this.assertTakes(frame.term);
      const [state, effects] = step(this.receiving, frame);
      this.receiving = state;
      try {
        let taken: Taken = { type: "taken" };
        for (const effect of effects) taken = await this.perform(effect, frame);
        return taken;
      } catch (thrown) {
        this.receiving = { ...this.receiving, open: undefined, closed: "over" };
        throw thrown;
      }
    });
  }

  /** Drops what is not whole. @returns the epoch and root that the stream may go on from */
  resume(): Promise<WholeEpoch | undefined> {
    return this.exclusive(async () => {
      this.assertTakes(this.manifest.term);
      await this.dropOpen();
      const [damage] = await this.store.load();
      if (damage !== undefined) throw new SystemError("REPLICA_BROKEN", damage);
      this.receiving = receivingAt(this.manifest);
      return newestEpoch(this.manifest);
    });
  }

  /** Brings the oldest epoch that may go into the base there. @returns which; undefined if none */
  fold(): Promise<number | undefined> {
    return this.exclusive(async () => {
      this.assertSound();
      return await foldNext(this.store);
    });
  }

  /**
   * Gives exactly what the guest was at `epoch`. What the target got before an error is worth
   * nothing. @returns the device state
   * @throws SystemError STATE_CONFLICT: no restore point; REPLICA_BROKEN; what the target throws
   */
  async restore(epoch: number, target: RestoreTarget): Promise<Buffer> {
    const { store } = this;
    return await this.queued(async () => {
      await this.guarded(() => store.proveUpTo(epoch));
      await copyChunks(store, this.guard, epoch, [0, store.images.chunks], target);
      return await this.guarded(() => store.logOf(epoch).deviceState());
    });
  }

  /**
   * A part of a restore, so that frames are taken between parts: `count` chunks from `from` on.
   * @returns where to go on; undefined at the end @throws SystemError as `restore`
   */
  async copy(
    epoch: number,
    from: number,
    count: number,
    target: RestoreTarget,
  ): Promise<number | undefined> {
    const { store } = this;
    return await this.queued(async () => {
      await this.guarded(async () => {
        if (from === 0) await store.proveUpTo(epoch);
        else store.pointOf(epoch);
      });
      const end = Math.min(store.images.chunks, from + count);
      await copyChunks(store, this.guard, epoch, [from, end], target);
      return end < store.images.chunks ? end : undefined;
    });
  }

  /**
   * What epoch `epoch`, which is not 0, did to the one before it, in order.
   * @throws SystemError STATE_CONFLICT: not in the log; REPLICA_BROKEN; what `take` throws
   */
  async replay(
    epoch: number,
    take: (kind: EditKind, payload: Uint8Array) => Promise<void>,
  ): Promise<void> {
    await this.queued(() => replayEpoch(this.store, this.guard, epoch, take));
  }

  /**
   * Proves the manifest and the log of a restore point again. @returns its device state
   * @throws SystemError STATE_CONFLICT: no restore point; REPLICA_BROKEN
   */
  prove(epoch: number): Promise<Buffer> {
    return this.queued(() =>
      this.guarded(async () => {
        await this.store.provePoint(epoch);
        return await this.store.logOf(epoch).deviceState();
      }),
    );
  }

  /**
   * Reads again `count` chunks of the base from number `from` on; from 0 also manifest, checksums
   * and log. What it finds breaks the replica.
   */
  scrub(from = 0, count = Number.POSITIVE_INFINITY): Promise<Scrubbed> {
    return this.exclusive(async () => {
      const { store } = this;
      const { base, folding } = store.manifest;
      const damages = from === 0 ? await store.scrubRecords() : [];
      const total = base === null ? 0 : store.images.chunks;
      const end = Math.min(total, from + count);
      const through = folding ?? base?.epoch ?? 0;
      for (let index = from; index < end; index++) {
        const [image, chunk] = store.images.chunkAt(index);
        await gather(damages, () => store.contentOf(image, chunk, through, true));
      }
      if (damages[0] !== undefined) await this.markBroken(damages[0]);
      return { damages, next: end < total ? end : undefined };
    });
  }

  /**
   * From now on, durably, nothing of a lower term is taken: in both slots, so that damage to one
   * does not undo it. @returns what the replica has to offer
   * @throws SystemError TERM_STALE: a higher term has sealed it; REPLICA_BROKEN, NO_SPACE
   */
  seal(term: Term): Promise<ReplicaStatus> {
    return this.exclusive(async () => {
      const { sealed } = this.manifest;
      if (term < sealed) throw stale(term, sealed);
      this.assertSound();
      if (term > sealed) {
        await this.store.write({ ...this.manifest, sealed: term });
        await this.store.write(this.manifest);
      }
      if (this.manifest.term < term) {
        this.receiving = stopReceiving(this.receiving);
        await this.dropOpen();
      }
      return this.status();
    });
  }

  /** Gives the files back, as they are. */
  close(): Promise<void> {
    return this.exclusive(async () => {
      this.receiving = stopReceiving(this.receiving);
      await this.dropOpen();
      await this.store.close();
    });
  }

  /** Durably, if the disk still takes it; in this process in any case. */
  async markBroken(reason: string): Promise<void> {
    if (this.broken !== undefined) return;
    this.broken = reason;
    try {
      const file = await this.store.files.open(BROKEN_NAME, "create");
      await file.close();
      await this.store.files.syncFolder();
    } catch (thrown) {
      if (!(thrown instanceof SystemError)) throw thrown;
      this.broken = `${reason}; this could not be noted: ${reasonOf(thrown)}`;
    }
  }

  private get manifest(): Manifest {
    return this.store.manifest;
  }

  private openLogs(): EpochLog[] {
    return [...this.store.logs.values(), ...(this.open === undefined ? [] : [this.open])];
  }

  private async perform(effect: Effect, frame: Frame): Promise<Taken> {
    switch (effect.type) {
      case "begin":
        await this.begin(effect.begin, frame);
        return { type: "taken" };
      case "content":
        await this.content(effect, frame);
        return { type: "taken" };
      case "complete":
        assert(this.open !== undefined, "the end of an epoch that did not begin");
        await commitEpoch(this.store, this.open, effect, this.begun?.cut);
        this.open = undefined;
        return { ...effect, type: "whole", cut: this.begun?.cut, pulse: this.begun?.pulse };
      case "released":
      case "ended":
        return effect;
    }
  }

  private async begin(begin: EpochBegin, frame: Frame): Promise<void> {
    const { base, entries } = this.manifest;
    if ((begin.kind === "fuzzy") !== (begin.cut === undefined)) {
      throw new SystemError("FRAME_CORRUPT", "A cut has a number, and a fuzzy epoch has none");
    }
    if (entries.length >= LOG_EPOCHS_MAX) {
      throw new SystemError("NO_SPACE", `The log holds ${entries.length} epochs: fold some first`);
    }
    if (base === null) await this.store.images.reset();
    this.begun = begin;
    this.open = await this.store.beginLog(frame.epoch, begin.parent);
    await this.append(frame);
  }

  private async content(
    { kind, payload, aside }: Extract<Effect, { type: "content" }>,
    frame: Frame,
  ): Promise<void> {
    if (!aside && kind !== "state") return fillBase(this.store, kind, payload);
    await this.append(frame);
    if (kind === "pages") await provePages(this.store, payload);
  }

  /** @throws SystemError NO_SPACE */
  private async append(frame: Frame): Promise<void> {
    assert(this.open !== undefined, "a frame outside of its epoch");
    if (bytesOf(this.openLogs()) + HEADER_BYTES + frame.payload.length > this.logBytesMax) {
      throw new SystemError("NO_SPACE", `The log is at its ${this.logBytesMax} bytes`);
    }
    await this.open.append(frame);
  }

  private async dropOpen(): Promise<void> {
    const { open } = this;
    this.open = undefined;
    if (open !== undefined) await this.store.drop(open);
  }

  private assertTakes(term: Term): void {
    const { sealed } = this.manifest;
    if (term < sealed) throw stale(term, sealed);
    this.assertSound();
  }

  private assertSound(): void {
    if (this.broken === undefined) return;
    throw new SystemError("REPLICA_BROKEN", `The replica is broken: ${this.broken}`);
  }

  private exclusive<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.queued(() => this.guarded(task));
  }

  /** One after the other. */
  private queued<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.work.then(task);
    this.work = result.catch(() => undefined);
    return result;
  }

  private readonly guard: Guard = (task) => this.guarded(task);

  private async guarded<Result>(task: () => Promise<Result>): Promise<Result> {
    try {
      return await task();
    } catch (thrown) {
      if (isDamage(thrown)) await this.markBroken(reasonOf(thrown));
      throw thrown;
    }
  }
}

function stale(term: Term, sealed: Term): SystemError {
  const detail = { term, sealed };
  return new SystemError("TERM_STALE", `The replica is sealed by term ${sealed}`, { detail });
}
