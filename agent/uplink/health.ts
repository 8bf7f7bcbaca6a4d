/**
 * The host's health, from its sensors to the management server: sensors, predictor, spool, link.
 *
 * It works for itself: nothing in it waits for the coordinator or touches a guest.
 * @module
 */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { type Baseline, baselines } from "../../predictor/accepted.ts";
import { type Config, DEFAULT_CONFIG } from "../../predictor/config.ts";
import type { DrivePasts } from "../../predictor/drive.ts";
import { keptPasts, NO_PASTS, resumePasts } from "../../predictor/drive-past.ts";
import type { Effect } from "../../predictor/evidence.ts";
import { type ComponentRisk, risks } from "../../predictor/predictor.ts";
import { telemetryOf } from "../../predictor/report.ts";
import { type HealthReporter, healthReporter } from "../../predictor/reporter.ts";
import { NOTHING_REPORTED, reported } from "../../predictor/standing.ts";
import { SystemError } from "../../protocol/error.ts";
import type { HostId, ServerId } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { openDocument } from "../../runtime/document.ts";
import type { Files } from "../../runtime/files.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import { openRedfish } from "../../runtime/redfish.ts";
import { redfishConfig } from "../../runtime/redfish-config.ts";
import { readPassword } from "../../runtime/secrets.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import type { MeasureAnswer } from "../../runtime/tcp-latency.ts";
import { openUplink, type Uplink } from "../../runtime/uplink.ts";
import { DEVICE_PATTERN, disks, TYPE_PATTERN } from "../sensors/disks.ts";
import { ethtool } from "../sensors/ethtool.ts";
import { type Inventory, type InventorySource, readInventory } from "../sensors/inventory.ts";
import { readIpmi } from "../sensors/ipmi.ts";
import { hardwareAdapters } from "../sensors/network.ts";
import { redfishReader } from "../sensors/redfish.ts";
import { startRounds } from "../sensors/rounds.ts";
import { FILE_SOURCES } from "../sensors/sources.ts";
import { DEFAULT_PERIODS, type SlowReader, type Watch, watchSensors } from "../sensors/watch.ts";
import { keepBaselines } from "./baselines.ts";
import { tellComponents } from "./components.ts";
import { type Parameters, parametersConfig, pattern, watchParameters } from "./parameters.ts";
import { keepDrivePasts } from "./pasts.ts";

const HOUR_MS = 3_600_000;
/** How often it is looked whether a prediction holds no more. */
const LOOK_MS = 1_000;
/** The same for whether a disk came or went, and for what must be kept of its past. */
const COMPONENTS_MS = 60_000;
/** A sensor that was not read for so many of the longest periods is gone. */
const PERIODS_FRESH = 3;
const periodMs = z
  .int()
  .min(100)
  .max(24 * HOUR_MS);
const diskType = z.string().regex(TYPE_PATTERN);
const command = z.array(z.string().min(1).max(4_096)).max(16);

/** What of a host is read, and how often; the `sensors` section of the agent's configuration. */
export const sensorsConfig = z.strictObject({
  /** Where /sys and /proc are found: "" is the machine itself, a path a tree in its place. */
  root: z
    .string()
    .max(4_096)
    .refine((path) => path === "" || isAbsolute(path), "must be empty or an absolute path")
    .default(""),
  /** How smartctl is started: a program and its first arguments. */
  smartctl: command.min(1).default(["smartctl"]),
  /** The same for ethtool (counters of drivers, optical modules) and ipmitool; empty: not asked. */
  ethtool: command.default([]),
  ipmitool: command.default([]),
  /** The server's own service processor; none unless given. */
  redfish: redfishConfig.optional(),
  /** Whether adapters without hardware (bridges, taps) are watched as well. */
  virtualInterfaces: z.boolean().default(false),
  /** A regular expression that a whole device path must match to be asked about. */
  devicePattern: pattern.optional(),
  /** Disks behind controllers, which a scan does not list: a path, and smartctl's -d. */
  behindController: z
    .array(z.strictObject({ path: z.string().regex(DEVICE_PATTERN), type: diskType }))
    .max(256)
    .default([]),
  /** Files of /proc and /sys. */
  filesMs: periodMs.default(DEFAULT_PERIODS.filesMs),
  /** Those of them that are slow, or hold limits. */
  slowFilesMs: periodMs.default(DEFAULT_PERIODS.slowFilesMs),
  ethtoolMs: periodMs.default(60_000),
  ipmitoolMs: periodMs.default(60_000),
  redfishMs: periodMs.default(60_000),
  disksMs: periodMs.default(DEFAULT_PERIODS.disksMs),
  scanMs: periodMs.default(DEFAULT_PERIODS.scanMs),
  parameters: parametersConfig.prefault({}),
});
export type SensorsConfig = z.infer<typeof sensorsConfig>;

