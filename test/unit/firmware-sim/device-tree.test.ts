// From a fault to a prediction: simulated devices, their files, the stand-in for smartctl, and the
// readers and the predictor of the real agent and NIC firmware on top of them.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { disks } from "../../../agent/sensors/disks.ts";
import { network } from "../../../agent/sensors/network.ts";
import { readOnce } from "../../../agent/sensors/rounds.ts";
import { parseSmart } from "../../../agent/sensors/smartctl.ts";
import {
  type Devices,
  deviceFiles,
  type FaultCommand,
  startDevices,
  stepDevices,
  targetOf,
} from "../../../firmware-sim/faults.ts";
import { deviceTree } from "../../../firmware-sim/tree.ts";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import type { Prediction } from "../../../predictor/evidence.ts";
import { start, step } from "../../../predictor/predictor.ts";
import type { Reading } from "../../../predictor/reading.ts";
import { SystemError } from "../../../protocol/error.ts";
import { runCommand } from "../../../runtime/command.ts";
import {
  memorySmallFiles,
  realSmallFiles,
  rootsBelow,
  type SmallFiles,
} from "../../../runtime/small-files.ts";

const tree = suite("device-tree");
const SMARTCTL = new URL("../../../firmware-sim/smartctl.mjs", import.meta.url).pathname;

function ticked(devices: Devices, ticks: number): Devices {
  return Array(ticks)
    .fill(undefined)
    .reduce<Devices>((state) => stepDevices(state, { type: "tick" }), devices);
}

function broken(command: FaultCommand, ticks: number): Devices {
  const devices = ticked(startDevices("alpha", "boot-1"), 3);
  return ticked(stepDevices(devices, { type: "fault", command }), ticks);
}

