// smartctl documents for tests, made from those of the simulated disks.
import { type DiskFault, document, type SimulatedDisk } from "../../../../firmware-sim/disks.ts";

type Json = Record<string, unknown>;

/** A document as a mutable object. */
export function smartDocument(
  kind: SimulatedDisk["kind"],
  fault: DiskFault = "none",
  faultTicks = 0,
): Json {
  const name = kind === "ata" ? "sda" : "nvme0";
  const identity = { name, kind, serial: `SIM-TEST-${name}`, capacityBytes: 4_000_787_030_016 };
  return document({ ...identity, powerOnHours: 100, fault, faultTicks }) as Json;
}

/** The same as text, with top-level keys replaced (undefined removes one). */
export function smartText(kind: SimulatedDisk["kind"], changes: Json = {}): string {
  return JSON.stringify({ ...smartDocument(kind), ...changes });
}

/** A document with one ATA attribute, its raw value given as JSON text. */
export function attributeText(id: number, rawJson: string, rawString = ""): string {
  const raw = `{"value":${rawJson},"string":${JSON.stringify(rawString)}}`;
  const row = `{"id":${id},"name":"X","value":100,"worst":100,"thresh":0,"raw":${raw}}`;
  return smartText("ata", { ata_smart_attributes: "ROWS" }).replace('"ROWS"', `{"table":[${row}]}`);
}
