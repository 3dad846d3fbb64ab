/** Pooling: the largest value, or the mean, of each window. */
import { mustAt } from '../../../../../shared/must.js';
import { elementsIn } from '../../../../../shared/shape.js';
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
import { checkWindow, placesOf, windowOf, type Window } from '../gradient/windows.js';
import type { GraphWriter } from '../gradient/writer.js';

function windowsOf(backward: BackwardNode): Window {
  const { node } = backward;
  const x = shapeOf(backward, inputOf(backward, 0));
  checkWindow(node, x.length);
  return windowOf(node, integersOr(node, 'kernel_shape', []), x, shapeOf(backward, node.outputs[0] ?? ''));
}

/** Windows that lie beside each other from the first place on, without one left out between them. */
function isTiling({ kernel, input, output, strides, dilations, before }: Window): boolean {
  return kernel.every(
    (k, i) =>
      k === strides[i] && mustAt(dilations, i) === 1 && before[i] === 0 && k * mustAt(output, i) <= mustAt(input, i),
  );
}

/**
 * In each window the first of its largest values takes the gradient, as in PyTorch. Where no two windows have a place in
 * common, gradients are put there; else each is added, one after the other.
 */
function maxPool(backward: BackwardNode): readonly (string | null)[] {
  const { node, write, device } = backward;
  const window = windowsOf(backward);
  const x = inputOf(backward, 0);
  const shape = shapeOf(backward, x);
  const dy = gradientOf(backward);
  const { storage_order: _, ...attributes } = node.attributes;
  const [, places = ''] = write.several('MaxPool', [x], attributes, 2);
  if (isTiling(window)) {
    const { kernel, strides } = window;
    if (!device.unpools) return [scattered(backward, { places, dy, shape }, {})];
    return [write.node('MaxUnpool', [dy, places, write.integers(...shape)], { kernel_shape: kernel, strides })];
  }
  return [scattered(backward, { places, dy, shape }, { reduction: 'add' })];
}

/** The values of `dy` at their places in a tensor of zeros. */
function scattered(
  { write }: BackwardNode,
  { places, dy, shape }: { readonly places: string; readonly dy: string; readonly shape: readonly number[] },
  attributes: Readonly<Record<string, string>>,
): string {
  const zeros = write.node('Expand', [write.scalar(0), write.integers(elementsIn(shape))]);
  const flat = (value: string): string => reshape(write, value, [-1]);
  return reshape(write, write.node('ScatterElements', [zeros, flat(places), flat(dy)], attributes), shape);
}

/** dy over the number of values in each window, to all of them. */
function averagePool(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const window = windowsOf(backward);
  if (window.dilations.some((d) => d !== 1)) throw new NoGradient('an AveragePool with dilations');
  const channels = mustAt(shapeOf(backward, inputOf(backward, 0)), 1);
  const isPadCounted = integerOr(node, 'count_include_pad', 0) === 1;
  const counts = isPadCounted && integerOr(node, 'ceil_mode', 0) === 0 ? null : countsOf(window, isPadCounted);
  const dy = gradientOf(backward);
  const share =
    counts === null
      ? write.node('Mul', [dy, write.scalar(1 / placesOf(window.kernel))])
      : write.node('Mul', [dy, write.floats([1, 1, ...window.output], counts)]);
  return [added(write, share, window, channels)];
}

/** Each value added to all places of its window: a transposed convolution of every channel with ones. */
function added(write: GraphWriter, share: string, window: Window, channels: number): string {
  const { kernel, input, output, strides, before } = window;
  const reach = kernel.map((k, i) => (mustAt(output, i) - 1) * mustAt(strides, i) + k - mustAt(before, i));
  const over = reach.map((n, i) => n - mustAt(input, i));
  const ones = write.floats([channels, 1, ...kernel], new Float32Array(channels * placesOf(kernel)).fill(1));
  const sum = write.node('ConvTranspose', [share, ones], {
    kernel_shape: kernel,
    strides,
    group: channels,
    pads: [...before, ...over.map((n) => Math.max(0, n))],
  });
  return behind(
    write,
    sum,
    over.map((n) => Math.max(0, -n)),
  );
}

/** Zeros behind the places of each axis. */
function behind(write: GraphWriter, value: string, widths: readonly number[]): string {
  if (widths.every((n) => n === 0)) return value;
  const none = widths.map(() => 0);
  return write.node('Pad', [value, write.integers(0, 0, ...none, 0, 0, ...widths)]);
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
