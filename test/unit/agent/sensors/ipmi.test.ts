import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseIpmi, readIpmi } from "../../../../agent/sensors/ipmi.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { told } from "./told.ts";

const ipmi = suite("ipmi");

ipmi("parseIpmi() reads every table that ipmitool prints", () => {
  const cases: readonly [text: string, expected: Readonly<Record<string, string>>][] = [
    [
      "Ambient Temp     | 23 degrees C      | ok\nFan1A_Tach | 3456 RPM | ok\n",
      {
        "ipmi/Ambient Temp temperature": "23 celsius",
        "ipmi/Ambient Temp temperature-alarm": "0",
        "ipmi/Fan1A_Tach fan-speed": "3456 rpm",
        "ipmi/Fan1A_Tach fan-alarm": "0",
      },
    ],
    [
      "Inlet Temp       | 04h | cr  |  7.1 | 77 degrees F\n",
      { "ipmi/Inlet Temp temperature": "25 celsius", "ipmi/Inlet Temp temperature-alarm": "1" },
    ],
    [
      "CPU Temp | 41.000 | degrees C | nc | 0.000 | 0.000 | 0.000 | 95.000 | 100.000 | 100.000\n",
      {
        "ipmi/CPU Temp temperature": "41 celsius",
        "ipmi/CPU Temp temperature-alarm": "0",
        "ipmi/CPU Temp temperature-max": "95 celsius",
        "ipmi/CPU Temp temperature-critical": "100 celsius",
      },
    ],
    ["12V,12.10,Volts,ok\n", { "ipmi/12V voltage": "12.1 volt", "ipmi/12V voltage-alarm": "0" }],
    ["PS Redundancy,77h,ok,7.1,Fully Redundant\n", { "ipmi/PS Redundancy redundancy": "ok" }],
    ["PS Redundancy,77h,ok,7.1,Redundancy Lost\n", { "ipmi/PS Redundancy redundancy": "lost" }],
    ["Status,85h,ok,10.1,Presence detected\n", { "ipmi/Status health": "ok" }],
    [
      "PS1 Status | 85h | ok | 10.1 | Presence detected, Failure detected\n",
      { "ipmi/PS1 Status health": "critical" },
    ],
    ["SysBrd 12V | no reading | ns\n", { "ipmi/SysBrd 12V health": "missing: No reading: ns" }],
    [
      "FAN 2 | na | RPM | na | na | na | na | na | na | na\n",
      { "ipmi/FAN 2 health": "missing: No reading: na" },
    ],
    ["Hot | 900 degrees C | ok\n", { "ipmi/Hot temperature": "implausible: 900 degrees C" }],
    ["Host Power | 0x00 | ok\nCPUs | 0x80 | ok\nTimestamp: 2025-06-03 00:00:01 UTC\n", {}],
    ["", {}],
    ["\u0000|||||\n,,,\n|\n", {}],
  ];
  for (const [text, expected] of cases) assert.equal(told(parseIpmi(text)), expected, text);
});

ipmi("parseIpmi() takes the newest of a sensor's rows", () => {
  const text = "Fan1 | 100 RPM | ok\nTimestamp: later\nFan1 | 200 RPM | ok\n";
  assert.is(told(parseIpmi(text))["ipmi/Fan1 fan-speed"], "200 rpm");
});

ipmi(
  "readIpmi() leaves out what has no reading now, and says when there is no answer",
  async () => {
    const answer = (stdout: string) => async () => ({ code: 0, stdout, stderr: "" });
    const table = "Fan1 | 30h | ok | 7.1 | 5040 RPM\nFan2 | 31h | ns | 7.1 | No Reading\n";
    assert.equal(told(await readIpmi(["ipmitool"], answer(table))), {
      "ipmi/Fan1 fan-speed": "5040 rpm",
      "ipmi/Fan1 fan-alarm": "0",
    });
    const [silent] = await readIpmi(["ipmitool"], answer(""));
    assert.is(silent!.status, "unreadable");
    const [none] = await readIpmi(["ipmitool"], async () => {
      throw new SystemError("COMMAND_NOT_FOUND", "Cannot start ipmitool");
    });
    assert.is(none!.status, "missing");
  },
);

const FAILURES = new URL("../../../../../shared/data/failures", import.meta.url).pathname;
const DUMPS = join(FAILURES, "ipmi_harvard_2025-06-03.tar.gz");
const check = existsSync(DUMPS) ? ipmi : ipmi.skip;
if (!existsSync(DUMPS)) console.log("skipped: tables of real service processors are not here");

check("parseIpmi() raises nothing for real servers that are switched off", () => {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-ipmi-"));
  try {
    assert.is(spawnSync("tar", ["xzf", DUMPS, "-C", folder]).status, 0);
    const names = readdirSync(folder);
    assert.ok(names.length >= 60);
    for (const name of names) {
      const rounds = readFileSync(join(folder, name), "utf8").split(/^Timestamp:.*$/m);
      for (const text of [rounds[1]!, rounds.at(-1)!]) {
        const readings = parseIpmi(text);
        const bad = readings.filter(
          (reading) =>
            !["ok", "missing"].includes(reading.status) ||
            (reading.status === "ok" && /alarm|health/.test(reading.signal) && reading.value !== 0),
        );
        assert.equal(told(bad), {}, name);
        assert.ok(readings.some(({ status }) => status === "ok") || text.trim() === "", name);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

ipmi.run();
