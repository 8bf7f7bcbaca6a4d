/**
 * What the management server must not forget: settings, predictions, evacuations, how far each
 * sender's deliveries were taken, and the time line.
 * @module
 */
import { z } from "zod";
import { type Event, event } from "../protocol/operator.ts";
import {
  type RiskChange,
  riskChange,
  type SensorFault,
  type ServerComponents,
  sensorFault,
  serverComponents,
} from "../protocol/prediction.ts";
import { type Database, openDatabase } from "../runtime/database.ts";
import { readRecord } from "../runtime/record.ts";
import {
  ALARMS_KEPT,
  type AlarmRecord,
  alarmRecord,
  type FailureRecord,
  failureRecord,
  isOpen,
} from "./alarm.ts";
import { type BaselineRecord, baselineRecord } from "./baseline.ts";
import { type DrillRecord, drillRecord } from "./drill.ts";
import { type PlaceRecord, placeRecord } from "./place.ts";
import { type RulesRecord, rulesRecord } from "./rules/record.ts";
import {
  type EvacuationRecord,
  evacuationRecord,
  keyOf,
  type PredictionRecord,
  predictionRecord,
  type Settings,
  settings,
} from "./state.ts";

/** Events of the time line that are kept; the oldest give way. */
export const EVENTS_KEPT = 100_000;
/** Newest predictions and sensor faults, each of another device or sensor. */
const DEVICES_KEPT = 10_000;
const EVACUATIONS_DONE_KEPT = 1_000;
/** A sender that lost its disk begins a new spool; it never goes back to an older one. */
const SPOOLS_KEPT = 4;

const keyed = (name: string): string =>
  `CREATE TABLE ${name} (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     done INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT;`;

const MIGRATIONS = [
  `${["settings", "predictions", "evacuations", "sensor_faults"].map(keyed).join("\n")}
   CREATE TABLE spools (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     principal TEXT NOT NULL,
     spool TEXT NOT NULL,
     sequence INTEGER NOT NULL,
     UNIQUE (principal, spool)
   ) STRICT;
   CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL) STRICT;`,
  `${["alarms", "failures", "risks", "watched"].map(keyed).join("\n")}`,
  keyed("baselines"),
  keyed("components"),
  keyed("rules"),
  keyed("places"),
  keyed("drills"),
];

export const sensorFaultRecord = z.strictObject({
  fault: sensorFault,
  from: z.string().max(80),
  wallTime: z.string().max(32),
});
export type SensorFaultRecord = z.infer<typeof sensorFaultRecord>;

const RISK_STEPS_MAX = 8;

/** The newest change of a device's risk, and how it came there. */
export const riskRecord = z.strictObject({
  change: riskChange,
  wallTime: z.string().max(32),
  /** The changes before, since it was well; the oldest first. */
  earlier: z
    .array(
      z.strictObject({
        to: riskChange.shape.to,
        wallTime: z.string().max(32),
        values: z.record(z.string(), z.number()),
      }),
    )
    .max(RISK_STEPS_MAX),
});

/** A change after those that are known of the device. */
export function nextRisk(
  known: RiskRecord | undefined,
  change: RiskChange,
  wallTime: string,
): RiskRecord {
  if (known === undefined) return { change, wallTime, earlier: [] };
  const { evidence, to } = known.change;
  const values = Object.fromEntries(evidence.map(({ signal, value }) => [signal, value]));
  const step = { to, wallTime: known.wallTime, values };
  return { change, wallTime, earlier: [...known.earlier, step].slice(-RISK_STEPS_MAX) };
}
export type RiskRecord = z.infer<typeof riskRecord>;

/** How long a server was watched: its agent or its NIC firmware had a link. */
export const watchedRecord = z.strictObject({
  serverId: z.string().max(63),
  watchedMs: z.number().nonnegative(),
});
export type WatchedRecord = z.infer<typeof watchedRecord>;

/** An event before it has an id; `detail` is plain data that JSON can say. */
export type NewEvent = Omit<Event, "id" | "type" | "detail"> & { readonly detail?: object };

export interface Records {
  readonly settings: Settings;
  readonly predictions: PredictionRecord[];
  readonly evacuations: EvacuationRecord[];
  readonly sensorFaults: SensorFaultRecord[];
  readonly alarms: AlarmRecord[];
  readonly risks: RiskRecord[];
  readonly watched: WatchedRecord[];
  readonly baselines: BaselineRecord[];
  readonly components: ServerComponents[];
  readonly rules: RulesRecord[];
  readonly places: PlaceRecord[];
  readonly drills: DrillRecord[];
}

