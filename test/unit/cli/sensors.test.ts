import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run, start } from "./terminal.ts";

const sensors = suite("lifeboat sensors");
const smart = suite("lifeboat smart");
const folder = mkdtempSync(join(tmpdir(), "lifeboat-sensors-"));

function write(path: string, text: string): string {
  const whole = join(folder, path);
  mkdirSync(join(whole, ".."), { recursive: true });
  writeFileSync(whole, text);
  return whole;
}

write("sys/class/hwmon/hwmon0/name", "coretemp\n");
write("sys/class/hwmon/hwmon0/temp1_input", "55000\n");
write("sys/class/hwmon/hwmon0/temp2_input", "\n");
write("proc/net/dev", "a\nb\n  eth0: 9007199254740993 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n");
const COPY = ["sensors", "--proc", join(folder, "proc"), "--sys", join(folder, "sys")];

sensors("shows each sensor, and why one has no value", async () => {
  const { out, code } = await run(COPY);
  assert.is(code, 0);
  assert.match(out, /temperature {2}coretemp\/temp1 +- +temperature +ok +55 +celsius/);
  assert.match(out, /coretemp\/temp2 .* unreadable {2}Not an integer: "\\n"/);
});

sensors("prints JSON with exact counters, and a page for Prometheus", async () => {
  const json = JSON.parse((await run([...COPY, "-o", "json"])).out);
  const bytes = json.find(({ signal }: { signal: string }) => signal === "rx-bytes");
  assert.is(bytes.value, "9007199254740993");
  const { out } = await run([...COPY, "--once", "-o", "prometheus"]);
  assert.ok(out.includes('node_network_receive_bytes_total{device="eth0"} 9007199254740993\n'));
  assert.ok(out.includes('node_hwmon_temp_celsius{chip="coretemp",sensor="temp1"} 55\n'));
  assert.is((await run(["status", "-o", "prometheus"])).code, 2);
});

sensors("reads what ipmitool printed, and nothing else then", async () => {
  const dump = write("bmc.txt", "Fan1 | 3456 RPM | ok\nFan2 | no reading | ns\n");
  const { out } = await run(["sensors", "--ipmi", dump, "-o", "json"]);
  const devices = JSON.parse(out).map(({ device }: { device: string }) => device);
  assert.equal(devices, ["ipmi/Fan1", "ipmi/Fan1", "ipmi/Fan2"]);
  assert.is((await run(["sensors", "--ipmi", join(folder, "none")])).code, 1);
});

sensors("--watch reads until it is ended", async () => {
  const watching = start([...COPY, "--watch", "-o", "json"]);
  while (watching.soFar().out === "") await new Promise(setImmediate);
  watching.signal("SIGINT");
  assert.is((await watching.ended).code, 0);
});

const DRIVE = {
  json_format_version: [1, 0],
  smartctl: { exit_status: 8 },
  device: { name: "/dev/sda", type: "sat", protocol: "ATA" },
  model_name: "X",
  smart_status: { passed: false },
};

smart("read gives one object a file in order, and a bad file stops no other", async () => {
  const json = write("sda.json", JSON.stringify(DRIVE));
  const text = write("sdb.txt", "smartctl 7.3 x\n\nDevice Model:     Y\n");
  const bad = write("bad.json", "{}");
  const { out, code } = await run(["smart", "read", json, bad, folder, text, "-o", "json"]);
  const [first, second, third, fourth] = JSON.parse(out);
  assert.equal([first.file, first.health, first.model], [json, "failed", "X"]);
  assert.equal([second.file, second.error.code], [bad, "SMART_INVALID"]);
  assert.match(third.error.message, /is a directory; give its files/);
  assert.equal([fourth.file, fourth.model, fourth.health], [text, "Y", "unknown"]);
  assert.is(code, 1);
});

smart("read shows a row a file", async () => {
  const { out, code } = await run(["smart", "read", join(folder, "sda.json")]);
  assert.match(out, /sda\.json {2}X +- +- +failed/);
  assert.is(code, 0);
});

smart.after(() => rmSync(folder, { recursive: true }));

sensors.run();
smart.run();
