import { suite } from "uvu";
import * as assert from "uvu/assert";
import { diskstats as source } from "../../../../agent/sensors/diskstats.ts";
import { readingsOf, told } from "./told.ts";

const diskstats = suite("diskstats");

const TABLE = `   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0
   8       0 sda 25354637 34367663 1003346126 18492372 28444756 113 505 638 1 9653880 826
   8       1 sda1 250 0 2000 36 0 0 0 0 0 36 36
 259       0 nvme0n1 47114 4 4643973 21650 1078320 439 394 101 0 222766 103 5 6 7 8 9 10
 259       1 nvme0n1p1 1140 0 9370 16 1 0 1 0 0 16 16
`;

diskstats("diskstats reads whole disks, and what the predictor uses of them", () => {
  assert.equal(told(readingsOf(source, { "/proc/diskstats": TABLE })), {
    "sda reads": "25354637",
    "sda writes": "28444756",
    "sda io-time": "9653880 millisecond",
    "nvme0n1 reads": "47114",
    "nvme0n1 writes": "1078320",
    "nvme0n1 io-time": "222766 millisecond",
  });
});

diskstats("diskstats reads all the columns that a kernel has", () => {
  const all = told(readingsOf(source, { "/proc/diskstats": TABLE }, { detail: true }));
  assert.is(all["sda read-bytes"], `${1003346126n * 512n} byte`);
  assert.is(all["sda io-now"], "1 count");
  assert.is(all["sda discards"], undefined);
  assert.is(all["nvme0n1 discards"], "5");
  assert.is(all["nvme0n1 flush-time"], "10 millisecond");
});

diskstats("diskstats calls a short line unreadable", () => {
  const readings = readingsOf(source, { "/proc/diskstats": " 8 0 sdb 1 2\n" });
  assert.equal([...new Set(readings.map(({ status }) => status))], ["ok", "unreadable"]);
  assert.equal(readingsOf(source, {}), []);
});

diskstats("diskstats reads SCSI's errors and time-outs, which are hexadecimal", () => {
  const cases: readonly [text: string, expected: string][] = [
    ["0x0\n", "0"],
    ["0x192\n", "402"],
    ["17\n", "17"],
    ["", 'unreadable: Not a count: ""'],
    ["0x\n", 'unreadable: Not a count: "0x\\n"'],
    ["-1", 'unreadable: Not a count: "-1"'],
  ];
  for (const [text, expected] of cases) {
    const files = { "/sys/block/sda/device/ioerr_cnt": text };
    assert.equal(told(readingsOf(source, files)), { "sda io-errors": expected });
  }
  const timeouts = told(readingsOf(source, { "/sys/block/sda/device/iotmo_cnt": "0x2\n" }));
  assert.equal(timeouts, { "sda io-timeouts": "2" });
});

diskstats.run();
