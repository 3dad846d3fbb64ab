/**
 * A student's topology as a live tfjs model: its weights in the order of the topology under their lasting names, its
 * batch-norm layers made to report their statistics, its dropout layers at hand to be keyed.
 */
import type { Variable } from '@tensorflow/tfjs';
import type { layers, LayersModel } from '@tensorflow/tfjs';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import type { WeightSpec } from '../../../../shared/models/student-spec.js';
import { childrenOf, isContainer, modelOf, type Json, type LayerJson } from '../../../../shared/models/topology.js';
import { isVariable, type TensorFlow } from '../../backends/backend.js';
import { Norm } from './batch-norm.js';
import type { DropoutLayer } from './dropout.js';
import { layersObjection } from './layers.js';
import { unfuse } from './plain-convolution.js';
import { beginModel } from './weight-bound.js';

type Layer = layers.Layer;

/** A weight as the replica knows it, and the variable of tfjs that holds it. */
export interface LiveWeight {
  readonly spec: WeightSpec;
  readonly variable: Variable;
}

/** A student that tfjs can run. */
export interface StudentModel {
  readonly model: LayersModel;
  readonly weights: readonly LiveWeight[];
  /** Batch-norm layers that train, by their name in the names of their weights. */
  readonly norms: ReadonlyMap<string, Norm>;
  readonly dropouts: readonly DropoutLayer[];
}

/** A layer of the live model and where it stands. */
interface Placed {
  readonly layer: Layer;
  readonly className: string;
  readonly path: readonly string[];
  readonly isFrozen: boolean;
}

/**
 * Builds the model with the weights that its initializers give.
 * @throws UserError 65 when tfjs cannot build it, or a layer cannot be trained reproducibly
 */
export async function buildStudentModel(tf: TensorFlow, topology: Json): Promise<StudentModel> {
  const objection = layersObjection(topology);
  if (objection !== null) throw new UserError(objection, exitCodes.data);
  const model = await load(tf, topology);
  const placed = childrenOf(modelOf(topology)).flatMap((child) =>
    place(model, child, { path: [], isFrozen: !model.trainable }),
  );
  for (const { layer, className } of placed) if (className === 'Conv2D') unfuse(tf, layer);
  const norms = new Map<string, Norm>();
  const weights = placed.flatMap((one) => {
    const norm = one.className === 'BatchNormalization' ? new Norm(tf, one.layer, one) : null;
    const own = weightsOf(tf, one, norm);
    const [first] = own;
    if (norm !== null && !one.isFrozen && first !== undefined) norms.set(first.spec.layer, norm);
    return own;
  });
  checkNames(weights);
  const dropouts = placed.filter(({ className }) => className === 'Dropout');
  return { model, weights, norms, dropouts };
}

async function load(tf: TensorFlow, topology: Json): Promise<LayersModel> {
  const read = async () => {
    beginModel(tf);
    return { modelTopology: topology };
  };
  try {
    return await tf.loadLayersModel({ load: read });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : '';
    throw new UserError(`student: tfjs cannot build its topology: ${reason.slice(0, 300)}`, exitCodes.data, error);
  }
}

function place(container: LayersModel, json: LayerJson, around: Pick<Placed, 'path' | 'isFrozen'>): Placed[] {
  const layer = container.getLayer(String(json.config.name));
  const isFrozen = around.isFrozen || !layer.trainable || json.config.trainable === false;
  const path = [...around.path, layer.name];
  if (!isContainer(json.class_name)) return [{ layer, className: json.class_name, path, isFrozen }];
  if (!isModel(layer)) throw new Error(`${layer.name} is no model`);
  return childrenOf(json).flatMap((child) => place(layer, child, { path, isFrozen }));
}

function isModel(layer: Layer): layer is LayersModel {
  return 'layers' in layer && 'getLayer' in layer;
}

function weightsOf(tf: TensorFlow, { layer, isFrozen }: Placed, norm: Norm | null): LiveWeight[] {
  return layer.weights.map((weight) => {
    const variable = weight.read();
    if (!isVariable(tf, variable)) throw new Error(`${weight.name} is no variable`);
    const name = weight.originalName;
    const kind = kindOf(name, { isFrozen, isNorm: norm !== null });
    const base = { name, layer: name.slice(0, name.lastIndexOf('/')), shape: [...variable.shape], kind };
    return {
      spec: norm !== null && (kind === 'mean' || kind === 'variance') ? { ...base, momentum: norm.momentum } : base,
      variable,
    };
  });
}

function kindOf(name: string, { isFrozen, isNorm }: { isFrozen: boolean; isNorm: boolean }): WeightSpec['kind'] {
  if (isFrozen) return 'frozen';
  if (isNorm && name.endsWith('/moving_mean')) return 'mean';
  return isNorm && name.endsWith('/moving_variance') ? 'variance' : 'trained';
}

function checkNames(weights: readonly LiveWeight[]): void {
  const seen = new Set<string>();
  for (const { spec } of weights) {
    if (seen.has(spec.name))
      throw new UserError(
        `student: two of its layers have a weight that is named ${spec.name}; names of their own wanted, by which weights are kept (a teacher may have such)`,
        exitCodes.data,
      );
    seen.add(spec.name);
  }
}
