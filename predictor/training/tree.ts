/**
 * Grows one tree of the boosting on the gradients of the loss, best leaf first, from histograms
 * (Chen and Guestrin, KDD 2016; Ke et al., NIPS 2017). A monotone feature may only ever raise or
 * lower the answer: splits against it are refused, and both sides are held apart at the middle of
 * their answers for all splits below.
 * @module
 */
import type { Binned } from "./bins.ts";

export interface TreeOptions {
  readonly leaves: number;
  readonly depth: number;
  /** The least sum of weighted curvature, and the least rows, of a leaf. */
  readonly curvatureMin: number;
  readonly rowsMin: number;
  /** Penalty on the square of a leaf's answer. */
  readonly ridge: number;
  /** A split must lower the loss by more than this. */
  readonly gainMin: number;
  /** Of each column: 1 may only raise the answer, -1 only lower it, 0 free. */
  readonly monotone: readonly number[];
}

/** One node as grown; `left` indexes the same list, the right child follows it. */
export interface GrownNode {
  feature: number;
  bin: number;
  missingLeft: boolean;
  left: number;
  value: number;
}

/** The loss of each row, to second order; of the rows in `rows` only. */
export interface Slope {
  readonly rows: Uint32Array;
  readonly gradient: Float32Array;
  readonly curvature: Float32Array;
  /** The columns this tree may ask for. */
  readonly columns: readonly number[];
}

interface Split {
  gain: number;
  column: number;
  bin: number;
  missingLeft: boolean;
  leftValue: number;
  rightValue: number;
}

interface Leaf {
  readonly node: number;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
  readonly low: number;
  readonly high: number;
  readonly histogram: Float64Array;
  readonly split: Split | undefined;
}

/** A histogram's cell: sum of gradients, sum of curvatures, rows. */
const CELL = 3;
const BINS = 256;

/** Nodes of one tree, the root first. Reorders `slope.rows`. */
export function growTree(binned: Binned, slope: Slope, options: TreeOptions): GrownNode[] {
  const grower = new Grower(binned, slope, options);
  return grower.grow();
}

class Grower {
  private readonly nodes: GrownNode[] = [];
  private readonly scratch: Uint32Array;
  private readonly binned: Binned;
  private readonly slope: Slope;
  private readonly options: TreeOptions;

  constructor(binned: Binned, slope: Slope, options: TreeOptions) {
    this.binned = binned;
    this.slope = slope;
    this.options = options;
    this.scratch = new Uint32Array(slope.rows.length);
  }

  grow(): GrownNode[] {
    const root = this.leaf(0, 0, this.slope.rows.length, -Infinity, Infinity, undefined);
    this.nodes[0]!.value = this.answerOf(root);
    let open = [root];
    for (let leaves = 1; leaves < this.options.leaves; leaves++) {
      const best = open.reduce((a, b) => ((b.split?.gain ?? 0) > (a.split?.gain ?? 0) ? b : a));
      if (best.split === undefined) break;
      open = open.filter((leaf) => leaf !== best).concat(this.divide(best, best.split));
    }
    return this.nodes;
  }

  private leaf(
    depth: number,
    from: number,
    to: number,
    low: number,
    high: number,
    known: Float64Array | undefined,
  ): Leaf {
    const node =
      this.nodes.push({ feature: -1, bin: 0, missingLeft: false, left: 0, value: 0 }) - 1;
    const histogram = known ?? this.histogramOf(from, to);
    const leaf: Leaf = { node, depth, from, to, low, high, histogram, split: undefined };
    return { ...leaf, split: depth < this.options.depth ? this.bestSplit(leaf) : undefined };
  }

  private divide(parent: Leaf, split: Split): Leaf[] {
    const middle = this.partition(parent, split);
    const { from, to, depth } = parent;
    const [leftHistogram, rightHistogram] = this.histogramsOf(parent, middle);
    const bound = (split.leftValue + split.rightValue) / 2;
    const direction = this.options.monotone[split.column] ?? 0;
    const node = this.nodes[parent.node]!;
    node.feature = split.column;
    node.bin = split.bin;
    node.missingLeft = split.missingLeft;
    node.left = this.nodes.length;
    const left = this.leaf(
      depth + 1,
      from,
      middle,
      direction < 0 ? bound : parent.low,
      direction > 0 ? bound : parent.high,
      leftHistogram,
    );
    const right = this.leaf(
      depth + 1,
      middle,
      to,
      direction > 0 ? bound : parent.low,
      direction < 0 ? bound : parent.high,
      rightHistogram,
    );
    this.nodes[left.node]!.value = split.leftValue;
    this.nodes[right.node]!.value = split.rightValue;
    return [left, right];
  }

  /** Those of both children: the smaller one is counted, the other one is what remains. */
  private histogramsOf({ from, to, depth, histogram }: Leaf, middle: number) {
    if (depth + 1 >= this.options.depth) return [histogram, histogram] as const;
    const leftIsSmall = middle - from <= to - middle;
    const small = leftIsSmall ? this.histogramOf(from, middle) : this.histogramOf(middle, to);
    for (let at = 0; at < histogram.length; at++) histogram[at]! -= small[at]!;
    return leftIsSmall ? ([small, histogram] as const) : ([histogram, small] as const);
  }

