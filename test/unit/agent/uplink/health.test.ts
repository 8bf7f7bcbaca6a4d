// The way from a dying disk to a management server's journal, over a real link on loopback; the
// server's end is the test's.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type HealthOptions, sensorsConfig, watchHealth } from "../../../../agent/uplink/health.ts";
import { deviceFiles, startDevices, stepDevices } from "../../../../firmware-sim/faults.ts";
import { type KeptPasts, keptPasts } from "../../../../predictor/drive-past.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { hostId, operationId, serverId } from "../../../../protocol/ids.ts";
import type { Deliver, Message } from "../../../../protocol/message.ts";
import type { BaselinesTaken, Telemetry } from "../../../../protocol/prediction.ts";
import type { CommandResult } from "../../../../runtime/command.ts";
import { memoryFiles } from "../../../../runtime/files.ts";
import type { Link } from "../../../../runtime/link.ts";
import { listenLinks } from "../../../../runtime/link-server.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { memorySmallFiles } from "../../../../runtime/small-files.ts";
import { makeFolder } from "../../runtime/folder.ts";
import { ports, SECRET, until } from "../../runtime/ports.ts";

const health = suite("health");
const closers: (() => unknown)[] = [];

health.after.each(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The management server's end: what it was told, and whether it acknowledges. */
async function management(port = 0) {
  const deliveries: Deliver[] = [];
  const telemetry: Telemetry[] = [];
  const taken: Pick<BaselinesTaken, "taken" | "lapsed">[] = [];
  const links: Link[] = [];
  const desk = { acknowledges: true };
  const take = (link: Link, message: Message): void => {
    if (message.type === "telemetry") telemetry.push(message);
    if (message.type === "baselines-taken") {
      taken.push({ taken: message.taken, lapsed: message.lapsed });
    }
    if (message.type !== "deliver") return;
    deliveries.push(message);
    const { spool, sequence } = message;
    if (desk.acknowledges) link.send({ type: "delivered", spool, sequence });
  };
  const server = await listenLinks({
    ...ports,
    self: "management",
    host: "127.0.0.1",
    port,
    insecureNetwork: false,
    secretOf: (who) => (who === "agent:alpha" ? SECRET : undefined),
    accepts: ["agent"],
    onLink: (link) => links.push(link),
    onMessage: take,
    onDown: () => undefined,
  });
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) await server.close();
    closed = true;
  };
  closers.push(close);
  const predicted = () =>
    deliveries.flatMap(({ body }) => (body.type === "prediction" ? [body] : []));
  return { port: server.port, links, taken, deliveries, telemetry, desk, predicted, close };
}

/** A simulated server's files and its smartctl, without processes. */
function machine() {
  let devices = startDevices("alpha", "boot-1");
  const fileOf = (path: string): string => deviceFiles(devices)[path]!;
  const result = (stdout: string): CommandResult => ({ code: 0, stdout, stderr: "" });
  const entries = Object.fromEntries(
    Object.entries(deviceFiles(devices)).map(([path, text]) => [`/${path}`, text]),
  );
  return {
    files: memoryFiles(entries),
    smallFiles: memorySmallFiles(entries),
    async run(_file: string, args: readonly string[]) {
      if (args.includes("--scan-open")) return result(fileOf("smart/scan.json"));
      return result(fileOf(`smart/${args.at(-1)!.replace("/dev/", "")}.json`));
    },
    breakDisk() {
      const command = { type: "disk", fault: "dying" } as const;
      devices = stepDevices(devices, { type: "fault", command });
      for (let tick = 0; tick < 8; tick++) devices = stepDevices(devices, { type: "tick" });
    },
  };
}

const answer = async (): Promise<unknown> => ({});
const inventory = {
  osInfo: answer,
  system: async () => ({ model: "Simulated" }),
  baseboard: answer,
  memLayout: answer,
  diskLayout: answer,
};

function start(port: number, spoolPath: string, options: Partial<HealthOptions> = {}) {
  const { files, smallFiles, run, breakDisk } = machine();
  const running = watchHealth({
    ...ports,
    random: seededRandom(closers.length + 1),
    hostId: hostId.parse("alpha"),
    serverId: serverId.parse("alpha"),
    sensors: sensorsConfig.parse({ filesMs: 100, slowFilesMs: 100, disksMs: 100 }),
    url: `ws://127.0.0.1:${port}`,
    secret: SECRET,
    spoolPath,
    files,
    smallFiles,
    run,
    measure: async () => 7,
    inventory,
    residentBytes: () => 123,
    telemetryMs: 50,
    ...options,
  });
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await running.stop();
    stopped = true;
  };
  closers.push(stop);
  return { ...running, stop, breakDisk };
}

