/** Batch norm by the moments of the batch itself. Pure. */
import { floats, type OnnxConstant, type OnnxNode } from '../../../onnx/graph.js';

/** A scalar 0 that `byBatchMoments` needs among the graph's constants. */
export const noMoments: OnnxConstant = floats('batch-moments.zero', [], Float32Array.of(0));

/**
 * The node in training, with mean and variance (over all but channels, the variance not corrected) as its second and
 * third output. What is written before it is its fourth and fifth input: onnxruntime writes those outputs over these
 * inputs, even where they are constants, and keeps equal constants once. Moments of one layer would so become those of
 * another, or zeros elsewhere in the graph.
 *
 * @returns the nodes to put in its place
 */
export function byBatchMoments(node: OnnxNode): OnnxNode[] {
  const [x = '', scale = '', bias = ''] = node.inputs;
  const [y = '', mean = '', variance = ''] = node.outputs;
  const space = [`${y}.mean.space`, `${y}.variance.space`] as const;
  const zero = (of: string, name: string): OnnxNode => ({
    op: 'Mul',
    inputs: [of, noMoments.name],
    outputs: [name],
    attributes: {},
  });
  return [
    zero(scale, space[0]),
    zero(bias, space[1]),
    {
      ...node,
      inputs: [x, scale, bias, ...space],
      outputs: [y, mean === '' ? `${y}.mean` : mean, variance === '' ? `${y}.variance` : variance],
      attributes: { ...node.attributes, training_mode: 1, momentum: { float: 0 } },
    },
  ];
}
