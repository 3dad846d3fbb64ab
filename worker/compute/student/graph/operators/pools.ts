/** Pooling: the largest value, or the mean, of each window. */
import { mustAt } from '../../../../../shared/must.js';
import { reshape } from '../gradient/broadcast.js';
import {
  gradientOf,
  inputOf,
  integerOr,
  integersOr,
  NoGradient,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import { checkWindow, offsetsOf, padded, placesOf, seenFrom, windowOf, type Window } from '../gradient/windows.js';
import type { GraphWriter } from '../gradient/writer.js';
import { isPositive } from './functions.js';

function windowsOf(backward: BackwardNode): Window {
  const { node } = backward;
  const x = shapeOf(backward, inputOf(backward, 0));
  checkWindow(node, x.length);
  return windowOf(node, integersOr(node, 'kernel_shape', []), x, shapeOf(backward, node.outputs[0] ?? ''));
}

/** Below every activation: what a maximum never chooses. */
const lowest = -3.4e38;

/** In each window the first of its largest values takes the gradient, as in PyTorch. */
function maxPool(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const window = windowsOf(backward);
  const x = inputOf(backward, 0);
  const dy = gradientOf(backward);
  const y = node.outputs[0] ?? '';
  const whole = padded(write, x, window, write.scalar(lowest));
  const offsets = offsetsOf(window.kernel);
  let left: string | null = null;
  const parts = offsets.map((offset, i) => {
    const below = isPositive(write, write.node('Sub', [y, seenFrom(write, whole, window, offset)]));
    const isLargest = write.node('Sub', [write.scalar(1), below]);
    const isFirst: string = left === null ? isLargest : write.node('Mul', [isLargest, left]);
    if (i < offsets.length - 1) left = left === null ? below : write.node('Mul', [left, below]);
    return write.node('Mul', [dy, isFirst]);
  });
  const [rows = 1, channels = 1] = shapeOf(backward, x);
  return [placed(write, parts, { window, rows, channels })];
}

interface Places {
  readonly window: Window;
  readonly rows: number;
  readonly channels: number;
}

/** Adds each part, [N, C, y...], to the places that its place of the kernel saw: [N, C, x...]. */
function placed(write: GraphWriter, parts: readonly string[], { window, rows, channels }: Places): string {
  const { kernel, input, output, strides, before } = window;
  const isTiling =
    kernel.length === 2 &&
    kernel[0] === kernel[1] &&
    kernel.every((k, i) => k === strides[i] && before[i] === 0 && k * mustAt(output, i) <= mustAt(input, i));
  if (isTiling) {
    const block = write.node('DepthToSpace', [write.node('Concat', parts, { axis: 1 })], {
      blocksize: mustAt(kernel, 0),
      mode: 'DCR',
    });
    const rest = kernel.map((k, i) => mustAt(input, i) - k * mustAt(output, i));
    return rest.every((n) => n === 0) ? block : write.node('Pad', [block, write.integers(0, 0, 0, 0, 0, 0, ...rest)]);
  }
  const sums = offsetsOf(kernel).map((offset, i) =>
    spreadTo(write, mustAt(parts, i), { window, rows, channels, offset }),
  );
  const [first = '', ...others] = sums;
  return others.reduce((sum, one) => write.node('Add', [sum, one]), first);
}

/** One part with zeros between and around its places. */
function spreadTo(
  write: GraphWriter,
  part: string,
  { window, rows, channels, offset }: Places & { readonly offset: readonly number[] },
): string {
  const { input, output, strides, dilations, before } = window;
  let value = part;
  let lengths = [...output];
  if (strides.some((s) => s > 1)) {
    const apart = [rows, channels, ...output.flatMap((length) => [length, 1])];
    const zeros = strides.flatMap((s) => [0, s - 1]);
    const wide = write.node('Pad', [
      reshape(write, part, apart),
      write.integers(...apart.map(() => 0), 0, 0, ...zeros),
    ]);
    lengths = output.map((length, i) => length * mustAt(strides, i));
    value = reshape(write, wide, [rows, channels, ...lengths]);
  }
  const starts = offset.map((o, i) => o * mustAt(dilations, i) - mustAt(before, i));
  const ends = input.map((length, i) => length - mustAt(starts, i) - mustAt(lengths, i));
  return write.node('Pad', [value, write.integers(0, 0, ...starts, 0, 0, ...ends)]);
}

/** dy over the number of values in each window, to all of them. */
function averagePool(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const window = windowsOf(backward);
  if (window.dilations.some((d) => d !== 1)) throw new NoGradient('an AveragePool with dilations');
  const [rows = 1, channels = 1] = shapeOf(backward, inputOf(backward, 0));
  const isPadCounted = integerOr(node, 'count_include_pad', 0) === 1;
  const counts = isPadCounted && integerOr(node, 'ceil_mode', 0) === 0 ? null : countsOf(window, isPadCounted);
  const dy = gradientOf(backward);
  const share =
    counts === null
      ? write.node('Mul', [dy, write.scalar(1 / placesOf(window.kernel))])
      : write.node('Mul', [dy, write.floats([1, 1, ...window.output], counts)]);
  const parts = offsetsOf(window.kernel).map(() => share);
  return [placed(write, parts, { window, rows, channels })];
}

/** The reciprocal of how many places of the input, or of the padded input, each window covers. */
function countsOf({ kernel, input, output, strides, before, behind }: Window, isPadCounted: boolean): Float32Array {
  const along = kernel.map((k, i) =>
    Array.from({ length: mustAt(output, i) }, (_, at) => {
      const start = at * mustAt(strides, i) - mustAt(before, i);
      const [from, to] = isPadCounted
        ? [-mustAt(before, i), mustAt(input, i) + mustAt(behind, i)]
        : [0, mustAt(input, i)];
      return Math.min(to, start + k) - Math.max(from, start);
    }),
  );
  const counts = along.reduce<number[]>((all, lengths) => all.flatMap((count) => lengths.map((n) => count * n)), [1]);
  return Float32Array.from(counts, (count) => 1 / count);
}

function globalAverage(backward: BackwardNode): readonly (string | null)[] {
  const { write } = backward;
  const shape = shapeOf(backward, inputOf(backward, 0));
  const share = write.node('Mul', [gradientOf(backward), write.scalar(1 / placesOf(shape.slice(2)))]);
  return [write.node('Expand', [share, write.integers(...shape)])];
}

/** The first of the largest values takes the gradient, as in PyTorch. */
function globalMax(backward: BackwardNode): readonly (string | null)[] {
  const { write } = backward;
  const x = inputOf(backward, 0);
  const shape = shapeOf(backward, x);
  const [rows = 1, channels = 1, ...lengths] = shape;
  const flat = [rows, channels, placesOf(lengths)];
  const place = write.node('ArgMax', [reshape(write, x, flat)], { axis: 2 });
  const zeros = write.node('Expand', [write.scalar(0), write.integers(...flat)]);
  const dy = reshape(write, gradientOf(backward), [rows, channels, 1]);
  return [reshape(write, write.node('ScatterElements', [zeros, place, dy], { axis: 2 }), shape)];
}

export const pools: readonly Operator[] = [
  { op: 'MaxPool', gradient: maxPool },
  { op: 'AveragePool', gradient: averagePool },
  { op: 'GlobalAveragePool', gradient: globalAverage },
  { op: 'GlobalMaxPool', gradient: globalMax },
];