export interface HealthOptions {
  readonly hostId: HostId;
  /** Must be `hostId`: an agent speaks for the server of its own name only. */
  readonly serverId: ServerId;
  readonly sensors: SensorsConfig;
  /** ws://host:port of the management server. */
  readonly url: string;
  /** Hexadecimal digits of the secret of `agent:<hostId>`. */
  readonly secret: string;
  readonly spoolPath: string;
  /** Real files below `sensors.root`, by promise and at once. */
  readonly files: Files;
  readonly smallFiles: SmallFiles;
  readonly run: RunCommand;
  readonly measure: MeasureAnswer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The agent's own resident memory. */
  readonly residentBytes: () => number;
  /** The systeminformation package. */
  readonly inventory: InventorySource;
  /** Default: that of runtime/uplink.ts. */
  readonly telemetryMs?: number;
}

export interface Health {
  /** What the host is made of, as of the last hour; undefined until it was read once. */
  inventory(): Inventory | undefined;
  risks(): readonly ComponentRisk[];
  /** Reports that the management server has not acknowledged. */
  pending(): number;
  stop(): Promise<void>;
}

/** @throws SystemError CONFIG_INVALID, SECRET_UNUSABLE, JOURNAL_FAILED */
export function watchHealth(options: HealthOptions): Health {
  const { hostId, serverId, spoolPath, clock, random, log, residentBytes } = options;
  requireOwnServer(options);
  const uplink = openUplink({
    ...options,
    self: `agent:${hostId}`,
    telemetry: () => ({
      ...telemetryOf(watch.state(), serverId, residentBytes()),
      parameters: parameters.read(),
    }),
    greeting: () => components.greeting(),
    onMessage: (message) => {
      if (message.type === "baselines") acknowledged.take(message);
    },
  });
  const config = { ...DEFAULT_CONFIG, origin: random.hex(8) };
  const reporter = openReporter(options, config, uplink);
  const baselinesKept = openDocument(`${spoolPath}.baselines`, baselines, [], log);
  const pastsKept = openDocument(`${spoolPath}.drives`, keptPasts, NO_PASTS, log);
  const resumed = resumePasts(pastsKept.value, clock.nowMs(), clock.wallTime());
  const earlier = { baselines: baselinesKept.value, pasts: resumed };
  const watch = startSensors(options, config, earlier, (effect) => {
    tell(log, effect);
    reporter.take(effect, watch.state());
  });
  const parameters = startParameters(options, watch);
  const acknowledged = keepBaselines(serverId, watch, baselinesKept, uplink);
  const looking = clock.every(LOOK_MS, () => {
    reporter.look(watch.state());
    acknowledged.look();
  });
  const inventory = watchInventory(options);
  const components = tellComponents(serverId, watch, inventory.newest, uplink);
  const pasts = keepDrivePasts(watch, pastsKept, clock);
  const comparing = clock.every(COMPONENTS_MS, () => {
    components.look();
    pasts.look();
  });
  const hourly = clock.every(HOUR_MS, () => void inventory.read());
  void inventory.read();
  return {
    inventory: inventory.newest,
    risks: () => risks(watch.state()),
    pending: () => uplink.pending,
    async stop() {
      hourly.cancel();
      looking.cancel();
      comparing.cancel();
      parameters.stop();
      watch.stop();
      options.smallFiles.close();
      uplink.close();
      pasts.look();
    },
  };
}

