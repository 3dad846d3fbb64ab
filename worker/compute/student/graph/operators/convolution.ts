/** Convolution and its transpose: the gradient of each by its input is the other. */
import { mustAt } from '../../../../../shared/must.js';
import type { Attribute, OnnxNode } from '../../../onnx/graph.js';
import { blockedConvolution, blockedKernel, isBlocked, type ConvolutionShape } from '../gradient/blocked.js';
import {
  gradientOf,
  inputOf,
  integerOr,
  integersOr,
  shapeOf,
  textOr,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import { weightGradient, type SeenAndGiven } from '../gradient/weight-gradient.js';
import { checkWindow, placesOf, windowOf, type Window } from '../gradient/windows.js';
import type { GraphWriter } from '../gradient/writer.js';

/** A convolution whose gradients are written. */
export interface Convolution extends SeenAndGiven {
  readonly weights: string;
  /** Channels in a block of the blocked form; 1: there is none. */
  readonly block: number;
}

function convolution(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, weights] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeX, shapeW] = [shapeOf(backward, x), shapeOf(backward, weights)];
  checkWindow(node, shapeX.length);
  const given: Convolution = {
    write,
    x,
    weights,
    dy: gradientOf(backward),
    window: windowOf(node, shapeW.slice(2), shapeX, shapeOf(backward, node.outputs[0] ?? '')),
    groups: integerOr(node, 'group', 1),
    rows: mustAt(shapeX, 0),
    inputs: mustAt(shapeX, 1),
    outputs: mustAt(shapeW, 0),
    block: backward.device.block,
  };
  const axes = [0, ...given.window.kernel.map((_, i) => i + 2)];
  return [
    backward.wants(0) ? byInput(given) : null,
    backward.wants(1) ? weightGradient(given) : null,
    ...(node.inputs.length > 2
      ? [backward.wants(2) ? write.node('ReduceSum', [given.dy, write.integers(...axes)], { keepdims: 0 }) : null]
      : []),
  ];
}

/** The forms of the gradient by the input. */
export const inputForms = {
  transposed: byTransposed,
  'turned kernel': byTurnedKernel,
  blocked: byBlocks,
} as const;

/** The gradient by the input, in the form that is fastest for the shapes. */
function byInput(given: Convolution): string {
  return inputForms[inputForm(given)](given);
}

export function inputForm(given: Omit<Convolution, 'write' | 'x' | 'dy' | 'weights'>): keyof typeof inputForms {
  if (isOfDy(given) && isBlocked(turnedShape(given), given.block)) return 'blocked';
  return isTurned(given) ? 'turned kernel' : 'transposed';
}

/** The convolution of dy that gives the gradient by the input, whose places it has. */
function turnedShape({ window, rows, inputs, outputs, groups }: Parameters<typeof inputForm>[0]): ConvolutionShape {
  return { rows, inputs: outputs, outputs: inputs, groups, window: { kernel: window.kernel, output: window.input } };
}

/** Whether the gradient by the input is a convolution of dy: without strides, and with no more padding than it reaches. */
function isOfDy({ window }: Parameters<typeof inputForm>[0]): boolean {
  const { kernel, strides, dilations, before, behind } = window;
  const reach = kernel.map((k, i) => (k - 1) * mustAt(dilations, i));
  return (
    strides.every((s) => s === 1) &&
    placesOf(kernel) > 1 &&
    reach.every((n, i) => n >= mustAt(before, i) && n >= mustAt(behind, i))
  );
}

/**
 * Whether that convolution is quicker: with a group each channel, or with so many channels and places that turning the
 * kernel costs nothing beside them.
 */
function isTurned(given: Parameters<typeof inputForm>[0]): boolean {
  const { window, groups, inputs, outputs } = given;
  if (!isOfDy(given)) return false;
  if (groups > 1) return groups === inputs && groups === outputs;
  return Math.min(inputs, outputs) >= 16 && placesOf(window.output) >= 256;
}

/** The convolution of dy with the kernel turned around in every axis, and its channels changed over. */
function byTurnedKernel(given: Convolution): string {
  const { write, dy, window, groups } = given;
  const turned = turnedKernel(given);
  const axes = window.kernel.map((_, i) => i + 2);
  return write.node('Conv', [dy, groups > 1 ? turned : write.node('Transpose', [turned], { perm: [1, 0, ...axes] })], {
    ...turnedAttributes(window),
    group: groups,
  });
}

/** The same on blocked channels. */
function byBlocks(given: Convolution): string {
  const { write, dy, window, inputs, outputs, block } = given;
  const shape = [outputs, inputs, ...window.kernel];
  const kernel = blockedKernel(write, turnedKernel(given), { shape, block, direction: 'back' });
  const strides = window.kernel.map(() => 1);
  return blockedConvolution(write, {
    x: dy,
    kernel,
    outputs: inputs,
    attributes: { ...turnedAttributes(window), strides },
  });
}

