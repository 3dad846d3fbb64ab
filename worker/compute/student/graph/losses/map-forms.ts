/**
 * Losses on pairs of activations as nodes in float64. The formulas, and where they are from, stand at the losses of the
 * same names in shared/losses; how maps are brought to one size, at shared/losses/math/maps.ts. Pure.
 */
import { cosines, unit } from './directions.js';
import type { Doubles } from './doubles.js';
import type { MapShape, PairGiven, WritePair, RowsAndSlopes } from './form.js';

/** mean (s - t)^2, mean |s - t| or 1 - cos(s, t) over all elements, at the smaller size of the two. */
export function features({ distance }: { readonly distance: 'mse' | 'cosine' | 'l1' }): WritePair {
  return (given) => {
    const { math, rows, student, teacher, studentSize, teacherSize } = given;
    const size = smaller(studentSize, teacherSize);
    const length = size.height * size.width * size.channels;
    const flat = (value: string, from: MapShape): string =>
      math.reshape(pooled(math, value, { rows, from, to: size }), [rows, length]);
    const { values, slopes } = distanceOf(math, distance, {
      x: flat(student, studentSize),
      y: flat(teacher, teacherSize),
      length,
    });
    return { values, slopes: unpooled(math, slopes, { rows, from: studentSize, to: size }) };
  };
}

interface Flat {
  /** [rows x length]. */
  readonly x: string;
  readonly y: string;
  readonly length: number;
}

function distanceOf(math: Doubles, distance: 'mse' | 'cosine' | 'l1', { x, y, length }: Flat): RowsAndSlopes {
  if (distance === 'cosine') {
    const found = cosines(math, [x, y], 1);
    return { values: math.subtract(math.number(1), found.cosines), slopes: math.of('Neg', found.slopes) };
  }
  const off = math.subtract(x, y);
  return distance === 'mse'
    ? { values: math.mean(math.square(off), 1), slopes: math.times(off, 2 / length) }
    : { values: math.mean(math.of('Abs', off), 1), slopes: math.times(math.of('Sign', off), 1 / length) };
}

/** mean over places of (a(s) - a(t))^2, a(f) = mean over channels of f^2; with `l2` each a over its norm. */
export function attention({ normalize }: { readonly normalize: 'none' | 'l2' }): WritePair {
  return (given: PairGiven) => {
    const { math, rows, student, teacher, studentSize, teacherSize } = given;
    const size = { ...smaller(studentSize, teacherSize), channels: 1 };
    const length = size.height * size.width;
    const placesOf = (value: string, from: MapShape): string => {
      const squares = math.mean(math.square(value), 3);
      return math.reshape(pooled(math, squares, { rows, from: { ...from, channels: 1 }, to: size }), [rows, length]);
    };
    const [x, y] = [placesOf(student, studentSize), placesOf(teacher, teacherSize)];
    const { values, slopes } = normalize === 'none' ? meanSquare(math, [x, y], length) : onUnits(math, [x, y], length);
    const byPlace = unpooled(math, slopes, { rows, from: { ...studentSize, channels: 1 }, to: size });
    return { values, slopes: math.multiply(math.times(byPlace, 2 / studentSize.channels), student) };
  };
}

function meanSquare(math: Doubles, [x, y]: readonly [string, string], length: number): RowsAndSlopes {
  return distanceOf(math, 'mse', { x, y, length });
}

/** The same of both over their norms: the part of the slopes along x is lost. */
function onUnits(math: Doubles, [x, y]: readonly [string, string], length: number): RowsAndSlopes {
  const [norm, unitX, hasDirection] = unit(math, x, 1);
  const [, unitY] = unit(math, y, 1);
  const { values, slopes } = meanSquare(math, [unitX, unitY], length);
  const along = math.multiply(hasDirection, math.sum(math.multiply(slopes, unitX), 1));
  return { values, slopes: math.divide(math.subtract(slopes, math.multiply(along, unitX)), norm) };
}

function smaller(a: MapShape, b: MapShape): MapShape {
  return { height: Math.min(a.height, b.height), width: Math.min(a.width, b.width), channels: a.channels };
}

interface Pooling {
  readonly rows: number;
  readonly from: MapShape;
  readonly to: MapShape;
}

/** A map averaged over the cells of a smaller one, axis by axis, each as a product with a matrix of shares. */
function pooled(math: Doubles, map: string, { rows, from, to }: Pooling): string {
  const { channels } = from;
  const narrow =
    from.width === to.width
      ? map
      : math.product(shares(math, from.width, to.width), math.reshape(map, [rows * from.height, from.width, channels]));
  if (from.height === to.height) return math.reshape(narrow, [rows, to.height, to.width, channels]);
  const low = math.product(
    shares(math, from.height, to.height),
    math.reshape(narrow, [rows, from.height, to.width * channels]),
  );
  return math.reshape(low, [rows, to.height, to.width, channels]);
}

/** The transpose of `pooled`: slopes by the cells as slopes by the places, [rows x height x width x channels]. */
function unpooled(math: Doubles, slopes: string, { rows, from, to }: Pooling): string {
  const { channels } = from;
  const high =
    from.height === to.height
      ? slopes
      : math.product(
          math.turned(shares(math, from.height, to.height)),
          math.reshape(slopes, [rows, to.height, to.width * channels]),
        );
  const wide =
    from.width === to.width
      ? high
      : math.product(
          math.turned(shares(math, from.width, to.width)),
          math.reshape(high, [rows * from.height, to.width, channels]),
        );
  return math.reshape(wide, [rows, from.height, from.width, channels]);
}

/** The share of each of `from` places in each of `to` cells, [to x from]; cell i goes from floor(i s / n) on. */
function shares(math: Doubles, from: number, to: number): string {
  const matrix = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const [first, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
    matrix.fill(1 / (end - first), i * from + first, i * from + end);
  }
  return math.matrix([to, from], matrix);
}
