import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readNetwork } from "../../../../agent/sensors/network.ts";
import { deviceFiles, startDevices } from "../../../../firmware-sim/faults.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { type Files, memoryFiles } from "../../../../runtime/files.ts";

const network = suite("network");

function tree(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  const files = Object.entries(deviceFiles(startDevices("alpha", "boot-1")));
  const rooted = Object.fromEntries(files.map(([path, text]) => [`/${path}`, text]));
  const moved = Object.entries(changes).map(([file, text]) => [
    `/sys/class/net/eth0/${file}`,
    text,
  ]);
  return { ...rooted, ...Object.fromEntries(moved) };
}

async function read(files: Files, signal: string, virtual = false) {
  return (await readNetwork(files, virtual)).find((reading) => reading.signal === signal);
}

network("readNetwork() reads every signal of an adapter", async () => {
  const readings = await readNetwork(memoryFiles(tree()));
  assert.equal(
    Object.fromEntries(
      readings.map((reading) => [reading.signal, "value" in reading && reading.value]),
    ),
    {
      "rx-packets": 1_000_000n,
      "rx-crc-errors": 0n,
      carrier: 1n,
      "carrier-changes": 1n,
      "carrier-losses": 0n,
      "admin-up": 1,
      operstate: "up",
      speed: 10_000,
    },
  );
  assert.match(readings[0]!.instance!, /^boot-1\/2\/02:4c:/);
});

network("readNetwork() takes a counter exactly or not at all", async () => {
  const cases: readonly [text: string, status: string, value?: bigint][] = [
    ["0\n", "ok", 0n],
    ["18446744073709551615\n", "ok", 18446744073709551615n],
    ["18446744073709551616", "implausible"],
    ["-1", "implausible"],
    ["", "unreadable"],
    ["\n", "unreadable"],
    [" ", "unreadable"],
    ["0x10", "unreadable"],
    ["1e3", "unreadable"],
    ["12abc", "unreadable"],
    ["-", "unreadable"],
    ["+5", "unreadable"],
    ["1 2", "unreadable"],
    ["Infinity", "unreadable"],
    ["٣", "unreadable"],
    ["\u0000\u0001", "unreadable"],
    ["9".repeat(5_000), "unreadable"],
  ];
  for (const [text, status, value] of cases) {
    const files = memoryFiles(tree({ "statistics/rx_packets": text }));
    const reading = await read(files, "rx-packets");
    assert.is(reading?.status, status, JSON.stringify(text.slice(0, 20)));
    if (value !== undefined) assert.is(reading?.status === "ok" && reading.value, value);
  }
});

network("readNetwork() reads speed, state and flags strictly", async () => {
  const cases: readonly [file: string, signal: string, text: string, status: string][] = [
    ["speed", "speed", "-1\n", "missing"],
    ["speed", "speed", "4294967295\n", "missing"],
    ["speed", "speed", "0\n", "implausible"],
    ["speed", "speed", "99999999\n", "implausible"],
    ["speed", "speed", "fast", "unreadable"],
    ["operstate", "operstate", "UP\n", "unreadable"],
    ["operstate", "operstate", "", "unreadable"],
    ["flags", "admin-up", "4099", "unreadable"],
    ["flags", "admin-up", "0x", "unreadable"],
    ["flags", "admin-up", "0x1002\n", "ok"],
  ];
  for (const [file, signal, text, status] of cases) {
    const reading = await read(memoryFiles(tree({ [file]: text })), signal);
    assert.is(reading?.status, status, `${file} ${text}`);
  }
});

network("readNetwork() tells a file that is gone from one that cannot be read", async () => {
  const codes: readonly [code: string, status: string][] = [
    ["ENOENT", "missing"],
    ["EIO", "unreadable"],
    ["EAGAIN", "unreadable"],
    ["EINVAL", "unreadable"],
  ];
  for (const [code, status] of codes) {
    const files = memoryFiles(tree());
    const broken: Files = {
      ...files,
      async read(path) {
        if (!path.endsWith("/carrier")) return files.read(path);
        const cause = Object.assign(new Error(code), { code });
        throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
      },
    };
    const reading = await read(broken, "carrier");
    assert.is(reading?.status, status, code);
    assert.is((await read(broken, "rx-packets"))?.status, "ok", code);
  }
});

network("readNetwork() does not miss the count of losses that an old kernel lacks", async () => {
  const files = tree();
  delete files["/sys/class/net/eth0/carrier_down_count"];
  assert.is(await read(memoryFiles(files), "carrier-losses"), undefined);
  assert.is((await read(memoryFiles(files), "carrier-changes"))?.status, "ok");
});

network("readNetwork() leaves out what is no hardware, unless told", async () => {
  const lo = { "/sys/class/net/lo/carrier": "1\n", "/sys/class/net/bad name/device/x": "" };
  const files = memoryFiles({ ...tree(), ...lo });
  const names = async (virtual: boolean) => [
    ...new Set((await readNetwork(files, virtual)).map(({ device }) => device)),
  ];
  assert.equal(await names(false), ["eth0"]);
  assert.equal(await names(true), ["eth0", "lo"]);
  assert.equal(await readNetwork(memoryFiles({})), []);
});

network.run();
