/**
 * The places that a convolution or a pool goes over, with its paddings spelled out. Pure.
 *
 * Legend: for each spatial axis, x the input's length, y the output's, k the kernel's, s the stride, d the dilation.
 */
import { integersOr, NoGradient, textOr } from './operator.js';
import type { GraphWriter } from './writer.js';
import type { OnnxNode } from '../../../onnx/graph.js';
import { mustAt } from '../../../../../shared/must.js';

/** How the windows of a convolution or a pool lie on its input, along each spatial axis. */
export interface Window {
  /** Lengths of the kernel, of the input and of the output, an entry each spatial axis. */
  readonly kernel: readonly number[];
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Zeros before and behind each axis. */
  readonly before: readonly number[];
  readonly behind: readonly number[];
}

/** @param x and y shapes [N, C, ...] of input and output */
export function windowOf(
  node: OnnxNode,
  kernel: readonly number[],
  x: readonly number[],
  y: readonly number[],
): Window {
  const [input, output] = [x.slice(2), y.slice(2)];
  const strides = integersOr(
    node,
    'strides',
    kernel.map(() => 1),
  );
  const dilations = integersOr(
    node,
    'dilations',
    kernel.map(() => 1),
  );
  const pads = integersOr(
    node,
    'pads',
    [...kernel, ...kernel].map(() => 0),
  );
  const mode = textOr(node, 'auto_pad', 'NOTSET');
  const window = { kernel, input, output, strides, dilations };
  const isNamed = mode.startsWith('SAME');
  const both = isNamed ? samePads(window, mode === 'SAME_LOWER') : null;
  const valid = mode === 'VALID' ? kernel.map(() => 0) : null;
  return {
    ...window,
    before: both?.before ?? valid ?? pads.slice(0, kernel.length),
    behind: both?.behind ?? valid ?? pads.slice(kernel.length),
  };
}

/** Zeros so that y = ceil(x / s); the odd one behind, or with SAME_LOWER before. */
function samePads(
  { kernel, input, output, strides, dilations }: Omit<Window, 'before' | 'behind'>,
  isLower: boolean,
): { before: number[]; behind: number[] } {
  const totals = kernel.map((k, i) => {
    const reach = (mustAt(output, i) - 1) * mustAt(strides, i) + (k - 1) * mustAt(dilations, i) + 1;
    return Math.max(0, reach - mustAt(input, i));
  });
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  return isLower ? { before: more, behind: less } : { before: less, behind: more };
}

/** The padding that a window needs so that each slice of `slicesOf` lies inside: at least its own. */
export function padded(write: GraphWriter, value: string, window: Window): string {
  const { before, kernel, dilations, strides, output, input } = window;
  const behind = kernel.map((k, i) => {
    const reach = (mustAt(output, i) - 1) * mustAt(strides, i) + (k - 1) * mustAt(dilations, i) + 1;
    return Math.max(0, reach - mustAt(before, i) - mustAt(input, i));
  });
  if ([...before, ...behind].every((n) => n === 0)) return value;
  const pads = write.integers(0, 0, ...before, 0, 0, ...behind);
  return write.node('Pad', [value, pads]);
}

/** All places of a kernel, row by row. */
export function offsetsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (offsets, k) => offsets.flatMap((offset) => Array.from({ length: k }, (_, i) => [...offset, i])),
    [[]],
  );
}

/** What one place of the kernel sees of the padded input: [N, C, y...]. */
export function seenFrom(write: GraphWriter, padded: string, window: Window, offset: readonly number[]): string {
  const { strides, dilations, output, kernel } = window;
  const starts = offset.map((o, i) => o * mustAt(dilations, i));
  const ends = starts.map((start, i) => start + (mustAt(output, i) - 1) * mustAt(strides, i) + 1);
  const axes = kernel.map((_, i) => i + 2);
  return write.node('Slice', [
    padded,
    write.integers(...starts),
    write.integers(...ends),
    write.integers(...axes),
    ...(strides.every((s) => s === 1) ? [] : [write.integers(...strides)]),
  ]);
}

/** @throws NoGradient for a window over more than three axes */
export function checkWindow(node: OnnxNode, rank: number): void {
  if (rank < 3 || rank > 5) throw new NoGradient(`a ${node.op} of values with ${rank} axes`);
}

/** The product of the lengths. */
export function placesOf(lengths: readonly number[]): number {
  return lengths.reduce((product, length) => product * length, 1);
}