health("watchHealth() delivers a prediction once, with its evidence", async () => {
  const server = await management();
  const { breakDisk, pending, risks } = start(server.port, join(makeFolder(), "spool"));
  await until(() => risks().length === 8, "a first look at every device");
  assert.equal(server.deliveries, []);
  breakDisk();
  await until(() => server.predicted().length > 0, "the prediction");
  await until(() => pending() === 0, "its acknowledgement");
  const [prediction] = server.predicted();
  assert.is(prediction!.serverId, "alpha");
  assert.is(prediction!.source, "agent");
  assert.equal([prediction!.component, prediction!.device], ["disk", "sda"]);
  const signals = prediction!.evidence.map(({ signal }) => signal);
  assert.ok(signals.includes("smart-197") && signals.includes("smart-198"));
  await until(() => server.telemetry.some(({ risk }) => risk > 0.5), "its risk");
  assert.is(server.predicted().length, 1);
});

health("watchHealth() sends the newest state at once and again, with its counts", async () => {
  const server = await management();
  start(server.port, join(makeFolder(), "spool"));
  await until(() => server.telemetry.some(({ sensors }) => sensors > 10), "a full telemetry");
  const { sensors: _sensors, parameters: _parameters, ...rest } = server.telemetry.at(-1)!;
  const expected = { type: "telemetry", serverId: "alpha", risk: 0, sensorFaults: 0 };
  assert.equal(rest, { ...expected, residentBytes: 123 });
});

health("watchHealth() sends the host's operating parameters", async () => {
  const server = await management();
  const parameters = { latencyTo: "192.0.2.1:80" };
  const sensors = sensorsConfig.parse({ filesMs: 100, slowFilesMs: 100, parameters });
  start(server.port, join(makeFolder(), "spool"), { sensors });
  const known = () => server.telemetry.at(-1)?.parameters ?? {};
  await until(() => known()["network-latency"] === 7, "the latency");
  await until(() => known()["temperature"] !== undefined, "a temperature");
});

health("watchHealth() sends again on a new link what was not acknowledged", async () => {
  const first = await management();
  first.desk.acknowledges = false;
  const { breakDisk, pending } = start(first.port, join(makeFolder(), "spool"));
  breakDisk();
  await until(() => first.predicted().length > 0, "the prediction");
  await first.close();
  const second = await management(first.port);
  await until(() => second.predicted().length > 0, "the prediction again");
  await until(() => pending() === 0, "its acknowledgement");
  assert.equal(second.deliveries[0], first.deliveries[0]);
});

health("watchHealth() keeps a prediction over a restart, while nobody listens", async () => {
  const gone = await management();
  await gone.close();
  const spoolPath = join(makeFolder(), "spool");
  const first = start(gone.port, spoolPath);
  first.breakDisk();
  await until(() => first.pending() === 2, "the risk and the prediction on the disk");
  await first.stop();
  const second = start(gone.port, spoolPath);
  assert.is(second.pending(), 2);
  const server = await management(gone.port);
  await until(() => server.predicted().length > 0, "the prediction");
  await until(() => second.pending() === 0, "its acknowledgement");
  assert.is(server.predicted().length, 1);
});

health(
  "watchHealth() tells of a sensor that fails, and does not take it for a disk's",
  async () => {
    const server = await management();
    const run = (): Promise<never> =>
      Promise.reject(new SystemError("COMMAND_NOT_FOUND", "Cannot start smartctl"));
    start(server.port, join(makeFolder(), "spool"), { run });
    await until(() => server.deliveries.length > 0, "the sensor fault");
    assert.equal(server.deliveries[0]!.body, {
      type: "sensor-fault",
      serverId: "alpha",
      sensor: "disk/scan/scan",
      status: "missing",
      reason: "Cannot start smartctl: is smartmontools installed?",
    });
    assert.equal(server.predicted(), []);
  },
);

health("watchHealth() asks ethtool and ipmitool where they are configured", async () => {
  const server = await management();
  const asked = new Set<string>();
  const run = async (file: string, args: readonly string[]): Promise<CommandResult> => {
    asked.add([file, ...args].join(" "));
    const stdout = file === "ipmitool" ? "Fan1 | 30h | ok | 7.1 | 5040 RPM\n" : "";
    return { code: 0, stdout, stderr: "" };
  };
  const { risks } = start(server.port, join(makeFolder(), "spool"), {
    run,
    sensors: sensorsConfig.parse({
      ethtool: ["ethtool"],
      ipmitool: ["ipmitool", "-N", "5"],
      filesMs: 100,
    }),
  });
  await until(() => risks().some(({ device }) => device === "ipmi/Fan1"), "the fan");
  assert.ok(asked.has("ipmitool -N 5 sdr elist"));
  assert.ok(asked.has("ethtool -S eth0"));
});

