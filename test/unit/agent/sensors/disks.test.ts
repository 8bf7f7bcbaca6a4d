import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEVICE_PATTERN, disks } from "../../../../agent/sensors/disks.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { type ErrorCode, SystemError } from "../../../../protocol/error.ts";
import type { CommandResult, RunCommand } from "../../../../runtime/command.ts";
import { smartDocument, smartText } from "./documents.ts";

const reading = suite("disks");
const SCAN = JSON.stringify({
  smartctl: { exit_status: 0 },
  devices: [{ name: "/dev/sda", type: "sat" }],
});
const CONFIG = { command: ["smartctl"] };

function ended(stdout: string, code = 0): CommandResult {
  return { code, stdout, stderr: "" };
}

/** A smartctl that answers the scan with one disk and the disk with what it is given. */
function answering(answer: () => CommandResult | Promise<CommandResult>): RunCommand {
  return async (_file, args) => (args.includes("--scan-open") ? ended(SCAN) : answer());
}

function failing(code: ErrorCode): RunCommand {
  return answering(() => {
    throw new SystemError(code, code);
  });
}

function seen(readings: readonly Reading[], signal: string): Reading | undefined {
  return readings.find((candidate) => candidate.signal === signal);
}

reading("read() asks smartctl without waking the disk, by the scan's type", async () => {
  const asked: string[] = [];
  const run: RunCommand = async (file, args, options) => {
    asked.push([file, ...args].join(" "));
    assert.is(options?.timeoutMs, 10_000);
    return ended(args.includes("--scan-open") ? SCAN : smartText("ata"));
  };
  const readings = await disks({ command: ["sudo", "smartctl"] }, run).read();
  assert.equal(asked, [
    "sudo smartctl --scan-open --json=c",
    "sudo smartctl --json=c -i -H -A -l error -l selftest -n standby,3 -d sat /dev/sda",
  ]);
  const health = seen(readings, "health");
  assert.is(health?.status === "ok" && health.value, "passed");
  assert.is(health?.instance, "LIFEBOAT SIMULATED HDD/SIM-TEST-sda");
});

reading(
  "read() reports what a disk that cannot be read lacks, and never that it is well",
  async () => {
    const asleep = JSON.stringify(smartDocument("ata", "asleep"));
    const gone = JSON.stringify(smartDocument("ata", "gone"));
    const denied = { exit_status: 2, messages: [{ string: "Permission denied" }] };
    const silent = smartText("ata", { smart_status: undefined });
    const cases: readonly [what: string, run: RunCommand, status: string][] = [
      ["asleep", answering(() => ended(asleep, 3)), "asleep"],
      ["asleep, status only", answering(() => ended('{"smartctl":{}}', 3)), "asleep"],
      ["gone", answering(() => ended(gone, 2)), "missing"],
      ["denied", answering(() => ended(JSON.stringify({ smartctl: denied }), 2)), "unreadable"],
      ["garbage", answering(() => ended("\u0000\uFFFD garbage")), "unreadable"],
      ["truncated", answering(() => ended(smartText("ata").slice(0, 300))), "unreadable"],
      ["empty", answering(() => ended("")), "unreadable"],
      ["no assessment", answering(() => ended(silent)), "missing"],
      ["no smartctl", failing("COMMAND_NOT_FOUND"), "missing"],
      ["hanging", failing("COMMAND_TIMEOUT"), "unreadable"],
      ["too much", failing("COMMAND_FAILED"), "unreadable"],
    ];
    for (const [what, run, status] of cases) {
      const health = seen(await disks(CONFIG, run).read(), "health");
      assert.is(health?.status, status, what);
      if (health?.status !== "ok") assert.ok(health!.reason.length > 0, what);
    }
  },
);

reading("scan() reports how many disks there are, or why that is not known", async () => {
  const listing = (devices: unknown) => async () =>
    ended(JSON.stringify({ smartctl: {}, devices }));
  const disk = { name: "/dev/sda", type: "sat" };
  const cases: readonly [what: string, run: RunCommand, status: string][] = [
    ["one", listing([disk]), "ok"],
    ["none", listing([]), "ok"],
    ["no list", listing(undefined), "unreadable"],
    ["garbage", async () => ended("<html>"), "unreadable"],
    ["a hostile path", listing([disk, { name: "/dev/sda; rm -rf /", type: "sat" }]), "implausible"],
    ["a hostile type", listing([{ name: "/dev/sda", type: "-d sat --foo" }]), "implausible"],
    ["no smartctl", () => Promise.reject(new SystemError("COMMAND_NOT_FOUND", "x")), "missing"],
  ];
  for (const [what, run, status] of cases) {
    const readings = await disks(CONFIG, run).scan();
    assert.equal(
      readings.map((each) => each.status),
      [status],
      what,
    );
  }
});

