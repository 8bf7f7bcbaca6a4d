/**
 * Memory errors that the controller has corrected, and those it could not: EDAC
 * (Documentation/ABI/testing/sysfs-devices-edac).
 *
 * A controller counts for itself and for each of its modules: "mc0/dimm0", or "mc0/csrow0" where a
 * kernel or driver knows no modules.
 * @module
 */
import { counterReading, type MemorySignal } from "../../predictor/reading.ts";
import type { SmallFiles } from "../../runtime/small-files.ts";
import {
  bootId,
  namesIn,
  namesOf,
  type Probe,
  probe,
  type Source,
  textIn,
  tryList,
} from "./probe.ts";

const FOLDER = "/sys/devices/system/edac/mc";
const CONTROLLER = /^mc\d{1,3}$/;
const CONTROLLERS_MAX = 64;
const MODULE = /^(dimm|rank)\d{1,3}$/;
const ROW = /^csrow\d{1,3}$/;
const MODULES_MAX = 128;

export const edac: Source = {
  name: "edac",
  signature: namesOf(FOLDER),
  find(files, { detail }) {
    const boot = bootId(files);
    return namesIn(files, FOLDER, CONTROLLER, CONTROLLERS_MAX).flatMap((name) =>
      findController(files, name, boot, detail),
    );
  },
};

/** "noinfo": the controller could not say which module it was. */
const CONTROLLER_FILES: readonly (readonly [file: string, signal: MemorySignal])[] = [
  ["ce_count", "corrected-errors"],
  ["ue_count", "uncorrected-errors"],
  ["ce_noinfo_count", "corrected-errors-unplaced"],
  ["ue_noinfo_count", "uncorrected-errors-unplaced"],
];
const MODULE_FILES: readonly (readonly [file: string, signal: MemorySignal])[] = [
  ["dimm_ce_count", "corrected-errors"],
  ["dimm_ue_count", "uncorrected-errors"],
];
const ROW_FILES = CONTROLLER_FILES.slice(0, 2);

function findController(
  files: SmallFiles,
  name: string,
  boot: string,
  detail: boolean,
): readonly Probe[] {
  const path = `${FOLDER}/${name}`;
  const here = `${boot}/${textIn(files, `${path}/mc_name`)}`;
  const modules = namesIn(files, path, MODULE, MODULES_MAX);
  const rows = detail || modules.length === 0 ? namesIn(files, path, ROW, MODULES_MAX) : [];
  return [
    ...countsIn(files, path, { device: name, instance: here, counts: CONTROLLER_FILES }),
    ...modules.flatMap((module) => {
      const label = textIn(files, `${path}/${module}/dimm_label`);
      const device = `${name}/${module}`;
      const of = { device, instance: `${here}/${label}`, label, counts: MODULE_FILES };
      return countsIn(files, `${path}/${module}`, of);
    }),
    ...rows.flatMap((row) => {
      const device = `${name}/${row}`;
      return countsIn(files, `${path}/${row}`, { device, instance: here, counts: ROW_FILES });
    }),
  ];
}

interface Counted {
  readonly device: string;
  readonly instance: string;
  readonly label?: string;
  readonly counts: typeof CONTROLLER_FILES;
}

/** The first two are in every kernel; the others where they are. */
function countsIn(
  files: SmallFiles,
  path: string,
  { device, instance, label = "", counts }: Counted,
): readonly Probe[] {
  const entries = tryList(files, path);
  return counts
    .filter(([file], index) => index < 2 || entries.includes(file))
    .map(([file, signal]) => {
      const named = label === "" ? {} : { label };
      const sensor = { component: "memory", device, instance, signal, ...named } as const;
      return probe({ ...sensor, source: `${path}/${file}` }, counterReading);
    });
}
