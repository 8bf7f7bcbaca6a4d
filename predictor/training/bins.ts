/**
 * Features sorted into bins, so that a tree looks at 255 places to split instead of all values.
 * @module
 */
import { fractions, shuffled } from "./chance.ts";

/** Rows of features, one after the other. NaN is missing. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

export interface Binned {
  readonly rows: number;
  readonly columns: number;
  /** Column after column, `rows` bytes each: 0 is missing, bin b ends with `cuts[b - 1]`. */
  readonly bins: Uint8Array;
  /** Of each column, ascending: where one bin ends. The last bin has no end. */
  readonly cuts: readonly Float64Array[];
}

/** With 0 for missing values a bin's number still fits a byte. */
const BINS_MAX = 255;
/** Quantiles of so many rows are those of all. */
const SAMPLE_ROWS = 200_000;

export function binColumns(matrix: Matrix, binsMax = BINS_MAX): Binned {
  const cuts = cutColumns(matrix, Math.min(binsMax, BINS_MAX));
  return { ...matrixSize(matrix), bins: binsOf(matrix, cuts), cuts };
}

function matrixSize({ rows, columns }: Matrix): { rows: number; columns: number } {
  return { rows, columns };
}

function cutColumns({ rows, columns, values }: Matrix, binsMax: number): Float64Array[] {
  const sample =
    rows <= SAMPLE_ROWS ? undefined : shuffled(rows, fractions(1)).subarray(0, SAMPLE_ROWS);
  const count = sample?.length ?? rows;
  const column = new Float32Array(count);
  return Array.from({ length: columns }, (_, at) => {
    let present = 0;
    for (let index = 0; index < count; index++) {
      const value = values[(sample?.[index] ?? index) * columns + at]!;
      if (!Number.isNaN(value)) column[present++] = value;
    }
    return cutsOf(column.slice(0, present).sort(), binsMax);
  });
}

/** Cuts between neighbouring values: all of them if they are few, else at equal shares of rows. */
function cutsOf(sorted: Float32Array, binsMax: number): Float64Array {
  const distinct = sorted.filter((value, index) => index === 0 || value !== sorted[index - 1]);
  const cuts: number[] = [];
  if (distinct.length <= binsMax) {
    for (let at = 1; at < distinct.length; at++) {
      cuts.push(shortestBetween(distinct[at - 1]!, distinct[at]!));
    }
    return Float64Array.from(cuts);
  }
  // Values that fill a whole share get a bin of their own; the rest share what bins are left.
  let last = 0;
  for (let bin = 1; bin < binsMax; bin++) {
    let at = Math.max(last + 1, Math.round((sorted.length * bin) / binsMax));
    while (at < sorted.length && sorted[at] === sorted[at - 1]) at++;
    if (at >= sorted.length) break;
    cuts.push(shortestBetween(sorted[at - 1]!, sorted[at]!));
    last = at;
  }
  return Float64Array.from(cuts);
}

/** The number with the fewest digits in [low, high), so that a committed model is short. */
export function shortestBetween(low: number, high: number): number {
  for (let digits = 1; digits <= 17; digits++) {
    const middle = Number(((low + high) / 2).toPrecision(digits));
    if (middle >= low && middle < high) return middle;
  }
  return low;
}

function binsOf({ rows, columns, values }: Matrix, cuts: readonly Float64Array[]): Uint8Array {
  const bins = new Uint8Array(rows * columns);
  for (let column = 0; column < columns; column++) {
    const ends = cuts[column]!;
    for (let row = 0; row < rows; row++) {
      const value = values[row * columns + column]!;
      if (!Number.isNaN(value)) bins[column * rows + row] = 1 + firstAtLeast(ends, value);
    }
  }
  return bins;
}

/** How many ends lie below `value`: the index of the first that does not. */
function firstAtLeast(ends: Float64Array, value: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value <= ends[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}
