import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_CONFIG } from "../../../predictor/config.ts";
import type { DrivePasts } from "../../../predictor/drive.ts";
import { keepPasts, keptPasts, pastsOf, resumePasts } from "../../../predictor/drive-past.ts";
import { type State, start, step } from "../../../predictor/predictor.ts";
import type { DiskSignal } from "../../../predictor/reading.ts";
import { diskReadings, WELL } from "./readings.ts";

const past = suite("drive-past");

const DAY_MS = 86_400_000;
type Values = Partial<Record<DiskSignal, number>>;
const RISEN: Values = { "smart-187": 2, "smart-197": 16, "smart-198": 16 };
const wallAt = (day: number): string => new Date(1_700_000_000_000 + day * DAY_MS).toISOString();

function look(state: State, atMs: number, values: Values, hardware = "model/serial"): State {
  const readings = diskReadings({ ...WELL, ...values }, hardware);
  return step(state, { type: "readings", atMs, readings }, DEFAULT_CONFIG)[0];
}

/** A disk looked at each day, that rose on day 20. */
function watchedFor(days: number): State {
  let state = start(0);
  for (let day = 0; day <= days; day++) state = look(state, day * DAY_MS, day < 20 ? {} : RISEN);
  return state;
}

/** What the learnt model says of the disk. */
function probabilityIn({ components }: State): number | undefined {
  const findings = components["disk/sda"]!.findings;
  return findings.find(({ rule }) => rule === "drive-model")!.outlook?.probability;
}

/** Through the document, as text. */
function written(pasts: DrivePasts, day: number) {
  const kept = keepPasts(pasts, day * DAY_MS, wallAt(day));
  return keptPasts.parse(JSON.parse(JSON.stringify(kept)));
}

past("resumePasts() gives a disk the score it has without a restart", () => {
  const atMs = 5_000;
  const kept = written(pastsOf(watchedFor(22)), 22);
  for (const awayDays of [0, 1, 30]) {
    const whole = look(watchedFor(22), (22 + awayDays) * DAY_MS, RISEN);
    const pasts = resumePasts(kept, atMs, wallAt(22 + awayDays));
    const [resumed, forgetful] = [start(atMs, pasts), start(atMs)].map((state) =>
      look(state, atMs, RISEN),
    );
    const [expected, ours, none] = [whole, resumed!, forgetful!].map(probabilityIn);
    assert.ok(Math.abs(ours! - expected!) < 1e-6, `${ours}, ${expected} after ${awayDays} days`);
    assert.is.not(none, expected);
  }
});

past("resumePasts() takes a wall clock that went back for no time at all", () => {
  const kept = written(pastsOf(watchedFor(22)), 22);
  assert.equal(resumePasts(kept, 0, wallAt(3)), resumePasts(kept, 0, wallAt(22)));
});

past("a past belongs to its hardware, waits for it, and is taken up once", () => {
  const pasts = resumePasts(written(pastsOf(watchedFor(22)), 22), 0, wallAt(22));
  let state = look(start(0, pasts), 0, RISEN, "model/other");
  assert.is(probabilityIn(state), probabilityIn(look(start(0), 0, RISEN)));
  assert.equal([...pastsOf(state).keys()].sort(), ["model/other", "model/serial"]);
  state = look(state, 1_000, RISEN);
  assert.is(state.pasts.size, 0);
  assert.equal(pastsOf(state).get("model/serial")?.takenAtMs, pasts.get("model/serial")!.takenAtMs);
  state = look(look(state, 2_000, RISEN, "model/other"), 3_000, RISEN);
  assert.is(pastsOf(state).get("model/serial")!.takenAtMs, 3_000);
});

past("a disk that gives no name at first is given its past once it does", () => {
  const pasts = resumePasts(written(pastsOf(watchedFor(22)), 22), 0, wallAt(22));
  const asleep = [{ component: "disk", device: "sda", signal: "health", source: "test" } as const];
  const readings = asleep.map((one) => ({ ...one, status: "asleep", reason: "asleep" }) as const);
  const [state] = step(start(0, pasts), { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
  const whole = look(watchedFor(22), 22 * DAY_MS, RISEN);
  const difference = probabilityIn(look(state, 1_000, RISEN))! - probabilityIn(whole)!;
  assert.ok(Math.abs(difference) < 1e-4, `${difference}`);
});

const [{ history, ...rest }] = written(pastsOf(watchedFor(22)), 22).drives as [
  ReturnType<typeof written>["drives"][number],
];
const BAD: readonly (readonly [what: string, document: unknown])[] = [
  ["nothing", null],
  ["a time that is none", { keptAt: "yesterday", drives: [] }],
  ["a drive without a name", { keptAt: wallAt(0), drives: [{ ...rest, hardware: "", history }] }],
  ["a short history", { keptAt: wallAt(0), drives: [{ ...rest, history: history.slice(1) }] }],
  ["text", { keptAt: wallAt(0), drives: [{ ...rest, history: history.with(0, "1" as never) }] }],
  ["a negative count", { keptAt: wallAt(0), drives: [{ ...rest, history: history.with(0, -1) }] }],
  ["a rise to come", { keptAt: wallAt(0), drives: [{ ...rest, history: history.with(3, 1) }] }],
  ["rises unknown", { keptAt: wallAt(0), drives: [{ ...rest, history: history.with(2, null) }] }],
  ["taken tomorrow", { keptAt: wallAt(0), drives: [{ ...rest, takenDaysAgo: -1, history }] }],
];

for (const [what, document] of BAD) {
  past(`keptPasts refuses ${what}`, () => assert.not(keptPasts.safeParse(document).success));
}

past("whatever keptPasts lets through can be judged", () => {
  const value = fc.option(fc.double({ min: -1e9, max: 1e15, noNaN: true }), { freq: 8 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 55 }), value), { maxLength: 4 }), (changes) => {
      const changed = changes.reduce((all, [place, one]) => all.with(place, one), history);
      const document = { keptAt: wallAt(0), drives: [{ ...rest, history: changed }] };
      const { success, data: kept } = keptPasts.safeParse(document);
      if (!success) return;
      const state = look(start(0, resumePasts(kept, 0, wallAt(1))), 0, RISEN);
      const probability = probabilityIn(state) ?? 0;
      assert.ok(probability >= 0 && probability <= 1, `${probability}`);
    }),
    { seed: 1, numRuns: 300 },
  );
});

past.run();
