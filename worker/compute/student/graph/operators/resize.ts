/**
 * Resize: along each axis a matrix of weights, so that the gradient is the product with its transpose. The matrix is
 * what the operator itself makes of the unit vectors, so no rule of coordinates stands here.
 *
 * Legend: x and y the lengths of an axis before and after.
 */
import { mustAt } from '../../../../../shared/must.js';
import { elementsIn } from '../../../../../shared/shape.js';
import { axesOf, reshape } from '../gradient/broadcast.js';
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

/** The settings that say where a place of the output comes from. */
const kept = [
  'mode',
  'coordinate_transformation_mode',
  'nearest_mode',
  'cubic_coeff_a',
  'exclude_outside',
  'antialias',
] as const;

function resize(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const from = shapeOf(backward, inputOf(backward, 0));
  const to = shapeOf(backward, node.outputs[0] ?? '');
  const scales = scalesOf(backward, from.length);
  check(backward);
  let dy = gradientOf(backward);
  if (isRepeating(backward, from, to, scales)) {
    // [N, C, x, y/x, ...]: each value was repeated y/x times.
    const apart = from.flatMap((x, axis) => [x, mustAt(to, axis) / x]);
    const copies = axesOf(from).map((axis) => 2 * axis + 1);
    return [
      write.node('ReduceSum', [reshape(write, dy, apart), write.integers(...copies)], { keepdims: 0 }),
      ...node.inputs.slice(1).map(() => null),
    ];
  }
  const shape = [...to];
  for (const axis of [...axesOf(from)].reverse()) {
    const [x, y] = [mustAt(from, axis), mustAt(to, axis)];
    const scale = mustAt(scales, axis);
    if (x === y && (scale === null || scale === 1)) continue;
    const matrix = matrixOf(backward, x, y, scale);
    const inner = elementsIn(shape.slice(axis + 1));
    const flat = reshape(write, dy, [elementsIn(shape.slice(0, axis)), y, inner]);
    const product =
      inner === 1
        ? write.node('MatMul', [reshape(write, dy, [-1, y]), write.node('Transpose', [matrix], { perm: [1, 0] })])
        : write.node('MatMul', [matrix, flat]);
    shape[axis] = x;
    dy = reshape(write, product, shape);
  }
  return [dy, ...node.inputs.slice(1).map(() => null)];
}

/** @throws NoGradient for a setting whose result is not a weighted sum along each axis by itself */
function check({ node }: BackwardNode): void {
  const mode = textOr(node, 'coordinate_transformation_mode', 'half_pixel');
  if (mode === 'tf_crop_and_resize') throw new NoGradient(`a Resize by ${mode}`);
  const policy = textOr(node, 'keep_aspect_ratio_policy', 'stretch');
  if (policy !== 'stretch') throw new NoGradient(`a Resize of policy ${policy}`);
}

/** The factor of each axis; null where lengths are given instead. */
function scalesOf(backward: BackwardNode, rank: number): (number | null)[] {
  const { node } = backward;
  const name = node.inputs[2] ?? '';
  const given = name === '' ? [] : backward.constant(name);
  if (given === null) throw new NoGradient('a Resize by factors that are computed from the samples');
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const axes = integersOr(node, 'axes', all).map((axis) => axisOf(axis, rank));
  if (given.length === 0) return all.map(() => null);
  return all.map((axis) => (axes.includes(axis) ? (given[axes.indexOf(axis)] ?? 1) : 1));
}

/** Whether every value is repeated a whole number of times, as PyTorch's nearest by 2 does. */
function isRepeating(
  { node }: BackwardNode,
  from: readonly number[],
  to: readonly number[],
  scales: readonly (number | null)[],
): boolean {
  return (
    textOr(node, 'mode', 'nearest') === 'nearest' &&
    textOr(node, 'coordinate_transformation_mode', 'half_pixel') === 'asymmetric' &&
    textOr(node, 'nearest_mode', 'round_prefer_floor') === 'floor' &&
    integerOr(node, 'antialias', 0) === 0 &&
    from.every((x, axis) => {
      const times = mustAt(to, axis) / x;
      return Number.isInteger(times) && (scales[axis] ?? times) === times;
    })
  );
}

/** [x, y]: the weight of each place before in each place after. */
function matrixOf({ node, write }: BackwardNode, x: number, y: number, scale: number | null): string {
  const units = new Float32Array(x * x);
  for (let i = 0; i < x; i++) units[i * x + i] = 1;
  const attributes = Object.fromEntries(
    kept.flatMap((key) => {
      const value = node.attributes[key];
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
  const size =
    scale === null ? ['', '', write.integers(1, x, y, 1)] : ['', write.floats([4], Float32Array.of(1, 1, scale, 1))];
  const made = write.node('Resize', [write.floats([1, x, x, 1], units), ...size], attributes);
  return reshape(write, made, [x, y]);
}

export const resizes: readonly Operator[] = [{ op: 'Resize', gradient: resize }];
