/**
 * All sources of files, in the order in which they are told.
 * @module
 */
import { cpu } from "./cpu.ts";
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
  cpu,
];
