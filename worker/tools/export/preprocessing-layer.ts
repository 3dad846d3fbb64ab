/**
 * A student with its preprocessing as its first layer, so that it takes raw samples: (x * scale - mean) / std is, for
 * each channel, x * scale / std - mean / std, which a batch normalisation of mean 0, variance 1 and epsilon 0 computes.
 * LayersModels know that layer in every form. Pure.
 */
import { z } from 'zod';
import type { NamedTensor } from '../../../shared/models/safetensors.js';
import { isChannelsFirst, type StudentFacts } from '../../../shared/models/student-facts.js';
import { jsonSchema, layersOf, modelOf, type Json, type LayerJson } from '../../../shared/models/topology.js';
import { elementsIn } from '../../../shared/shape.js';
import type { InputScaling } from '../../compute/onnx/scaled-input.js';

export interface PreprocessedStudent {
  readonly topology: Json;
  readonly weights: ReadonlyMap<string, NamedTensor>;
}

type Preprocess = NonNullable<StudentFacts['input']['preprocess']>;

const placesSchema = z.array(z.tuple([z.string()]).rest(z.unknown())).min(1);

/** The same for an ONNX graph, broadcast as the graph takes its samples. */
export function scalingOf(
  preprocess: Preprocess,
  { shape, feed }: Pick<StudentFacts['input'], 'shape' | 'feed'>,
): InputScaling {
  const channels = shape.at(-1) ?? 1;
  const isFirst = feed !== undefined && isChannelsFirst(shape, feed);
  // Of a sample as one vector, the channels come one after the other, place by place.
  const size = feed === undefined || isFirst ? channels : elementsIn(feed);
  const own = (valueOf: (c: number) => number): Float32Array =>
    Float32Array.from({ length: size }, (_, i) => valueOf(i % channels));
  return {
    factor: own((c) => factorOf(preprocess, c)),
    offset: own((c) => offsetOf(preprocess, c)),
    shape: isFirst ? [size, ...feed.slice(1).map(() => 1)] : [size],
  };
}

/** @param channels the last size of a sample's shape */
export function withPreprocessing(
  { topology, weights }: PreprocessedStudent,
  preprocess: Preprocess,
  channels: number,
): PreprocessedStudent {
  const name = freeName(topology);
  const model = modelOf(topology);
  const config = model.class_name === 'Sequential' ? sequential(model, name) : functional(model, name);
  const changed = { ...model, config };
  return {
    topology: 'model_config' in topology ? { ...topology, model_config: changed } : { ...topology, ...changed },
    weights: new Map([...weightsOf(name, preprocess, channels), ...weights]),
  };
}

function freeName(topology: Json): string {
  const taken = new Set(layersOf(topology).map((layer) => layer.name));
  let name = 'preprocessing';
  while (taken.has(name)) name = `${name}_`;
  return name;
}

const at = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c] ?? 0;

function factorOf({ scale, std }: Preprocess, channel: number): number {
  return scale / at(std, channel);
}

function offsetOf({ mean, std }: Preprocess, channel: number): number {
  return -at(mean, channel) / at(std, channel);
}

function weightsOf(layer: string, preprocess: Preprocess, channels: number): [string, NamedTensor][] {
  const own = (name: string, valueOf: (c: number) => number): [string, NamedTensor] => [
    `${layer}/${name}`,
    { shape: [channels], values: Float32Array.from({ length: channels }, (_, c) => valueOf(c)) },
  ];
  return [
    own('gamma', (c) => factorOf(preprocess, c)),
    own('beta', (c) => offsetOf(preprocess, c)),
    own('moving_mean', () => 0),
    own('moving_variance', () => 1),
  ];
}

const settingsOf = (name: string): Json => ({
  name,
  trainable: false,
  axis: -1,
  momentum: 0.99,
  epsilon: 0,
  center: true,
  scale: true,
});

/** Before the first layer that computes, with the input's shape where that layer had it. */
function sequential({ config }: LayerJson, name: string): Json {
  const layers = z.array(jsonSchema).parse(config.layers);
  const [first = {}] = layers;
  const isInput = first.class_name === 'InputLayer';
  const { batch_input_shape: shape, dtype } = jsonSchema.parse(first.config);
  const layer = {
    class_name: 'BatchNormalization',
    config: { ...settingsOf(name), ...(isInput ? {} : { batch_input_shape: shape, dtype: dtype ?? 'float32' }) },
  };
  return { ...config, layers: isInput ? [first, layer, ...layers.slice(1)] : [layer, ...layers] };
}

/** Between the input and all layers that took it. */
function functional({ config }: LayerJson, name: string): Json {
  const inputs = z.union([
    placesSchema,
    z
      .tuple([z.string()])
      .rest(z.unknown())
      .transform((place) => [place]),
  ]);
  const [[input]] = inputs.parse(config.input_layers) as [[string, ...unknown[]]];
  const renamed = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value;
    const items: unknown[] = value;
    return items[0] === input ? [name, ...items.slice(1)] : items.map(renamed);
  };
  const layers = z.array(jsonSchema).parse(config.layers);
  const layer = {
    name,
    class_name: 'BatchNormalization',
    config: settingsOf(name),
    inbound_nodes: [[[input, 0, 0, {}]]],
  };
  return {
    ...config,
    layers: layers.flatMap((one) => {
      const own = { ...one, inbound_nodes: renamed(one.inbound_nodes ?? []) };
      return one.name === input ? [own, layer] : [own];
    }),
  };
}
