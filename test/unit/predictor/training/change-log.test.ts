import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ChangeLog, ROW } from "../../../../predictor/training/change-log.ts";
import { failureOf, forEachDecision } from "../../../../predictor/training/decisions.ts";
import { changeLine, drivesOf, HEADER } from "./fleet.ts";

const changeLog = suite("change-log");

const WELL = [0, 1, 0, 0, 0, 0];

changeLog("ChangeLog puts up with what files are like", () => {
  const log = new ChangeLog();
  const lines = [
    "\ufeffsmart_197, hours,serial_number\r",
    "8,48,B\r",
    "0,24,B\r",
    "",
    ",72,B\r",
    "1,x,B",
    "1,24,",
    "5,10,C",
  ];
  for (const line of lines) log.add(line);
  const [b, c] = log.finish();
  assert.is(log.skipped, 2);
  assert.equal([b!.serial, c!.serial, b!.model], ["B", "C", ""]);
  const column = (at: number) => b!.rows.filter((_, index) => index % ROW.width === at);
  assert.equal(column(ROW.at), [1, 2, 3]);
  assert.equal(column(ROW.counters + 4), [0, 8, Number.NaN]);
});

changeLog("ChangeLog refuses what is no change log", () => {
  assert.throws(() => new ChangeLog().finish(), /it is empty/);
  assert.throws(() => new ChangeLog().add("a,hours"), /no column serial_number/);
});

changeLog("ChangeLog takes lost timeouts of a Seagate as beyond comparison", () => {
  const timeouts = (model: string, uncorrectable: number | "", value: number | "") =>
    drivesOf([changeLine("A", model, [0, 9, 0], [0, 1, uncorrectable, value, 0, 0])])[0]!.rows[
      ROW.counters + 3
    ]!;
  assert.is(timeouts("ST4000DM000", 0, ""), Infinity);
  assert.is(timeouts("ST4000DM000", 0, 7), 7);
  assert.ok(Number.isNaN(timeouts("ST4000DM000", "", "")));
  assert.ok(Number.isNaN(timeouts("WDC WD30EFRX", 0, "")));
});

changeLog("forEachDecision() judges at each change and every week, up to the end", () => {
  const [one] = drivesOf([
    changeLine("A", "M", [24, 24 * 20, 0], WELL),
    changeLine("A", "M", [24 * 20, 24 * 22, 0], WELL),
    changeLine("A", "M", [24 * 22, 24 * 22, 1], WELL),
  ]);
  const points: number[] = [];
  forEachDecision(one!, ({ atDays }) => points.push(atDays));
  assert.equal(points, [1, 8, 15, 20, 22]);
  assert.is(failureOf(one!)?.atDays, 22);
});

changeLog("forEachDecision() sees no future: later rows change no earlier point", () => {
  const lines = [
    changeLine("A", "M", [0, 500, 0], WELL),
    changeLine("A", "M", [500, 900, 0], [8, 1, 0, 0, 8, 8]),
    changeLine("A", "M", [900, 1_400, 1], [80, 2, 9, 0, 80, 8]),
  ];
  const seen = (count: number): string[] => {
    const points: string[] = [];
    const [one] = drivesOf(lines.slice(0, count));
    forEachDecision(one!, ({ atDays, features }) => points.push(`${atDays} ${features}`));
    return points;
  };
  const all = seen(3);
  for (const count of [1, 2]) assert.equal(seen(count), all.slice(0, seen(count).length));
  assert.match(HEADER, /^serial_number,/);
});

changeLog.run();
