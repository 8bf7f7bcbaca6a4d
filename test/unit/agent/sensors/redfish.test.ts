// Redfish services as tables of documents; and, where they lie beside the repository, the trees of
// real ones.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { redfishReader } from "../../../../agent/sensors/redfish.ts";
import { DEFAULT_CONFIG } from "../../../../predictor/config.ts";
import { risks, start, step } from "../../../../predictor/predictor.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { SystemError } from "../../../../protocol/error.ts";
import type { Redfish } from "../../../../runtime/redfish.ts";
import { manualClock } from "../../predictor/manual-clock.ts";

const redfish = suite("redfishReader");
const OK = { State: "Enabled", Health: "OK" };
const link = (id: string) => ({ "@odata.id": id });

/** A service of documents, which counts what it was asked for. */
function serviceOf(documents: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const service: Redfish = {
    async get(path) {
      asked.push(path);
      const found = documents[path] ?? documents[path.replace(/\/$/, "")];
      if (found === undefined) throw new SystemError("REDFISH_FAILED", `No ${path}`);
      return typeof found === "string" ? found : JSON.stringify(found);
    },
    post: () => Promise.reject(new Error("A reader changes nothing")),
    close: () => {},
  };
  return { asked, service };
}

const ROOT = { Systems: link("/redfish/v1/Systems"), Chassis: link("/redfish/v1/Chassis") };
const SERVER = {
  "/redfish/v1": ROOT,
  "/redfish/v1/Systems": { Members: [link("/redfish/v1/Systems/1")] },
  "/redfish/v1/Systems/1": {
    Id: "1",
    MemorySummary: { Status: { HealthRollup: "Warning" } },
    ProcessorSummary: { Status: OK },
  },
  "/redfish/v1/Chassis": { Members: [link("/redfish/v1/Chassis/1U")] },
  "/redfish/v1/Chassis/1U": {
    Id: "1U",
    Thermal: link("/redfish/v1/Chassis/1U/Thermal#here"),
    Power: link("/redfish/v1/Chassis/1U/Power"),
    NetworkAdapters: link("/redfish/v1/Chassis/1U/NetworkAdapters"),
  },
  "/redfish/v1/Chassis/1U/Thermal": {
    Temperatures: [
      {
        MemberId: "0",
        Name: "CPU 1\u0000",
        ReadingCelsius: 41.5,
        UpperThresholdNonCritical: 80,
        UpperThresholdCritical: 90,
        UpperThresholdFatal: 0,
        Status: OK,
      },
      { MemberId: "1", Name: "CPU 2", ReadingCelsius: 0, Status: { State: "Absent" } },
      { MemberId: "2", Name: "Hot", ReadingCelsius: 9_000, Status: OK },
      "nonsense",
    ],
    Fans: [
      {
        MemberId: "0",
        FanName: "Fan 1",
        Reading: 26,
        ReadingUnits: "Percent",
        LowerThresholdCritical: 0,
        Status: { State: "Enabled", Health: "Critical" },
      },
      { MemberId: "1", Name: "Fan 2", Reading: null, ReadingUnits: "RPM", Status: OK },
    ],
  },
  "/redfish/v1/Chassis/1U/Power": {
    Voltages: [
      {
        MemberId: "0",
        ReadingVolts: 12.1,
        LowerThresholdCritical: 11,
        UpperThresholdCritical: 13,
        Status: OK,
      },
    ],
    PowerSupplies: [
      { MemberId: "0", LastPowerOutputWatts: 325, Status: OK },
      { MemberId: "1", LastPowerOutputWatts: 0, Status: { State: "Absent" } },
    ],
    PowerControl: [{ MemberId: "0", PowerConsumedWatts: 344 }],
    Redundancy: [{ MemberId: "0", Status: { Health: "Warning", State: "Enabled" } }],
  },
  "/redfish/v1/Chassis/1U/NetworkAdapters": {
    Members: [link("/redfish/v1/Chassis/1U/NetworkAdapters/A")],
  },
  "/redfish/v1/Chassis/1U/NetworkAdapters/A": {
    Id: "A",
    Ports: link("/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports"),
  },
  "/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports": {
    Members: [link("/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports/0")],
  },
  "/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports/0": {
    Id: "0",
    LinkStatus: "LinkUp",
    Status: OK,
    Metrics: link("/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports/0/Metrics"),
  },
  "/redfish/v1/Chassis/1U/NetworkAdapters/A/Ports/0/Metrics":
    '{"RXBytes": 18446744073709551615, "Networking": {"RXFrames": 7, "RXFCSErrors": 2}}',
};

