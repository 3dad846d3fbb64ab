/**
 * The gradient of a convolution by its weights, in the form that is fastest for the shapes: by the shapes alone, so that
 * every machine takes the same (bench/graph-forms.ts has all of them beside each other).
 *
 * Legend: N rows, C input channels, O output channels, G groups, P places of the output, K places of the kernel.
 */
import { mustAt } from '../../../../../shared/must.js';
import { elementsIn } from '../../../../../shared/shape.js';
import { reshape } from './broadcast.js';
import { offsetsOf, padded, placesOf, seenFrom, type Window } from './windows.js';
import type { GraphWriter } from './writer.js';

/** What a convolution saw and the gradient of what it gave. */
export interface SeenAndGiven {
  readonly write: GraphWriter;
  /** [N, C, ...]. */
  readonly x: string;
  /** [N, O, ...]. */
  readonly dy: string;
  readonly window: Window;
  readonly groups: number;
  readonly rows: number;
  /** Channels of x. */
  readonly inputs: number;
  /** Channels of dy. */
  readonly outputs: number;
}

export type WeightForm = 'columns' | 'products' | 'folded products' | 'by channel';

/** Writes the gradient by the weights, [O, C/G, k...], in the form that `weightForm` says. */
export function weightGradient(given: SeenAndGiven): string {
  return weightForms[weightForm(given)](given);
}

/** All forms: each writes the same gradient, but for the order of its sums. */
export const weightForms: Readonly<Record<WeightForm, (given: SeenAndGiven) => string>> = {
  columns: byColumns,
  products: byProducts,
  'folded products': byFoldedProducts,
  'by channel': byChannel,
};

/** Numbers that a matrix of all places of the kernel may have to be worth making: more do not stay in a cache. */
const smallColumns = 2 ** 20;

/**
 * - Each channel by itself: elementwise products and their sums.
 * - A kernel of one place, few channels, groups, strides, or few numbers in all: one matrix of all places of the kernel.
 * - Else a product for each place of the kernel, which spares copying them together. Where the products of all rows are
 *   larger than what is multiplied, the rows are made part of the inner dimension.
 */
export function weightForm(given: Omit<SeenAndGiven, 'write' | 'x' | 'dy'>): WeightForm {
  const { window, groups, rows, inputs, outputs } = given;
  const { kernel, strides, output } = window;
  if (groups > 1 && groups === inputs && groups === outputs) return 'by channel';
  if (groups > 1 || inputs < 4 || placesOf(kernel) === 1 || strides.some((s) => s > 1)) return 'columns';
  const places = placesOf(output);
  if (placesOf(kernel) * inputs * outputs > places * (inputs + outputs)) return 'folded products';
  return rows * inputs * placesOf(kernel) * places < smallColumns ? 'columns' : 'products';
}

/**
 * What each place of the kernel saw, as rows of a matrix, times dy, row by row of the micro-batch, and the sum of these:
 * [N, G, K C/G, P] x [N, G, O/G, P]^T -> [N, G, K C/G, O/G].
 */
function byColumns(given: SeenAndGiven): string {
  const { write, x, dy, window, groups, rows, inputs, outputs } = given;
  const places = placesOf(window.output);
  const whole = padded(write, x, window);
  const seen = offsetsOf(window.kernel).map((offset) => seenFrom(write, whole, window, offset));
  const [inner, outer] = [inputs / groups, outputs / groups];
  const columns = stacked(write, seen, [rows, groups, inner, places]);
  const products = write.microsoft('FusedMatMul', [columns, reshape(write, dy, [rows, groups, outer, places])], {
    transB: 1,
  });
  return turned(given, write.node('ReduceSum', [products, write.integers(0)], { keepdims: 0 }));
}

/** Parts of [N, C, P] as [N, G, K C/G, P]: channels by places of the kernel, so that all of a group lie together. */
function stacked(
  write: GraphWriter,
  seen: readonly string[],
  shape: readonly [number, number, number, number],
): string {
  const [rows, groups, inner, places] = shape;
  if (seen.length === 1) return reshape(write, mustAt(seen, 0), shape);
  if (groups === 1) {
    const all = write.node('Concat', seen, { axis: 1 });
    return reshape(write, all, [rows, 1, seen.length * inner, places]);
  }
  const parts = seen.map((one) => reshape(write, one, shape));
  return write.node('Concat', parts, { axis: 2 });
}