  /** Puts the rows that go left first, each side in its old order. Where the right ones begin. */
  private partition({ from, to }: Leaf, { column, bin, missingLeft }: Split): number {
    const { bins, rows: stride } = this.binned;
    const { rows } = this.slope;
    let left = from;
    let right = 0;
    for (let at = from; at < to; at++) {
      const row = rows[at]!;
      const seen = bins[column * stride + row]!;
      if (seen === 0 ? missingLeft : seen <= bin) rows[left++] = row;
      else this.scratch[right++] = row;
    }
    rows.set(this.scratch.subarray(0, right), left);
    return left;
  }

  private histogramOf(from: number, to: number): Float64Array {
    const { columns, rows, gradient, curvature } = this.slope;
    const histogram = new Float64Array(columns.length * BINS * CELL);
    const { bins, rows: stride } = this.binned;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]! * stride;
      const base = index * BINS * CELL;
      for (let at = from; at < to; at++) {
        const row = rows[at]!;
        const cell = base + bins[column + row]! * CELL;
        histogram[cell]! += gradient[row]!;
        histogram[cell + 1]! += curvature[row]!;
        histogram[cell + 2]! += 1;
      }
    }
    return histogram;
  }

  /** The answer of a leaf that is not split: the sums of any one column are those of the leaf. */
  private answerOf({ histogram }: Leaf): number {
    const [gradient, curvature] = totalsOf(histogram, 0);
    return -gradient / (curvature + this.options.ridge);
  }

  private bestSplit(leaf: Leaf): Split | undefined {
    const [gradient, curvature, rows] = totalsOf(leaf.histogram, 0);
    if (rows < 2 * this.options.rowsMin) return undefined;
    const search = new Search(leaf, this.options, gradient, curvature, rows);
    for (let index = 0; index < this.slope.columns.length; index++) {
      const column = this.slope.columns[index]!;
      search.column(column, index * BINS * CELL, this.binned.cuts[column]!.length + 1);
    }
    return search.best;
  }
}

function totalsOf(histogram: Float64Array, base: number): [number, number, number] {
  let [gradient, curvature, rows] = [0, 0, 0];
  for (let cell = base; cell < base + BINS * CELL; cell += CELL) {
    gradient += histogram[cell]!;
    curvature += histogram[cell + 1]!;
    rows += histogram[cell + 2]!;
  }
  return [gradient, curvature, rows];
}

/** Looks for the best split of one leaf, column by column. */
class Search {
  best: Split | undefined;
  private readonly leaf: Leaf;
  private readonly options: TreeOptions;
  private readonly gradient: number;
  private readonly curvature: number;
  private readonly rows: number;
  private readonly parentScore: number;

  constructor(leaf: Leaf, options: TreeOptions, gradient: number, curvature: number, rows: number) {
    this.leaf = leaf;
    this.options = options;
    this.gradient = gradient;
    this.curvature = curvature;
    this.rows = rows;
    this.parentScore = this.score(gradient, curvature, this.answer(gradient, curvature));
  }

  column(column: number, base: number, bins: number): void {
    const { histogram } = this.leaf;
    this.scan(column, base, bins, false);
    if (histogram[base + 2]! > 0) this.scan(column, base, bins, true);
  }

  private scan(column: number, base: number, bins: number, missingLeft: boolean): void {
    const { histogram } = this.leaf;
    const { curvatureMin, rowsMin } = this.options;
    let gradient = missingLeft ? histogram[base]! : 0;
    let curvature = missingLeft ? histogram[base + 1]! : 0;
    let rows = missingLeft ? histogram[base + 2]! : 0;
    // Bin 0 as the last on the left asks whether the value is missing at all.
    for (let bin = 0; bin < bins; bin++) {
      if (bin > 0) {
        const cell = base + bin * CELL;
        if (histogram[cell + 2] === 0) continue;
        gradient += histogram[cell]!;
        curvature += histogram[cell + 1]!;
        rows += histogram[cell + 2]!;
      }
      if (rows < rowsMin || curvature < curvatureMin) continue;
      if (this.rows - rows < rowsMin || this.curvature - curvature < curvatureMin) break;
      // Where training saw none missing, a missing value follows the most.
      const follows = histogram[base + 2] === 0 ? 2 * rows >= this.rows : missingLeft;
      this.offer(column, bin, follows, gradient, curvature);
    }
  }

  private offer(
    column: number,
    bin: number,
    missingLeft: boolean,
    gradient: number,
    curvature: number,
  ): void {
    const leftValue = this.answer(gradient, curvature);
    const restGradient = this.gradient - gradient;
    const restCurvature = this.curvature - curvature;
    const rightValue = this.answer(restGradient, restCurvature);
    const direction = this.options.monotone[column] ?? 0;
    if (direction * (rightValue - leftValue) < 0) return;
    const gain =
      this.parentScore -
      this.score(gradient, curvature, leftValue) -
      this.score(restGradient, restCurvature, rightValue);
    if (gain <= (this.best?.gain ?? this.options.gainMin)) return;
    this.best = { gain, column, bin, missingLeft, leftValue, rightValue };
  }

  private answer(gradient: number, curvature: number): number {
    const free = -gradient / (curvature + this.options.ridge);
    return Math.min(this.leaf.high, Math.max(this.leaf.low, free));
  }

  /** The loss of a leaf that answers `value`. */
  private score(gradient: number, curvature: number, value: number): number {
    return gradient * value + 0.5 * (curvature + this.options.ridge) * value * value;
  }
}
