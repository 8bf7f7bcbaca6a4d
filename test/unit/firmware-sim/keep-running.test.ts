import { suite } from "uvu";
import * as assert from "uvu/assert";
import { keepRunning } from "../../../firmware-sim/keep-running.ts";
import { silentLog } from "../../../runtime/log.ts";
import type { Program, ProgramExit } from "../../../runtime/program.ts";
import { manualClock } from "../predictor/manual-clock.ts";

const kept = suite("keep-running");

/** Programs that end when told; each is one start. */
function programs() {
  const ends: ((exit: ProgramExit) => void)[] = [];
  const signals: string[] = [];
  const start = (): Program => {
    const { promise, resolve } = Promise.withResolvers<ProgramExit>();
    ends.push(resolve);
    return { pid: ends.length, exited: promise, signal: (name) => void signals.push(name) };
  };
  return { start, ends, signals };
}

kept("keepRunning() starts again after growing pauses, at most 10 s", async () => {
  const { start, ends } = programs();
  const clock = manualClock();
  const { status } = keepRunning(start, clock, silentLog);
  assert.equal(status(), { pid: 1, restarts: 0 });
  const pauses = [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
  for (const [index, pauseMs] of pauses.entries()) {
    ends.at(-1)!({ signal: "SIGKILL" });
    await clock.advance(0);
    assert.equal(status(), { restarts: index });
    await clock.advance(pauseMs - 1);
    assert.is(ends.length, index + 1);
    await clock.advance(1);
    assert.equal(status(), { pid: index + 2, restarts: index + 1 });
  }
});

kept("keepRunning() hurries again after a long life", async () => {
  const { start, ends } = programs();
  const clock = manualClock();
  const { status } = keepRunning(start, clock, silentLog);
  for (const pauseMs of [200, 400]) {
    ends.at(-1)!({ code: 1 });
    await clock.advance(0);
    await clock.advance(pauseMs);
  }
  await clock.advance(10_001);
  ends.at(-1)!({ code: 1 });
  await clock.advance(0);
  await clock.advance(100);
  assert.equal(status(), { pid: 4, restarts: 3 });
});

kept("stop() ends the program, by force if it must, and starts no other", async () => {
  const { start, ends, signals } = programs();
  const clock = manualClock();
  const { stop } = keepRunning(start, clock, silentLog);
  const stopped = stop();
  assert.equal(signals, ["SIGTERM"]);
  await clock.advance(5_000);
  assert.equal(signals, ["SIGTERM", "SIGKILL"]);
  ends[0]!({ signal: "SIGKILL" });
  await stopped;
  await clock.advance(60_000);
  assert.is(ends.length, 1);
});

kept("stop() during a pause is at once", async () => {
  const { start, ends } = programs();
  const clock = manualClock();
  const { stop } = keepRunning(start, clock, silentLog);
  ends[0]!({ code: 1 });
  await clock.advance(0);
  await stop();
  await clock.advance(60_000);
  assert.is(ends.length, 1);
});

kept.run();
