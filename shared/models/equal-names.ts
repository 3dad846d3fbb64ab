/**
 * Layers of one name in different models inside of a model, which Keras allows and tfjs does not, since it keeps weights
 * by their layers' names. All but one get a name of their own, and so do their weights in the file. Pure.
 */
import { z } from 'zod';
import { childrenOf, isContainer, jsonSchema, modelOf, type Json, type LayerJson } from './topology.js';

/** A layer that has another name here than in its file. */
interface RenamedLayer {
  /** Names of the models around it, the outermost first. */
  readonly models: readonly string[];
  readonly name: string;
  readonly own: string;
}

/** A layer that is no model, and where it stands. */
interface Placed {
  readonly models: readonly string[];
  readonly name: string;
  readonly config: Json;
}

interface OwnNames {
  /** As it was given, but for the names. */
  readonly topology: Json;
  /** The names of a file's weights, in the file's order, as the layers are called in the topology. */
  readonly ofWeights: (names: readonly string[]) => string[];
}

/**
 * The topology with a name of its own for each layer; the outermost model's keep theirs. What is no topology stays as it
 * is.
 */
export function withOwnNames(topology: Json): OwnNames {
  if (!isTopology(topology)) return { topology, ofWeights: (names) => [...names] };
  const model = modelOf(topology);
  const placed = placedIn(model, []);
  const taken = new Set(placed.map(({ name }) => name));
  const first = new Map<string, Placed>();
  for (const one of [...placed].sort((a, b) => a.models.length - b.models.length))
    if (!first.has(one.name)) first.set(one.name, one);
  const renamed = placed
    .filter((one) => first.get(one.name) !== one)
    .map(({ models, name }): RenamedLayer => ({ models, name, own: unused(`${name}_of_${models.join('_')}`, taken) }));
  if (renamed.length === 0) return { topology, ofWeights: (names) => [...names] };
  const changed = inContainer(model, [], renamed);
  return {
    topology: 'model_config' in topology ? { ...topology, model_config: changed } : { ...topology, ...changed },
    ofWeights: (names) => weightNames(names, placed, renamed),
  };
}

function isTopology(value: Json): boolean {
  try {
    placedIn(modelOf(value), []);
    return true;
  } catch (error) {
    if (error instanceof z.ZodError) return false;
    throw error;
  }
}

function nameOf({ name, config }: LayerJson): string {
  return String(name ?? config.name);
}

function placedIn(model: LayerJson, models: readonly string[]): Placed[] {
  return childrenOf(model).flatMap((layer) =>
    isContainer(layer.class_name)
      ? placedIn(layer, [...models, nameOf(layer)])
      : layer.class_name === 'InputLayer'
        ? []
        : [{ models, name: nameOf(layer), config: layer.config }],
  );
}

/** The name, with a number behind it where it is taken; it is taken then. */
function unused(name: string, taken: Set<string>): string {
  let own = name;
  for (let n = 2; taken.has(own); n++) own = `${name}_${n}`;
  taken.add(own);
  return own;
}

function inContainer(model: LayerJson, models: readonly string[], renamed: readonly RenamedLayer[]): LayerJson {
  const own = new Map(renamed.filter((one) => isIn(one, models)).map((one) => [one.name, one.own]));
  const layers = childrenOf(model).map((layer) => {
    if (isContainer(layer.class_name))
      return withReferences(inContainer(layer, [...models, nameOf(layer)], renamed), own);
    const name = own.get(nameOf(layer));
    const named =
      name === undefined
        ? layer
        : { ...layer, ...('name' in layer ? { name } : {}), config: { ...layer.config, name } };
    return withReferences(named, own);
  });
  const ends = Object.fromEntries(
    ['input_layers', 'output_layers']
      .filter((key) => key in model.config)
      .map((key) => [key, refer(model.config[key], own)]),
  );
  return { ...model, config: { ...model.config, ...ends, layers } };
}

/** What the layer is applied to, by the names that those layers have now. */
function withReferences(layer: LayerJson, own: ReadonlyMap<string, string>): LayerJson {
  const { inbound_nodes: nodes } = layer;
  return nodes === undefined ? layer : { ...layer, inbound_nodes: nodes.map((node) => refer(node, own)) };
}

/** The place of a tensor: the layer that gives it, and two numbers. */
const placeSchema = z.tuple([z.string(), z.number(), z.number()]).rest(z.unknown());

function refer(value: unknown, own: ReadonlyMap<string, string>): unknown {
  const place = placeSchema.safeParse(value);
  if (place.success) {
    const [name, ...rest] = place.data;
    return [own.get(name) ?? name, ...rest];
  }
  if (Array.isArray(value)) return value.map((item) => refer(item, own));
  const json = jsonSchema.safeParse(value);
  if (!json.success) return value;
  return Object.fromEntries(Object.entries(json.data).map(([key, inner]) => [key, refer(inner, own)]));
}

/** A weight of the file whose layer shares its name with others. */
interface SharedName {
  readonly parts: readonly string[];
  /** Where the layer's name stands. */
  readonly at: number;
  /** Layers of the name that have such a weight. */
  readonly alike: readonly Placed[];
  /** The one of them whose models stand before the layer's name; undefined where the file names none. */
  readonly known: Placed | undefined;
}

/**
 * A name with models before the layer's is of the layer in them. The others are of the other layers in their order, which
 * is that of the topology in every file.
 */
function weightNames(names: readonly string[], placed: readonly Placed[], renamed: readonly RenamedLayer[]): string[] {
  const shared = names.map((name) => sharedName(name, placed, renamed));
  const counts = new Map<string, number>();
  return names.map((name, i) => {
    const found = shared[i] ?? null;
    if (found === null) return name;
    const { parts, at, alike } = found;
    const key = parts.slice(at).join('/');
    const left = alike.filter(
      (one) => !shared.some((other) => other?.known === one && other.parts.slice(other.at).join('/') === key),
    );
    const count = counts.get(key) ?? 0;
    if (found.known === undefined) counts.set(key, count + 1);
    const layer = found.known ?? left[count];
    if (layer === undefined) return name;
    const own = renamed.find((one) => one.name === layer.name && isIn(one, layer.models))?.own ?? layer.name;
    return [...parts.slice(0, at), own, ...parts.slice(at + 1)].join('/');
  });
}

function sharedName(name: string, placed: readonly Placed[], renamed: readonly RenamedLayer[]): SharedName | null {
  const parts = name.split('/');
  const at = parts.findIndex((part) => renamed.some((one) => one.name === part));
  if (at < 0 || at === parts.length - 1) return null;
  const variable = parts.at(-1) ?? '';
  const alike = placed.filter((one) => one.name === parts[at] && !lacks(one.config, variable));
  const around = parts.slice(0, at);
  const inside = alike.filter(({ models }) => models.length > 0 && models.every((model) => around.includes(model)));
  return { parts, at, alike, known: inside.length === 1 ? inside[0] : undefined };
}

function isIn({ models }: RenamedLayer, others: readonly string[]): boolean {
  return models.join('\n') === others.join('\n');
}

/** Whether a layer of these settings has no such weight. */
function lacks(config: Json, variable: string): boolean {
  const setting = { bias: config.use_bias, gamma: config.scale, beta: config.center }[variable];
  return setting === false;
}
