/**
 * What the server's own service processor measures, over Redfish: temperatures, fans, power, and
 * the counters of its network ports.
 *
 * A read asks for each resource once, one after the other: these processors are slow. What a
 * resource is made of changes seldom, so the tree is walked once an hour, and only its leaves are
 * read each time.
 * @module
 */
import type { z } from "zod";
import { absent, type Reading, type Sensor } from "../../predictor/reading.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type Redfish, resourcePath } from "../../runtime/redfish.ts";
import { parseExactJson } from "./exact-json.ts";
import {
  type Origin,
  portReadings,
  powerReadings,
  sensorReadings,
  systemReadings,
  thermalReadings,
} from "./redfish-readings.ts";
import * as schema from "./redfish-schema.ts";

const ROOT = "/redfish/v1/";
const DEPTH_MAX = 64;
const WALK_MS = 60 * 60_000;
/** Of each collection; a rack of blades has fewer. */
const MEMBERS_MAX = 16;
/** A service without Thermal and Power is asked for each sensor by itself. */
const SENSORS_MAX = 128;
const FAULTS_TOLD_MAX = 4;

export interface RedfishReader {
  /** Never throws: a service that cannot be read is one absent reading, with the reason. */
  read(): Promise<readonly Reading[]>;
}

/** One resource to be read each time, and what its document says. */
interface Leaf {
  readonly path: string;
  readonly parse: (document: unknown) => readonly Reading[] | Promise<readonly Reading[]>;
}

export function redfishReader(redfish: Redfish, clock: Clock): RedfishReader {
  let leaves: readonly Leaf[] = [];
  let walkedAtMs = Number.NEGATIVE_INFINITY;
  const walk = async (): Promise<void> => {
    if (leaves.length > 0 && clock.nowMs() - walkedAtMs < WALK_MS) return;
    leaves = await findLeaves(redfish);
    walkedAtMs = clock.nowMs();
  };
  return {
    async read() {
      const faults: string[] = [];
      const readings: Reading[] = [];
      try {
        await walk();
      } catch (thrown) {
        return [absent(SERVICE, "unreadable", reasonOf(thrown))];
      }
      for (const { path, parse } of leaves) {
        try {
          readings.push(...(await parse(await document(redfish, path))));
        } catch (thrown) {
          faults.push(reasonOf(thrown));
        }
      }
      if (faults.length > 0) walkedAtMs = Number.NEGATIVE_INFINITY;
      return [...readings, serviceReading(faults)];
    },
  };
}

const SERVICE: Sensor = {
  component: "power",
  device: "redfish",
  signal: "health",
  source: ROOT,
};

/** The service itself: it answers, or some of it does not. */
function serviceReading(faults: readonly string[]): Reading {
  if (faults.length === 0) return { ...SERVICE, status: "ok", value: "ok" };
  const told = faults.slice(0, FAULTS_TOLD_MAX).join("; ");
  return absent(SERVICE, "unreadable", `${faults.length} resources cannot be read: ${told}`);
}

async function findLeaves(redfish: Redfish): Promise<readonly Leaf[]> {
  const root = await document(redfish, ROOT);
  const leaves: Leaf[] = [];
  for (const path of await members(redfish, pathIn(root, "Systems"))) {
    const parse = (told: unknown) => systemReadings(parsed(schema.system, told, path), path);
    leaves.push({ path, parse });
  }
  for (const path of await members(redfish, pathIn(root, "Chassis"))) {
    leaves.push(...(await chassisLeaves(redfish, path)));
  }
  if (leaves.length === 0) throw new SystemError("REDFISH_FAILED", "It names no system or chassis");
  return leaves;
}

async function chassisLeaves(redfish: Redfish, path: string): Promise<readonly Leaf[]> {
  const told = parsed(schema.chassis, await document(redfish, path), path);
  const chassis = told.Id ?? path.slice(path.lastIndexOf("/") + 1);
  const origin = (source: string): Origin => ({ chassis, source });
  const leaves: Leaf[] = [];
  const thermal = resourcePath(told.Thermal?.["@odata.id"]);
  if (thermal !== undefined) {
    const parse = (one: unknown) =>
      thermalReadings(parsed(schema.thermal, one, thermal), origin(thermal));
    leaves.push({ path: thermal, parse });
  }
  const power = resourcePath(told.Power?.["@odata.id"]);
  if (power !== undefined) {
    const parse = (one: unknown) => powerReadings(parsed(schema.power, one, power), origin(power));
    leaves.push({ path: power, parse });
  }
  if (leaves.length === 0) {
    const sensors = resourcePath(told.Sensors?.["@odata.id"]);
    for (const at of await members(redfish, sensors, SENSORS_MAX)) {
      const parse = (one: unknown) => sensorReadings(parsed(schema.sensor, one, at), origin(at));
      leaves.push({ path: at, parse });
    }
  }
  for (const at of await members(redfish, resourcePath(told.NetworkAdapters?.["@odata.id"]))) {
    leaves.push(...(await portLeaves(redfish, at, chassis)));
  }
  return leaves;
}

async function portLeaves(
  redfish: Redfish,
  path: string,
  chassis: string,
): Promise<readonly Leaf[]> {
  const adapter = parsed(schema.adapter, await document(redfish, path), path);
  const name = adapter.Id ?? path.slice(path.lastIndexOf("/") + 1);
  const { Ports, NetworkPorts } = adapter;
  const ports = await members(redfish, resourcePath((Ports ?? NetworkPorts)?.["@odata.id"]));
  return ports.map((at) => ({
    path: at,
    async parse(told: unknown) {
      const port = parsed(schema.port, told, at);
      const more = resourcePath(port.Metrics?.["@odata.id"]);
      const metrics =
        more === undefined
          ? undefined
          : parsed(schema.portMetrics, await document(redfish, more), more);
      return portReadings(port, metrics, name, { chassis, source: at });
    },
  }));
}

/** A collection that is not there has no members; one that cannot be read is a fault. */
async function members(
  redfish: Redfish,
  path: string | undefined,
  most = MEMBERS_MAX,
): Promise<readonly string[]> {
  if (path === undefined) return [];
  const { Members } = parsed(schema.collection, await document(redfish, path), path);
  return Members.flatMap((member) => resourcePath(member["@odata.id"]) ?? []).slice(0, most);
}

function pathIn(root: unknown, name: string): string | undefined {
  const value = (root as Record<string, { "@odata.id"?: unknown } | undefined> | null)?.[name];
  return resourcePath(value?.["@odata.id"]);
}

async function document(redfish: Redfish, path: string): Promise<unknown> {
  const text = await redfish.get(path);
  try {
    return parseExactJson(text, DEPTH_MAX);
  } catch (cause) {
    throw new SystemError("REDFISH_FAILED", `${path} is not JSON`, { cause });
  }
}

function parsed<Schema extends z.ZodType>(
  form: Schema,
  told: unknown,
  path: string,
): z.output<Schema> {
  const result = form.safeParse(told);
  if (result.success) return result.data;
  throw new SystemError("REDFISH_FAILED", `${path} is not what it should be`);
}