async function onDisk<T>(devices: Devices, use: (root: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "lifeboat-tree-"));
  try {
    await deviceTree(root).write(deviceFiles(devices));
    return await use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

function smartctl(root: string, args: readonly string[], timeoutMs = 10_000) {
  return runCommand(process.execPath, [SMARTCTL, "--root", root, ...args], { timeoutMs });
}

function readAdapters(files: SmallFiles): readonly Reading[] {
  return readOnce([network], files, { virtual: false, detail: false });
}

function readDisks(root: string, timeoutMs = 10_000): Promise<readonly Reading[]> {
  const command = [process.execPath, SMARTCTL, "--root", root];
  return disks({ command, timeoutMs }, runCommand).read();
}

tree("the agent reads a healthy server's disks and adapters through the tree", async () => {
  await onDisk(broken({ type: "disk", fault: "none" }, 1), async (root) => {
    const readings = [
      ...(await readDisks(root)),
      ...readAdapters(realSmallFiles(rootsBelow(root), false)),
    ];
    const devices = new Set(readings.map(({ device }) => device));
    assert.equal([...devices].sort(), ["eth0", "nvme0", "scan", "sda"]);
    assert.ok(readings.every(({ status }) => status === "ok"));
    const [state] = step(start(0), { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
    assert.is(state.components["disk/sda"]!.risk.risk, "healthy");
    assert.is(state.components["disk/nvme0"]!.risk.risk, "healthy");
  });
});

tree("a dying disk goes from well to suspect to failing to failed", () => {
  const seen = [0, 1, 2, 3, 8, 500].map((ticks) => {
    const devices = broken({ type: "disk", fault: "dying" }, ticks);
    const { ata, health, exit } = parseSmart(deviceFiles(devices)["smart/sda.json"]!);
    const { pending, offline_uncorrectable, reported_uncorrect, reallocated } = ata!;
    const counts = [pending, offline_uncorrectable, reported_uncorrect, reallocated].join(" ");
    return `${ticks}: ${counts} ${health} ${exit.status}`;
  });
  assert.equal(seen, [
    "0: 0 0 0 0 passed 0",
    "1: 8 0 0 0 passed 0",
    "2: 8 0 0 0 passed 0",
    "3: 16 8 0 0 passed 0",
    "8: 32 24 2 16 passed 0",
    "500: 2000 1992 125 1984 failed 24",
  ]);
});

tree("a dying disk is predicted by the agent's own path, with its evidence", async () => {
  await onDisk(broken({ type: "disk", fault: "dying" }, 3), async (root) => {
    const readings = await readDisks(root);
    const [, effects] = step(start(0), { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
    const predictions = effects.flatMap((effect): Prediction[] =>
      effect.type === "prediction" ? [effect.prediction] : [],
    );
    assert.is(predictions.length, 1);
    assert.is(predictions[0]!.device, "sda");
    assert.equal(
      predictions[0]!.evidence.map(({ text }) => text),
      ["Pending sectors (SMART 197): 16", "Offline uncorrectable sectors (SMART 198): 8"],
    );
  });
});

tree("each fault of a disk is read as what it is", async () => {
  const cases: readonly [command: FaultCommand, signal: string, status: string, value?: unknown][] =
    [
      [{ type: "disk", fault: "failed" }, "health", "ok", "failed"],
      [{ type: "disk", device: "nvme0", fault: "failed" }, "critical-warning", "ok", 0b101],
      [{ type: "disk", fault: "asleep" }, "health", "asleep"],
      [{ type: "disk", fault: "garbage" }, "health", "unreadable"],
      [{ type: "disk", fault: "hanging" }, "health", "unreadable"],
    ];
  for (const [command, signal, status, value] of cases) {
    await onDisk(broken(command, 1), async (root) => {
      const { device = "sda", fault } = command;
      const readings = await readDisks(root, fault === "hanging" ? 1_500 : 10_000);
      const reading = readings.find((each) => each.device === device && each.signal === signal);
      assert.is(reading?.status, status, fault);
      if (value !== undefined) assert.is(reading?.status === "ok" && reading.value, value, fault);
    });
  }
});

tree("a disk that is gone is listed no more, and a mended one is as before", async () => {
  const gone = broken({ type: "disk", fault: "gone" }, 1);
  const listed = JSON.parse(deviceFiles(gone)["smart/scan.json"]!).devices;
  assert.equal(
    listed.map(({ name }: { name: string }) => name),
    ["/dev/nvme0"],
  );
  const command = { type: "disk", fault: "none" } as const;
  const mended = stepDevices(gone, { type: "fault", command });
  assert.equal(deviceFiles(mended), deviceFiles(ticked(startDevices("alpha", "boot-1"), 4)));
});

tree("smartctl.mjs answers with smartctl's exit status", async () => {
  await onDisk(broken({ type: "disk", fault: "failed" }, 1), async (root) => {
    const cases: readonly [args: string[], code: number][] = [
      [["--scan-open", "--json=c"], 0],
      [["--scan", "-j"], 0],
      [["--json=c", "-i", "-H", "-A", "-n", "standby,3", "-d", "sat", "/dev/sda"], 0b1_1000],
      [["--json", "-x", "/dev/nvme0"], 0],
      [["--json=c", "-a", "/dev/sdz"], 2],
      [["--json=c", "-a", "/dev/../etc/passwd"], 1],
      [["--json=c", "--frobnicate", "/dev/sda"], 1],
      [["--json=c", "-a"], 1],
    ];
    for (const [args, code] of cases) {
      const result = await smartctl(root, args);
      assert.is(result.code, code, args.join(" "));
      const { smartctl: own } = JSON.parse(result.stdout);
      assert.is(own.exit_status, code);
      assert.equal(own.argv, ["smartctl", ...args]);
      assert.is(own.platform_info, "simulated");
    }
  });
});

tree("smartctl.mjs without a simulated server says so", async () => {
  const result = await smartctl("/nonexistent", ["--scan-open", "--json=c"]);
  assert.is(result.code, 1);
  assert.match(result.stdout, "No simulated server");
});

tree("an adapter's files move as its cable does", async () => {
  const cases: readonly [fault: "none" | "crc-errors" | "flapping" | "unplugged", seen: string][] =
    [
      ["none", "6 up 10000 0 1"],
      ["crc-errors", "6 up 10000 12 1"],
      ["flapping", "3 up 10000 0 7"],
      ["unplugged", "0 down -1 0 2"],
    ];
  for (const [fault, expected] of cases) {
    const before = ticked(startDevices("alpha", "boot-1"), 3);
    const command = { type: "nic", fault } as const;
    const after = ticked(stepDevices(before, { type: "fault", command }), 6);
    const value = (devices: Devices, file: string): string =>
      deviceFiles(devices)[`sys/class/net/eth0/${file}`]!.trim();
    const frames = (devices: Devices): number =>
      Number(value(devices, "statistics/rx_packets")) +
      Number(value(devices, "statistics/rx_crc_errors"));
    const fields = ["operstate", "speed", "statistics/rx_crc_errors", "carrier_changes"];
    const seen = [(frames(after) - frames(before)) / 20_000, ...fields.map((f) => value(after, f))];
    assert.is(seen.join(" "), expected, fault);
  }
});

tree("a reboot starts every counter anew under another boot id", async () => {
  const before = broken({ type: "nic", fault: "crc-errors" }, 10);
  const after = stepDevices(before, { type: "reboot", bootId: "boot-2" });
  const rooted = (devices: Devices) =>
    memorySmallFiles(
      Object.fromEntries(
        Object.entries(deviceFiles(devices)).map(([path, text]) => [`/${path}`, text]),
      ),
    );
  const [old] = readAdapters(rooted(before));
  const [young] = readAdapters(rooted(after));
  assert.is.not(old!.instance, young!.instance);
  assert.is(after.adapters[0]!.rxCrcErrors, 0n);
  assert.is(after.adapters[0]!.fault, "crc-errors");
});

tree("servers differ in serials and addresses, and a command may name its device", () => {
  const [alpha, bravo] = ["alpha", "bravo"].map((id) => startDevices(id, "boot"));
  assert.is.not(alpha!.adapters[0]!.address, bravo!.adapters[0]!.address);
  assert.is.not(alpha!.disks[0]!.serial, bravo!.disks[0]!.serial);
  const cases: readonly [FaultCommand, string | undefined][] = [
    [{ type: "disk", fault: "dying" }, "sda"],
    [{ type: "disk", device: "nvme0", fault: "dying" }, "nvme0"],
    [{ type: "disk", device: "eth0", fault: "dying" }, undefined],
    [{ type: "nic", fault: "flapping" }, "eth0"],
  ];
  for (const [command, target] of cases) assert.is(targetOf(alpha!, command), target);
  const command = { type: "disk", device: "sdz", fault: "dying" } as const;
  assert.equal(stepDevices(alpha!, { type: "fault", command }), alpha);
});

tree("write() replaces what changed, leaves the rest, and leaves nothing beside it", async () => {
  const root = mkdtempSync(join(tmpdir(), "lifeboat-tree-"));
  try {
    const { write } = deviceTree(root);
    const [first, second] = [write({ "a/b": "1", c: "x" }), write({ "a/b": "2", c: "x" })];
    await Promise.all([first, second]);
    assert.is(readFileSync(join(root, "a/b"), "utf8"), "2");
    assert.equal(readdirSync(root, { recursive: true }).sort(), ["a", "a/b", "c"]);
    rmSync(join(root, "c"));
    await write({ c: "x" });
    assert.equal(readdirSync(root).sort(), ["a"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

tree("write() reports a folder that cannot be written, and goes on with the next", async () => {
  const root = mkdtempSync(join(tmpdir(), "lifeboat-tree-"));
  try {
    const { write } = deviceTree(root);
    await write({ a: "1" });
    const refused = await write({ "a/b": "2" }).catch((thrown: unknown) => thrown);
    assert.ok(refused instanceof SystemError && refused.code === "FILE_FAILED");
    await write({ a: "3" });
    assert.is(readFileSync(join(root, "a"), "utf8"), "3");
  } finally {
    rmSync(root, { recursive: true });
  }
});

tree.run();
