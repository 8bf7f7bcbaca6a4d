import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Rounds } from "../../../../agent/sensors/rounds.ts";
import { watchSensors } from "../../../../agent/sensors/watch.ts";
import { DEFAULT_CONFIG } from "../../../../predictor/config.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { manualClock } from "../../predictor/manual-clock.ts";
import { diskReadings, nicReadings, WELL } from "../../predictor/readings.ts";

const watch = suite("watch");
const PERIODS = { filesMs: 1_000, slowFilesMs: 60_000, disksMs: 3_000, scanMs: 60_000 };

function roundsOf(read: () => readonly Reading[]): Rounds {
  return { read, readSlow: async () => undefined, counts: () => ({ fast: 0, slow: 0 }) };
}

watch("watchSensors() asks each kind at its own pace, and predicts", async () => {
  const clock = manualClock();
  const asked: string[] = [];
  const predicted: string[] = [];
  let dying = false;
  const { stop } = watchSensors(
    {
      clock,
      disks: {
        async scan() {
          asked.push("scan");
          return [];
        },
        async read() {
          asked.push("disks");
          return diskReadings(dying ? { ...WELL, "smart-5": 1, "smart-197": 1 } : WELL);
        },
      },
      rounds: roundsOf(() => {
        asked.push("network");
        return nicReadings({ "carrier-losses": 0n });
      }),
      onEffect: (effect) => effect.type === "prediction" && predicted.push(effect.prediction.id),
    },
    DEFAULT_CONFIG,
    PERIODS,
  );
  await clock.advance(0);
  for (let second = 0; second < 6; second++) {
    dying = second === 5;
    await clock.advance(1_000);
  }
  const count = (kind: string): number => asked.filter((each) => each === kind).length;
  assert.equal([count("scan"), count("disks"), count("network")], [1, 3, 7]);
  assert.equal(predicted, ["local-disk-sda-1"]);
  stop();
  await clock.advance(60_000);
  assert.is(asked.length, 11);
});

watch("newest() leaves out what was last read too long ago", async () => {
  const clock = manualClock();
  let there = true;
  const { newest, stop } = watchSensors(
    {
      clock,
      disks: { scan: async () => [], read: async () => [] },
      rounds: roundsOf(() => (there ? nicReadings({ "rx-packets": 1n }) : [])),
      onEffect: () => undefined,
    },
    DEFAULT_CONFIG,
    PERIODS,
  );
  await clock.advance(0);
  there = false;
  await clock.advance(3_000);
  assert.equal([newest().length, newest(3_000).length, newest(2_999).length], [1, 1, 0]);
  stop();
});

watch("watchSensors() tells what others said of a device together with its round", async () => {
  const clock = manualClock();
  let rounds = 0;
  const disks = { scan: async () => [], read: async () => [] };
  const fec = nicReadings({ "fec-corrected": 7n });
  const { newest, stop } = watchSensors(
    {
      clock,
      disks,
      rounds: roundsOf(() => {
        rounds += 1;
        return nicReadings({ "rx-packets": BigInt(rounds) });
      }),
      others: [{ periodMs: 60_000, read: async () => fec }],
      onEffect: () => undefined,
    },
    DEFAULT_CONFIG,
    PERIODS,
  );
  const told = () => newest().map((reading) => "value" in reading && reading.value);
  await clock.advance(0);
  assert.equal(told(), [1n]);
  await clock.advance(1_000);
  assert.equal(told(), [2n, 7n]);
  stop();
});

watch("watchSensors() starts no second question while the first is open", async () => {
  const clock = manualClock();
  const { promise, resolve } = Promise.withResolvers<readonly Reading[]>();
  let questions = 0;
  const disks = { scan: async () => [], read: async () => [] };
  const read = (): Promise<readonly Reading[]> => {
    questions += 1;
    return promise;
  };
  const others = [{ periodMs: 1_000, read }];
  const ports = { clock, disks, rounds: roundsOf(() => []), others, onEffect: () => undefined };
  const { stop } = watchSensors(ports, DEFAULT_CONFIG, PERIODS);
  await clock.advance(1_000);
  await clock.advance(1_000);
  assert.is(questions, 1);
  resolve([]);
  await clock.advance(0);
  await clock.advance(1_000);
  await clock.advance(1_000);
  assert.is(questions, 3);
  stop();
});

watch.run();
