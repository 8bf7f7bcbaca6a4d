/**
 * What the coordinator must not forget: hosts, VMs, sagas, protections and failovers, each a
 * record in JSON.
 * @module
 */
import type { z } from "zod";
import { type Database, openDatabase } from "../runtime/database.ts";
import { readRecord } from "../runtime/record.ts";
import { type FailoverRecord, failoverRecord } from "./failover-record.ts";
import { type ProtectionRecord, protectionRecord } from "./protection-record.ts";
import {
  type HostRecord,
  hostRecord,
  type SagaRecord,
  sagaRecord,
  type VmRecord,
  vmRecord,
} from "./state.ts";

/** Finished sagas kept for who asks again what became of them. */
const SAGAS_DONE_KEPT = 1_000;

const MIGRATIONS = [
  `CREATE TABLE hosts (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE vms (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE sagas (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     done INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT;`,
  `CREATE TABLE protections (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE failovers (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;`,
];

export interface Records {
  readonly hosts: HostRecord[];
  readonly vms: VmRecord[];
  /** In the order in which they began. */
  readonly sagas: SagaRecord[];
  readonly protections: ProtectionRecord[];
  /** The last of each VM. */
  readonly failovers: FailoverRecord[];
}

/** Each call throws SystemError NO_SPACE, JOURNAL_CORRUPT or JOURNAL_FAILED; all are fatal. */
export interface CoordinatorStore {
  load(): Records;
  saveHost(host: HostRecord): void;
  saveVm(vm: VmRecord): void;
  saveSaga(saga: SagaRecord): void;
  saveProtection(protection: ProtectionRecord): void;
  saveFailover(failover: FailoverRecord): void;
  /** Makes all that `task` saves durable at once. */
  transaction(task: () => void): void;
  close(): void;
}

/** Opens the store in a file of this user's own (":memory:" for tests). */
export function openCoordinatorStore(path: string): CoordinatorStore {
  const database = openDatabase(path, MIGRATIONS);
  const upsert = (table: Table, id: string, record: unknown): void => {
    const into = `INSERT INTO ${table} (id, record) VALUES (?, ?)`;
    database.run(`${into} ${ON_CONFLICT}`, id, JSON.stringify(record));
  };
  return {
    load: () => ({
      hosts: read(database, "hosts ORDER BY id", hostRecord),
      vms: read(database, "vms ORDER BY id", vmRecord),
      sagas: read(database, "sagas ORDER BY number", sagaRecord),
      protections: read(database, "protections ORDER BY id", protectionRecord),
      failovers: read(database, "failovers ORDER BY id", failoverRecord),
    }),
    saveHost: (host) => upsert("hosts", host.hostId, host),
    saveVm: (vm) => upsert("vms", vm.vmId, vm),
    saveSaga: (saga) => saveSaga(database, saga),
    saveProtection: (protection) => upsert("protections", protection.vmId, protection),
    saveFailover: (failover) => upsert("failovers", failover.vmId, failover),
    transaction: (task) => database.transaction(task),
    close: () => database.close(),
  };
}

type Table = "hosts" | "vms" | "protections" | "failovers";

const ON_CONFLICT = "ON CONFLICT (id) DO UPDATE SET record = excluded.record";

function saveSaga(database: Database, saga: SagaRecord): void {
  const done = saga.phase === "done" ? 1 : 0;
  database.run(
    `INSERT INTO sagas (id, done, record) VALUES (?, ?, ?) ${ON_CONFLICT}, done = excluded.done`,
    saga.sagaId,
    done,
    JSON.stringify(saga),
  );
  if (done === 0) return;
  database.run(
    `DELETE FROM sagas WHERE done = 1 AND number <= (SELECT max(number) FROM sagas) - ?`,
    SAGAS_DONE_KEPT,
  );
}

function read<Schema extends z.ZodType>(
  database: Database,
  from: string,
  schema: Schema,
): z.output<Schema>[] {
  const rows = database.all(`SELECT record FROM ${from}`);
  return rows.map(({ record }) => readRecord(schema, record, from));
}
