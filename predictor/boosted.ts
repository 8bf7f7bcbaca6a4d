/**
 * Boosted decision trees from plain numbers: a sum of trees, each answering with the value of one
 * leaf. The sum is a margin, the logit of a probability; `sigmoid` makes it one.
 *
 * All trees lie in one set of flat arrays. Of an inner node the left child is `left`, the right
 * one is next to it. A feature that is missing (NaN) goes where training found it to belong.
 * @module
 */
import { z } from "zod";
import { SystemError } from "../protocol/error.ts";

/** The trees as they are committed: plain numbers, in columns. */
export interface BoostedModel {
  /** The names of the features, in the order of a row. */
  readonly features: readonly string[];
  /** The margin of no tree at all. */
  readonly baseMargin: number;
  /** Where each tree begins. */
  readonly roots: readonly number[];
  /** Of each node: the feature it asks for, or -1 for a leaf. */
  readonly feature: readonly number[];
  /** A value up to this goes left. 0 in a leaf. */
  readonly threshold: readonly number[];
  /** 1 where a missing value goes left. */
  readonly missingLeft: readonly number[];
  /** The left child; 0 in a leaf. */
  readonly left: readonly number[];
  /** What the tree would answer if it ended here: in a leaf, what it answers. */
  readonly value: readonly number[];
}

/**
 * The same, laid out for walking: a node is looked up in two places only. Made by `compileTrees`.
 */
export interface BoostedTrees {
  readonly features: readonly string[];
  readonly baseMargin: number;
  readonly roots: Int32Array;
  /** Of an inner node left << 11 | feature << 1 | missingLeft; -1 for a leaf. */
  readonly steps: Int32Array;
  /** Of an inner node its threshold, of a leaf its value. */
  readonly ends: Float64Array;
  readonly value: Float64Array;
}

/** What fits the bits of a step. */
const NODES_MAX = 2 ** 20;
const FEATURES_MAX = 2 ** 10;
const numbers = z.array(z.number()).max(NODES_MAX);

export const boostedModel: z.ZodType<BoostedModel> = z.strictObject({
  features: z.array(z.string()).max(FEATURES_MAX),
  baseMargin: z.number(),
  roots: numbers,
  feature: numbers,
  threshold: numbers,
  missingLeft: numbers,
  left: numbers,
  value: numbers,
});

/**
 * Checks that every walk ends in a leaf, and lays the trees out.
 * @throws SystemError MODEL_INVALID
 */
export function compileTrees(model: BoostedModel): BoostedTrees {
  const { features, baseMargin, roots, feature, left } = model;
  const nodes = feature.length;
  const columns = [model.threshold, model.missingLeft, left, model.value];
  const fits = nodes < NODES_MAX && features.length <= FEATURES_MAX;
  const sound =
    fits &&
    columns.every(({ length }) => length === nodes) &&
    roots.every((root) => Number.isInteger(root) && root >= 0 && root < nodes) &&
    feature.every((one, node) => isSound(one, left[node]!, node, nodes, features.length));
  if (!sound) throw new SystemError("MODEL_INVALID", "Cannot use model: its trees are broken");
  const stepOf = (one: number, node: number): number =>
    one === -1 ? -1 : (left[node]! << 11) | (one << 1) | model.missingLeft[node]!;
  const endOf = (one: number, node: number): number =>
    (one === -1 ? model.value : model.threshold)[node]!;
  return {
    features,
    baseMargin,
    roots: Int32Array.from(roots),
    steps: Int32Array.from(feature, stepOf),
    ends: Float64Array.from(feature, endOf),
    value: Float64Array.from(model.value),
  };
}

/** Children come after their parent, so no walk goes round. */
function isSound(feature: number, left: number, node: number, nodes: number, columns: number) {
  if (feature === -1) return true;
  const known = Number.isInteger(feature) && feature >= 0 && feature < columns;
  return known && Number.isInteger(left) && left > node && left + 1 < nodes;
}

/** The margin of the row of features that begins at `offset`. NaN is missing. */
export function marginOf(trees: BoostedTrees, row: ArrayLike<number>, offset = 0): number {
  const { roots, steps, ends } = trees;
  let margin = trees.baseMargin;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree]!;
    for (let step = steps[node]!; step >= 0; step = steps[node]!) {
      node = childOf(step, row[offset + ((step >>> 1) & 1023)]!, ends[node]!);
    }
    margin += ends[node]!;
  }
  return margin;
}

/** Where a value goes from a node. */
function childOf(step: number, seen: number, threshold: number): number {
  const left = step >>> 11;
  if (seen <= threshold) return left;
  return seen > threshold || (step & 1) === 0 ? left + 1 : left;
}

/**
 * How much each feature moved the margin: along each tree's path, the change of the value at a
 * node is owed to the feature asked there (Saabas, 2014). The contributions and what the roots
 * answer add up to the margin.
 */
export function contributionsOf(
  trees: BoostedTrees,
  row: ArrayLike<number>,
  offset = 0,
): Float64Array {
  const { roots, steps, ends, value } = trees;
  const contributions = new Float64Array(trees.features.length);
  for (const root of roots) {
    let node = root;
    for (let step = steps[node]!; step >= 0; step = steps[node]!) {
      const feature = (step >>> 1) & 1023;
      const next = childOf(step, row[offset + feature]!, ends[node]!);
      contributions[feature]! += value[next]! - value[node]!;
      node = next;
    }
  }
  return contributions;
}

export function sigmoid(margin: number): number {
  return 1 / (1 + Math.exp(-margin));
}
