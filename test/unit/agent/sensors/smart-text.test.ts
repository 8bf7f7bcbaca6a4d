import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isSmartText, smartJsonOf } from "../../../../agent/sensors/smart-text.ts";
import { parseSmartDocument } from "../../../../agent/sensors/smartctl.ts";

const text = suite("smart text");
const HEAD = "smartctl 7.3 2022-02-28 r5338 [FreeBSD 13.1] (local build)\n\n";

const ATA = `${HEAD}=== START OF INFORMATION SECTION ===
Device Model:     WDC WD3200BEKX-00B7WT0
Serial Number:    WD-1
Firmware Version: 01.01A01
User Capacity:    320,072,933,376 bytes [320 GB]
Rotation Rate:    7200 rpm

=== START OF READ SMART DATA SECTION ===
SMART overall-health self-assessment test result: FAILED!
Drive failure expected in less than 24 hours. SAVE ALL DATA.

ID# ATTRIBUTE_NAME          FLAGS    VALUE WORST THRESH FAIL RAW_VALUE
  5 Reallocated_Sector_Ct   PO--CK   001   001   140    NOW  1993
  9 Power_On_Hours          -O--CK   095   095   000    -    3945h+12m+03.440s
 12 Power_Cycle_Count       -O--CK   100   100   000    -    87
188 Command_Timeout         -O--CK   100   100   000    -    0 0 3
190 Airflow_Temperature_Cel -O---K   066   041   045    Past 34 (Min/Max 14/79)
240 Head_Flying_Hours       ------   ---   ---   ---    -    (invalid)

SMART Extended Comprehensive Error Log Version: 1 (6 sectors)
Device Error Count: 14 (device log contains only the most recent 4 errors)

SMART Extended Self-test Log Version: 1 (1 sectors)
# 1  Short offline       Completed: read failure       90%      3944         12345
# 2  Short offline       Completed without error       00%      3000         -
`;

text("parseSmartDocument() reads the text of an ATA drive as its JSON would be", () => {
  const drive = parseSmartDocument(ATA);
  assert.equal(
    { ...drive, ata: undefined, exit: undefined, device: drive.device.protocol },
    {
      device: "ATA",
      exit: undefined,
      messages: [],
      readable: true,
      health: "failed",
      model: "WDC WD3200BEKX-00B7WT0",
      serial: "WD-1",
      firmware: "01.01A01",
      capacity_bytes: 320_072_933_376,
      power_on_hours: 3945,
      power_cycles: 87,
      rotation_rate: 7200,
      temperature_c: 34,
      ata: undefined,
    },
  );
  const { ata } = drive;
  assert.equal([ata!.reallocated, ata!.command_timeout], ["1993", "3"]);
  assert.equal([ata!.failing_now, ata!.failed_past], [[5], [190]]);
  assert.equal([ata!.error_log_count, ata!.self_test_error_count], [14, 1]);
  assert.is(ata!.attributes[5]!.prefailure, true);
  assert.is(ata!.attributes[240], undefined);
});

text("parseSmartDocument() reads the long form of attributes", () => {
  const long = `${HEAD}Device Model:     X
ID# ATTRIBUTE_NAME          FLAG     VALUE WORST THRESH TYPE      UPDATED  WHEN_FAILED RAW_VALUE
  5 Reallocated_Sector_Ct   0x0033   100   100   010    Pre-fail  Always       -       7
194 Temperature_Celsius     0x0022   030   030   045    Old_age   Always   FAILING_NOW 30 (0 16 0)
`;
  const { ata, temperature_c, health } = parseSmartDocument(long);
  assert.equal([ata!.reallocated, temperature_c, health], ["7", 30, "unknown"]);
  assert.equal([ata!.failing_now, ata!.attributes[5]!.prefailure], [[194], true]);
});

