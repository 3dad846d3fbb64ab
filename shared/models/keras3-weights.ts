/**
 * What tfjs calls the weights that Keras 3 names otherwise. Pure. A converter names them by the path of their variable,
 * `sequential/lstm/lstm_cell/kernel` (from HDF5), or by their place in Keras 3's own file,
 * `layers/lstm/cell/vars/0`; tfjs by their layer, `lstm/kernel`.
 */
import { childrenOf, isContainer, modelOf, wrappedIn, type Json, type LayerJson } from './topology.js';

/** A name in a file to that in tfjs; null for what tfjs has no weight for. */
export type WeightNames = (name: string) => string | null;

/** @param topology as Keras 3 has it */
export function keras3WeightNames(topology: Json): WeightNames {
  const model = modelOf(topology);
  const byPlace = placesOf(model, '');
  const layers = new Map<string, LayerJson>();
  collect(model, layers);
  return (name) => {
    if (/(^|\/)seed_generator(_state)?(\/|$)|^optimizer\//.test(name)) return null;
    const placed = byPlace.get(name);
    return placed === undefined ? byPath(name, layers) : placed;
  };
}

function nameOf({ name, config }: LayerJson): string {
  return String(name ?? config.name);
}

/** Layers by their names, those of models inside as well. */
function collect(model: LayerJson, layers: Map<string, LayerJson>): void {
  for (const layer of childrenOf(model)) {
    if (isContainer(layer.class_name)) collect(layer, layers);
    else layers.set(nameOf(layer), layer);
  }
}

/** Models and scopes around the layer, the layer, what is inside of it, and the variable. */
function byPath(path: string, layers: ReadonlyMap<string, LayerJson>): string | null {
  const parts = path.split('/');
  const at = parts.findIndex((part, i) => i < parts.length - 1 && layers.has(part));
  const layer = layers.get(parts[at] ?? '');
  return layer === undefined ? path : weightName(layer, parts.slice(at + 1, -1), parts.at(-1) ?? '');
}

/** @param inner names of layers and cells between the layer and its variable */
function weightName(layer: LayerJson, inner: readonly string[], variable: string): string | null {
  const name = nameOf(layer);
  const [first = ''] = inner;
  switch (layer.class_name) {
    case 'Normalization':
      return variable === 'count' ? null : `${name}/moving_${variable}`;
    case 'DepthwiseConv2D':
      return `${name}/${variable === 'kernel' ? 'depthwise_kernel' : variable}`;
    case 'Bidirectional':
      return `${name}/${directionOf(layer, first)}/${variable}`;
    default:
      return `${name}/${variable}`;
  }
}

/** tfjs' name of one of the two layers inside, of which the first gives both their names. */
function directionOf({ config }: LayerJson, inner: string): string {
  const [forward] = wrappedIn(config);
  const [backward] = wrappedIn({ layer: config.backward_layer });
  const name = forward === undefined ? inner : nameOf(forward).replace(/^forward_/, '');
  return `${backward !== undefined && nameOf(backward) === inner ? 'backward' : 'forward'}_${name}`;
}

/** Names in Keras 3's own file: the place of a layer among those of its class, and of a variable in its layer. */
function placesOf(model: LayerJson, path: string): Map<string, string | null> {
  const counts = new Map<string, number>();
  return new Map(
    childrenOf(model).flatMap((layer) => {
      const own = snakeCase(layer.class_name);
      const count = counts.get(own) ?? 0;
      counts.set(own, count + 1);
      const place = `${path}layers/${own}${count === 0 ? '' : `_${count}`}/`;
      return isContainer(layer.class_name) ? [...placesOf(layer, place)] : variablesOf(layer, place);
    }),
  );
}

function variablesOf(layer: LayerJson, place: string): [string, string | null][] {
  const listed = (of: LayerJson, at: string, inner: readonly string[]): [string, string | null][] =>
    variables(of).map((variable, i) => [`${at}vars/${i}`, weightName(layer, inner, variable)]);
  const { class_name: className, config } = layer;
  const [inner] = wrappedIn(config);
  if (className === 'TimeDistributed' && inner !== undefined) return listed(inner, `${place}layer/`, [nameOf(inner)]);
  if (className === 'Bidirectional' && inner !== undefined) {
    const [backward = inner] = wrappedIn({ layer: config.backward_layer });
    return [
      ...listed(inner, `${place}forward_layer/cell/`, [nameOf(inner)]),
      ...listed(inner, `${place}backward_layer/cell/`, [nameOf(backward)]),
    ];
  }
  return listed(layer, 'recurrent_initializer' in config ? `${place}cell/` : place, []);
}

/** The layer's variables in the order of its making. */
function variables({ class_name: className, config }: LayerJson): string[] {
  const bias = config.use_bias === false ? [] : ['bias'];
  if ('recurrent_initializer' in config) return ['kernel', 'recurrent_kernel', ...bias];
  switch (className) {
    case 'BatchNormalization':
      return [...gammaAndBeta(config), 'moving_mean', 'moving_variance'];
    case 'LayerNormalization':
      return gammaAndBeta(config);
    case 'Normalization':
      return ['mean', 'variance', 'count'];
    case 'SeparableConv2D':
      return ['depthwise_kernel', 'pointwise_kernel', ...bias];
    case 'Embedding':
      return ['embeddings'];
    case 'PReLU':
      return ['alpha'];
    default:
      return ['kernel', ...bias];
  }
}

function gammaAndBeta(config: Json): string[] {
  return [...(config.scale === false ? [] : ['gamma']), ...(config.center === false ? [] : ['beta'])];
}

/** As Keras makes the name of a layer from its class. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
