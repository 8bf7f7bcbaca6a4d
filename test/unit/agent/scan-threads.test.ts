// A guest's RAM scanned by threads of their own: what they send, and what becomes of a guest whose
// threads die.
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ScanAsk } from "../../../agent/capture/scan-messages.ts";
import { openScanner, scanThreadsFor } from "../../../agent/capture/scan-ram.ts";
import { loadKernelModule } from "../../../epochs/kernel.ts";
import { parsePagesHeader } from "../../../epochs/pages-header.ts";
import type { Scanner } from "../../../epochs/scanner.ts";
import type { ScanMode } from "../../../epochs/shadow.ts";
import { realClock } from "../../../runtime/clock.ts";
import { type StartThread, startThread } from "../../../runtime/threads.ts";
import { mixture } from "../assembly/samples.ts";
import { makeFolder } from "../runtime/folder.ts";
import { until } from "../runtime/ports.ts";
import { PAGE } from "./simulated-guest.ts";
import { MIB, makeWorld, randomBytes, reasonOfSource } from "./stream-world.ts";

const GIB = 1024 * MIB;
const module = loadKernelModule();
const threads = suite("scanning threads");

/** Counts the threads that run; `onPost` sees what is asked, and may make the thread throw. */
function watched(onPost: (ask: ScanAsk) => "die" | undefined = () => undefined) {
  const alive = { count: 0 };
  const start: StartThread = (main, options) => {
    alive.count++;
    const thread = startThread<unknown, never>(main, options);
    return {
      post(message) {
        // Nothing that a thread understands: it throws, and nobody catches it.
        if (onPost(message as ScanAsk) === "die") thread.post(undefined);
        thread.post(message);
      },
      async close() {
        await thread.close();
        alive.count--;
      },
    };
  };
  return { alive, start };
}

async function payloadsOf(scanner: Scanner, mode: ScanMode, ramBytes: number) {
  const payloads: Uint8Array[] = [];
  const { scannedBytes, changedBytes } = await scanner.encode(mode, {
    before: async () => {},
    payload: async (payload) => void payloads.push(payload),
    after: async () => {},
  });
  const firstOf = (one: Uint8Array): number => parsePagesHeader(one, ramBytes).firstPage;
  const sorted = payloads.toSorted((a, b) => firstOf(a) - firstOf(b));
  return { scannedBytes, changedBytes, payloads: sorted.map((one) => Buffer.from(one)) };
}

threads("encode() by three threads makes the payloads of one, round after round", async () => {
  const ramBytes = 37 * MIB + 3 * PAGE;
  const ramPath = join(makeFolder(), "guest.ram");
  writeFileSync(ramPath, mixture(1, ramBytes));
  const { alive, start } = watched();
  const open = (count: number): Scanner =>
    openScanner(
      { ramPath, memoryBytes: ramBytes, stagingBytesMax: 6 * MIB, threads: count },
      { module, clock: realClock, startThread: start },
    );
  const [one, three] = [open(1), open(3)];
  assert.is(alive.count, 3);
  const fd = openSync(ramPath, "r+");
  for (let round = 0; round < 4; round++) {
    const mode = round === 0 ? "full" : "delta";
    const aside = round < 2 ? undefined : await three.setAside({ after: async () => {} });
    // The last round has more than can be held.
    assert.is((aside?.scannedBytes ?? ramBytes) < ramBytes, round === 3);
    const by3 = await payloadsOf(three, mode, ramBytes);
    const by1 = await payloadsOf(one, mode, ramBytes);
    assert.equal(by3.payloads, by1.payloads);
    assert.is(by3.changedBytes, by1.changedBytes);
    assert.is((aside?.scannedBytes ?? 0) + by3.scannedBytes, ramBytes);
    for (let page = round; page < ramBytes / PAGE; page += round < 2 ? 100 : 2) {
      writeSync(fd, Buffer.alloc(64, round + 1), 0, 64, page * PAGE + 8 * round);
    }
  }
  closeSync(fd);
  await Promise.all([one.close(), three.close()]);
  assert.is(alive.count, 0);
});

threads("a guest moves while threads scan it, and what it writes meanwhile is there", async () => {
  const { alive, start } = watched();
  const world = await makeWorld({
    ramBytes: 20 * MIB,
    scanThreads: 3,
    startThread: start,
    stagingBytesMax: 9 * MIB,
    source: {
      beforePause(guest, pauses) {
        for (let page = pauses; page < 5000; page += 97) guest.write(page, randomBytes(page, PAGE));
      },
    },
  });
  try {
    assert.is(await world.settled(), "moved", reasonOfSource(world) ?? "");
    await until(() => world.progress.at(-1)?.stage === "done", "the target's active");
    assert.ok(world.target.ram().equals(world.source.ram()), "RAM differs");
    const { pauseParts = undefined } = world.progress.at(-1)!;
    assert.ok(Object.values(pauseParts!).every((ms) => ms >= 0));
    assert.is(alive.count, 0, "threads outlive their stream");
  } finally {
    await world.close();
  }
});

const deaths: readonly [when: string, dies: (ask: ScanAsk, count: number) => boolean][] = [
  ["before its first batch", (_ask, count) => count === 1],
  ["in the midst of the first round", (ask, count) => ask.type === "next" && count === 5],
  ["in the pause of a cut", (ask) => ask.type === "begin" && ask.work === "aside"],
];

for (const [when, dies] of deaths) {
  threads(`a thread that dies ${when} fails the stream, and the guest runs on`, async () => {
    let count = 0;
    let dead = false;
    const { alive, start } = watched((ask) => {
      count++;
      if (dead || !dies(ask, count)) return undefined;
      dead = true;
      return "die";
    });
    const world = await makeWorld({ ramBytes: 12 * MIB, scanThreads: 2, startThread: start });
    try {
      assert.is(await world.settled(), "refused");
      assert.match(reasonOfSource(world) ?? "", /thread died/);
      assert.is(world.source.phase(), "running");
      assert.is.not(world.target.phase(), "running");
      assert.is(alive.count, 0, "threads outlive their stream");
    } finally {
      await world.close();
    }
  });
}

threads("RAM that ends early fails the scan of its thread with what it found", async () => {
  const ramPath = join(makeFolder(), "guest.ram");
  writeFileSync(ramPath, Buffer.alloc(8 * MIB));
  truncateSync(ramPath, 7 * MIB);
  const { alive, start } = watched();
  const scanner = openScanner(
    { ramPath, memoryBytes: 8 * MIB, stagingBytesMax: MIB, threads: 2 },
    { module, clock: realClock, startThread: start },
  );
  const code = await payloadsOf(scanner, "full", 8 * MIB).then(
    () => "nothing",
    (thrown: { code?: string }) => thrown.code,
  );
  assert.is(code, "FILE_FAILED");
  await scanner.close();
  assert.is(alive.count, 0);
});

const defaults: readonly [memoryBytes: number, cores: number, threads: number][] = [
  [128 * MIB, 64, 1],
  [2 * GIB - MIB, 64, 1],
  [2 * GIB, 3, 1],
  [2 * GIB, 4, 2],
  [8 * GIB, 6, 3],
  [64 * GIB, 64, 4],
];

for (const [memoryBytes, cores, count] of defaults) {
  threads(`scanThreadsFor() says ${count} for ${memoryBytes / MIB} MiB on ${cores} cores`, () => {
    assert.is(scanThreadsFor(memoryBytes, cores), count);
  });
}

threads.run();
