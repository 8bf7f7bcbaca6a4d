import { suite } from "uvu";
import * as assert from "uvu/assert";
import { network as source } from "../../../../agent/sensors/network.ts";
import { readOnce } from "../../../../agent/sensors/rounds.ts";
import { deviceFiles, startDevices } from "../../../../firmware-sim/faults.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { memorySmallFiles, type SmallFiles } from "../../../../runtime/small-files.ts";

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

function readNetwork(files: SmallFiles, virtual = false): readonly Reading[] {
  return readOnce([source], files, { virtual, detail: false });
}

function read(files: SmallFiles, signal: string, virtual = false): Reading | undefined {
  return readNetwork(files, virtual).find((reading) => reading.signal === signal);
}

network("readNetwork() reads every signal of an adapter", () => {
  const readings = readNetwork(memorySmallFiles(tree()));
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
      "rx-bytes": 800_000_000n,
      "rx-errors": 0n,
      "rx-dropped": 0n,
      "tx-bytes": 720_000_000n,
      "tx-packets": 900_000n,
      "tx-errors": 0n,
      "tx-dropped": 0n,
    },
  );
  assert.match(readings[0]!.instance!, /^boot-1\/2\/02:4c:/);
});

network("readNetwork() takes a counter exactly or not at all", () => {
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
    const files = memorySmallFiles(tree({ "statistics/rx_packets": text }));
    const reading = read(files, "rx-packets");
    assert.is(reading?.status, status, JSON.stringify(text.slice(0, 20)));
    if (value !== undefined) assert.is(reading?.status === "ok" && reading.value, value);
  }
});

network("readNetwork() reads speed, state and flags strictly", () => {
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
    const reading = read(memorySmallFiles(tree({ [file]: text })), signal);
    assert.is(reading?.status, status, `${file} ${text}`);
  }
});

network("readNetwork() tells a file that is gone from one that cannot be read", () => {
  const codes: readonly [code: string, status: string][] = [
    ["ENOENT", "missing"],
    ["EIO", "unreadable"],
    ["EAGAIN", "unreadable"],
    ["EINVAL", "unreadable"],
  ];
  for (const [code, status] of codes) {
    const files = memorySmallFiles(tree());
    const broken: SmallFiles = {
      ...files,
      read(path) {
        if (!path.endsWith("/carrier")) return files.read(path);
        const cause = Object.assign(new Error(code), { code });
        throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
      },
    };
    const reading = read(broken, "carrier");
    assert.is(reading?.status, status, code);
    assert.is(read(broken, "rx-packets")?.status, "ok", code);
  }
});

network("readNetwork() does not miss the count of losses that an old kernel lacks", () => {
  const files = tree();
  delete files["/sys/class/net/eth0/carrier_down_count"];
  assert.is(read(memorySmallFiles(files), "carrier-losses"), undefined);
  assert.is(read(memorySmallFiles(files), "carrier-changes")?.status, "ok");
});

network(
  "readNetwork() reads a line of /proc/net/dev for each adapter, and crc errors beside it",
  () => {
    const table = `Inter-|   Receive  |  Transmit
 face |bytes packets errs drop fifo frame ... |bytes packets errs drop fifo colls ...
    lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0
  eth0:18446744073709551615 1036395 1 2 3 4 5 6 563352563 732147 7 8 9 10 11 12
`;
    const files = memorySmallFiles({ ...tree(), "/proc/net/dev": table });
    const valueIn = (signal: string, virtual = false) => {
      const reading = read(files, signal, virtual);
      return reading?.status === "ok" ? reading.value : reading;
    };
    assert.is(valueIn("rx-bytes"), 2n ** 64n - 1n);
    assert.is(valueIn("tx-dropped"), 8n);
    assert.is(valueIn("rx-crc-errors"), 0n);
    assert.is(readNetwork(files).filter(({ signal }) => signal === "rx-packets").length, 1);
    const devices = readNetwork(files, true).map(({ device }) => device);
    assert.equal([...new Set(devices)], ["eth0", "lo"]);
  },
);

network(
  "readNetwork() calls an adapter without its line missing, and a short line unreadable",
  () => {
    const heads = "a\nb\n";
    let table = `${heads}eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n`;
    const files = { ...memorySmallFiles(tree()) };
    const read = files.read;
    files.read = (path) => (path === "/proc/net/dev" ? table : read(path));
    const [probe] = source.find(files, { virtual: false, detail: false });
    const statuses = () => [...new Set(probe!.parse(table).map(({ status }) => status))];
    assert.equal(statuses(), ["ok"]);
    table = `${heads}eth0: 1 2 3\n`;
    assert.equal(statuses(), ["ok", "unreadable"]);
    table = heads;
    assert.equal(statuses(), ["missing"]);
  },
);

network("readNetwork() leaves out what is no hardware, unless told", () => {
  const lo = { "/sys/class/net/lo/carrier": "1\n", "/sys/class/net/bad name/device/x": "" };
  const files = memorySmallFiles({ ...tree(), ...lo });
  const names = (virtual: boolean) => [
    ...new Set(readNetwork(files, virtual).map(({ device }) => device)),
  ];
  assert.equal(names(false), ["eth0"]);
  assert.equal(names(true), ["eth0", "lo"]);
  assert.equal(readNetwork(memorySmallFiles({})), []);
});

network.run();
