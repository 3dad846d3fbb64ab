/** A tfjs GraphModel teacher as an ONNX file. */
import type { TensorFlow } from '../../backends/backend.js';
import { NoOnnxForm } from '../../onnx/no-onnx-form.js';
import { bareName, pathTo, writeTensorFlow } from '../../onnx/tensorflow/graph.js';
import { tensorFlowNodesSchema, type KnownTensor } from '../../onnx/tensorflow/node.js';
import { frozenOnnx } from './frozen-onnx.js';
import { idleOps, openGraph, type OpenGraph } from './open-graph.js';
import type { OpenTensorFlow, TeacherSource } from './teacher.js';

const input = 'input';

/**
 * @throws NoOnnxForm naming the node that cannot be written
 * @throws UserError 65 when tfjs cannot load the model, 2 when the recipe names an output that it lacks
 */
export async function graphModelOnnx(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Uint8Array> {
  const tf = await openTensorFlow();
  const graph = await openGraph(source, tf);
  try {
    return await written(graph, tf);
  } finally {
    graph.model.dispose();
  }
}

async function written(graph: OpenGraph, tf: TensorFlow): Promise<Uint8Array> {
  const { outputNode: output } = graph;
  const [given] = graph.inputs;
  if (given === undefined || graph.inputs.length > 1)
    throw new NoOnnxForm('the model', `it has ${graph.inputs.length} inputs; one was wanted for ONNX`);
  const { node: inputName, dtype, rows, shape: sampleShape } = given;
  const parsed = tensorFlowNodesSchema.safeParse(graph.json.modelTopology.node);
  if (!parsed.success) throw new NoOnnxForm('the model', 'its graph has nodes that cannot be read');
  if (dtype !== 'float32' && dtype !== 'int32')
    throw new NoOnnxForm('the model', `its input is of ${dtype}; float32 or int32 was wanted for ONNX`);
  const isWhole = dtype === 'int32';
  const nodes = new Map(parsed.data.map((node) => [node.name, node]));
  for (const name of [inputName, output])
    if (!nodes.has(bareName(name))) throw new NoOnnxForm('the model', `"${name}" is the name of none of its nodes`);
  const constants = await constantsOf(graph, tf);
  const { builder, values, ...found } = writeTensorFlow(
    { nodes, constants, input: bareName(inputName), isWhole, output },
    input,
  );
  const order = pathTo(output, (name) => {
    const node = nodes.get(name);
    return node === undefined || idleOps.has(node.op) ? null : node.input;
  });
  return frozenOnnx({
    nodes: builder.nodes,
    constants: builder.constants,
    input,
    inputType: isWhole ? 'int32' : 'float32',
    sampleShape,
    rows,
    output: found.output,
    values: new Map(
      order.flatMap((name) => {
        const value = values.get(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    ),
  });
}

/** The model's weights, by the names of their nodes. */
async function constantsOf({ artifacts }: OpenGraph, tf: TensorFlow): Promise<ReadonlyMap<string, KnownTensor>> {
  const { weightData, weightSpecs = [] } = artifacts;
  if (!(weightData instanceof ArrayBuffer)) throw new Error('weights in several pieces');
  const tensors = tf.io.decodeWeights(weightData, weightSpecs);
  try {
    const constants = new Map<string, KnownTensor>();
    for (const [name, tensor] of Object.entries(tensors)) {
      const type = tensor.dtype === 'float32' ? ('float32' as const) : ('int64' as const);
      constants.set(name, { type, shape: tensor.shape, values: Float32Array.from(await tensor.data()) });
    }
    return constants;
  } finally {
    tf.dispose(tensors);
  }
}