/** A new site watches and writes down, and does nothing. */
const FIRST_SETTINGS: Settings = { mode: "shadow", disarmed: false, hosts: {} };

/** Each call throws SystemError NO_SPACE, JOURNAL_CORRUPT or JOURNAL_FAILED; all are fatal. */
export interface ManagementStore {
  load(): Records;
  saveSettings(settings: Settings): void;
  savePrediction(record: PredictionRecord): void;
  /** By `keyOf`. */
  forgetPrediction(key: string): void;
  saveEvacuation(record: EvacuationRecord): void;
  /** Forgets the fault again when its status is `ok`. */
  saveSensorFault(record: SensorFaultRecord): void;
  saveAlarm(alarm: AlarmRecord): void;
  /** A failure that nothing had told of. */
  saveFailure(failure: FailureRecord): void;
  failures(): FailureRecord[];
  /** Forgets it again once the device is well. */
  saveRisk(record: RiskRecord): void;
  saveWatched(record: WatchedRecord): void;
  saveComponents(components: ServerComponents): void;
  saveBaseline(record: BaselineRecord): void;
  forgetBaseline(baselineId: string): void;
  saveRules(record: RulesRecord): void;
  forgetRules(vmId: string): void;
  savePlace(record: PlaceRecord): void;
  forgetPlace(vmId: string): void;
  /** The newest of each VM and host. */
  saveDrill(record: DrillRecord): void;
  /** The highest sequence of a sender's spool that was taken; 0 before the first. */
  takenOf(principal: string, spool: string): number;
  saveTaken(principal: string, spool: string, sequence: number): void;
  appendEvent(event: NewEvent): void;
  /** The events with a higher id, in order, `limit` at most. */
  eventsAfter(id: number, limit: number): Event[];
  /** Makes all that `task` saves durable at once. */
  transaction(task: () => void): void;
  close(): void;
}

/** Opens the store in a file of this user's own (":memory:" for tests). */
export function openManagementStore(path: string, eventsKept = EVENTS_KEPT): ManagementStore {
  const database = openDatabase(path, MIGRATIONS);
  return {
    load: () => ({
      settings: readAll(database, "settings", settings)[0] ?? FIRST_SETTINGS,
      predictions: readAll(database, "predictions", predictionRecord),
      evacuations: readAll(database, "evacuations", evacuationRecord),
      sensorFaults: readAll(database, "sensor_faults", sensorFaultRecord),
      alarms: readAll(database, "alarms", alarmRecord),
      risks: readAll(database, "risks", riskRecord),
      watched: readAll(database, "watched", watchedRecord),
      baselines: readAll(database, "baselines", baselineRecord),
      components: readAll(database, "components", serverComponents),
      rules: readAll(database, "rules", rulesRecord),
      places: readAll(database, "places", placeRecord),
      drills: readAll(database, "drills", drillRecord),
    }),
    saveSettings: (record) => upsert(database, "settings", "settings", record),
    savePrediction(record) {
      upsert(database, "predictions", keyOf(record.prediction), record, true);
      forget(database, "predictions", DEVICES_KEPT);
    },
    forgetPrediction(key) {
      database.run("DELETE FROM predictions WHERE id = ?", key);
    },
    saveEvacuation(record) {
      const done = record.phase === "done";
      upsert(database, "evacuations", record.evacuationId, record, done);
      if (done) forget(database, "evacuations", EVACUATIONS_DONE_KEPT);
    },
    saveSensorFault(record) {
      const id = sensorOf(record.fault);
      if (record.fault.status === "ok") {
        database.run("DELETE FROM sensor_faults WHERE id = ?", id);
        return;
      }
      upsert(database, "sensor_faults", id, record, true);
      forget(database, "sensor_faults", DEVICES_KEPT);
    },
    saveAlarm(alarm) {
      upsert(database, "alarms", alarm.alarmId, alarm, !isOpen(alarm));
      forget(database, "alarms", ALARMS_KEPT);
    },
    saveFailure(failure) {
      upsert(database, "failures", failure.failureId, failure, true);
      forget(database, "failures", ALARMS_KEPT);
    },
    failures: () => readAll(database, "failures", failureRecord),
    saveRisk(record) {
      const id = keyOf(record.change);
      if (!isUnwell(record)) {
        database.run("DELETE FROM risks WHERE id = ?", id);
        return;
      }
      upsert(database, "risks", id, record, true);
      forget(database, "risks", DEVICES_KEPT);
    },
    saveWatched(record) {
      upsert(database, "watched", record.serverId, record, true);
      forget(database, "watched", DEVICES_KEPT);
    },
    saveComponents(components) {
      upsert(database, "components", components.serverId, components, true);
      forget(database, "components", DEVICES_KEPT);
    },
    saveBaseline: (record) => upsert(database, "baselines", record.baselineId, record),
    forgetBaseline(baselineId) {
      database.run("DELETE FROM baselines WHERE id = ?", baselineId);
    },
    saveRules: (record) => upsert(database, "rules", record.vmId, record),
    forgetRules(vmId) {
      database.run("DELETE FROM rules WHERE id = ?", vmId);
    },
    savePlace: (record) => upsert(database, "places", record.vmId, record),
    forgetPlace(vmId) {
      database.run("DELETE FROM places WHERE id = ?", vmId);
    },
    saveDrill(record) {
      upsert(database, "drills", `${record.vmId}/${record.hostId}`, record, true);
      forget(database, "drills", DEVICES_KEPT);
    },
    takenOf: (principal, spool) => takenOf(database, principal, spool),
    saveTaken: (principal, spool, sequence) => saveTaken(database, principal, spool, sequence),
    appendEvent(record) {
      database.run("INSERT INTO events (record) VALUES (?)", JSON.stringify(record));
      database.run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", eventsKept);
    },
    eventsAfter: (id, limit) => eventsAfter(database, id, limit),
    transaction: (task) => database.transaction(task),
    close: () => database.close(),
  };
}

