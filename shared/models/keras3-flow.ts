/** What flows through a chain of layers of Keras 3, which tells no shapes: how many channels, and whether masks. Pure. */
import { childrenOf, isContainer, wrappedIn, type Json, type LayerJson } from './topology.js';

/** What a layer of a chain is given. */
export interface Flow {
  /** The size of the last axis; null where it is not known. */
  readonly channels: number | null;
  /** Whether steps of a sequence are masked. */
  readonly isMasked: boolean;
}

/** Layers that take a mask on, beside recurrent ones. */
const passing = new Set([
  ...[
    'Activation',
    'AlphaDropout',
    'BatchNormalization',
    'Bidirectional',
    'Dense',
    'Dropout',
    'ELU',
    'GaussianDropout',
  ],
  ...['GaussianNoise', 'Identity', 'LayerNormalization', 'LeakyReLU', 'PReLU', 'ReLU', 'Softmax', 'SpatialDropout1D'],
  ...['TimeDistributed'],
]);

/** Layers whose last axis is no longer that of their input. */
const reshaping = new Set(['Flatten', 'Permute', 'Reshape']);

/** What the layer behind `layer` is given, where `layer` is given `before`. */
export function flowAfter(layer: LayerJson, before: Flow): Flow {
  if (isContainer(layer.class_name))
    return childrenOf(layer).reduce<Flow>((flow, inner) => flowAfter(inner, flow), { ...before, channels: null });
  return { channels: channelsAfter(layer, before.channels), isMasked: makesMask(layer) || passesMask(layer, before) };
}

/** Whether the layer marks steps of a sequence as not to be counted. */
export function makesMask({ class_name: name, config }: LayerJson): boolean {
  return name === 'Masking' || (name === 'Embedding' && config.mask_zero === true);
}

function passesMask({ class_name: name, config }: LayerJson, { isMasked }: Flow): boolean {
  if (!isMasked) return false;
  const inner = wrappedIn(config)[0]?.config ?? config;
  return 'return_sequences' in inner ? inner.return_sequences === true : passing.has(name);
}

function channelsAfter({ class_name: name, config }: LayerJson, before: number | null): number | null {
  if (name === 'InputLayer') return Array.isArray(config.batch_shape) ? numberIn(config.batch_shape.at(-1)) : null;
  if (name === 'DepthwiseConv2D' && before !== null) return before * (numberIn(config.depth_multiplier) ?? 1);
  if (name === 'Bidirectional' || name === 'TimeDistributed' || reshaping.has(name)) return null;
  return sizeIn(config) ?? before;
}

function sizeIn({ filters, units, output_dim: length }: Json): number | null {
  return numberIn(filters) ?? numberIn(units) ?? numberIn(length);
}

function numberIn(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
