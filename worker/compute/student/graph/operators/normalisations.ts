/**
 * Normalisations. With x^ = (x - mean) / sqrt(variance + epsilon) and g = dy times the scale, all have
 * dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance + epsilon), with means over what was normalised together (Ioffe
 * and Szegedy, 2015, section 3; Ba, Kiros and Hinton, 2016).
 */
import { elementsIn } from '../../../../../shared/shape.js';
import { mustAt } from '../../../../../shared/must.js';
import { axesOf, reshape, sumTo } from '../gradient/broadcast.js';
import {
  axisOf,
  floatOr,
  gradientOf,
  inputOf,
  integerOr,
  NoGradient,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import type { GraphWriter } from '../gradient/writer.js';

/** x times a factor plus a shift, a number each for every channel (axis 1): one pass over memory. */
function perChannel(write: GraphWriter, x: string, factor: string, shift: string, channels: number): string {
  const [zeros, ones] = [
    write.floats([channels], new Float32Array(channels)),
    write.floats([channels], new Float32Array(channels).fill(1)),
  ];
  return write.node('BatchNormalization', [x, factor, shift, zeros, ones], { epsilon: { float: 0 } });
}

interface Moments {
  readonly mean: string;
  readonly variance: string;
}

/**
 * What x was normalised by: given moments, or the batch's own. These are the node's second and third output where its
 * momentum is 0; else those are running averages, and the moments are taken anew.
 *
 * @throws NoGradient where the loss depends on the running averages
 */
function momentsOf(backward: BackwardNode): Moments {
  const { node, write, gradients } = backward;
  if (integerOr(node, 'training_mode', 0) === 0) return { mean: inputOf(backward, 3), variance: inputOf(backward, 4) };
  if (gradients.slice(1).some((gradient) => gradient !== null))
    throw new NoGradient('a BatchNormalization whose moments the loss depends on');
  const [, mean = '', variance = ''] = node.outputs;
  if (floatOr(node, 'momentum', 0.9) === 0 && mean !== '' && variance !== '') return { mean, variance };
  // Over inputs of its own: ../gradient/batch-moments.ts says why.
  const [x, scale, bias] = [inputOf(backward, 0), inputOf(backward, 1), inputOf(backward, 2)];
  const space = [scale, bias].map((of) => write.node('Mul', [of, write.scalar(0)]));
  const attributes = { ...node.attributes, momentum: { float: 0 } };
  const [, ownMean = '', ownVariance = ''] = write.several(
    'BatchNormalization',
    [x, scale, bias, ...space],
    attributes,
    3,
  );
  return { mean: ownMean, variance: ownVariance };
}

/** By the batch's own moments, or by given ones. */
function batchNormalization(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, scale] = [inputOf(backward, 0), inputOf(backward, 1)];
  const isTraining = integerOr(node, 'training_mode', 0) === 1;
  const { mean, variance } = momentsOf(backward);
  const shape = shapeOf(backward, x);
  const channels = mustAt(shape, 1);
  const dy = gradientOf(backward);
  const axes = axesOf(shape).filter((axis) => axis !== 1);
  const sum = (value: string): string => write.node('ReduceSum', [value, write.integers(...axes)], { keepdims: 0 });
  const epsilon = write.scalar(floatOr(node, 'epsilon', 1e-5));
  const spread = write.node('Sqrt', [write.node('Add', [variance, epsilon])]);
  const inverse = write.node('Div', [write.scalar(1), spread]);
  const factor = write.node('Mul', [scale, inverse]);
  const shift = sum(dy);
  const off = perChannel(write, x, inverse, write.node('Neg', [write.node('Mul', [mean, inverse])]), channels);
  const slope = sum(write.node('Mul', [dy, off]));
  const zeros = write.floats([channels], new Float32Array(channels));
  const scaled = (): string => perChannel(write, dy, factor, zeros, channels);
  const corrected = (): string => {
    const count = write.scalar(-1 / (elementsIn(shape) / channels));
    const perUnit = write.node('Mul', [factor, count]);
    const correction = perChannel(
      write,
      off,
      write.node('Mul', [perUnit, slope]),
      write.node('Mul', [perUnit, shift]),
      channels,
    );
    return write.node('Add', [scaled(), correction]);
  };
  const dx = (): string => (isTraining ? corrected() : scaled());
  return [backward.wants(0) ? dx() : null, slope, shift, null, null];
}

