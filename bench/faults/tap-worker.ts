/**
 * Runs in a network namespace of its own (tap-faults.ts starts it): three adapters, the agent's own
 * sensors at their own pace, and what the predictor says. Prints one line, a `TapReport`.
 *
 *   flapping0  loses its carrier three times
 *   managed0   is taken down and up again by its administrator three times; frames then get lost
 *   steady0    keeps its carrier, while its queue overflows
 */
import { startRounds } from "../../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../../agent/sensors/sources.ts";
import { type Watch, watchSensors } from "../../agent/sensors/watch.ts";
import { DEFAULT_CONFIG } from "../../predictor/config.ts";
import type { Prediction } from "../../predictor/evidence.ts";
import { realClock } from "../../runtime/clock.ts";
import { realFiles } from "../../runtime/files.ts";
import { realSmallFiles } from "../../runtime/small-files.ts";
import { firingRules, type TapReport } from "./found.ts";
import { FRAME, openTap, type Tap } from "./tap.ts";

const FLAPS = 3;
const LOST_MS = 600;
const LINKED_MS = 900;
/** Longer than two rounds: the sensors must see it, as they would a person's doing. */
const ADMIN_DOWN_MS = 2_500;
const ADMIN_UP_MS = 1_500;
const WAIT_MS = 20_000;
const QUIET_MS = 2_500;
const LOST_FRAMES = 6;
const OVERFLOWN_FRAMES = 100;

const predictions: Prediction[] = [];
const [flapping, managed, steady] = ["flapping0", "managed0", "steady0"].map(openTap) as [
  Tap,
  Tap,
  Tap,
];
const taps = [flapping, managed, steady];
for (const tap of taps) {
  tap.setUp(true);
  tap.setCarrier(true);
}

const files = realSmallFiles({ proc: "/proc", sys: "/sys" }, true);
const rounds = startRounds(
  FILE_SOURCES,
  { virtual: true, detail: false },
  { clock: realClock, files, slowFiles: realFiles() },
);
const none = async () => [];
const watch = watchSensors(
  {
    clock: realClock,
    disks: { scan: none, read: none },
    rounds,
    onEffect: (effect) => {
      if (effect.type === "prediction") predictions.push(effect.prediction);
    },
  },
  DEFAULT_CONFIG,
);

await until("the first readings", () => taps.every(({ name }) => value(watch, name) !== undefined));
await realClock.sleep(QUIET_MS);
const before = predictions.length;
overflow();
const [lastFlapMs] = await Promise.all([flap(), administer()]);
await until("the prediction", () => predictions.length > before);
await until("the last counts", () => {
  const { received, sent, losses } = report();
  return (
    received.dropped === received.lost && sent.dropped >= sent.overflown && losses[1] === FLAPS
  );
});
await realClock.sleep(QUIET_MS);
process.stdout.write(`${JSON.stringify(report())}\n`);
watch.stop();
files.close();
for (const tap of taps) tap.close();

async function flap(): Promise<number> {
  let atMs = 0;
  for (let count = 0; count < FLAPS; count += 1) {
    flapping.setCarrier(false);
    atMs = realClock.nowMs();
    await realClock.sleep(LOST_MS);
    flapping.setCarrier(true);
    await realClock.sleep(LINKED_MS);
  }
  return atMs;
}

/** Drivers lose their carrier when they are taken down. */
async function administer(): Promise<void> {
  for (let count = 0; count < FLAPS; count += 1) {
    managed.setUp(false);
    managed.setCarrier(false);
    for (let frame = 0; frame < LOST_FRAMES; frame += 1) managed.arrive(FRAME);
    await realClock.sleep(ADMIN_DOWN_MS);
    managed.setCarrier(true);
    managed.setUp(true);
    await realClock.sleep(ADMIN_UP_MS);
  }
}

/** More than the queue holds, which nobody empties. */
function overflow(): void {
  const frames = Number(steady.file("tx_queue_len")) + OVERFLOWN_FRAMES;
  for (let frame = 0; frame < frames; frame += 1) steady.depart(FRAME);
}

function report(): TapReport {
  const seen = (name: string, signal: string) => Number(value(watch, name, signal));
  return {
    predictions: predictions.map(({ device, evidence, atMs }) => ({
      device,
      rules: firingRules(watch.state(), "nic", device),
      text: evidence.map(({ text }) => text).join("; "),
      seconds: (atMs - lastFlapMs) / 1_000,
    })),
    losses: taps.map(({ name }) => seen(name, "carrier-losses")),
    received: { dropped: seen("managed0", "rx-dropped"), lost: FLAPS * LOST_FRAMES },
    sent: { dropped: seen("steady0", "tx-dropped"), overflown: OVERFLOWN_FRAMES },
  };
}

function value(of: Watch, device: string, signal = "carrier-losses"): unknown {
  const reading = of.newest().find((one) => one.device === device && one.signal === signal);
  return reading?.status === "ok" ? reading.value : undefined;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const untilMs = realClock.nowMs() + WAIT_MS;
  while (!holds()) {
    if (realClock.nowMs() > untilMs) throw new Error(`Waited in vain for ${what}`);
    await realClock.sleep(20);
  }
}