/** For each place of the kernel [N, C, P] x [N, O, P]^T, and the sum of these over N. */
function byProducts(given: SeenAndGiven): string {
  const { write } = given;
  const { seen, dy } = flattened(given, 'rows first');
  const sums = seen.map((one) => {
    const products = write.microsoft('FusedMatMul', [one, dy], { transB: 1 });
    return write.node('ReduceSum', [products, write.integers(0)], { keepdims: 0 });
  });
  return turned(given, write.node('Concat', sums, { axis: 0 }));
}

/** For each place of the kernel [C, N P] x [O, N P]^T. */
function byFoldedProducts(given: SeenAndGiven): string {
  const { write, inputs, outputs } = given;
  const { seen, dy } = flattened(given, 'channels first');
  const right = reshape(write, dy, [outputs, -1]);
  const products = seen.map((one) => write.node('Gemm', [reshape(write, one, [inputs, -1]), right], { transB: 1 }));
  return turned(given, write.node('Concat', products, { axis: 0 }));
}

interface Flattened {
  /** By place of the kernel, what it saw: [N, C, length], or [C, N, length]. */
  readonly seen: readonly string[];
  /** [N, O, length], or [O, N, length]. */
  readonly dy: string;
}

/**
 * Lays all places on one line, with as many in a line of dy as in one of the padded x. What a place of the kernel saw is
 * then one piece of it, and between the lines of dy are zeros. Strides are 1.
 */
function flattened(given: SeenAndGiven, order: 'rows first' | 'channels first'): Flattened {
  const { write, window, rows, inputs, outputs } = given;
  const { kernel, input, output, dilations, before } = window;
  const reach = kernel.map((k, i) => (k - 1) * mustAt(dilations, i));
  const lines = output.map((length, i) => length + mustAt(reach, i));
  // One line more behind the first axis: the last pieces end beyond its last line.
  const long = lines.map((length, i) => (i === 0 && lines.length > 1 ? length + 1 : length));
  const steps = lines.map((_, i) => elementsIn(lines.slice(i + 1)));
  const length = mustAt(output, 0) * mustAt(steps, 0);
  const turn = [1, 0, ...kernel.map((_, i) => i + 2)];
  const as = (value: string): string =>
    order === 'rows first' ? value : write.node('Transpose', [value], { perm: turn });
  const lead = (channels: number): number[] => (order === 'rows first' ? [rows, channels] : [channels, rows]);
  const behind = long.map((all, i) => all - mustAt(input, i) - mustAt(before, i));
  const whole = write.node('Pad', [as(given.x), write.integers(0, 0, ...before, 0, 0, ...behind)]);
  const line = reshape(write, whole, [...lead(inputs), elementsIn(long)]);
  const none = kernel.map(() => 0);
  const gaps = reach.map((n, i) => (i === 0 ? 0 : n));
  const dy = gaps.every((n) => n === 0)
    ? as(given.dy)
    : write.node('Pad', [as(given.dy), write.integers(0, 0, ...none, 0, 0, ...gaps)]);
  const seen = offsetsOf(kernel).map((offset) => {
    const start = offset.reduce((sum, o, i) => sum + o * mustAt(dilations, i) * mustAt(steps, i), 0);
    return write.node('Slice', [line, write.integers(start), write.integers(start + length), write.integers(2)]);
  });
  return { seen, dy: reshape(write, dy, [...lead(outputs), length]) };
}

/** [G, K C/G, O/G], or the same elements in another shape, as [O, C/G, k...]. */
function turned({ write, groups, inputs, outputs, window: { kernel } }: SeenAndGiven, sum: string): string {
  const [inner, outer] = [inputs / groups, outputs / groups];
  const apart = reshape(write, sum, [groups, placesOf(kernel), inner, outer]);
  return reshape(write, write.node('Transpose', [apart], { perm: [0, 3, 2, 1] }), [outputs, inner, ...kernel]);
}

/** For each place of the kernel the sum of what it saw times dy, over rows and places. Every channel is a group. */
function byChannel({ write, x, dy, window, inputs }: SeenAndGiven): string {
  const { kernel } = window;
  const whole = padded(write, x, window);
  const axes = write.integers(0, ...kernel.map((_, i) => i + 2));
  const sums = offsetsOf(kernel).map((offset) => {
    const product = write.node('Mul', [seenFrom(write, whole, window, offset), dy]);
    return write.node('ReduceSum', [product, axes], { keepdims: 0 });
  });
  const all = reshape(write, write.node('Concat', sums, { axis: 0 }), [sums.length, inputs]);
  return reshape(write, write.node('Transpose', [all], { perm: [1, 0] }), [inputs, 1, ...kernel]);
}
