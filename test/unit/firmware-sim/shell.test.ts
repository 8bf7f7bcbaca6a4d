import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ControlAnswer, controlAnswer } from "../../../firmware-sim/control.ts";
import { startServer } from "../../../firmware-sim/shell.ts";
import { scaledClock } from "../../../firmware-sim/time.ts";
import type { Tree } from "../../../firmware-sim/tree.ts";
import { SystemError } from "../../../protocol/error.ts";
import { serverId } from "../../../protocol/ids.ts";
import { silentLog } from "../../../runtime/log.ts";
import { manualClock } from "../predictor/manual-clock.ts";

const shell = suite("shell");
const TICK_MS = 1_000;
const PACKETS = "sys/class/net/eth0/statistics/rx_packets";
const CRC_ERRORS = "sys/class/net/eth0/statistics/rx_crc_errors";
const HEALTHY = [
  { name: "sda", fault: "none" },
  { name: "nvme0", fault: "none" },
];

/** A tree in memory that can be told to fail, or to hold its writes. */
function memoryTree() {
  const tree = { files: {} as Record<string, string>, writes: 0, failure: "", held: false };
  const { promise, resolve } = Promise.withResolvers<void>();
  const write: Tree["write"] = async (files) => {
    tree.writes++;
    if (tree.held) await promise;
    if (tree.failure !== "") throw new SystemError("FILE_FAILED", tree.failure);
    tree.files = { ...files };
  };
  return Object.assign(tree, { write, release: resolve });
}

async function start() {
  const clock = manualClock();
  const tree = memoryTree();
  const server = await startServer({
    redfish: () => undefined,
    serverId: serverId.parse("alpha"),
    bootId: "boot-1",
    tickMs: TICK_MS,
    clock,
    log: silentLog,
    tree,
    nicFirmware: () => ({ pid: 7, restarts: 2 }),
  });
  const ask = async (request: unknown): Promise<ControlAnswer> => {
    const line = typeof request === "string" ? request : JSON.stringify(request);
    return controlAnswer.parse(JSON.parse(await server.answer(line)));
  };
  return { clock, tree, server, ask };
}

shell("startServer() shows the devices at once, and moves them with each tick", async () => {
  const { clock, tree, server } = await start();
  const before = Number(tree.files[PACKETS]);
  await clock.advance(TICK_MS);
  await clock.advance(TICK_MS);
  assert.is(Number(tree.files[PACKETS]), before + 40_000);
  assert.is(tree.files["proc/sys/kernel/random/boot_id"], "boot-1\n");
  await server.stop();
  await clock.advance(TICK_MS);
  assert.is(Number(tree.files[PACKETS]), before + 40_000);
});

shell("answer() breaks what it is told, says so, and mends it with reset", async () => {
  const { clock, tree, ask } = await start();
  const nic = await ask({ type: "nic", fault: "crc-errors" });
  assert.equal(nic, {
    ok: true,
    serverId: "alpha",
    disks: HEALTHY,
    adapters: [{ name: "eth0", fault: "crc-errors" }],
    boards: [{ name: "board0", fault: "none" }],
    nicFirmware: { pid: 7, restarts: 2 },
  });
  await clock.advance(TICK_MS);
  assert.is(tree.files[CRC_ERRORS], "2\n");
  const disk = await ask({ type: "disk", device: "nvme0", fault: "gone" });
  assert.ok(disk.ok && disk.disks[1]!.fault === "gone");
  assert.not(tree.files["smart/scan.json"]!.includes("nvme0"), "told after it is shown");
  const mended = await ask({ type: "reset" });
  assert.ok(mended.ok);
  assert.equal(mended.ok && mended.disks, HEALTHY);
  assert.equal(await ask({ type: "status" }), mended);
  await clock.advance(TICK_MS);
  assert.is(tree.files[CRC_ERRORS], "2\n");
});

shell("answer() refuses what cannot be, and changes nothing", async () => {
  const { tree, ask } = await start();
  const before = await ask({ type: "status" });
  const writes = tree.writes;
  const cases: readonly [request: unknown, code: string][] = [
    ["", "MESSAGE_INVALID"],
    ["{", "MESSAGE_INVALID"],
    [{ type: "fan" }, "MESSAGE_INVALID"],
    [{ type: "disk", fault: "crc-errors" }, "MESSAGE_INVALID"],
    [{ type: "disk", fault: "none" }, "MESSAGE_INVALID"],
    [{ type: "disk", device: "../sda", fault: "dying" }, "MESSAGE_INVALID"],
    [{ type: "reset", device: "sda" }, "MESSAGE_INVALID"],
    [{ type: "disk", device: "sdz", fault: "dying" }, "USAGE"],
    [{ type: "nic", device: "sda", fault: "flapping" }, "USAGE"],
  ];
  for (const [request, code] of cases) {
    const answer = await ask(request);
    assert.is(answer.ok ? "ok" : answer.code, code, JSON.stringify(request));
  }
  assert.equal(await ask({ type: "status" }), before);
  assert.is(tree.writes, writes);
});

shell("answer() says that the files cannot be written; ticks go on and show it later", async () => {
  const { clock, tree, ask } = await start();
  tree.failure = "No space";
  const answer = await ask({ type: "nic", fault: "crc-errors" });
  assert.equal(answer, { ok: false, code: "FILE_FAILED", reason: "No space" });
  await clock.advance(TICK_MS);
  tree.failure = "";
  await clock.advance(TICK_MS);
  assert.is(tree.files[CRC_ERRORS], "4\n");
});

shell("startServer() lets time stand while a write is under way", async () => {
  const { clock, tree, server } = await start();
  const before = Number(tree.files[PACKETS]);
  const writes = tree.writes;
  tree.held = true;
  for (let tick = 0; tick < 5; tick++) await clock.advance(TICK_MS);
  assert.is(tree.writes, writes + 1);
  tree.held = false;
  tree.release();
  await clock.advance(0);
  await clock.advance(TICK_MS);
  assert.is(Number(tree.files[PACKETS]), before + 40_000);
  await server.stop();
});

shell("startServer() fails where its files cannot be", async () => {
  const tree = { write: () => Promise.reject(new SystemError("FILE_FAILED", "Read-only")) };
  const options = { bootId: "boot-1", tickMs: 1, clock: manualClock(), log: silentLog, tree };
  const id = serverId.parse("alpha");
  const nicFirmware = () => ({ restarts: 0 });
  const failed = startServer({
    ...options,
    serverId: id,
    nicFirmware,
    redfish: () => undefined,
  });
  assert.is(await failed.catch((error: SystemError) => error.code), "FILE_FAILED");
});

shell("scaledClock() lets more time pass, and everything come sooner", async () => {
  const clock = manualClock();
  const scaled = scaledClock(clock, 20);
  let turns = 0;
  let once = 0;
  scaled.every(1_000, () => turns++);
  scaled.after(2_000, () => once++);
  for (let step = 0; step < 4; step++) await clock.advance(50);
  assert.equal([scaled.nowMs(), turns, once], [4_000, 4, 1]);
});

shell.run();
