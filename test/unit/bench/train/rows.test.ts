import { suite } from "uvu";
import * as assert from "uvu/assert";
import { crossMargins, rowsOf, trainRows } from "../../../../bench/train/rows.ts";
import { DEFAULT_BOOSTING } from "../../../../predictor/training/boosting.ts";
import { seededRandom } from "../../../../runtime/random.ts";

const training = suite("rows");
const recipe = { members: 2, options: { ...DEFAULT_BOOSTING, trees: 20, rowsMin: 1 } };

/** Units of 4 rows each, that fail by the toss of a coin and have their own number to know. */
function memorable(count: number) {
  const random = seededRandom(5);
  const units = Array.from({ length: count }, (_, unit) => ({
    unit: `drive-${unit}`,
    failed: random.fraction() < 0.5,
    weight: 1,
    values: [unit, random.fraction()],
  }));
  return units.flatMap((unit) => [unit, unit, unit, unit]);
}

/** How far the failed lie above the others, by the share of pairs in the right order. */
function orderOf(margins: Float64Array, failed: readonly boolean[]): number {
  const ones = [...margins].filter((_, row) => failed[row]);
  const others = [...margins].filter((_, row) => !failed[row]);
  const right = ones.flatMap((one) =>
    others.map((other) => (one > other ? 1 : one === other ? 0.5 : 0)),
  );
  return right.reduce<number>((sum, one) => sum + one, 0) / right.length;
}

training("crossMargins() knows no unit by its other rows", () => {
  const list = memorable(120);
  const margins = crossMargins(rowsOf(["unit", "chance"], list), recipe, 1);
  const order = orderOf(
    margins,
    list.map(({ failed }) => failed),
  );
  assert.ok(order < 0.65, `pairs in order ${order}`);
});

training("crossMargins() finds what holds for all units, in other rows too", () => {
  const random = seededRandom(6);
  const list = Array.from({ length: 400 }, (_, unit) => {
    const value = random.fraction();
    return { unit: `${unit}`, failed: value > 0.7, weight: 1, values: [value] };
  });
  const rows = rowsOf(["value"], list);
  const judged = rowsOf(
    ["value"],
    [0.1, 0.9].map((value) => ({ ...list[0]!, values: [value] })),
  );
  const [low, high] = crossMargins(rows, recipe, 1, judged);
  assert.ok(high! > low! + 1);
});

training("trainRows() gives the same model again, number for number", () => {
  const rows = rowsOf(["unit", "chance"], memorable(40));
  assert.equal(trainRows(rows, recipe), trainRows(rows, recipe));
});

training.run();
