/**
 * All sources of files, in the order in which they are told.
 * @module
 */
import { diskstats } from "./diskstats.ts";
import { edac } from "./edac.ts";
import { hwmon } from "./hwmon.ts";
import { mdraid } from "./mdraid.ts";
import { network } from "./network.ts";
import { pcie } from "./pcie.ts";
import { pressure } from "./pressure.ts";
import type { Source } from "./probe.ts";
import { thermal } from "./thermal.ts";

export const FILE_SOURCES: readonly Source[] = [
  network,
  diskstats,
  mdraid,
  hwmon,
  thermal,
  edac,
  pcie,
  pressure,
];

/** Those whose readings the predictor takes each second. */
export const WATCHED_SOURCES: readonly Source[] = [network, hwmon, thermal, edac, pcie];
