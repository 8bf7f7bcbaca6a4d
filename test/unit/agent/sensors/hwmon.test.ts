import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hwmon as source } from "../../../../agent/sensors/hwmon.ts";
import { readingsOf, told } from "./told.ts";

const hwmon = suite("hwmon");
const CHIP = "/sys/class/hwmon/hwmon3";
const links = { [`${CHIP}/device`]: "/sys/devices/platform/coretemp.0" };

function chip(files: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries({ name: "coretemp\n", ...files });
  return Object.fromEntries(entries.map(([file, text]) => [`${CHIP}/${file}`, text]));
}

hwmon("hwmon reads each kind in its own unit", () => {
  const files = chip({
    temp1_input: "55000\n",
    temp1_crit: "100000\n",
    temp1_crit_alarm: "0\n",
    fan1_input: "1200\n",
    fan1_alarm: "1\n",
    pwm1: "128\n",
    in0_input: "-1215\n",
    curr1_input: "2500\n",
    power1_average: "95500000\n",
    intrusion0_alarm: "1\n",
    temp1_type: "4\n",
  });
  const expected = {
    "platform_coretemp_0/curr1 current": "2.5 ampere",
    "platform_coretemp_0/fan1 fan-alarm": "1",
    "platform_coretemp_0/fan1 fan-speed": "1200 rpm",
    "platform_coretemp_0/in0 voltage": "-1.215 volt",
    "platform_coretemp_0/power1 power": "95.5 watt",
    "platform_coretemp_0/pwm1 fan-duty": "128 1/255",
    "platform_coretemp_0/temp1 temperature-critical": "100 celsius",
    "platform_coretemp_0/temp1 temperature-critical-alarm": "0",
    "platform_coretemp_0/temp1 temperature": "55 celsius",
  };
  assert.equal(told(readingsOf(source, files, { links })), expected);
});

hwmon("hwmon believes no value that is none, and hides no other for it", () => {
  const cases: readonly [text: string, status: string][] = [
    ["", "unreadable"],
    ["\n", "unreadable"],
    ["N/A\n", "unreadable"],
    ["55000 mC\n", "unreadable"],
    ["0x10", "unreadable"],
    ["-273150\n", "implausible"],
    ["4294967295\n", "implausible"],
    ["0\n", "ok"],
    ["-12000\n", "ok"],
  ];
  for (const [text, status] of cases) {
    const readings = readingsOf(source, chip({ temp1_input: text, temp2_input: "40000\n" }));
    const found = Object.fromEntries(readings.map((each) => [each.device, each.status]));
    assert.equal(found, { "coretemp/temp1": status, "coretemp/temp2": "ok" }, text);
  }
  const [alarm] = readingsOf(source, chip({ temp1_alarm: "2\n" }));
  assert.is(alarm!.status, "unreadable");
});

hwmon("hwmon names a chip by its address, its driver or its folder, as node_exporter does", () => {
  const cases: readonly [target: string | undefined, name: string, expected: string][] = [
    ["/sys/devices/platform/nct6775.656", "nct6779\n", "platform_nct6775_656"],
    ["/sys/devices/pci0000:00/0000:00:18.3", "k10temp\n", "pci0000:00_0000:00:18_3"],
    ["/sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0", "nvme\n", "nvme_nvme0"],
    [undefined, "acpitz\n", "acpitz"],
    [undefined, "Ä\n", "hwmon3"],
    [undefined, "", "hwmon3"],
  ];
  for (const [target, name, expected] of cases) {
    const files = chip({ name, temp1_input: "1000\n" });
    const to = target === undefined ? {} : { [`${CHIP}/device`]: target };
    const [reading] = readingsOf(source, files, { links: to });
    assert.is(reading!.device, `${expected}/temp1`);
  }
});

hwmon("hwmon takes labels as they are, and the limits only where they are wanted", () => {
  const files = chip({
    temp1_input: "1000\n",
    temp1_label: "Core 0\n",
    temp1_max: "84000\n",
    temp1_min: "0\n",
  });
  const [reading] = readingsOf(source, files);
  assert.is(reading!.label, "Core 0");
  assert.match(reading!.instance!, /\/coretemp$/);
  const signals = (detail: boolean) =>
    readingsOf(source, files, { detail }).map(({ signal }) => signal);
  assert.equal(signals(false), ["temperature", "temperature-max"]);
  assert.equal(signals(true), ["temperature", "temperature-max", "temperature-min"]);
});

hwmon("hwmon finds the files of old drivers in the device's folder", () => {
  const files = { [`${CHIP}/device/name`]: "lm75\n", [`${CHIP}/device/temp1_input`]: "21500\n" };
  const readings = told(readingsOf(source, files, { links }));
  assert.equal(readings, { "platform_coretemp_0/temp1 temperature": "21.5 celsius" });
});

hwmon.run();