/** What a sensor fault is about: the newest of each is kept. */
export function sensorOf({ serverId, sensor }: SensorFault): string {
  return `${serverId}/${sensor}`;
}

/** Whether the device is suspect or failing. */
export function isUnwell({ change: { to } }: RiskRecord): boolean {
  return to === "suspect" || to === "failing";
}

type Table =
  | "settings"
  | "predictions"
  | "evacuations"
  | "sensor_faults"
  | "alarms"
  | "failures"
  | "risks"
  | "watched"
  | "baselines"
  | "components"
  | "rules"
  | "places"
  | "drills";

function upsert(database: Database, table: Table, id: string, record: unknown, done = false): void {
  database.run(
    `INSERT INTO ${table} (id, done, record) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET done = excluded.done, record = excluded.record`,
    id,
    done ? 1 : 0,
    JSON.stringify(record),
  );
}

/** Drops what is done and began before the `kept` newest. */
function forget(database: Database, table: Table, kept: number): void {
  database.run(
    `DELETE FROM ${table} WHERE done = 1 AND number <= (SELECT max(number) FROM ${table}) - ?`,
    kept,
  );
}

function readAll<Schema extends z.ZodType>(
  database: Database,
  table: Table,
  schema: Schema,
): z.output<Schema>[] {
  const rows = database.all(`SELECT record FROM ${table} ORDER BY number`);
  return rows.map(({ record }) => readRecord(schema, record, table));
}

function takenOf(database: Database, principal: string, spool: string): number {
  const sql = "SELECT sequence FROM spools WHERE principal = ? AND spool = ?";
  return Number(database.all(sql, principal, spool)[0]?.["sequence"] ?? 0);
}

function saveTaken(database: Database, principal: string, spool: string, sequence: number): void {
  database.run(
    `INSERT INTO spools (principal, spool, sequence) VALUES (?, ?, ?)
     ON CONFLICT (principal, spool) DO UPDATE SET sequence = max(sequence, excluded.sequence)`,
    principal,
    spool,
    sequence,
  );
  database.run(
    `DELETE FROM spools WHERE principal = ?1 AND number NOT IN
     (SELECT number FROM spools WHERE principal = ?1 ORDER BY number DESC LIMIT ?2)`,
    principal,
    SPOOLS_KEPT,
  );
}

function eventsAfter(database: Database, after: number, limit: number): Event[] {
  const sql = "SELECT id, record FROM events WHERE id > ? ORDER BY id LIMIT ?";
  return database.all(sql, after, limit).map(({ id, record }) => ({
    type: "event",
    id: Number(id),
    ...readRecord(event.omit({ id: true, type: true }), record, "events"),
  }));
}
