/** Changes to a topology before tfjs sees it. Pure: JSON in, JSON out. */
import { placeOf, withInitializers } from '../../../../shared/models/initializers.js';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { outputLayers } from '../../../../shared/models/exits.js';
import { modelOf, type Json, type LayerJson } from '../../../../shared/models/topology.js';
import { keyedSeed } from '../../../../shared/random.js';
import { hasVectors, type Task } from '../../../../shared/task.js';
import { orthogonalClass } from './orthogonal.js';

/** Every initializer draws from the stream of the run's seed, its layer's place and its own name. */
export function seededTopology(topology: Json, seed: number): Json {
  return withInitializers(topology, (initializer, key) => {
    const config = asJson(initializer.config);
    const own = keyedSeed([seed, 'initial', ...key]);
    if (initializer.class_name !== 'Orthogonal') return { ...initializer, config: { ...config, seed: own } };
    return {
      class_name: orthogonalClass,
      config: { gain: typeof config.gain === 'number' ? config.gain : 1, seed: own },
    };
  });
}

/**
 * The same model without the softmax at the end of any of its outputs (of several labels: the sigmoid), also of one
 * that is the same at each position: losses and evaluation want logits. Of regression it stays as it is.
 * @param file for messages @throws UserError 65 when it is no topology of a model
 */
export function logitsTopology(
  topology: Json,
  file: string,
  task: Task = 'classes',
): { readonly topology: Json; readonly stripped: boolean } {
  const copy = structuredClone(topology);
  const stripped = lastLayers(modelFrom(copy, file)).map((layer) => without(layer, task));
  return stripped.includes(true) ? { topology: copy, stripped: true } : { topology, stripped: false };
}

/** Changes the layer; whether there was one. */
function without(layer: LayerJson, task: Task): boolean {
  const { config } = layer;
  if (isJson(config.layer) && isLayer(config.layer)) return without(config.layer, task);
  if (!hasVectors(task) && layer.class_name === 'Softmax') {
    layer.class_name = 'Activation';
    layer.config = { name: config.name, trainable: config.trainable ?? true, activation: 'linear' };
    return true;
  }
  if (task === 'regression' || config.activation !== (hasVectors(task) ? 'sigmoid' : 'softmax')) return false;
  config.activation = 'linear';
  return true;
}

function modelFrom(topology: Json, file: string): Json {
  try {
    modelOf(topology);
  } catch (error) {
    throw new UserError(`${file}: its modelTopology is no model with class_name and config`, exitCodes.data, error);
  }
  return isJson(topology.model_config) ? topology.model_config : topology;
}

/** The layers that give the model's outputs, inside nested models; the objects themselves, not copies. */
function lastLayers(model: Json): LayerJson[] {
  const config = asJson(model.config);
  const layers = Array.isArray(config.layers) ? config.layers.filter(isJson) : [];
  const names = outputLayers({ config });
  const last = names.length === 0 ? layers.slice(-1) : layers.filter((layer) => names.includes(placeOf(layer) ?? ''));
  return last.flatMap((layer) =>
    isJson(layer.config) && Array.isArray(layer.config.layers) ? lastLayers(layer) : isLayer(layer) ? [layer] : [],
  );
}

function isLayer(value: Json): value is LayerJson {
  return typeof value.class_name === 'string' && isJson(value.config);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asJson(value: unknown): Json {
  return isJson(value) ? value : {};
}
