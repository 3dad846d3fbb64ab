/** Sums, means and largest values over axes, and softmax. */
import { axesOf, reshape } from '../gradient/broadcast.js';
import {
  axisOf,
  gradientOf,
  inputOf,
  integerOr,
  NoGradient,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';

interface Reduction {
  readonly x: string;
  /** The input's shape. */
  readonly shape: readonly number[];
  readonly axes: readonly number[];
  /** The output's shape if it kept the axes. */
  readonly kept: readonly number[];
  /** The output and its gradient, of shape `kept`. */
  readonly y: string;
  readonly dy: string;
}

function reductionOf(backward: BackwardNode): Reduction {
  const { node, write } = backward;
  const x = inputOf(backward, 0);
  const shape = shapeOf(backward, x);
  const named = node.inputs[1] ?? '';
  const given = named === '' ? [] : backward.constant(named);
  if (given === null) throw new NoGradient(`a ${node.op} over axes that are computed from the samples`);
  const isAll = given.length === 0 && integerOr(node, 'noop_with_empty_axes', 0) === 0;
  const axes = isAll ? axesOf(shape) : given.map((axis) => axisOf(axis, shape.length));
  const kept = shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const isKept = integerOr(node, 'keepdims', 1) === 1;
  const as = (name: string): string => (isKept ? name : reshape(write, name, kept));
  return { x, shape, axes, kept, y: as(node.outputs[0] ?? ''), dy: as(gradientOf(backward)) };
}

function reduction(op: string, gradient: (backward: BackwardNode, reduction: Reduction) => string): Operator {
  return {
    op,
    gradient: (backward) => {
      const result = gradient(backward, reductionOf(backward));
      return [result, ...backward.node.inputs.slice(1).map(() => null)];
    },
  };
}

const spread = ({ write }: BackwardNode, { dy, shape }: Reduction): string =>
  write.node('Expand', [dy, write.integers(...shape)]);

const countOf = ({ shape, axes }: Reduction): number => axes.reduce((count, axis) => count * (shape[axis] ?? 1), 1);

/** Equal largest values share the gradient, as PyTorch's amax does. */
function extreme(backward: BackwardNode, { x, y, dy, axes }: Reduction): string {
  const { write } = backward;
  const hits = write.node('Cast', [write.node('Equal', [x, y])], { to: 1 });
  const count = write.node('ReduceSum', [hits, write.integers(...axes)], { keepdims: 1 });
  return write.node('Mul', [hits, write.node('Div', [dy, count])]);
}

/** Each element's share of the sum of powers, taken from the largest element so that large ones keep their digits. */
function shares({ write }: BackwardNode, { x, dy, axes }: Reduction): string {
  const over = write.integers(...axes);
  const largest = write.node('ReduceMax', [x, over], { keepdims: 1 });
  const power = write.node('Exp', [write.node('Sub', [x, largest])]);
  const sum = write.node('ReduceSum', [power, over], { keepdims: 1 });
  return write.node('Mul', [power, write.node('Div', [dy, sum])]);
}

/** The product of all others. With one zero only that has a slope, with two or more none has, as PyTorch says. */
function others(backward: BackwardNode, { x, dy, axes }: Reduction): string {
  const { write } = backward;
  const over = write.integers(...axes);
  const isZero = write.node('Cast', [write.node('Equal', [x, write.scalar(0)])], { to: 1 });
  const filled = write.node('Add', [x, isZero]);
  const product = write.node('ReduceProd', [filled, over], { keepdims: 1 });
  const zeros = write.node('ReduceSum', [isZero, over], { keepdims: 1 });
  // Where an element is itself the only zero, no other is.
  const further = write.node('Sub', [zeros, isZero]);
  const isWhole = write.node('Cast', [write.node('Equal', [further, write.scalar(0)])], { to: 1 });
  return write.node('Mul', [write.node('Div', [write.node('Mul', [dy, product]), filled]), isWhole]);
}

/** The sums of all places behind. */
function cumSum(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const reverse = 1 - integerOr(node, 'reverse', 0);
  const exclusive = integerOr(node, 'exclusive', 0);
  return [write.node('CumSum', [gradientOf(backward), inputOf(backward, 1)], { reverse, exclusive }), null];
}

/** y (dy - sum(dy y)) over the axis. */
function softmax(backward: BackwardNode): readonly (string | null)[] {
  const { write, node } = backward;
  const dy = gradientOf(backward);
  const y = node.outputs[0] ?? '';
  const axis = axisOf(integerOr(node, 'axis', -1), shapeOf(backward, y).length);
  const product = write.node('Mul', [dy, y]);
  const sum = write.node('ReduceSum', [product, write.integers(axis)], { keepdims: 1 });
  return [write.node('Sub', [product, write.node('Mul', [y, sum])])];
}

/** dy - e^y sum(dy) over the axis. */
function logSoftmax(backward: BackwardNode): readonly (string | null)[] {
  const { write, node } = backward;
  const dy = gradientOf(backward);
  const y = node.outputs[0] ?? '';
  const axis = axisOf(integerOr(node, 'axis', -1), shapeOf(backward, y).length);
  const sum = write.node('ReduceSum', [dy, write.integers(axis)], { keepdims: 1 });
  return [write.node('Sub', [dy, write.node('Mul', [write.node('Exp', [y]), sum])])];
}

export const reductions: readonly Operator[] = [
  reduction('ReduceSum', spread),
  reduction('ReduceMean', (backward, found) => {
    const { write } = backward;
    return spread(backward, { ...found, dy: write.node('Mul', [found.dy, write.scalar(1 / countOf(found))]) });
  }),
  reduction('ReduceMax', extreme),
  reduction('ReduceMin', extreme),
  reduction('ReduceSumSquare', ({ write }, { x, dy }) =>
    write.node('Mul', [write.node('Mul', [x, write.scalar(2)]), dy]),
  ),
  // At 0 the norm has no slope; PyTorch says 0, so nothing is divided by it there.
  reduction('ReduceL2', ({ write }, { x, y, dy }) => {
    const isZero = write.node('Equal', [y, write.scalar(0)]);
    return write.node('Mul', [x, write.node('Div', [dy, write.node('Where', [isZero, write.scalar(1), y])])]);
  }),
  reduction('ReduceL1', ({ write }, { x, dy }) => write.node('Mul', [write.node('Sign', [x]), dy])),
  reduction('ReduceLogSum', (backward, found) => {
    const { write } = backward;
    return spread(backward, { ...found, dy: write.node('Div', [found.dy, write.node('Exp', [found.y])]) });
  }),
  reduction('ReduceLogSumExp', shares),
  reduction('ReduceProd', others),
  { op: 'CumSum', gradient: cumSum },
  { op: 'Softmax', gradient: softmax },
  { op: 'LogSoftmax', gradient: logSoftmax },
];
