/**
 * The NIC firmware with its own way to the management server: its predictor, its spool and its
 * link as principal `nic:<serverId>`. It shares nothing with the agent but the hardware.
 * @module
 */
import { baselines } from "../predictor/accepted.ts";
import { type Config, DEFAULT_CONFIG } from "../predictor/config.ts";
import type { Effect } from "../predictor/evidence.ts";
import { telemetryOf } from "../predictor/report.ts";
import { healthReporter } from "../predictor/reporter.ts";
import { NOTHING_REPORTED, reported } from "../predictor/standing.ts";
import type { ServerId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import { openDocument } from "../runtime/document.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { openUplink } from "../runtime/uplink.ts";
import { type NicFirmware, nicFirmware } from "./nic-firmware.ts";
import { scaledClock } from "./time.ts";

/** How often it is looked whether a prediction holds no more. */
const LOOK_MS = 1_000;

export interface NicUplinkOptions {
  readonly serverId: ServerId;
  /** The adapter it belongs to. */
  readonly device: string;
  /** In the adapter's own time. */
  readonly periodMs: number;
  /** How much faster than the clock the adapter lives; the predictor's windows are in its time. */
  readonly timeScale: number;
  /** ws://host:port of the management server. */
  readonly url: string;
  /** Hexadecimal digits of the secret of `nic:<serverId>`. */
  readonly secret: string;
  readonly spoolPath: string;
  /** The adapter's registers. */
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly residentBytes: () => number;
  readonly telemetryMs?: number;
}

export interface NicUplink {
  /** Reports that the management server has not acknowledged. */
  pending(): number;
  stop(): void;
}

/** @throws SystemError JOURNAL_FAILED */
export function watchAdapter(options: NicUplinkOptions): NicUplink {
  const { serverId, residentBytes } = options;
  const uplink = openUplink({
    ...options,
    self: `nic:${serverId}`,
    telemetry: () => telemetryOf(firmware.state(), serverId, residentBytes()),
    onMessage: (message) => {
      if (message.type !== "baselines") return;
      firmware.acknowledge(message.baselines.filter(({ component }) => component === "nic"));
      keepAcknowledged();
    },
  });
  const { random, log, clock } = options;
  const config = { ...DEFAULT_CONFIG, origin: random.hex(8) };
  const kept = openDocument(`${options.spoolPath}.reported`, reported, NOTHING_REPORTED, log);
  const reporter = healthReporter({
    serverId,
    source: "nic",
    config,
    kept: kept.value,
    keep: kept.save,
    report: (body) => uplink.report(body),
  });
  const firmware = startFirmware(options, config, (effect) => {
    if (effect.type === "prediction") log.warn("Predicted a failure", { ...effect.prediction });
    reporter.take(effect, firmware.state());
  });
  const acknowledged = openDocument(`${options.spoolPath}.baselines`, baselines, [], log);
  firmware.acknowledge(acknowledged.value);
  /** Once it is known of which hardware each was said, that is kept as well. */
  const keepAcknowledged = (): void => {
    const now = firmware.state().baselines;
    if (JSON.stringify(now) !== JSON.stringify(acknowledged.value)) acknowledged.save([...now]);
  };
  const looking = clock.every(LOOK_MS, () => {
    reporter.look(firmware.state());
    keepAcknowledged();
  });
  return {
    pending: () => uplink.pending,
    stop() {
      looking.cancel();
      firmware.stop();
      uplink.close();
    },
  };
}

function startFirmware(
  { files, clock, timeScale, device, periodMs }: NicUplinkOptions,
  config: Config,
  onEffect: (effect: Effect) => void,
): NicFirmware {
  const options = { device, periodMs, config };
  return nicFirmware(files, scaledClock(clock, timeScale), onEffect, options);
}
