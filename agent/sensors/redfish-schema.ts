/**
 * The parts of Redfish documents that are read: DMTF schemas Thermal, Power, Sensor, Port,
 * PortMetrics and ComputerSystem. Everything is optional and unknown keys are ignored: services
 * differ, and what one part lacks must not hide the others.
 * @module
 */
import { z } from "zod";

/** A number where there is one; null, text and objects count as absent. */
const number = z.number().optional().catch(undefined);
const counter = z.union([z.int().nonnegative(), z.bigint().nonnegative()]).optional();
const word = z.string().max(128).optional().catch(undefined);
export const link = z.object({ "@odata.id": z.string() });
const maybeLink = link.optional().catch(undefined);

export const status = z
  .object({ State: word, Health: word, HealthRollup: word })
  .optional()
  .catch(undefined);
export type Status = z.infer<typeof status>;

/** A list of which each item that cannot be read is left out. */
function listOf<Schema extends z.ZodType>(item: Schema) {
  return z
    .array(z.unknown())
    .catch([])
    .transform((items) => items.flatMap((one) => item.safeParse(one).data ?? []));
}

export const collection = z.object({ Members: listOf(link) });
const named = z.object({ MemberId: word, Name: word, Status: status });

export const chassis = z.object({
  Id: word,
  Thermal: maybeLink,
  Power: maybeLink,
  Sensors: maybeLink,
  NetworkAdapters: maybeLink,
});

const temperature = named.extend({
  ReadingCelsius: number,
  UpperThresholdNonCritical: number,
  UpperThresholdCritical: number,
  UpperThresholdFatal: number,
});
const fan = named.extend({
  FanName: word,
  Reading: number,
  ReadingUnits: word,
  LowerThresholdCritical: number,
});
export const thermal = z.object({
  Temperatures: listOf(temperature),
  Fans: listOf(fan),
  Redundancy: listOf(named),
});

const voltage = named.extend({
  ReadingVolts: number,
  LowerThresholdCritical: number,
  UpperThresholdCritical: number,
});
const supply = named.extend({ LastPowerOutputWatts: number, PowerOutputWatts: number });
const control = named.extend({ PowerConsumedWatts: number });
export const power = z.object({
  Voltages: listOf(voltage),
  PowerSupplies: listOf(supply),
  PowerControl: listOf(control),
  Redundancy: listOf(named),
});

const threshold = z.object({ Reading: number }).optional().catch(undefined);
export const sensor = z.object({
  Id: word,
  Name: word,
  Status: status,
  Reading: number,
  ReadingUnits: word,
  ReadingType: word,
  PhysicalContext: word,
  Thresholds: z
    .object({
      UpperCaution: threshold,
      UpperCritical: threshold,
      UpperFatal: threshold,
      LowerCritical: threshold,
    })
    .optional()
    .catch(undefined),
});
export type SensorDocument = z.infer<typeof sensor>;

export const adapter = z.object({ Id: word, Ports: maybeLink, NetworkPorts: maybeLink });
export const port = z.object({
  Id: word,
  Status: status,
  LinkStatus: word,
  CurrentSpeedGbps: number,
  Metrics: maybeLink,
});
export const portMetrics = z.object({
  RXBytes: counter.catch(undefined),
  TXBytes: counter.catch(undefined),
  Networking: z
    .object({
      RXFrames: counter.catch(undefined),
      TXFrames: counter.catch(undefined),
      RXFCSErrors: counter.catch(undefined),
      RXDiscards: counter.catch(undefined),
      TXDiscards: counter.catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type PortMetrics = z.infer<typeof portMetrics>;

const summary = z.object({ Status: status }).optional().catch(undefined);
export const system = z.object({
  Id: word,
  MemorySummary: summary,
  ProcessorSummary: summary,
});
