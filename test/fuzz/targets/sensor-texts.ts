// The parsers of what the kernel, smartctl, ethtool and ipmitool print for people: all of them
// total, and none of them gives a number that is none.

import assert from "node:assert/strict";
import { parseFec, parseModule, parseStatistics } from "../../../agent/sensors/ethtool.ts";
import { parseIpmi } from "../../../agent/sensors/ipmi.ts";
import { parseMdstat } from "../../../agent/sensors/mdraid.ts";
import { metricsPage } from "../../../agent/sensors/metrics.ts";
import { readOnce } from "../../../agent/sensors/rounds.ts";
import { parseSmartDocument } from "../../../agent/sensors/smartctl.ts";
import { FILE_SOURCES } from "../../../agent/sensors/sources.ts";
import type { Reading } from "../../../predictor/reading.ts";
import { memorySmallFiles } from "../../../runtime/small-files.ts";

export const name = "sensor-texts";

const SEEDS: readonly string[] = [
  "smartctl 7.3 x\nDevice Model: X\nSMART overall-health self-assessment test result: PASSED\n" +
    "  5 Reallocated_Sector_Ct   PO--CK   100   100   010    -    0\n",
  "smartctl 7.3 x\nModel Number:   Y\nCritical Warning:    0x04\nPercentage Used:    3%\n",
  "Fan1 | 30h | ok | 7.1 | 5040 RPM\nCPU | 41.0 | degrees C | nc | na | na | na | 95 | 99 | na\n",
  "md6 : active raid1 sdb2[2](F) sda2[0]\n      195 blocks [2/1] [U_]\n" +
    "      [=>...]  recovery =  8.5% (16/195) finish=17.0min\n",
  "NIC statistics:\n     rx_fec_corr_blocks: 12\n  corrected_blocks: 256\n" +
    "\tLaser output power : 0.5730 mW / -2.42 dBm\n",
  "a\nb\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
  "   8  0 sda 1 2 3 4 5 6 7 8 9 10 11\n",
  "some avg10=0.10 avg60=2.00 avg300=3.85 total=15\nfull avg10=0.20 total=25\n",
  "cpu  100 0 100 1000 50 0 0 0 0 0\n",
  "RxErr 1\nTOTAL_ERR_COR 9\n",
  "55000\n",
];

export function seeds(): Uint8Array[] {
  return SEEDS.map((text) => new TextEncoder().encode(text));
}

const PATHS: readonly string[] = [
  "/proc/net/dev",
  "/proc/diskstats",
  "/proc/mdstat",
  "/proc/stat",
  "/proc/pressure/io",
  "/sys/class/net/eth0/device/x",
  "/sys/class/net/eth0/speed",
  "/sys/class/net/eth0/statistics/rx_crc_errors",
  "/sys/class/hwmon/hwmon0/name",
  "/sys/class/hwmon/hwmon0/temp1_input",
  "/sys/class/hwmon/hwmon0/fan1_alarm",
  "/sys/class/thermal/thermal_zone0/temp",
  "/sys/devices/system/edac/mc/mc0/ce_count",
  "/sys/bus/pci/devices/0000:01:00.0/aer_dev_fatal",
  "/sys/block/sda/device/ioerr_cnt",
];

export function run(bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes);
  const files = memorySmallFiles(Object.fromEntries(PATHS.map((path) => [path, text])));
  const readings = readOnce(FILE_SOURCES, files, { virtual: true, detail: true });
  for (const reading of [...readings, ...parseIpmi(text)]) check(reading);
  for (const line of metricsPage(readings).split("\n").slice(0, -1)) {
    assert.match(line, /^(# (HELP|TYPE) [a-z0-9_]+ .*|[a-z0-9_]+(\{.*\})? -?[\d.e+-]+)$/);
  }
  for (const array of parseMdstat(text)) assert.ok(array.blocks >= 0n && array.down >= 0);
  for (const [, value] of [parseStatistics, parseFec, parseModule].flatMap((parse) =>
    parse(text),
  )) {
    assert.ok(typeof value === "bigint" ? value >= 0n : Number.isFinite(value));
  }
  if (!text.startsWith("smartctl 7.3 x\n")) return;
  const { readable, health } = parseSmartDocument(text);
  if (!readable) assert.notEqual(health, "passed");
}

function check(reading: Reading): void {
  if (reading.status !== "ok") return;
  const { value } = reading;
  assert.ok(typeof value !== "number" || Number.isFinite(value));
  assert.ok(typeof value !== "bigint" || value >= 0n);
}
