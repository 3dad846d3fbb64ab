/**
 * A topology of Keras 3, which every tfjs converter since TensorFlow 2.16 writes, as the topology that tfjs reads and
 * that this program knows. Pure: JSON in, JSON out.
 *
 * Keras 3 writes `batch_shape`, dtypes, initializers and regularizers as objects, the places where a layer is applied
 * as arguments with tensors inside, and has layers and settings that tfjs lacks.
 */
import { exitCodes, UserError } from '../errors.js';
import { flowAfter, type Flow } from './keras3-flow.js';
import { translatedLayer } from './keras3-layers.js';
import { nodesOf, triplesOf, type KerasNode, type KerasTensor } from './keras3-nodes.js';
import { withPlainObjects } from './keras3-objects.js';
import type { Keras3Layer, LayerConstants, LayerStep, StepSource } from './keras3-step.js';
import { childrenOf, isContainer, jsonSchema, modelOf, type Json, type LayerJson } from './topology.js';

/** What a model is read for. */
export interface ReadFor {
  /** Whose model it is, for messages. */
  readonly owner: string;
  /** Whether it is to be trained: layers that work in training alone are kept then. */
  readonly isTrained: boolean;
}

/** A translated topology. */
export interface Translated {
  readonly topology: Json;
  /** Values of weights that the file does not hold, by their names in tfjs. */
  readonly constants: ReadonlyMap<string, readonly number[]>;
}

/** Whether the topology is one of Keras 3. */
export function isKeras3(topology: Json): boolean {
  const version = topology.keras_version;
  if (typeof version === 'string') return Number.parseInt(version, 10) >= 3;
  return /"(__keras_tensor__|DTypePolicy|batch_shape)"/.test(JSON.stringify(topology));
}

/** @throws UserError 65 naming what tfjs cannot compute, with what was wanted */
export function translated(topology: Json, how: ReadFor): Translated {
  const constants = new Map<string, readonly number[]>();
  const model = new Translator(how, constants).container(modelOf(topology));
  return { topology: { class_name: model.class_name, config: model.config }, constants };
}

/** A layer with its name, and the layers of tfjs that stand for it. */
interface Unfolded {
  readonly layer: LayerJson;
  readonly steps: readonly LayerStep[];
  readonly nodes: readonly KerasNode[];
}

class Translator {
  readonly #how: ReadFor;
  readonly #constants: Map<string, readonly number[]>;

  constructor(how: ReadFor, constants: Map<string, readonly number[]>) {
    this.#how = how;
    this.#constants = constants;
  }

  container(model: LayerJson): LayerJson {
    if (model.class_name === 'Sequential') return this.#sequential(model);
    if (isContainer(model.class_name)) return this.#functional(model);
    throw this.#refusal(
      model,
      'its class is unknown outside of its program; a Sequential or Functional model was wanted',
    );
  }

  /** A chain; layers of several steps become several links of it. */
  #sequential(model: LayerJson): LayerJson {
    let flow: Flow = unknownFlow;
    const layers = childrenOf(model).flatMap((layer) => {
      const given = flow;
      flow = flowAfter(layer, given);
      if (isContainer(layer.class_name)) return [this.container(layer)];
      const steps = this.#steps(layer, [], given);
      if (steps.some(({ from }) => from !== null))
        throw this.#refusal(layer, 'it needs branches in tfjs; a Functional model was wanted, or another activation');
      return steps.map(({ className, config }) => ({ class_name: className, config }));
    });
    return { ...kept(model), config: { ...settingsOf(model), layers: withShape(layers, model.config) } };
  }

  #functional(model: LayerJson): LayerJson {
    const all = childrenOf(model).map((layer) => this.#unfold(layer));
    const byName = new Map(all.map((one) => [nameOf(one.layer), one]));
    const needed = neededBy(model, byName);
    const layers = all
      .filter(({ layer }) => needed.has(nameOf(layer)))
      .map((one) => ({
        ...one,
        steps: isContainer(one.layer.class_name) ? [] : this.#steps(one.layer, one.nodes, flowInto(one.nodes)),
      }));
    const lastOf = new Map(
      layers.map(({ layer, steps }) => [nameOf(layer), textOr(steps.at(-1)?.config.name, nameOf(layer))]),
    );
    const firstNodes = firstNodesOf(model, all);
    const place = ([layer, node, index]: readonly [string, number, number]): unknown[] => [
      lastOf.get(layer) ?? layer,
      node + (firstNodes.get(layer) ?? 0),
      index,
    ];
    return {
      ...kept(model),
      config: {
        ...settingsOf(model),
        layers: layers.flatMap((one) => this.#written(one, place)),
        input_layers: triplesOf(model.config.input_layers).map(place),
        output_layers: triplesOf(model.config.output_layers).map(place),
      },
    };
  }

  #unfold(layer: LayerJson): Unfolded {
    const nodes = nodesOf(layer.inbound_nodes);
    if (nodes === null) throw this.#refusal(layer, 'its inbound_nodes are unreadable; args and kwargs were wanted');
    return { layer, nodes, steps: [] };
  }

  /** The layer's steps as layers of a functional model, each with the places where it is applied. */
  #written(
    { layer, steps, nodes }: Unfolded,
    place: (triple: readonly [string, number, number]) => unknown[],
  ): LayerJson[] {
    const inputs = nodes.map((node) =>
      this.#tensors(layer, node).map((t) => [...place([t.layer, t.node, t.place]), {}]),
    );
    if (isContainer(layer.class_name))
      return [{ ...this.container(layer), name: nameOf(layer), inbound_nodes: inputs }];
    return steps.map(({ className, config, from }, at) => ({
      class_name: className,
      config,
      name: String(config.name),
      inbound_nodes: inputs.map((own, node) => {
        if (from === null && at === 0) return own;
        return (from ?? [{ step: at - 1 }]).map((source) => sourceOf(source, { own, steps, node }));
      }),
    }));
  }

  /** The tensors that a layer is applied to. */
  #tensors(layer: LayerJson, { operands, named, others }: KerasNode): KerasTensor[] {
    const [key] = named;
    if (key !== undefined)
      throw this.#refusal(
        layer,
        `it is given a tensor as ${key}, which tfjs does not take; its inputs alone were wanted`,
      );
    if (others.length > 0)
      throw this.#refusal(layer, `it is given ${JSON.stringify(others[0])}; tensors alone were wanted`);
    return operands.filter((one) => typeof one === 'object');
  }

  #steps(layer: LayerJson, nodes: readonly KerasNode[], given: Flow): LayerStep[] {
    const operands = nodes[0]?.operands ?? [];
    const numbers = operands.map((one) => (typeof one === 'number' ? one : null));
    const tensor = operands.find((one) => typeof one === 'object');
    const name = nameOf(layer);
    const registered = textOr(layer.registered_name, '');
    if (registered.includes('>') && !registered.startsWith('keras'))
      throw this.#refusal(layer, `it is ${registered}, a layer of its own program; layers of Keras were wanted`);
    const asked: Keras3Layer = {
      className: layer.class_name,
      name,
      config: withPlainObjects(layer.config, this.#how),
      operands: numbers,
      rank: tensor?.shape?.length ?? null,
      given,
      isTrained: this.#how.isTrained,
      refusal: (why) => this.#refusal(layer, why),
      inner: (json) => this.#inner(layer, json, given),
    };
    const steps = translatedLayer(asked);
    for (const { config, constants = {} } of steps) this.#keep(String(config.name), constants);
    return steps;
  }

  #keep(layer: string, constants: LayerConstants): void {
    for (const [name, values] of Object.entries(constants)) this.#constants.set(`${layer}/${name}`, values);
  }

  /** A layer inside another one. */
  #inner(around: LayerJson, json: unknown, given: Flow): LayerJson {
    const parsed = jsonSchema.safeParse(json);
    if (!parsed.success) throw this.#refusal(around, 'it holds no layer; one was wanted');
    const layer = modelOf(parsed.data);
    const [only, ...more] = this.#steps(layer, [], given);
    if (isContainer(layer.class_name) || only === undefined || more.length > 0 || only.constants !== undefined)
      throw this.#refusal(
        around,
        `it holds the ${layer.class_name} ${nameOf(layer)}, which is no single layer in tfjs`,
      );
    return { class_name: only.className, config: only.config };
  }

  #refusal(layer: LayerJson, why: string): UserError {
    return new UserError(`${this.#how.owner}: layer ${nameOf(layer)} (${layer.class_name}): ${why}`, exitCodes.data);
  }
}

