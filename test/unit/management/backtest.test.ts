import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AlarmRecord, alarmRecord, type FailureRecord } from "../../../management/alarm.ts";
import { backtest } from "../../../management/backtest.ts";

const suiteOf = suite("backtest");
const DAY_MS = 86_400_000;
const YEAR_MS = 365.25 * DAY_MS;
const BEGIN = Date.parse("2026-01-01T00:00:00.000Z");
const iso = (days: number): string => new Date(BEGIN + days * DAY_MS).toISOString();

let made = 0;
function alarm(patch: Partial<AlarmRecord> = {}): AlarmRecord {
  return alarmRecord.parse({
    alarmId: `p${++made}`,
    joined: [],
    serverId: "alpha",
    source: "agent",
    component: "disk",
    device: "sda",
    rules: ["two-of-five"],
    probability: 0.5,
    horizonMs: DAY_MS,
    wallTime: iso(0),
    ...patch,
  });
}
const failedAfter = (days: number, patch: Partial<AlarmRecord> = {}): AlarmRecord =>
  alarm({ word: { outcome: "failed", failedAt: iso(days), wallTime: iso(days) }, ...patch });
const healed = (): AlarmRecord =>
  alarm({ ended: { cause: "healed", reason: "well", wallTime: iso(1) } });
const missed = (component: FailureRecord["component"]): FailureRecord => ({
  failureId: `f${++made}` as FailureRecord["failureId"],
  serverId: "alpha" as FailureRecord["serverId"],
  component,
  device: "x",
  failedAt: iso(3),
  wallTime: iso(3),
});

suiteOf("backtest() counts what is known only, and says how much is not", () => {
  const alarms = [failedAfter(2), healed(), alarm(), alarm({ actedOn: "e1" as never })];
  const { all, outcomes } = backtest(alarms, [missed("fan")], 2 * YEAR_MS);
  assert.equal([all.alarms, all.unknown], [4, 2]);
  assert.equal([all.precision.hits, all.precision.all, all.precision.share], [1, 2, 0.5]);
  assert.equal([all.recall?.hits, all.recall?.all], [1, 2]);
  assert.equal([all.falseAlarms, all.falsePer1000HostYears], [1, 500]);
  assert.ok(all.falseInterval![0] < 500 && all.falseInterval![1] > 500);
  assert.equal(outcomes, { failed: 1, cleared: 1, open: 1, "acted-on": 1 });
});

suiteOf("backtest() gives the lead times, and an interval from six on", () => {
  const leads = [1, 2, 3, 4, 5, 6].map((days) => failedAfter(days));
  const { all, leadsMs } = backtest(leads, [], YEAR_MS);
  assert.equal([all.lead?.medianMs, all.lead?.p25Ms], [3.5 * DAY_MS, 2.25 * DAY_MS]);
  assert.equal(all.lead?.medianIntervalMs, [DAY_MS, 6 * DAY_MS]);
  assert.is(leadsMs.length, 6);
  const few = backtest(leads.slice(1), [], YEAR_MS).all;
  assert.is(few.lead?.medianIntervalMs, undefined);
});

suiteOf("backtest() tells components and rules apart", () => {
  const alarms = [
    failedAfter(1, { rules: ["two-of-five", "health"] }),
    failedAfter(2, { component: "fan", rules: ["fan-limit"] }),
    healed(),
  ];
  const { byComponent, byRule } = backtest(alarms, [missed("power")], YEAR_MS);
  assert.equal(
    byComponent.map(({ of, alarms: count, recall }) => [of, count, recall?.all]),
    [
      ["disk", 2, 1],
      ["fan", 1, 1],
      ["power", 0, 1],
    ],
  );
  assert.equal(
    byRule.map(({ of, alarms: count, recall }) => [of, count, recall]),
    [
      ["fan-limit", 1, undefined],
      ["health", 1, undefined],
      ["two-of-five", 2, undefined],
    ],
  );
});

suiteOf("backtest() of nothing says that nothing is known", () => {
  const { all, since, leadsMs } = backtest([], [], 0);
  assert.equal(
    [all.precision.share, all.recall?.share, all.lead],
    [undefined, undefined, undefined],
  );
  assert.equal([all.falsePer1000HostYears, since, leadsMs], [undefined, undefined, []]);
});

suiteOf.run();