const told = ({ component, device, signal, ...rest }: Reading): string =>
  `${component} ${device} ${signal} ${rest.status === "ok" ? rest.value : `(${rest.status})`}`;

redfish("read() tells every sensor with its limits, its health and its absence", async () => {
  const readings = await redfishReader(serviceOf(SERVER).service, manualClock()).read();
  assert.equal(readings.map(told), [
    "memory redfish/1/memory health warning",
    "cpu redfish/1/processors health ok",
    "temperature redfish/1U/temperature-0 temperature 41.5",
    "temperature redfish/1U/temperature-0 temperature-max 80",
    "temperature redfish/1U/temperature-0 temperature-critical 90",
    "temperature redfish/1U/temperature-0 health ok",
    "temperature redfish/1U/temperature-1 temperature (missing)",
    "temperature redfish/1U/temperature-2 temperature (implausible)",
    "temperature redfish/1U/temperature-2 health ok",
    "fan redfish/1U/fan-0 fan-speed 26",
    "fan redfish/1U/fan-0 health critical",
    "fan redfish/1U/fan-1 fan-speed (missing)",
    "fan redfish/1U/fan-1 health ok",
    "power redfish/1U/voltage-0 voltage 12.1",
    "power redfish/1U/voltage-0 voltage-min 11",
    "power redfish/1U/voltage-0 voltage-max 13",
    "power redfish/1U/voltage-0 health ok",
    "power redfish/1U/supply-0 power 325",
    "power redfish/1U/supply-0 health ok",
    "power redfish/1U/supply-1 power (missing)",
    "power redfish/1U/consumed-0 power 344",
    "power redfish/1U/redundancy-0 health warning",
    "nic redfish/1U/A-0 carrier 1",
    "nic redfish/1U/A-0 rx-packets 7",
    "nic redfish/1U/A-0 rx-crc-errors 2",
    "nic redfish/1U/A-0 rx-bytes 18446744073709551615",
    "nic redfish/1U/A-0 health ok",
    "power redfish health ok",
  ]);
  assert.equal(
    readings.filter(({ label }) => label !== undefined).map(({ label }) => label)[0],
    "CPU 1",
  );
});

redfish("read() asks for sensors one by one where there is neither Thermal nor Power", async () => {
  const sensors = {
    "0": { Id: "0", Name: "Inlet", Reading: 18, ReadingUnits: "Cel", Status: OK },
    "1": { Id: "1", ReadingType: "Rotational", Reading: 4_200, Status: OK },
    "2": { Id: "2", ReadingUnits: "%", Reading: 3, Status: OK },
  };
  const { service } = serviceOf({
    "/redfish/v1": { Chassis: link("/redfish/v1/Chassis") },
    "/redfish/v1/Chassis": { Members: [link("/redfish/v1/Chassis/1")] },
    "/redfish/v1/Chassis/1": { Id: "1", Sensors: link("/redfish/v1/Chassis/1/Sensors") },
    "/redfish/v1/Chassis/1/Sensors": {
      Members: Object.keys(sensors).map((id) => link(`/redfish/v1/Chassis/1/Sensors/${id}`)),
    },
    ...Object.fromEntries(
      Object.entries(sensors).map(([id, one]) => [`/redfish/v1/Chassis/1/Sensors/${id}`, one]),
    ),
  });
  const readings = await redfishReader(service, manualClock()).read();
  assert.equal(readings.map(told), [
    "temperature redfish/1/sensor-0 temperature 18",
    "temperature redfish/1/sensor-0 health ok",
    "fan redfish/1/sensor-1 fan-speed 4200",
    "fan redfish/1/sensor-1 health ok",
    "power redfish health ok",
  ]);
});

