/**
 * The open files of a replica, and what they hold of any epoch: a chunk of the base, and on top of
 * it what the log says, epoch by epoch.
 * @module
 */
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { ReplicaFiles } from "../../runtime/replica-files.ts";
import type { Kernel } from "../kernel.ts";
import { EpochLog, type LogPorts, logName } from "./epoch-log.ts";
import { Images, imageNames, SUMS_NAMES } from "./images.ts";
import { type Entry, isSameReplica, type Manifest, type ReplicaIdentity } from "./manifest.ts";
import { MANIFEST_NAME, ManifestFile } from "./manifest-file.ts";
import { entriesAbove, parentOf, restorePoints } from "./points.ts";

/** Holds, if it is there, that the replica was broken before. */
export const BROKEN_NAME = "broken";

export interface StorePorts {
  readonly files: ReplicaFiles;
  readonly kernel: Kernel;
}

export class Store {
  readonly files: ReplicaFiles;
  readonly kernel: Kernel;
  readonly images: Images;
  /** By epoch: those that the manifest names and that were proven. */
  readonly logs = new Map<number, EpochLog>();
  private readonly slots: ManifestFile;
  /** Whose log is being written; no manifest names it yet. */
  private openEpoch: number | undefined;

  /** Makes the files in an empty folder. @throws SystemError STATE_CONFLICT, NO_SPACE */
  static async create(ports: StorePorts, identity: ReplicaIdentity): Promise<Store> {
    const { files } = ports;
    if ((await files.list()).length > 0) {
      throw new SystemError("STATE_CONFLICT", "Cannot make a replica: its folder is not empty");
    }
    const { vmId, term, stream, memoryBytes } = identity;
    const own = { vmId, term, stream, memoryBytes, diskBytes: [...identity.diskBytes] };
    const images = await Images.open(files, own, "create");
    const manifest = { ...own, sealed: 0, base: null, folding: null, entries: [] };
    const slots = await ManifestFile.create(files, manifest);
    await files.syncFolder();
    return new Store(ports, slots, images);
  }

  /** Opens them, unproven. @throws SystemError REPLICA_BROKEN, FILE_FAILED */
  static async open(ports: StorePorts, identity: ReplicaIdentity): Promise<Store> {
    const slots = await ManifestFile.open(ports.files);
    try {
      if (!isSameReplica(slots.manifest, identity)) {
        throw new SystemError("REPLICA_BROKEN", "The folder holds the replica of another stream");
      }
      return new Store(ports, slots, await Images.open(ports.files, identity, "existing"));
    } catch (thrown) {
      await slots.close();
      throw thrown;
    }
  }

  private constructor({ files, kernel }: StorePorts, slots: ManifestFile, images: Images) {
    this.files = files;
    this.kernel = kernel;
    this.slots = slots;
    this.images = images;
  }

  /** What holds. */
  get manifest(): Manifest {
    return this.slots.manifest;
  }

  /** Durable when this returns. @throws SystemError as ManifestFile.write */
  async write(manifest: Manifest): Promise<void> {
    await this.slots.write(manifest);
  }

  /** Reads what holds, proves the logs, and drops what is of no epoch. @returns what is damaged */
  async load(): Promise<string[]> {
    await this.slots.reload();
    const { base, entries } = this.manifest;
    const damages: string[] = [];
    if (base !== null) {
      await gather(damages, () => this.images.loadSums(base.sums, base.digest));
    }
    for (const [epoch, log] of this.logs) {
      if (entries.some((entry) => entry.epoch === epoch && entry.sum === log.sum)) continue;
      this.logs.delete(epoch);
      await log.close();
    }
    for (const entry of entries) {
      if (!this.logs.has(entry.epoch)) await gather(damages, () => this.prove(entry));
    }
    if (damages.length === 0) await this.sweep();
    return damages;
  }

  /** Begins the log of an epoch. It is the caller's until `adopt` or `drop`. */
  async beginLog(epoch: number, parent: string): Promise<EpochLog> {
    this.openEpoch = epoch;
    return await EpochLog.create(this.logPorts, epoch, parent);
  }

  /** The epoch of this log is in the manifest now. */
  adopt(epoch: number, log: EpochLog): void {
    this.logs.set(epoch, log);
    this.openEpoch = undefined;
  }

  /** The epoch that was begun is given up: its file goes with the next sweep. */
  async drop(log: EpochLog): Promise<void> {
    this.openEpoch = undefined;
    await log.close();
  }

