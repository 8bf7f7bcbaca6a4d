import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PauseGate } from "../../../../agent/migration/gate.ts";

const gate = suite("gate");

/** Lets everything that can go on do so. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A pause that lasts until it is ended by hand. */
function pause(on: PauseGate): { end: () => void; over: Promise<void> } {
  let end = (): void => {};
  const over = on.ahead(
    () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }),
  );
  return { end: () => end(), over };
}

gate("pass() lets everybody through while no guest is paused", async () => {
  await new PauseGate().pass();
});

gate("pass() waits until the last of several pauses has ended", async () => {
  const shared = new PauseGate();
  const [first, second] = [pause(shared), pause(shared)];
  let passed = 0;
  const waiting = [shared.pass(), shared.pass()].map((one) => one.then(() => passed++));
  first.end();
  await first.over;
  await settle();
  assert.is(passed, 0);
  second.end();
  await Promise.all(waiting);
  assert.is(passed, 2);
});

gate("ahead() lets the others go on when its work fails, and hands the failure on", async () => {
  const shared = new PauseGate();
  const failing = shared.ahead(() => Promise.reject(new Error("the guest died")));
  const waiting = shared.pass();
  const failure = await failing.catch((thrown: unknown) => thrown);
  assert.instance(failure, Error);
  await waiting;
});

gate("ahead() does not wait for another pause", async () => {
  const shared = new PauseGate();
  const other = pause(shared);
  assert.is(await shared.ahead(async () => 7), 7);
  other.end();
  await other.over;
});

gate.run();