function openReporter(
  { serverId, spoolPath, log }: HealthOptions,
  config: Config,
  uplink: Uplink,
): HealthReporter {
  const kept = openDocument(`${spoolPath}.reported`, reported, NOTHING_REPORTED, log);
  return healthReporter({
    serverId,
    source: "agent",
    config,
    kept: kept.value,
    keep: kept.save,
    report: (body) => uplink.report(body),
  });
}

/** The role matrix lets `agent:x` speak for server x: any other would be refused on each link. */
function requireOwnServer({ hostId, serverId }: HealthOptions): void {
  if (`${hostId}` === `${serverId}`) return;
  const reason = `serverId ${serverId} must be the same as hostId ${hostId}`;
  throw new SystemError("CONFIG_INVALID", reason);
}

function startSensors(
  options: HealthOptions,
  config: Config,
  earlier: { readonly baselines: readonly Baseline[]; readonly pasts: DrivePasts },
  onEffect: (effect: Effect) => void,
): Watch {
  const { sensors, files: slowFiles, smallFiles: files, run, clock } = options;
  const { smartctl, devicePattern: pattern, virtualInterfaces: virtual } = sensors;
  const devicePattern = pattern === undefined ? DEVICE_PATTERN : new RegExp(`^(?:${pattern})$`);
  const rounds = startRounds(FILE_SOURCES, { virtual, detail: false }, { clock, files, slowFiles });
  return watchSensors(
    {
      clock,
      disks: disks({ command: smartctl, devicePattern, behind: sensors.behindController }, run),
      rounds,
      others: [...commandReaders(options), ...serviceProcessor(options)],
      onEffect,
      ...earlier,
    },
    config,
    sensors,
  );
}

function startParameters({ sensors, clock, measure }: HealthOptions, watch: Watch): Parameters {
  const { filesMs, slowFilesMs, ipmitoolMs, redfishMs } = sensors;
  const freshMs = PERIODS_FRESH * Math.max(filesMs, slowFilesMs, ipmitoolMs, redfishMs);
  return watchParameters(sensors.parameters, { clock, watch, measure, freshMs });
}

/** The commands that the configuration names. */
function commandReaders({ sensors, smallFiles, run }: HealthOptions): readonly SlowReader[] {
  const readers: SlowReader[] = [];
  if (sensors.ethtool.length > 0) {
    const adapters = ethtool(sensors.ethtool, run);
    const read = () => adapters.read(hardwareAdapters(smallFiles));
    readers.push({ periodMs: sensors.ethtoolMs, read });
  }
  if (sensors.ipmitool.length > 0) {
    const read = () => readIpmi(sensors.ipmitool, run);
    readers.push({ periodMs: sensors.ipmitoolMs, read });
  }
  return readers;
}

/** The service processor that the configuration names. */
function serviceProcessor({ sensors, clock }: HealthOptions): readonly SlowReader[] {
  const { redfish: config, redfishMs: periodMs } = sensors;
  if (config === undefined) return [];
  const password = readPassword(config.passwordFile);
  const reader = redfishReader(openRedfish({ ...config, password }), clock);
  return [{ periodMs, read: () => reader.read() }];
}

function watchInventory({ inventory: source, clock, log }: HealthOptions) {
  let newest: Inventory | undefined;
  return {
    newest: () => newest,
    async read(): Promise<void> {
      newest = await readInventory(source, clock);
      log.info("Inventory", { inventory: newest });
    },
  };
}

function tell(log: Log, effect: Effect): void {
  switch (effect.type) {
    case "prediction":
      log.warn("Predicted a failure", { ...effect.prediction });
      break;
    case "risk":
      log.info("A risk changed", effect);
      break;
    case "sensor":
      log.info("A sensor changed", effect);
  }
}