/** The kernel turned around in every axis. */
function turnedKernel({ write, weights, window: { kernel } }: Convolution): string {
  const back = kernel.map(() => -1);
  const ends = kernel.map(() => Number.MIN_SAFE_INTEGER);
  const axes = kernel.map((_, i) => i + 2);
  return write.node('Slice', [
    weights,
    write.integers(...back),
    write.integers(...ends),
    write.integers(...axes),
    write.integers(...back),
  ]);
}

function turnedAttributes({ kernel, dilations, before, behind }: Window): Readonly<Record<string, Attribute>> {
  const reach = kernel.map((k, i) => (k - 1) * mustAt(dilations, i));
  return {
    kernel_shape: kernel,
    dilations,
    pads: [...reach.map((n, i) => n - mustAt(before, i)), ...reach.map((n, i) => n - mustAt(behind, i))],
  };
}

/** A transposed convolution with the same weights, whose output is as long as the input was. */
function byTransposed({ write, dy, weights, window, groups }: Convolution): string {
  const { kernel, input, output, strides, dilations, before, behind } = window;
  const missing = kernel.map((k, i) => {
    const reach = (mustAt(output, i) - 1) * mustAt(strides, i) + (k - 1) * mustAt(dilations, i) + 1;
    return mustAt(input, i) - (reach - mustAt(before, i) - mustAt(behind, i));
  });
  return write.node('ConvTranspose', [dy, weights], {
    kernel_shape: kernel,
    strides,
    dilations,
    group: groups,
    pads: [...before, ...behind],
    output_padding: missing,
  });
}

/**
 * The transposed convolution is the gradient of a convolution by its input. So its own gradient by the input is that
 * convolution, and by the weights that convolution's, with what goes in and what comes out changed over.
 */
function transposedConvolution(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, weights] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeX, shapeW] = [shapeOf(backward, x), shapeOf(backward, weights)];
  const shapeY = shapeOf(backward, node.outputs[0] ?? '');
  checkWindow(node, shapeX.length);
  const window = transposedWindow(node, shapeW.slice(2), shapeX.slice(2), shapeY.slice(2));
  const dy = gradientOf(backward);
  const groups = integerOr(node, 'group', 1);
  const axes = [0, ...window.kernel.map((_, i) => i + 2)];
  return [
    backward.wants(0) ? forward(write, { dy, weights, window, groups }) : null,
    backward.wants(1)
      ? weightGradient({
          write,
          x: dy,
          dy: x,
          window,
          groups,
          rows: mustAt(shapeX, 0),
          inputs: mustAt(shapeY, 1),
          outputs: mustAt(shapeX, 1),
        })
      : null,
    ...(node.inputs.length > 2
      ? [backward.wants(2) ? write.node('ReduceSum', [dy, write.integers(...axes)], { keepdims: 0 }) : null]
      : []),
  ];
}

/** That convolution. What is left over behind the last place that was reached, less than a stride, it does not see. */
function forward(
  write: GraphWriter,
  { dy, weights, window, groups }: Pick<Convolution, 'dy' | 'weights' | 'window' | 'groups'>,
): string {
  const { kernel, strides, dilations, before, behind } = window;
  return write.node('Conv', [dy, weights], {
    kernel_shape: kernel,
    strides,
    dilations,
    group: groups,
    pads: [...before, ...behind.map((n) => Math.max(0, n))],
  });
}

/**
 * The window of the convolution whose gradient the node is: it goes over the node's output, `y`, and gives its input.
 * What the output's length leaves over, `output_padding` included, is cut off at the end that `auto_pad` says.
 */
function transposedWindow(
  node: OnnxNode,
  kernel: readonly number[],
  x: readonly number[],
  y: readonly number[],
): Window {
  const each = (name: string, otherwise: number): readonly number[] =>
    integersOr(
      node,
      name,
      kernel.map(() => otherwise),
    );
  const [strides, dilations] = [each('strides', 1), each('dilations', 1)];
  const mode = textOr(node, 'auto_pad', 'NOTSET');
  const given = integersOr(node, 'pads', []);
  const totals = kernel.map((k, i) => {
    const reach = (mustAt(x, i) - 1) * mustAt(strides, i) + (k - 1) * mustAt(dilations, i) + 1;
    return reach - mustAt(y, i);
  });
  // Less than 0: the output is longer than any place reaches.
  const before = totals.map((total, i) => {
    if (mode === 'NOTSET' && !('output_shape' in node.attributes)) return given[i] ?? 0;
    const half = Math.max(0, total) / 2;
    return mode === 'VALID' ? 0 : mode === 'SAME_UPPER' ? Math.floor(half) : Math.ceil(half);
  });
  const behind = totals.map((total, i) => total - mustAt(before, i));
  return { kernel, input: y, output: x, strides, dilations, before, behind };
}

export const convolutions: readonly Operator[] = [
  { op: 'Conv', gradient: convolution },
  { op: 'ConvTranspose', gradient: transposedConvolution },
];