health("watchHealth() keeps the inventory, and is silent once stopped", async () => {
  const server = await management();
  const running = start(server.port, join(makeFolder(), "spool"));
  await until(() => running.inventory() !== undefined, "the inventory");
  assert.is(running.inventory()!.system.model, "Simulated");
  await until(() => server.telemetry.length > 0, "a telemetry");
  await running.stop();
  const before = server.telemetry.length;
  await ports.clock.sleep(150);
  assert.ok(server.telemetry.length <= before + 1);
});

health("watchHealth() refuses to speak for another server", () => {
  const folder = makeFolder();
  const refused = () => start(1, join(folder, "spool"), { serverId: serverId.parse("bravo") });
  assert.throws(refused, (error: unknown) => (error as SystemError).code === "CONFIG_INVALID");
});

const REDFISH = { url: "https://192.0.2.1", username: "reader", passwordFile: "/etc/password" };

health("sensorsConfig takes a fingerprint as tools print it", () => {
  const fingerprint = Array.from({ length: 32 }, () => "AB").join(":");
  const { redfish } = sensorsConfig.parse({ redfish: { ...REDFISH, fingerprint } });
  assert.is(redfish?.fingerprint, "ab".repeat(32));
});

health("sensorsConfig fills what is left out and refuses what cannot be used", () => {
  assert.equal(sensorsConfig.parse({}), {
    root: "",
    smartctl: ["smartctl"],
    ethtool: [],
    ipmitool: [],
    virtualInterfaces: false,
    behindController: [],
    filesMs: 1_000,
    slowFilesMs: 60_000,
    ethtoolMs: 60_000,
    ipmitoolMs: 60_000,
    redfishMs: 60_000,
    disksMs: 300_000,
    scanMs: 3_600_000,
    parameters: { latencyMs: 5_000 },
  });
  const bad = [
    { root: "relative" },
    { smartctl: [] },
    { devicePattern: "(" },
    { filesMs: 1 },
    { disksMs: 0 },
    { behindController: [{ path: "/etc/passwd", type: "areca,1" }] },
    { behindController: [{ path: "/dev/sg2", type: "-d" }] },
    { other: 1 },
    { redfish: { ...REDFISH, fingerprint: "12:34" } },
    { redfish: { ...REDFISH, passwordFile: "relative" } },
    { redfish: { url: REDFISH.url } },
  ];
  for (const value of bad)
    assert.not(sensorsConfig.safeParse(value).success, JSON.stringify(value));
});

health("watchHealth() keeps what it knows of each drive's past for its next life", async () => {
  const server = await management();
  const spoolPath = join(makeFolder(), "spool");
  const keptIn = (): KeptPasts =>
    keptPasts.parse(JSON.parse(readFileSync(`${spoolPath}.drives`, "utf8")));
  const first = start(server.port, spoolPath);
  const isJudged = (): boolean => first.risks().some(({ component }) => component === "disk");
  await until(isJudged, "a look at the disks");
  await first.stop();
  const before = keptIn();
  assert.ok(before.drives.length > 0);
  // Stopped before it saw a disk: nothing is forgotten.
  const second = start(server.port, spoolPath, { run: () => new Promise(() => undefined) });
  await second.stop();
  const after = keptIn();
  assert.equal(hardwareIn(after), hardwareIn(before));
  assert.is.not(after.keptAt, before.keptAt);
});

function hardwareIn({ drives }: KeptPasts): string[] {
  return drives.map(({ hardware }) => hardware).sort();
}

health("watchHealth() heeds what was acknowledged, over a restart too", async () => {
  const server = await management();
  const spoolPath = join(makeFolder(), "spool");
  const first = start(server.port, spoolPath);
  await until(() => server.links.length > 0, "the link");
  const baselines = ["smart-197", "smart-198"].map((signal) => ({
    baselineId: operationId.parse(signal),
    component: "disk" as const,
    device: "sda",
    signal,
    value: 1e6,
  }));
  server.links[0]!.send({ type: "baselines", serverId: serverId.parse("alpha"), baselines });
  await until(() => server.taken.length > 0, "the agent's word");
  assert.equal(server.taken.at(-1), { taken: ["smart-197", "smart-198"], lapsed: [] });
  const { stop } = first;
  await stop();
  const second = start(server.port, spoolPath);
  second.breakDisk();
  await until(() => server.deliveries.length > 0, "what else is wrong with it");
  const signals = server.deliveries.flatMap(({ body }) =>
    "evidence" in body
      ? body.evidence.filter(({ rule }) => rule === "two-of-five").map(({ signal }) => signal)
      : [],
  );
  assert.not(signals.includes("smart-197") || signals.includes("smart-198"), signals.join());
});

health.run();
