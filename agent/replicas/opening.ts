/**
 * The store of a replica: opened, or made when there is none yet.
 * @module
 */
import type { Kernel } from "../../epochs/kernel.ts";
import type { ReplicaIdentity } from "../../epochs/replica/manifest.ts";
import {
  createReplica,
  openReplica,
  type Replica,
  type ReplicaPorts,
} from "../../epochs/replica/replica.ts";
import { isDamage } from "../../epochs/replica/store.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import type { DurableReplica } from "../authority/state.ts";
import { dropFolder, filesOf } from "./folders.ts";

/** Log for this much of the guest's RAM: two restore points, and the epoch that comes. */
const LOG_SHARE = 3;
const LOG_BYTES_MIN = 256 * 1024 * 1024;

export interface OpeningPorts {
  readonly folder: string;
  /** Of this replica alone: what it decodes lies in its memory until the next payload. */
  readonly kernel: Kernel;
  /** @throws SystemError NO_SPACE: the disk has no room for a new replica of this guest */
  readonly assertDisk: (definition: FrozenDefinition) => Promise<void>;
}

/** @throws SystemError NO_SPACE, FILE_FAILED, REPLICA_BROKEN */
export async function openStore(
  durable: DurableReplica,
  definition: FrozenDefinition,
  ports: OpeningPorts,
): Promise<Replica> {
  const { folder, kernel } = ports;
  const logBytesMax = Math.max(LOG_BYTES_MIN, LOG_SHARE * definition.memoryBytes);
  const files = filesOf(folder);
  const store = { files, kernel, logBytesMax };
  if ((await files.list()).length === 0) return await create(store, durable, definition, ports);
  try {
    return await openReplica(store, identityOf(durable, definition));
  } catch (thrown) {
    // One that was never whole and cannot be read was being made when its host went down.
    if (!isDamage(thrown) || durable.whole) throw thrown;
    await dropFolder(folder);
    return await create({ ...store, files: filesOf(folder) }, durable, definition, ports);
  }
}

async function create(
  store: ReplicaPorts,
  durable: DurableReplica,
  definition: FrozenDefinition,
  { assertDisk, folder }: OpeningPorts,
): Promise<Replica> {
  try {
    await assertDisk(definition);
    return await createReplica(store, identityOf(durable, definition));
  } catch (thrown) {
    await dropFolder(folder);
    throw thrown;
  }
}

function identityOf(
  { term, stream }: DurableReplica,
  { id, memoryBytes, disks }: FrozenDefinition,
): ReplicaIdentity {
  const diskBytes = disks.map(({ sizeBytes }) => sizeBytes);
  return { vmId: id, term, stream, memoryBytes, diskBytes };
}
