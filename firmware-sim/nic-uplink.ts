/**
 * The NIC firmware with its own way to the management server: its predictor, its spool and its
 * link as principal `nic:<serverId>`. It shares nothing with the agent but the hardware.
 * @module
 */
import { DEFAULT_CONFIG } from "../predictor/config.ts";
import type { Effect } from "../predictor/evidence.ts";
import { reportOf, telemetryOf } from "../predictor/report.ts";
import type { ServerId } from "../protocol/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { openUplink, type Uplink } from "../runtime/uplink.ts";
import { type NicFirmware, nicFirmware } from "./nic-firmware.ts";
import { scaledClock } from "./time.ts";

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
  });
  const firmware = startFirmware(options, uplink);
  return {
    pending: () => uplink.pending,
    stop() {
      firmware.stop();
      uplink.close();
    },
  };
}

function startFirmware(options: NicUplinkOptions, uplink: Uplink): NicFirmware {
  const { serverId, files, clock, timeScale, random, log, device, periodMs } = options;
  const onEffect = (effect: Effect): void => {
    if (effect.type === "prediction") log.warn("Predicted a failure", { ...effect.prediction });
    const report = reportOf(effect, { serverId, source: "nic" });
    if (report !== undefined) uplink.report(report);
  };
  return nicFirmware(files, scaledClock(clock, timeScale), onEffect, {
    device,
    periodMs,
    config: { ...DEFAULT_CONFIG, origin: random.hex(8) },
  });
}