text("parseSmartDocument() reads the text of NVMe and SCSI drives", () => {
  const nvme = parseSmartDocument(`${HEAD}Model Number:    Samsung SSD 980 250GB
Total NVM Capacity:                 1 000 204 886 016 [1,00 TB]
SMART overall-health self-assessment test result: FAILED!
- NVM subsystem reliability has been degraded
Critical Warning:                   0x04
Temperature:                        43 Celsius
Available Spare:                    100%
Available Spare Threshold:          10%
Percentage Used:                    169%
Data Units Written:                 2,382,066,478 [1.21 PB]
Power On Hours:                     14,939
Media and Data Integrity Errors:    0
`);
  assert.equal([nvme.health, nvme.capacity_bytes], ["failed", 1_000_204_886_016]);
  assert.equal(nvme.nvme!.critical_warning_bits, [2]);
  assert.equal([nvme.nvme!.percentage_used, nvme.power_on_hours], [169, 14_939]);
  const scsi = parseSmartDocument(`${HEAD}Vendor:               SEAGATE
Product:              ST3450857SS
Revision:             ES12
User Capacity:        600,000,000,000 bytes [600 GB]
SMART Health Status: FAILURE PREDICTION THRESHOLD EXCEEDED [asc=5d, ascq=10]
Current Drive Temperature:     47 C
Accumulated power on time, hours:minutes 16004:18
Elements in grown defect list: 12
           fast | delayed   rewrites  corrected  invocations   [10^9 bytes]  errors
read:   3003     17      0      3020       3020     123456.789           2
write:     0      0      0         0          0       1234.567           1
`);
  assert.equal([scsi.model, scsi.firmware, scsi.health], ["SEAGATE ST3450857SS", "ES12", "failed"]);
  assert.equal([scsi.power_on_hours, scsi.temperature_c], [16_004, 47]);
  assert.equal([scsi.scsi!.grown_defects, scsi.scsi!.uncorrected_total], [12, 3]);
});

text(
  "parseSmartDocument() does not take a drive that sleeps or is gone for one that is well",
  () => {
    for (const words of [
      "Device is in STANDBY mode, exit(2)",
      "Smartctl open device: /dev/sdx failed: No such device",
      "/dev/sdx: Unable to detect device type",
    ]) {
      const drive = parseSmartDocument(`${HEAD}${words}\n`);
      assert.equal([drive.readable, drive.health], [false, "unknown"], words);
      assert.is(drive.messages.length, 1);
    }
  },
);

text("isSmartText() knows text from JSON, and what is neither stays invalid", () => {
  assert.ok(isSmartText(ATA));
  assert.not(isSmartText('{"smartctl": {"version": [7, 3]}}'));
  assert.throws(() => parseSmartDocument("Additional Smart Log for NVME device:nvme0"));
  assert.equal(smartJsonOf("smartctl 7.3 x\n")["device"], { protocol: undefined });
});

const FAILURES = new URL("../../../../../shared/data/failures", import.meta.url).pathname;
const OUTPUTS = join(FAILURES, "smartctl_outputs_bsdhw.tar.gz");
const check = existsSync(OUTPUTS) ? text : text.skip;
if (!existsSync(OUTPUTS)) console.log("skipped: texts of real drives are not here");

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

check("parseSmartDocument() flags every real drive that is marked failed, and no other", () => {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-smart-"));
  try {
    assert.is(spawnSync("tar", ["xzf", OUTPUTS, "-C", folder]).status, 0);
    const paths = filesBelow(folder);
    assert.ok(paths.length >= 600);
    for (const path of paths) {
      const output = readFileSync(path, "utf8");
      const { health, readable, model, nvme } = parseSmartDocument(output);
      const marked = /result: FAILED|\(FAILED\)|Health Status: FAIL/.test(output);
      assert.is(health, marked ? "failed" : "passed", path);
      const warning = /^Critical Warning: +(0x\w+)/m.exec(output)?.[1];
      assert.is(nvme?.critical_warning, warning === undefined ? undefined : +warning, path);
      assert.ok(readable && model !== null, path);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

text.run();
