/**
 * /proc and /sys of a server with 8 network adapters, 24 disks and 60 inputs of hwmon, 32 memory
 * modules and 48 PCIe devices, as files, and what moves in them from one second to the next.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const ADAPTERS = 8;
export const DISKS = 24;
const CHIPS = 10;
/** Of each chip: four temperatures, a fan and a voltage. */
export const HWMON_INPUTS = CHIPS * 6;
const CONTROLLERS = 2;
const MODULES = 16;
const PCIE_DEVICES = 48;

type Texts = Record<string, string>;

/** All files below `root`. They are written in place: descriptors that stay open see the change. */
export function writeTree(root: string, texts: Readonly<Texts>): void {
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** The files as they are at the beginning. */
export function treeOf(): Readonly<Texts> {
  const texts: Texts = { "proc/sys/kernel/random/boot_id": "bench\n", ...movingTexts(0) };
  for (let index = 0; index < ADAPTERS; index++) addAdapter(texts, index);
  for (let index = 0; index < DISKS; index++) {
    texts[`sys/block/${diskName(index)}/device/ioerr_cnt`] = "0x0\n";
    texts[`sys/block/${diskName(index)}/device/iotmo_cnt`] = "0x0\n";
  }
  for (let index = 0; index < CHIPS; index++) addChip(texts, index);
  for (let index = 0; index < CONTROLLERS; index++) addController(texts, index);
  for (let index = 0; index < PCIE_DEVICES; index++) addPcie(texts, index);
  for (const name of ["cpu", "io", "memory"]) {
    const line = "avg10=0.10 avg60=0.20 avg300=0.30 total=1000\n";
    texts[`proc/pressure/${name}`] = `some ${line}full ${line}`;
  }
  return texts;
}

/** What is different `second` seconds later: traffic, requests, temperatures, time. */
export function movingTexts(second: number): Readonly<Texts> {
  const adapters = Array.from({ length: ADAPTERS }, (_, index) => {
    const packets = 1_000_000 + second * (10_000 + index);
    const bytes = packets * 900;
    return `  eth${index}: ${bytes} ${packets} 0 0 0 0 0 0 ${bytes} ${packets} 0 0 0 0 0 0\n`;
  });
  const disks = Array.from({ length: DISKS }, (_, index) => {
    const requests = 500_000 + second * (200 + index);
    const half = `${requests} 0 ${requests * 8} ${requests}`;
    return `   8 ${index * 16} ${diskName(index)} ${half} ${half} 0 ${second * 300} ${requests}\n`;
  });
  const busy = 10_000 + second * 60;
  const texts: Texts = {
    "proc/net/dev": `Inter-|\n face |\n${adapters.join("")}`,
    "proc/diskstats": disks.join(""),
    "proc/stat": `cpu  ${busy} 0 0 ${50_000 + second * 40} 0 0 0 0 0 0\n`,
  };
  for (let chip = 0; chip < CHIPS; chip++) {
    const celsius = 45 + ((second * 7 + chip * 3) % 11);
    texts[`sys/class/hwmon/hwmon${chip}/temp1_input`] = `${celsius}000\n`;
    texts[`sys/class/hwmon/hwmon${chip}/fan1_input`] = `${5_000 + ((second * 13 + chip) % 60)}\n`;
  }
  return texts;
}

function diskName(index: number): string {
  return `sd${String.fromCharCode("a".charCodeAt(0) + index)}`;
}

function addAdapter(texts: Texts, index: number): void {
  const path = `sys/class/net/eth${index}`;
  Object.assign(texts, {
    [`${path}/device/vendor`]: "0x8086\n",
    [`${path}/ifindex`]: `${index + 2}\n`,
    [`${path}/address`]: `02:00:00:00:00:0${index}\n`,
    [`${path}/carrier`]: "1\n",
    [`${path}/carrier_changes`]: "2\n",
    [`${path}/carrier_down_count`]: "1\n",
    [`${path}/flags`]: "0x1003\n",
    [`${path}/operstate`]: "up\n",
    [`${path}/speed`]: "25000\n",
    [`${path}/statistics/rx_crc_errors`]: "0\n",
  });
}

function addChip(texts: Texts, index: number): void {
  const path = `sys/class/hwmon/hwmon${index}`;
  texts[`${path}/name`] = `chip${index}\n`;
  for (let number = 1; number <= 4; number++) {
    texts[`${path}/temp${number}_label`] = `Zone ${number}\n`;
    texts[`${path}/temp${number}_input`] = "48000\n";
    texts[`${path}/temp${number}_max`] = "85000\n";
    texts[`${path}/temp${number}_crit`] = "100000\n";
    texts[`${path}/temp${number}_crit_alarm`] = "0\n";
  }
  texts[`${path}/fan1_input`] = "5000\n";
  texts[`${path}/fan1_alarm`] = "0\n";
  texts[`${path}/in0_input`] = "12050\n";
  texts[`${path}/in0_min`] = "11400\n";
  texts[`${path}/in0_max`] = "12600\n";
}

function addController(texts: Texts, index: number): void {
  const path = `sys/devices/system/edac/mc/mc${index}`;
  texts[`${path}/ce_count`] = "3\n";
  texts[`${path}/ue_count`] = "0\n";
  for (let module = 0; module < MODULES; module++) {
    texts[`${path}/dimm${module}/dimm_label`] = `CPU${index}_DIMM_${module}\n`;
    texts[`${path}/dimm${module}/dimm_ce_count`] = "0\n";
    texts[`${path}/dimm${module}/dimm_ue_count`] = "0\n";
  }
}

function addPcie(texts: Texts, index: number): void {
  const path = `sys/bus/pci/devices/0000:${index.toString(16).padStart(2, "0")}:00.0`;
  texts[`${path}/vendor`] = "0x8086\n";
  texts[`${path}/device`] = "0x1572\n";
  const kinds = ["RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout", "NonFatalErr", "CorrIntErr"];
  const lines = kinds.map((kind) => `${kind} 0\n`).join("");
  texts[`${path}/aer_dev_correctable`] = `${lines}TOTAL_ERR_COR 0\n`;
  texts[`${path}/aer_dev_nonfatal`] = `${lines}TOTAL_ERR_NONFATAL 0\n`;
  texts[`${path}/aer_dev_fatal`] = `${lines}TOTAL_ERR_FATAL 0\n`;
}