/** Over all axes from `axis` on. */
function layerNormalization(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, scale] = [inputOf(backward, 0), inputOf(backward, 1)];
  const bias = node.inputs[2] ?? '';
  const shape = shapeOf(backward, x);
  const axis = axisOf(integerOr(node, 'axis', -1), shape.length);
  const axes = axesOf(shape).slice(axis);
  const inner = shape.slice(axis);
  const dy = gradientOf(backward);
  const ones = write.floats(inner, new Float32Array(elementsIn(inner)).fill(1));
  const [normal = '', , inverse = ''] = write.several(
    'LayerNormalization',
    [x, ones],
    { axis, epsilon: { float: floatOr(node, 'epsilon', 1e-5) } },
    3,
  );
  const product = write.node('Mul', [dy, normal]);
  const mean = (value: string): string => write.node('ReduceMean', [value, write.integers(...axes)], { keepdims: 1 });
  const dx = (): string => {
    const g = write.node('Mul', [dy, scale]);
    const along = write.node('Mul', [normal, mean(write.node('Mul', [g, normal]))]);
    const off = write.node('Sub', [write.node('Sub', [g, mean(g)]), along]);
    return write.node('Mul', [off, inverse]);
  };
  return [
    backward.wants(0) ? dx() : null,
    backward.wants(1) ? sumTo(write, product, shape, shapeOf(backward, scale)) : null,
    ...(bias === '' ? [] : [backward.wants(2) ? sumTo(write, dy, shape, shapeOf(backward, bias)) : null]),
  ];
}

/** Each row and group of channels by itself, over its channels and places. */
function grouped(backward: BackwardNode, groups: number): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, scale, bias] = [inputOf(backward, 0), inputOf(backward, 1), inputOf(backward, 2)];
  const shape = shapeOf(backward, x);
  const [rows = 1, channels = 1] = shape;
  const places = elementsIn(shape.slice(2));
  const flat = [rows, groups, (channels / groups) * places];
  // [N, C, places] where a number each channel is given, [N, G, C/G places] where one each group is.
  const factors = mustAt(shapeOf(backward, scale), 0);
  const wide = [rows, factors, (channels / factors) * places];
  const as = (value: string, to: readonly number[]): string => (groups === factors ? value : reshape(write, value, to));
  const dy = reshape(write, gradientOf(backward), wide);
  const ones = write.floats(flat.slice(2), new Float32Array(mustAt(flat, 2)).fill(1));
  const [normal = '', , inverse = ''] = write.several(
    'LayerNormalization',
    [reshape(write, x, flat), ones],
    { axis: 2, epsilon: { float: floatOr(node, 'epsilon', 1e-5) } },
    3,
  );
  const product = write.node('Mul', [dy, as(normal, wide)]);
  const mean = (value: string): string => write.node('ReduceMean', [value, write.integers(2)], { keepdims: 1 });
  const sum = (value: string, of: string): string =>
    reshape(write, write.node('ReduceSum', [value, write.integers(0, 2)], { keepdims: 0 }), shapeOf(backward, of));
  const dx = (): string => {
    const factor = reshape(write, scale, [1, factors, 1]);
    const g = as(write.node('Mul', [dy, factor]), flat);
    const along = write.node('Mul', [normal, mean(as(write.node('Mul', [product, factor]), flat))]);
    const off = write.node('Sub', [write.node('Sub', [g, mean(g)]), along]);
    return reshape(write, write.node('Mul', [off, inverse]), shape);
  };
  return [
    backward.wants(0) ? dx() : null,
    backward.wants(1) ? sum(product, scale) : null,
    backward.wants(2) ? sum(dy, bias) : null,
  ];
}

/** Each row and channel by itself, over its places. */
function instanceNormalization(backward: BackwardNode): readonly (string | null)[] {
  return grouped(backward, mustAt(shapeOf(backward, inputOf(backward, 0)), 1));
}

/** Over all axes from `axis` on, without taking the mean off (Zhang and Sennrich, 2019). */
function rmsNormalization(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, scale] = [inputOf(backward, 0), inputOf(backward, 1)];
  const shape = shapeOf(backward, x);
  const axes = axesOf(shape).slice(axisOf(integerOr(node, 'axis', -1), shape.length));
  const dy = gradientOf(backward);
  const mean = (value: string): string => write.node('ReduceMean', [value, write.integers(...axes)], { keepdims: 1 });
  const square = write.node('Add', [mean(write.node('Mul', [x, x])), write.scalar(floatOr(node, 'epsilon', 1e-5))]);
  const inverse = write.node('Div', [write.scalar(1), write.node('Sqrt', [square])]);
  const normal = write.node('Mul', [x, inverse]);
  const dx = (): string => {
    const g = write.node('Mul', [dy, scale]);
    const along = write.node('Mul', [normal, mean(write.node('Mul', [g, normal]))]);
    return write.node('Mul', [write.node('Sub', [g, along]), inverse]);
  };
  return [
    backward.wants(0) ? dx() : null,
    backward.wants(1) ? sumTo(write, write.node('Mul', [dy, normal]), shape, shapeOf(backward, scale)) : null,
  ];
}

export const normalisations: readonly Operator[] = [
  { op: 'BatchNormalization', gradient: batchNormalization },
  { op: 'LayerNormalization', gradient: layerNormalization },
  { op: 'InstanceNormalization', gradient: instanceNormalization },
  { op: 'GroupNormalization', gradient: (backward) => grouped(backward, integerOr(backward.node, 'num_groups', 1)) },
  { op: 'RMSNormalization', gradient: rmsNormalization },
];