function nameOf({ name, config, class_name: className }: LayerJson): string {
  return textOr(name, textOr(config.name, className));
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

/** What a model says of itself, besides its layers. */
function settingsOf({ config }: LayerJson): Json {
  return { name: config.name, trainable: config.trainable ?? true };
}

function kept({ class_name: className }: LayerJson): { readonly class_name: string } {
  return { class_name: className };
}

const unknownFlow: Flow = { channels: null, isMasked: false };

function flowInto(nodes: readonly KerasNode[]): Flow {
  const tensor = nodes[0]?.operands.find((one) => typeof one === 'object');
  return { channels: tensor?.shape?.at(-1) ?? null, isMasked: nodes.some((node) => node.isMasked) };
}

/**
 * What is to be added to the numbers of a layer's places: tfjs counts a model inside another as applied once by itself.
 * Where the file does so, too, a number is there that the layer has no place for.
 */
function firstNodesOf({ config }: LayerJson, all: readonly Unfolded[]): Map<string, number> {
  const used = [
    ...all.flatMap(({ nodes }) => nodes.flatMap(({ operands }) => operands.filter((one) => typeof one === 'object'))),
    ...triplesOf(config.output_layers).map(([layer, node]) => ({ layer, node })),
  ];
  return new Map(
    all.flatMap(({ layer, nodes }): [string, number][] => {
      if (!isContainer(layer.class_name)) return [];
      const isCounted = used.some((one) => one.layer === nameOf(layer) && one.node >= nodes.length);
      return [[nameOf(layer), isCounted ? 0 : 1]];
    }),
  );
}

interface Around {
  /** The layer's inputs at that node. */
  readonly own: readonly unknown[][];
  readonly steps: readonly LayerStep[];
  readonly node: number;
}

function sourceOf(source: StepSource, { own, steps, node }: Around): unknown[] {
  if ('step' in source) return [String(steps[source.step]?.config.name), node, 0, {}];
  return own[source.input] ?? [];
}

/** Names of the layers that the model's outputs need; operations that only make masks are not among them. */
function neededBy({ config }: LayerJson, layers: ReadonlyMap<string, Unfolded>): Set<string> {
  const needed = new Set(triplesOf(config.input_layers).map(([name]) => name));
  const open = triplesOf(config.output_layers).map(([name]) => name);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    for (const { operands } of layers.get(name)?.nodes ?? [])
      open.push(...operands.flatMap((one) => (typeof one === 'object' ? [one.layer] : [])));
  }
  return needed;
}

/** A chain that begins without an input's shape gets the one that Keras built it for. */
function withShape(layers: LayerJson[], { build_input_shape: shape }: Json): LayerJson[] {
  const [first, ...others] = layers;
  if (first === undefined || first.class_name === 'InputLayer' || !Array.isArray(shape)) return layers;
  return [{ ...first, config: { ...first.config, batch_input_shape: shape, dtype: 'float32' } }, ...others];
}
