/** Operators that move elements without changing them. */
import { elementsIn } from '../../../../../shared/shape.js';
import { axesOf, reshape, sumTo } from '../gradient/broadcast.js';
import {
  axisOf,
  gradientOf,
  inputOf,
  integerOr,
  integersOr,
  NoGradient,
  shapeOf,
  textOr,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import { reversed } from './pads.js';

/** The same elements in another shape. */
function reshaped(backward: BackwardNode): readonly (string | null)[] {
  return [reshape(backward.write, gradientOf(backward), shapeOf(backward, inputOf(backward, 0)))];
}

function transpose(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const axes = axesOf(shapeOf(backward, inputOf(backward, 0)));
  const perm = integersOr(node, 'perm', [...axes].reverse());
  return [write.node('Transpose', [gradientOf(backward)], { perm: axes.map((axis) => perm.indexOf(axis)) })];
}

/** Each input takes its part of the gradient. */
function concat(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const dy = gradientOf(backward);
  const axis = axisOf(integerOr(node, 'axis', 0), shapeOf(backward, node.outputs[0] ?? '').length);
  let from = 0;
  return node.inputs.map((name, i) => {
    const start = from;
    from += shapeOf(backward, name)[axis] ?? 1;
    if (!backward.wants(i)) return null;
    return write.node('Slice', [dy, write.integers(start), write.integers(from), write.integers(axis)]);
  });
}

/** The outputs' gradients behind each other; zeros for an output that has none. */
function split(backward: BackwardNode): readonly (string | null)[] {
  const { node, write, gradients } = backward;
  const shapes = node.outputs.map((name) => shapeOf(backward, name));
  const axis = axisOf(integerOr(node, 'axis', 0), shapes[0]?.length ?? 1);
  const parts = gradients.map((gradient, i) => gradient ?? zeros(backward, shapes[i] ?? []));
  return [write.node('Concat', parts, { axis }), ...node.inputs.slice(1).map(() => null)];
}

function zeros({ write }: BackwardNode, shape: readonly number[]): string {
  return write.node('Expand', [write.scalar(0), write.integers(...shape)]);
}

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The ranges of a Slice, with starts and ends counted from the front. */
function rangesOf(backward: BackwardNode, shape: readonly number[]): Range[] {
  const list = (index: number): readonly number[] | null => {
    const name = backward.node.inputs[index] ?? '';
    if (name === '') return null;
    const values = backward.constant(name);
    if (values === null) throw new NoGradient('a Slice whose range is computed from the samples');
    return values;
  };
  const [starts, ends] = [list(1) ?? [], list(2) ?? []];
  const axes = list(3) ?? starts.map((_, i) => i);
  const steps = list(4) ?? starts.map(() => 1);
  return starts.map((start, i) => {
    const axis = axisOf(axes[i] ?? 0, shape.length);
    const step = steps[i] ?? 1;
    const length = shape[axis] ?? 1;
    const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
    const from = (at: number): number => Math.min(high, Math.max(low, at < 0 ? at + length : at));
    return { axis, step, start: from(start), end: from(ends[i] ?? length) };
  });
}

/** The gradient with zeros around it, and between its places where the slice took steps. */
function slice(backward: BackwardNode): readonly (string | null)[] {
  const { write, node } = backward;
  const x = shapeOf(backward, inputOf(backward, 0));
  const y = [...shapeOf(backward, node.outputs[0] ?? '')];
  let dy = gradientOf(backward);
  const before = x.map(() => 0);
  const after = x.map(() => 0);
  for (const { axis, start, step } of rangesOf(backward, x)) {
    const count = y[axis] ?? 1;
    if (step < 0) dy = reversed(write, dy, axis);
    const stride = Math.abs(step);
    if (stride > 1) {
      dy = spread(backward, dy, { shape: y, axis, stride });
      y[axis] = count * stride;
    }
    // What follows the last place that was taken.
    const first = step > 0 ? start : start - (count - 1) * stride;
    before[axis] = first;
    after[axis] = (x[axis] ?? 1) - first - (y[axis] ?? 1);
  }
  // Spreading may reach over the end: negative padding cuts it off.
  return [write.node('Pad', [dy, write.integers(...before, ...after)]), ...node.inputs.slice(1).map(() => null)];
}

/** Puts stride - 1 zeros behind each place of the axis. */
function spread(
  { write }: BackwardNode,
  value: string,
  { shape, axis, stride }: { readonly shape: readonly number[]; readonly axis: number; readonly stride: number },
): string {
  const apart = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
  const none = apart.map(() => 0);
  const behind = apart.map((_, i) => (i === axis + 1 ? stride - 1 : 0));
  const padded = write.node('Pad', [reshape(write, value, apart), write.integers(...none, ...behind)]);
  return reshape(
    write,
    padded,
    shape.map((dim, i) => (i === axis ? dim * stride : dim)),
  );
}

/** The gradient summed over the copies. */
function expand(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const from = shapeOf(backward, node.outputs[0] ?? '');
  return [sumTo(write, gradientOf(backward), from, shapeOf(backward, inputOf(backward, 0))), null];
}

function tile(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const x = shapeOf(backward, inputOf(backward, 0));
  const y = shapeOf(backward, node.outputs[0] ?? '');
  const apart = x.flatMap((dim, axis) => [(y[axis] ?? dim) / Math.max(1, dim), dim]);
  const copies = x.map((_, axis) => 2 * axis);
  const whole = reshape(write, gradientOf(backward), apart);
  const sum = write.node('ReduceSum', [whole, write.integers(...copies)], { keepdims: 0 });
  return [elementsIn(x) === 1 ? reshape(write, sum, x) : sum, null];
}

/** From one type of floating-point numbers to the same; another type has no gradient here. */
function cast(backward: BackwardNode): readonly (string | null)[] {
  const { type } = backward.known(inputOf(backward, 0));
  if (type !== 'float32') throw new NoGradient(`a Cast from ${type}`);
  return [gradientOf(backward)];
}

/** [N, C, y, x] in blocks: the channels of a block lie before the places in it (CRD) or behind them (DCR). */
function depthToSpace(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const dy = gradientOf(backward);
  const blocksize = integerOr(node, 'blocksize', 1);
  if (textOr(node, 'mode', 'DCR') === 'DCR') return [write.node('SpaceToDepth', [dy], { blocksize })];
  const [rows = 1, depth = 1, height = 1, width = 1] = shapeOf(backward, inputOf(backward, 0));
  const channels = depth / blocksize ** 2;
  const apart = reshape(write, dy, [rows, channels, height, blocksize, width, blocksize]);
  const turned = write.node('Transpose', [apart], { perm: [0, 1, 3, 5, 2, 4] });
  return [reshape(write, turned, [rows, depth, height, width])];
}

function spaceToDepth(backward: BackwardNode): readonly (string | null)[] {
  const blocksize = integerOr(backward.node, 'blocksize', 1);
  return [backward.write.node('DepthToSpace', [gradientOf(backward)], { blocksize, mode: 'DCR' })];
}

export const shapes: readonly Operator[] = [
  { op: 'Reshape', gradient: (backward) => [...reshaped(backward), null] },
  { op: 'Flatten', gradient: reshaped },
  { op: 'Squeeze', gradient: (backward) => [...reshaped(backward), null] },
  { op: 'Unsqueeze', gradient: (backward) => [...reshaped(backward), null] },
  { op: 'Transpose', gradient: transpose },
  { op: 'Concat', gradient: concat },
  { op: 'Split', gradient: split },
  { op: 'Slice', gradient: slice },
  { op: 'DepthToSpace', gradient: depthToSpace },
  { op: 'SpaceToDepth', gradient: spaceToDepth },
  { op: 'Expand', gradient: expand },
  { op: 'Tile', gradient: tile },
  { op: 'Cast', gradient: cast },
  { op: 'CastLike', gradient: (backward) => [...(backward.wants(0) ? cast(backward) : [null]), null] },
];
