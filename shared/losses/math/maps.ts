/**
 * Brings feature maps to one size: the bigger one is averaged over the cells of the smaller one, as PyTorch's
 * adaptive_avg_pool2d does (cell i of n over size s: floor(i s / n) to ceil((i + 1) s / n)). In float64. Pure.
 */
import type { Activation } from './activation.js';

export interface FeatureMap {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** [rows x height x width x channels] */
  readonly values: Float64Array;
}

/** An activation as a map: [H, W, C] as it is, [T, F] with width 1, [D] as a single cell. */
export function mapOf({ values, shape }: Activation): FeatureMap {
  const [height = 1, width = 1, channels = 1] =
    shape.length === 1 ? [1, 1, ...shape] : shape.length === 2 ? [shape[0] ?? 1, 1, shape[1] ?? 1] : shape;
  return { height, width, channels, values: Float64Array.from(values) };
}

export interface Size {
  readonly height: number;
  readonly width: number;
}

export function smaller(a: Size, b: Size): Size {
  return { height: Math.min(a.height, b.height), width: Math.min(a.width, b.width) };
}

/** The map averaged to a size that is no bigger; the map itself where it has that size. */
export function pooled(map: FeatureMap, size: Size): FeatureMap {
  if (map.height === size.height && map.width === size.width) return map;
  const rows = map.values.length / (map.height * map.width * map.channels);
  const out = {
    ...size,
    channels: map.channels,
    values: new Float64Array(rows * size.height * size.width * map.channels),
  };
  eachCell(map, size, (from, to, share) => {
    for (let c = 0; c < map.channels; c++)
      out.values[to + c] = (out.values[to + c] ?? 0) + share * (map.values[from + c] ?? 0);
  });
  return out;
}

/** The transpose of `pooled`: adds factor x each cell's slope to the values that made the cell, by their shares. */
export function unpool(
  slopes: Float64Array,
  {
    map,
    size,
    into,
    factor,
  }: { readonly map: FeatureMap; readonly size: Size; readonly into: Float64Array; readonly factor: number },
): void {
  eachCell(map, size, (from, to, share) => {
    for (let c = 0; c < map.channels; c++)
      into[from + c] = (into[from + c] ?? 0) + factor * share * (slopes[to + c] ?? 0);
  });
}

/** Visits every place of the map that takes part in a cell, with its share of the cell. */
function eachCell(
  { height, width, channels, values }: FeatureMap,
  size: Size,
  visit: (from: number, to: number, share: number) => void,
): void {
  const rows = values.length / (height * width * channels);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < size.height; i++) {
      const [top, bottom] = cell(i, height, size.height);
      for (let j = 0; j < size.width; j++) {
        const [left, right] = cell(j, width, size.width);
        const share = 1 / ((bottom - top) * (right - left));
        const to = ((row * size.height + i) * size.width + j) * channels;
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) visit(((row * height + y) * width + x) * channels, to, share);
      }
    }
  }
}

function cell(i: number, from: number, to: number): [number, number] {
  return [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
}
