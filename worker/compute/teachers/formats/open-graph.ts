/** Loads a tfjs GraphModel, for whoever runs it or turns it into ONNX. */
import type { DataType, GraphModel, io } from '@tensorflow/tfjs';
import { z } from 'zod';
import type { TensorFlow } from '../../backends/backend.js';
import { bareName, pathTo } from '../../onnx/tensorflow/graph.js';
import { badModel, pickName } from './model-errors.js';
import type { ModelInput, TeacherSource } from './teacher.js';
import { readTfjsFiles, type ModelJson } from './tfjs-files.js';

/** A graph that tfjs has loaded, and which parts of it are taken. */
export interface OpenGraph {
  readonly model: GraphModel;
  readonly json: ModelJson;
  readonly artifacts: io.ModelArtifacts;
  /** Those that the output follows from, at least one. */
  readonly inputs: readonly GraphInput[];
  /** As tfjs takes it: a key of the model's signature, or what `outputNode` is. */
  readonly output: string;
  /** The name of the node that gives the output, with `:1` behind it for its second one. */
  readonly outputNode: string;
}

export interface GraphInput extends ModelInput {
  /** The name of the node that takes it; `name` is that of the model's signature, where it has one. */
  readonly node: string;
  /** The type of its elements, as tfjs names it. */
  readonly dtype: DataType;
  /** The number of rows that it insists on; null when any will do. */
  readonly rows: number | null;
}

/**
 * Loads a GraphModel. Its caller disposes of it.
 * @throws UserError 65 when the files are no GraphModel, 2 when the recipe names an output that it lacks
 */
export async function openGraph(source: TeacherSource, tf: TensorFlow): Promise<OpenGraph> {
  const { model: json, artifacts } = await readTfjsFiles(source);
  const nodes = nodesSchema.safeParse(json.modelTopology.node);
  // tfjs takes what it finds for names, and hands it on.
  if (!nodes.success) throw badModel(source.name, 'its graph has nodes whose name, operation or inputs are no texts');
  const model = await Promise.resolve()
    .then(() => tf.loadGraphModel(tf.io.fromMemory(artifacts)))
    .catch((error: unknown) => {
      throw badModel(source.name, 'tfjs cannot load it as a GraphModel', error);
    });
  const output = source.outputName ?? pickName(`teacher ${source.name}: output`, model.outputNodes, undefined);
  const signature = signatureSchema.safeParse(model.modelSignature).data;
  const outputNode = signature?.outputs?.[output]?.name ?? output;
  const keys = new Map(Object.entries(signature?.inputs ?? {}).map(([key, { name = key }]) => [bareName(name), key]));
  const inputs = model.inputs.map(({ name: node, shape = [], dtype }): GraphInput => {
    const [rows = null, ...sampleShape] = shape.map((dim) => (dim < 0 ? null : dim));
    const integerType = dtype === 'float32' ? null : dtype;
    return { name: keys.get(node) ?? node, node, rows, shape: sampleShape, dtype, integerType };
  });
  return { model, json, artifacts, inputs: neededOf(json, inputs, outputNode), output, outputNode };
}

/** Nodes of a graph, as far as they lead from one to another. */
export const nodesSchema = z.array(
  z.object({ name: z.string(), op: z.string(), input: z.array(z.string()).default([]) }),
);

/** The inputs that the output follows from; all of them where none is found. */
function neededOf({ modelTopology }: ModelJson, inputs: readonly GraphInput[], output: string): readonly GraphInput[] {
  const nodes = new Map((nodesSchema.safeParse(modelTopology.node).data ?? []).map((node) => [node.name, node]));
  const path = new Set(pathTo(output, (name) => nodes.get(name)?.input ?? null));
  const needed = inputs.filter(({ node }) => path.has(bareName(node)));
  return needed.length === 0 ? inputs : needed;
}

const placesSchema = z.record(z.string(), z.object({ name: z.string().optional() })).optional();

/** What a model from a SavedModel says of its inputs and outputs: the node of each, by its name to users. */
const signatureSchema = z.object({ inputs: placesSchema, outputs: placesSchema });

/** Nodes that compute nothing of a sample. */
export const idleOps: ReadonlySet<string> = new Set(['Const', 'Placeholder', 'NoOp', 'VariableV2', 'VarHandleOp']);
