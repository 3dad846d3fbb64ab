/**
 * Convolutions on blocked channels: onnxruntime's own form for x86 processors (its operator set com.microsoft.nchwc),
 * which it takes by itself only where weights are constants. As many channels as a vector register has floats lie
 * together, which spares the matrix of all places of the kernel. Pure.
 *
 * Legend: N rows, C input channels, O output channels, b channels in a block.
 */
import type { Attribute, KnownValue, OnnxConstant, OnnxNode } from '../../../onnx/graph.js';
import { reshape } from './broadcast.js';
import { integerOr } from './operator.js';
import { placesOf, windowOf, type Window } from './windows.js';
import { GraphWriter } from './writer.js';

export const blockedDomain = 'com.microsoft.nchwc';

export interface ConvolutionShape {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: number;
  readonly window: Pick<Window, 'kernel' | 'output'>;
}

/** Places of all rows from which on turning the kernel costs less than is won. */
const fewestPlaces = 1024;

/**
 * Whether the blocked form is quicker: whole blocks, a kernel of more than one place, and places enough to pay for
 * turning the kernel.
 *
 * @param block b; 1 where onnxruntime has no such form
 */
export function isBlocked({ rows, inputs, outputs, groups, window }: ConvolutionShape, block: number): boolean {
  const { kernel, output } = window;
  if (block === 1 || groups > 1 || kernel.length !== 2 || placesOf(kernel) === 1) return false;
  return inputs % block === 0 && outputs % block === 0 && rows * placesOf(output) >= fewestPlaces;
}

export interface BlockedConvolution {
  /** [N, C, h, w]. */
  readonly x: string;
  /** As `blockedKernel` gives it. */
  readonly kernel: string;
  /** [O]; absent: none. */
  readonly bias?: string | undefined;
  /** O. */
  readonly outputs: number;
  /** `kernel_shape`, `strides`, `dilations` and `pads`. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** @returns [N, O, h', w'], under the name `output` where one is given */
export function blockedConvolution(write: GraphWriter, given: BlockedConvolution, output = write.fresh()): string {
  const { x, kernel, bias, outputs, attributes } = given;
  const [inside, made] = [write.fresh(), write.fresh()];
  const node = (op: string, inputs: readonly string[], to: string, settings: OnnxNode['attributes']): OnnxNode => ({
    op,
    domain: blockedDomain,
    inputs,
    outputs: [to],
    attributes: settings,
  });
  write.nodes.push(
    node('ReorderInput', [x], inside, {}),
    node('Conv', [inside, kernel, ...(bias === undefined ? [] : [bias])], made, { ...attributes, group: 1 }),
    node('ReorderOutput', [made], output, { channels: outputs }),
  );
  return output;
}

/**
 * A kernel [O, C, h, w] as the blocked form has it: [O/b, C/b, h, w, b, b], the output's channels innermost.
 *
 * @param direction `back` for the convolution of dy, whose input has O channels and whose output C
 */
export function blockedKernel(
  write: GraphWriter,
  weights: string,
  {
    shape,
    block,
    direction,
  }: { readonly shape: readonly number[]; readonly block: number; readonly direction: 'forth' | 'back' },
): string {
  const [outputs = 1, inputs = 1, ...places] = shape;
  const apart = reshape(write, weights, [outputs / block, block, inputs / block, block, ...places]);
  const perm = direction === 'forth' ? [0, 2, 4, 5, 3, 1] : [2, 0, 4, 5, 1, 3];
  const [first, second] = direction === 'forth' ? [outputs, inputs] : [inputs, outputs];
  return reshape(write, write.node('Transpose', [apart], { perm }), [first, second, ...places]);
}

/** The nodes of a graph with its convolutions in the blocked form, where that is quicker. */
export function withBlocks(
  nodes: readonly OnnxNode[],
  known: ReadonlyMap<string, KnownValue>,
  block: number,
): { readonly nodes: readonly OnnxNode[]; readonly constants: readonly OnnxConstant[] } {
  const write = new GraphWriter('blocked.');
  for (const node of nodes) {
    const shape = shapeOfConvolution(node, known);
    if (shape === null || !isBlocked(shape, block)) {
      write.nodes.push(node);
      continue;
    }
    const [x = '', weights = '', bias] = node.inputs;
    const { kernel, strides, dilations, before, behind } = shape.window;
    blockedConvolution(
      write,
      {
        x,
        kernel: blockedKernel(write, weights, {
          shape: [shape.outputs, shape.inputs, ...kernel],
          block,
          direction: 'forth',
        }),
        bias: bias === '' ? undefined : bias,
        outputs: shape.outputs,
        attributes: { kernel_shape: kernel, strides, dilations, pads: [...before, ...behind] },
      },
      node.outputs[0],
    );
  }
  return { nodes: write.nodes, constants: write.constants };
}

/** Null for another operator. */
function shapeOfConvolution(
  node: OnnxNode,
  known: ReadonlyMap<string, KnownValue>,
): (ConvolutionShape & { readonly window: Window }) | null {
  if (node.op !== 'Conv' || node.domain !== undefined) return null;
  const [x = [], weights = [], y = []] = [node.inputs[0], node.inputs[1], node.outputs[0]].map(
    (name) => known.get(name ?? '')?.shape,
  );
  const [rows = 0, inputs = 0] = x;
  return {
    rows,
    inputs,
    outputs: weights[0] ?? 0,
    groups: integerOr(node, 'group', 1),
    window: windowOf(node, weights.slice(2), x, y),
  };
}