  /**
   * What a chunk holds at the epoch `through`, which is not older than the one being folded; valid
   * until the next one.
   * Compared with its checksum if `verify`; the log's frames have their own.
   * @throws SystemError REPLICA_BROKEN, FILE_FAILED
   */
  async contentOf(image: number, chunk: number, through: number, verify: boolean): Promise<Buffer> {
    const content = await this.images.read(image, chunk);
    const { folding } = this.manifest;
    if (folding === null && verify) this.images.verify(image, chunk, content);
    for (const { epoch } of entriesAbove(this.manifest, through)) {
      await this.logOf(epoch).apply(image, chunk, content);
      // Half-way through a fold a chunk is of both epochs; after the redo it is of one.
      if (epoch === folding && verify) this.images.verify(image, chunk, content);
    }
    return content;
  }

  /** @throws SystemError REPLICA_BROKEN: it is damaged */
  logOf(epoch: number): EpochLog {
    const log = this.logs.get(epoch);
    if (log !== undefined) return log;
    throw new SystemError("REPLICA_BROKEN", `The log of epoch ${epoch} is damaged`);
  }

  /**
   * Reads again, and proves, every log that `epoch` is made of.
   * @throws SystemError STATE_CONFLICT: no restore point; REPLICA_BROKEN
   */
  async proveUpTo(epoch: number): Promise<void> {
    this.pointOf(epoch);
    const { base, entries } = this.manifest;
    if (base !== null) await this.images.loadSums(base.sums, base.digest);
    for (const entry of entries) if (entry.epoch <= epoch) await this.prove(entry);
  }

  /**
   * Reads the manifest again, and proves the log of `epoch`. @returns its entry
   * @throws SystemError STATE_CONFLICT: no restore point; REPLICA_BROKEN
   */
  async provePoint(epoch: number): Promise<Entry> {
    const [damage] = await this.slots.check();
    if (damage !== undefined) throw new SystemError("REPLICA_BROKEN", damage);
    const entry = this.pointOf(epoch);
    await this.prove(entry);
    return entry;
  }

  /** What is damaged in manifest, checksums and logs. */
  async scrubRecords(): Promise<string[]> {
    const damages = await this.slots.check();
    const { base, entries } = this.manifest;
    if (base !== null) {
      await gather(damages, () => this.images.loadSums(base.sums, base.digest));
    }
    for (const entry of entries) await gather(damages, () => this.prove(entry));
    return damages;
  }

  /** Removes the files that neither slot of the manifest needs, nor the epoch that is coming. */
  async sweep(): Promise<void> {
    const { manifest } = this;
    const epochs = this.slots.manifests.flatMap(({ entries }) => entries.map(({ epoch }) => epoch));
    for (const [epoch, log] of this.logs) {
      if (epochs.includes(epoch)) continue;
      this.logs.delete(epoch);
      await log.close();
    }
    const kept = new Set([
      MANIFEST_NAME,
      BROKEN_NAME,
      ...imageNames(manifest),
      ...SUMS_NAMES,
      ...[...epochs, ...(this.openEpoch === undefined ? [] : [this.openEpoch])].map(logName),
    ]);
    for (const name of await this.files.list()) if (!kept.has(name)) await this.files.remove(name);
  }

  async close(): Promise<void> {
    for (const log of this.logs.values()) await log.close();
    await this.images.close();
    await this.slots.close();
  }

  /** @throws SystemError STATE_CONFLICT */
  pointOf(epoch: number): Entry {
    const entry = restorePoints(this.manifest).find((point) => point.epoch === epoch);
    if (entry !== undefined) return entry;
    throw new SystemError("STATE_CONFLICT", `Epoch ${epoch} is no restore point of this replica`);
  }

  private get logPorts(): LogPorts {
    return { files: this.files, kernel: this.kernel, identity: this.manifest };
  }

  /** Reads a log anew and puts it in the place of the one that was open. */
  private async prove(entry: Entry): Promise<void> {
    const { epoch } = entry;
    const log = await EpochLog.open(this.logPorts, entry, parentOf(this.manifest, epoch));
    await this.logs.get(epoch)?.close();
    this.logs.set(epoch, log);
  }
}

/** Runs a check; damage that it finds is noted, and the next one can go on. */
export async function gather(damages: string[], check: () => Promise<unknown>): Promise<void> {
  try {
    await check();
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    damages.push(reasonOf(thrown));
  }
}

/** Damage or an I/O error: the replica is broken by it. */
export function isDamage(thrown: unknown): boolean {
  const { code } = thrown instanceof SystemError ? thrown : { code: undefined };
  return code === "REPLICA_BROKEN" || code === "FILE_FAILED";
}