reading(
  "read() passes on no device that the pattern refuses, and a wider pattern may",
  async () => {
    const asked: string[] = [];
    const devices = [
      { name: "/dev/../etc/passwd", type: "sat" },
      { name: "/sim/sda", type: "sat" },
    ];
    const run: RunCommand = async (_file, args) => {
      asked.push(args.at(-1)!);
      return ended(JSON.stringify({ smartctl: {}, devices }));
    };
    await disks(CONFIG, run).read();
    assert.equal(asked, ["--json=c"]);
    await disks({ ...CONFIG, devicePattern: /^\/sim\/sd[a-z]$/ }, run).read();
    assert.is(asked.at(-1), "/sim/sda");
  },
);

reading("DEVICE_PATTERN takes whole disks and stable names only", () => {
  const taken = ["/dev/sda", "/dev/sdab", "/dev/nvme0", "/dev/nvme10n1", "/dev/bus/0"];
  const byId = ["/dev/disk/by-id/wwn-0x5000c500a1b2c3d4", "/dev/disk/by-id/ata-WDC_WD40_X"];
  for (const path of [...taken, ...byId]) assert.ok(DEVICE_PATTERN.test(path), path);
  const refused = [
    "",
    "sda",
    "-d",
    "/dev/sda1",
    "/dev/sda\n",
    "/dev/sda;x",
    "/dev/../etc/passwd",
    "/dev/disk/by-id/../../mem",
    "/dev/disk/by-id/..",
    "/dev/mem",
    "/dev/sda -d sat",
  ];
  for (const path of refused) assert.not.ok(DEVICE_PATTERN.test(path), path);
});

reading("read() tells disks behind one controller apart", async () => {
  const devices = [0, 1].map((index) => ({ name: "/dev/bus/0", type: `megaraid,${index}` }));
  const run: RunCommand = async (_file, args) =>
    ended(args.includes("-d") ? smartText("ata") : JSON.stringify({ smartctl: {}, devices }));
  const names = new Set((await disks(CONFIG, run).read()).map(({ device }) => device));
  assert.equal([...names], ["scan", "bus0-megaraid-0", "bus0-megaraid-1"]);
});

reading("read() asks disks behind a controller that no scan lists", async () => {
  const asked: string[] = [];
  const run: RunCommand = async (_file, args) => {
    if (!args.includes("-d")) return ended(JSON.stringify({ smartctl: {}, devices: [] }));
    asked.push(args.slice(-3).join(" "));
    return ended(smartText("ata"));
  };
  const behind = [
    { path: "/dev/sg2", type: "areca,1/1" },
    { path: "/dev/twa0", type: "3ware,2" },
    { path: "/dev/cciss/c0d0", type: "cciss,0" },
    { path: "/dev/sda", type: "sat+megaraid,5" },
  ];
  const names = new Set(
    (await disks({ ...CONFIG, behind }, run).read()).map((each) => each.device),
  );
  assert.equal(
    [...names],
    ["scan", "sg2-areca-1-1", "twa0-3ware-2", "c0d0-cciss-0", "sda-sat-megaraid-5"],
  );
  assert.equal(asked.sort(), behind.map(({ path, type }) => `-d ${type} ${path}`).sort());
});

reading("read() starts no second smartctl for a disk while the first runs", async () => {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  let started = 0;
  const found = disks(
    CONFIG,
    answering(() => {
      started += 1;
      return promise;
    }),
  );
  await found.scan();
  const first = found.read();
  const second = await found.read();
  assert.is(seen(second, "health")?.status, "unreadable");
  resolve(ended(smartText("ata")));
  assert.is(seen(await first, "health")?.status, "ok");
  assert.is(started, 1);
});

reading("read() leaves a disk alone, longer each time, whose smartctl did not end", async () => {
  let started = 0;
  const found = disks(
    CONFIG,
    answering(() => {
      started += 1;
      throw new SystemError("COMMAND_TIMEOUT", "did not end");
    }),
  );
  const starts: number[] = [];
  for (let round = 0; round < 12; round++) {
    const before = started;
    await found.read();
    if (started > before) starts.push(round);
  }
  assert.equal(starts, [0, 2, 5, 10]);
});

reading("read() reports a disk that the next scan no longer lists, and its return", async () => {
  let listed = true;
  const run: RunCommand = async (_file, args) => {
    if (!args.includes("--scan-open")) return ended(smartText("ata"));
    return listed ? ended(SCAN) : ended(JSON.stringify({ smartctl: {}, devices: [] }));
  };
  const found = disks(CONFIG, run);
  assert.is(seen(await found.read(), "health")?.status, "ok");
  listed = false;
  await found.scan();
  assert.is(seen(await found.read(), "health")?.status, "missing");
  listed = true;
  await found.scan();
  assert.is(seen(await found.read(), "health")?.status, "ok");
});

reading("read() shows implausible counts and temperatures as such", async () => {
  const raw = { value: 281_474_976_710_655, string: "281474976710655" };
  const table = { table: [{ id: 197, raw }] };
  const text = smartText("ata", { ata_smart_attributes: table, temperature: { current: 127 } });
  const readings = await disks(
    CONFIG,
    answering(() => ended(text)),
  ).read();
  assert.is(seen(readings, "smart-197")?.status, "implausible");
  assert.is(seen(readings, "temperature")?.status, "implausible");
});

reading.run();
