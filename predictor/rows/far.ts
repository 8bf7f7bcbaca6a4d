/**
 * Scores that mean something: how rarely a healthy row scores as high. Score 2 is reached by one
 * healthy row in 100, score 3 by one in 1000. Learnt from margins of healthy rows that the model
 * had not seen.
 * @module
 */
import assert from "node:assert/strict";
import { z } from "zod";

/** Ascending margins, and the score at each; straight lines between them and beyond. */
export const falseAlarmScale = z.strictObject({
  margins: z.array(z.number()).min(2),
  scores: z.array(z.number()).min(2),
});
export type FalseAlarmScale = z.infer<typeof falseAlarmScale>;

/** Rates of false alarms between which the scale is straight. */
const RATES = [0.99, 0.8, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001];
/** Neighbouring knots closer than this in margin are one: many healthy rows look alike. */
const MARGIN_STEP_MIN = 1e-3;

/** The scale of a model from its margins of healthy rows. */
export function scaleOf(healthy: Float64Array): FalseAlarmScale {
  const ascending = healthy.toSorted();
  const [margins, scores]: [number[], number[]] = [[], []];
  for (const rate of RATES) {
    const at = ascending.length - 1 - Math.floor(rate * ascending.length);
    const margin = Number(ascending[Math.max(0, at)]!.toPrecision(6));
    const score = Number((-Math.log10(rate)).toPrecision(4));
    const last = margins.at(-1);
    if (last !== undefined && margin - last < MARGIN_STEP_MIN) {
      scores[scores.length - 1] = score;
    } else {
      margins.push(margin);
      scores.push(score);
    }
  }
  assert(margins.length >= 2, "all healthy rows have one margin");
  return { margins, scores };
}

/** The score of a margin: the base-10 logarithm of 1 / rate of false alarms. */
export function scoreOf({ margins, scores }: FalseAlarmScale, margin: number): number {
  let at = 1;
  while (at < margins.length - 1 && margins[at]! < margin) at++;
  const [low, high] = [margins[at - 1]!, margins[at]!];
  const slope = (scores[at]! - scores[at - 1]!) / (high - low);
  return scores[at - 1]! + slope * (margin - low);
}