redfish("read() walks the tree once an hour, and reads only its leaves in between", async () => {
  const { asked, service } = serviceOf(SERVER);
  const clock = manualClock();
  const reader = redfishReader(service, clock);
  await reader.read();
  const walked = asked.length;
  await reader.read();
  assert.is(asked.length - walked, 5, "a system, Thermal, Power, a port and its metrics");
  clock.advance(60 * 60_000);
  await reader.read();
  assert.is(asked.length - walked - 5, walked);
});

const BROKEN: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ["a service that is not there", {}, /No \/redfish\/v1/],
  ["a root that names nothing", { "/redfish/v1": {} }, /names no system or chassis/],
  ["a root that is no JSON", { "/redfish/v1": "<html>" }, /is not JSON/],
  ["a root nested without end", { "/redfish/v1": "[".repeat(100) }, /is not JSON/],
];

for (const [what, documents, reason] of BROKEN) {
  redfish(`read() tells of ${what} in one absent reading`, async () => {
    const readings = await redfishReader(serviceOf(documents).service, manualClock()).read();
    assert.is(readings.length, 1);
    const [only] = readings;
    assert.is(only?.status, "unreadable");
    assert.match(only?.status === "ok" ? "" : (only?.reason ?? ""), reason);
  });
}

redfish("read() loses nothing else by one resource that cannot be read", async () => {
  const { "/redfish/v1/Chassis/1U/Power": _power, ...rest } = SERVER;
  const readings = await redfishReader(serviceOf(rest).service, manualClock()).read();
  assert.ok(readings.some(({ signal }) => signal === "temperature"));
  const service = readings.find(({ device }) => device === "redfish");
  assert.match(service?.status === "ok" ? "" : (service?.reason ?? ""), /1 resources.*Power/);
});

// Trees of real services.

const ARCHIVE = new URL("../../../../../shared/data/fixtures.tar.xz", import.meta.url).pathname;
const missing = !existsSync(ARCHIVE)
  ? "documents of real service processors are not here"
  : spawnSync("xz", ["--version"]).status !== 0
    ? "documents of real service processors are here, xz to unpack them is not"
    : undefined;
const check = missing === undefined ? redfish : redfish.skip;
if (missing !== undefined) console.log(`skipped: ${missing}`);

/** A tree of folders with an index.json each, or of files with their path as a name. */
function serviceIn(folder: string): Redfish {
  const read = async (path: string): Promise<string> => {
    const below = path.replace(/^\/redfish\/v1\/?/, "");
    const flat = `_redfish_v1${below === "" ? "" : `_${below.replaceAll("/", "_")}`}.json`;
    const files = [join(folder, below, "index.json"), join(folder, flat)];
    const found = files.find((file) => existsSync(file));
    if (found === undefined) throw new SystemError("REDFISH_FAILED", `No ${path}`);
    return readFileSync(found, "utf8");
  };
  return { get: read, post: () => Promise.reject(new Error("read only")), close: () => {} };
}

/** Tree, readings that have a value at least, and sensors that have none at least. */
const TREES: readonly (readonly [string, number, number])[] = [
  ["hpe-ilo-DL360", 100, 1],
  ["hpe-ilo-DL360_Gen12", 60, 1],
  ["hpe-ilo-DL380a", 100, 1],
  ["dmtf-public-rackmount1", 15, 0],
  ["redfish_ctl-supermicro_x10", 1, 10],
];

check("read() reads the services of real servers, and finds nothing failing in them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-redfish-"));
  try {
    const tar = spawnSync("tar", ["xJf", ARCHIVE, "-C", folder, "./redfish"]);
    assert.is(tar.status, 0, String(tar.stderr));
    for (const [tree, values, absences] of TREES) {
      const clock = manualClock();
      const readings = await redfishReader(serviceIn(join(folder, "redfish", tree)), clock).read();
      const known = readings.filter(({ status }) => status === "ok").length;
      const none = readings.filter(({ status }) => status === "missing").length;
      assert.ok(known >= values, `${tree}: ${known} readings`);
      assert.ok(none >= absences, `${tree}: ${none} without a reading`);
      const event = { type: "readings", atMs: 0, readings } as const;
      const [state] = step(start(0), event, DEFAULT_CONFIG);
      const failing = risks(state).filter(({ risk }) => risk === "failing");
      assert.equal(failing, [], tree);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

redfish.run();
