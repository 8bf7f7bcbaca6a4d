/**
 * Several models as one: the margin of the whole is the mean of theirs.
 * @module
 */
import assert from "node:assert/strict";
import type { BoostedModel } from "../boosted.ts";

export function averageOf(models: readonly BoostedModel[]): BoostedModel {
  const [first] = models;
  assert(first !== undefined, "no models");
  const share = 1 / models.length;
  const starts = models.map((_, index) => nodesBefore(models, index));
  return {
    features: first.features,
    baseMargin: rounded(models.reduce((sum, { baseMargin }) => sum + baseMargin * share, 0)),
    roots: models.flatMap(({ roots }, index) => roots.map((root) => root + starts[index]!)),
    feature: models.flatMap(({ feature }) => feature),
    threshold: models.flatMap(({ threshold }) => threshold),
    missingLeft: models.flatMap(({ missingLeft }) => missingLeft),
    left: models.flatMap(({ left }, index) =>
      left.map((node) => (node === 0 ? 0 : node + starts[index]!)),
    ),
    value: models.flatMap(({ value }) => value.map((one) => rounded(one * share))),
  };
}

function nodesBefore(models: readonly BoostedModel[], index: number): number {
  return models.slice(0, index).reduce((sum, { feature }) => sum + feature.length, 0);
}

/** Five digits, as trained. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
