/** Loads a tfjs GraphModel, for whoever runs it or turns it into ONNX. */
import type { DataType, GraphModel, io } from '@tensorflow/tfjs';
import { z } from 'zod';
import type { TensorFlow } from '../../backends/backend.js';
import { badModel, pickName } from './model-errors.js';
import type { TeacherSource } from './teacher.js';
import { readTfjsFiles, type ModelJson } from './tfjs-files.js';

/** A graph that tfjs has loaded, and which parts of it are taken. */
export interface OpenGraph {
  readonly model: GraphModel;
  readonly json: ModelJson;
  readonly artifacts: io.ModelArtifacts;
  readonly inputName: string;
  /** As tfjs takes it: a key of the model's signature, or what `outputNode` is. */
  readonly output: string;
  /** The name of the node that gives the output, with `:1` behind it for its second one. */
  readonly outputNode: string;
  /** The type of the input's elements, as tfjs names it. */
  readonly dtype: DataType;
  /** The number of rows that the model insists on; null when any will do. */
  readonly rows: number | null;
  readonly sampleShape: readonly (number | null)[];
}

/**
 * Loads a GraphModel. Its caller disposes of it.
 * @throws UserError 65 when the files are no GraphModel, 2 when the recipe names an input or output that it lacks
 */
export async function openGraph(source: TeacherSource, tf: TensorFlow): Promise<OpenGraph> {
  const { model: json, artifacts } = await readTfjsFiles(source);
  const model = await Promise.resolve()
    .then(() => tf.loadGraphModel(tf.io.fromMemory(artifacts)))
    .catch((error: unknown) => {
      throw badModel(source.name, 'tfjs cannot load it as a GraphModel', error);
    });
  const inputName = pickName(
    `teacher ${source.name}: input`,
    model.inputs.map((one) => one.name),
    source.input,
  );
  const output = source.outputName ?? pickName(`teacher ${source.name}: output`, model.outputNodes, undefined);
  const input = model.inputs.find((one) => one.name === inputName);
  const [rows = null, ...sampleShape] = (input?.shape ?? []).map((dim) => (dim < 0 ? null : dim));
  const outputNode = signatureSchema.safeParse(model.modelSignature).data?.outputs?.[output]?.name ?? output;
  return { model, json, artifacts, inputName, output, outputNode, dtype: input?.dtype ?? 'float32', rows, sampleShape };
}

/** What a model from a SavedModel says of its outputs. */
const signatureSchema = z.object({
  outputs: z.record(z.string(), z.object({ name: z.string().optional() })).optional(),
});

/** Nodes that compute nothing of a sample. */
export const idleOps: ReadonlySet<string> = new Set(['Const', 'Placeholder', 'NoOp', 'VariableV2', 'VarHandleOp']);
