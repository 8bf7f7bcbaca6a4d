/**
 * What agents and NIC firmware have said of their servers, the newest of each: shown, and decided
 * on nowhere.
 * @module
 */
import type { Principal } from "../protocol/ids.ts";
import type { BaselinesTaken, Telemetry } from "../protocol/prediction.ts";
import type { DrillRecord } from "./drill.ts";
import type { Seen } from "./status.ts";
import { type SensorFaultRecord, sensorOf } from "./store.ts";

export interface Heard {
  takeTelemetry(from: Principal, telemetry: Telemetry): void;
  takeBaselines(taken: BaselinesTaken): void;
  /** The newest of each replica's host. */
  takeDrill(record: DrillRecord): void;
  /** A sensor that reads again is a fault no more. */
  takeFault(record: SensorFaultRecord): void;
  seen(): Pick<Seen, "sensorFaults" | "telemetry" | "baselinesTaken" | "drills">;
}

/** With what the store holds. */
export function heardOf(
  faults: readonly SensorFaultRecord[],
  drilled: readonly DrillRecord[],
): Heard {
  const sensorFaults = new Map(faults.map((record) => [sensorOf(record.fault), record]));
  const baselinesTaken = new Map<string, BaselinesTaken>();
  const drills = new Map(drilled.map((record) => [replicaOf(record), record]));
  const newest = new Map<Principal, Telemetry>();
  return {
    takeTelemetry: (from, telemetry) => void newest.set(from, telemetry),
    takeBaselines: (taken) => void baselinesTaken.set(taken.serverId, taken),
    takeDrill: (record) => void drills.set(replicaOf(record), record),
    takeFault(record) {
      sensorFaults.delete(sensorOf(record.fault));
      if (record.fault.status !== "ok") sensorFaults.set(sensorOf(record.fault), record);
    },
    seen() {
      const telemetry: Record<string, Record<string, Telemetry>> = {};
      for (const [from, one] of newest) {
        telemetry[one.serverId] = { ...telemetry[one.serverId], [from]: one };
      }
      const sensorFaultsNow = [...sensorFaults.values()];
      const drillsNow = [...drills.values()];
      return { telemetry, baselinesTaken, sensorFaults: sensorFaultsNow, drills: drillsNow };
    },
  };
}

function replicaOf({ vmId, hostId }: DrillRecord): string {
  return `${vmId}/${hostId}`;
}
