/** A tfjs LayersModel from its files, of every Keras that a converter took it from. */
import type { io, LayersModel, NamedTensorMap } from '@tensorflow/tfjs';
import { ZodError } from 'zod';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { withOwnNames } from '../../../../shared/models/equal-names.js';
import { zeroedTopology } from '../../../../shared/models/initializers.js';
import { asTfjsReads } from '../../../../shared/models/keras-forms.js';
import { layersOf, type Json, type TopologyLayer } from '../../../../shared/models/topology.js';
import type { TensorFlow } from '../../backends/backend.js';
import { lostMask, maskAsKeras } from './keras-masks.js';
import { badModel } from './model-errors.js';
import type { TeacherSource } from './teacher.js';
import { countParameters, readTfjsFiles } from './tfjs-files.js';

/** A model that is ready to run, and what its files say of it. */
export interface LoadedLayers {
  readonly model: LayersModel;
  /** As tfjs reads it. */
  readonly topology: Json;
  /** Numbers in its weights. */
  readonly parameters: number;
}

/** @throws UserError 65 when a file is missing, or tfjs cannot load the model; it names a layer that tfjs lacks */
export async function loadLayersModel(source: TeacherSource, tf: TensorFlow): Promise<LoadedLayers> {
  const { model: json, artifacts } = await readTfjsFiles(source);
  const named = withOwnNames(json.modelTopology);
  const { topology, weightName, constants } = asTfjsReads(named.topology, {
    owner: `teacher ${source.name}`,
    isTrained: false,
  });
  const decoded = decode(source, tf, withWeightNames(artifacts, named.ofWeights));
  try {
    // Its initializers would draw what the file holds, at length.
    const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology: zeroedTopology(topology) }));
    const read: NamedTensorMap = {};
    for (const [name, values] of constants) read[name] = tf.tensor1d([...values]);
    for (const [name, tensor] of Object.entries(decoded)) {
      const own = weightName(name);
      if (own === null) tensor.dispose();
      else read[own] = tensor;
    }
    model.loadWeights(read);
    tf.dispose(read);
    const lost = lostMask(model.layers);
    if (lost !== null)
      throw new UserError(
        `teacher ${source.name}: the model "${lost}" inside of it makes a mask, which tfjs does not give on to the layers behind it; a model whose layers are not nested was wanted, or one as ONNX`,
        exitCodes.data,
      );
    maskAsKeras(tf, model.layers);
    return { model, topology, parameters: countParameters(json) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw unknownLayer(source, topology, error) ?? badModel(source.name, 'tfjs cannot load it as a LayersModel', error);
  }
}

/** What is said of a layer that tfjs lacks; null for another error. */
function unknownLayer({ name }: TeacherSource, topology: Json, error: unknown): UserError | null {
  const [, className] = /^Unknown layer: (\w+)/.exec(error instanceof Error ? error.message : '') ?? [];
  const found = className === undefined ? null : layerOfClass(topology, className);
  if (found === null) return null;
  return new UserError(
    `teacher ${name}: layer ${found.path.join('/')} (${found.className}): it cannot be read; the model as ONNX (tf2onnx writes it) was wanted`,
    exitCodes.data,
    error,
  );
}

/** Null where there is none, or the topology is none: class names may be anything in a file from elsewhere. */
function layerOfClass(topology: Json, className: string): TopologyLayer | null {
  try {
    return layersOf(topology).find((layer) => layer.className === className) ?? null;
  } catch (error) {
    if (error instanceof ZodError) return null;
    throw error;
  }
}

function withWeightNames(
  artifacts: io.ModelArtifacts,
  namesOf: (names: readonly string[]) => string[],
): io.ModelArtifacts {
  const { weightSpecs = [] } = artifacts;
  const names = namesOf(weightSpecs.map(({ name }) => name));
  return { ...artifacts, weightSpecs: weightSpecs.map((spec, i) => ({ ...spec, name: names[i] ?? spec.name })) };
}

/** @throws UserError 65 for weight files that hold fewer or more bytes than model.json lists */
function decode(
  { name }: TeacherSource,
  tf: TensorFlow,
  { weightData, weightSpecs = [] }: io.ModelArtifacts,
): NamedTensorMap {
  if (weightData === undefined) return {};
  const bytes = [weightData].flat().reduce((sum, { byteLength }) => sum + byteLength, 0);
  try {
    return tf.io.decodeWeights(weightData, weightSpecs);
  } catch (error) {
    throw new UserError(
      `teacher ${name}: the ${bytes} bytes of its weight files are not the weights that its model.json lists; those were wanted`,
      exitCodes.data,
      error,
    );
  }
}
