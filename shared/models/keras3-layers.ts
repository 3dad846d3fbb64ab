/**
 * The layers of Keras 3 as the layers of tfjs that compute the same: most are one layer with other keys, some are a few.
 * What tfjs cannot compute is refused by name. Pure.
 */
import { activationSteps, innerActivation, isActivation } from './keras3-activations.js';
import { step, type Keras3Layer, type LayerConstants, type LayerStep } from './keras3-step.js';
import { jsonSchema, type Json, type LayerJson } from './topology.js';

type Rule = (layer: Keras3Layer) => LayerStep[];

/** One layer of the same class with these keys of its config instead of its own. */
const as =
  (changes: (layer: Keras3Layer) => Json = () => ({})): Rule =>
  (layer) => [step(layer.className, { ...layer.config, ...changes(layer) })];

const identity: Rule = () => [step('Activation', { activation: 'linear' })];

/** A layer that works in training alone; where the model is trained, it is kept, to be refused or keyed by name. */
const inTraining: Rule = (layer) => (layer.isTrained ? [step(layer.className, layer.config)] : identity(layer));

/** What can be done where a layer is needed that tfjs lacks. */
const asOnnx = 'the model as ONNX (in Keras: model.export("model.onnx", format="onnx"))';

/** @throws UserError 65 when the key is neither absent nor that value */
function only(layer: Keras3Layer, key: string, wanted: unknown): void {
  const given = layer.config[key];
  if (given === undefined || given === null || given === wanted) return;
  throw layer.refusal(
    `${key} is ${JSON.stringify(given)}, which tfjs cannot compute; ${JSON.stringify(wanted)} was wanted, or ${asOnnx}`,
  );
}

/** Refuses settings that tfjs lacks, then goes on. */
const checked =
  (wanted: Json, rule: Rule): Rule =>
  (layer) => {
    for (const [key, value] of Object.entries(wanted)) only(layer, key, value);
    return rule(layer);
  };

const convolution = checked({ groups: 1 }, as());
const transposed = checked({ output_padding: null, groups: 1 }, as());
/** Layers that keep a state: their activations stand inside of them. */
const recurrent =
  (...keys: string[]): Rule =>
  (layer) => {
    only(layer, 'reset_after', false);
    if (layer.given.isMasked && layer.config.return_sequences === true) only(layer, 'zero_output_for_mask', false);
    const activations = keys.map((key) => [key, innerActivation(layer, key)] as const);
    return [step(layer.className, { ...layer.config, ...Object.fromEntries(activations) })];
  };
const gated = recurrent('activation', 'recurrent_activation');
const simple = recurrent('activation');

/** A pool over all places, whose axes tfjs always leaves out, and which counts masked steps there. */
function globalPool(axes: number): Rule {
  return (layer) => {
    if (layer.given.isMasked)
      throw layer.refusal('masked steps do not count in it, which tfjs cannot compute; no mask was wanted');
    const { keepdims, ...config } = layer.config;
    const pool = step(layer.className, config);
    if (keepdims !== true) return [pool];
    const { channels } = layer.given;
    if (channels === null)
      throw layer.refusal('keepdims is true, and the file does not tell its channels; a Functional model was wanted');
    const shape = [...Array.from({ length: axes }, () => 1), channels];
    return [pool, step('Reshape', { name: `${layer.name}_keepdims`, target_shape: shape })];
  };
}

/** max(x, 0) up to `max_value`, with a slope below 0; tfjs has no threshold, and no limit together with a slope. */
const relu: Rule = (layer) => {
  const { name, negative_slope: slope, max_value: most, trainable } = layer.config;
  only(layer, 'threshold', 0);
  if (typeof slope !== 'number' || slope === 0)
    return [step('ReLU', { name, trainable, ...(typeof most === 'number' ? { max_value: most } : {}) })];
  only(layer, 'max_value', null);
  return [step('LeakyReLU', { name, trainable, alpha: slope })];
};

/**
 * x * factor + shift for each channel, or by one number for all: a batch normalisation that is never trained, whose
 * weights are known.
 */
function affine(layer: Keras3Layer, factors: readonly number[], shifts: readonly number[]): LayerStep[] {
  const [scale = 1] = factors;
  const [offset = 0] = shifts;
  if (factors.length <= 1 && shifts.length <= 1)
    return [step('Rescaling', { name: layer.name, trainable: false, scale, offset })];
  const length = Math.max(factors.length, shifts.length);
  if ([factors, shifts].some((values) => values.length !== 1 && values.length !== length))
    throw layer.refusal(
      `it has ${factors.length} factors and ${shifts.length} shifts; one for each channel was wanted`,
    );
  const all = (values: readonly number[]): number[] =>
    Array.from({ length }, (_, i) => values[values.length === 1 ? 0 : i] ?? 0);
  return [
    fixedNorm(layer, 0, {
      gamma: all(factors),
      beta: all(shifts),
      moving_mean: Array<number>(length).fill(0),
      moving_variance: Array<number>(length).fill(1),
    }),
  ];
}

/** @param constants by the weights' names; those of the file where there are none */
function fixedNorm(layer: Keras3Layer, epsilon: number, constants?: LayerConstants): LayerStep {
  const isScaled = constants !== undefined;
  const config = { name: layer.name, trainable: false, axis: -1, epsilon, center: isScaled, scale: isScaled };
  return { ...step('BatchNormalization', config), ...(constants === undefined ? {} : { constants }) };
}

function numbersIn(value: unknown): number[] {
  return [value].flat(9).filter((item) => typeof item === 'number');
}

const rescaling: Rule = (layer) =>
  affine(layer, numbersIn(layer.config.scale ?? 1), numbersIn(layer.config.offset ?? 0));

/** (x - mean) / max(sqrt(variance), 1e-7). */
const normalization: Rule = (layer) => {
  only(layer, 'invert', false);
  const means = numbersIn(layer.config.mean);
  const deviations = numbersIn(layer.config.variance).map((variance) => Math.max(Math.sqrt(variance), 1e-7));
  if (means.length > 0 && deviations.length > 0) {
    const count = Math.max(means.length, deviations.length);
    const factors = deviations.map((deviation) => 1 / deviation);
    const shifts = Array.from(
      { length: count },
      (_, i) => -(means[means.length === 1 ? 0 : i] ?? 0) / (deviations[deviations.length === 1 ? 0 : i] ?? 1),
    );
    return affine(layer, factors, shifts);
  }
  const axes = numbersIn(layer.config.axis);
  if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== (layer.rank ?? 0) - 1))
    throw layer.refusal(`its axis is ${JSON.stringify(layer.config.axis)}; -1, the last one, was wanted`);
  return [fixedNorm(layer, 1e-14)];
};

/** What Keras applies to a value alone, by the operation's name. */
const functions: Readonly<Record<string, string>> = {
  Relu: 'relu',
  Relu6: 'relu6',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  Silu: 'silu',
  Softplus: 'softplus',
  Softsign: 'softsign',
  Selu: 'selu',
  HardSigmoid: 'hard_sigmoid',
  HardSilu: 'hard_silu',
};

const scaled = (layer: Keras3Layer, scale: number, offset: number): LayerStep[] => [
  step('Rescaling', { name: layer.name, trainable: false, scale, offset }),
];

/** Values and numbers of an operation with two sides: the number on the left, on the right, or none. */
function sides({ operands }: Keras3Layer): { readonly left: number | null; readonly right: number | null } {
  const at = (i: number): number | null => {
    const operand = operands[i];
    return typeof operand === 'number' ? operand : null;
  };
  return operands.length === 2 ? { left: at(0), right: at(1) } : { left: null, right: null };
}

const add: Rule = (layer) => {
  const { left, right } = sides(layer);
  const number = left ?? right;
  return number === null ? [step('Add', layer.config)] : scaled(layer, 1, number);
};

const multiply: Rule = (layer) => {
  const { left, right } = sides(layer);
  const number = left ?? right;
  return number === null ? [step('Multiply', layer.config)] : scaled(layer, number, 0);
};

const subtract: Rule = (layer) => {
  const { left, right } = sides(layer);
  if (right !== null) return scaled(layer, 1, -right);
  if (left !== null) return scaled(layer, -1, left);
  return [
    step('Rescaling', { name: `${layer.name}_negative`, trainable: false, scale: -1, offset: 0 }, [{ input: 1 }]),
    step('Add', layer.config, [{ input: 0 }, { step: 0 }]),
  ];
};

const divide: Rule = (layer) => {
  const { right } = sides(layer);
  if (right !== null) return scaled(layer, 1 / right, 0);
  throw layer.refusal('tfjs has no layer that divides by a tensor; a division by a number was wanted');
};

const wrapped: Rule = (layer) => [step(layer.className, { ...layer.config, layer: layer.inner(layer.config.layer) })];

/** Both directions of one layer; tfjs makes the second of the first, and names both itself. */
const bidirectional: Rule = (layer) => {
  const { backward_layer: other, layer: own, ...config } = layer.config;
  const inner = layer.inner(own);
  const settings = ({ class_name: className, config: { name: _, go_backwards: __, ...others } }: LayerJson): string =>
    JSON.stringify([
      className,
      Object.entries(others)
        .filter(([key]) => !/_initializer$|^trainable$|^seed$/.test(key))
        .sort(),
    ]);
  if (other !== undefined && settings(layer.inner(other)) !== settings(inner))
    throw layer.refusal(`its two layers differ, which tfjs cannot compute; ${asOnnx} was wanted`);
  const name = String(inner.config.name).replace(/^forward_/, '');
  return [step('Bidirectional', { ...config, layer: { ...inner, config: { ...inner.config, name } } })];
};

const rules: Readonly<Record<string, Rule>> = {
  InputLayer: ({ config }) => [
    step('InputLayer', {
      name: config.name,
      batch_input_shape: config.batch_shape ?? config.batch_input_shape,
      dtype: inputType(config.dtype),
      sparse: false,
    }),
  ],
  Activation: as(),
  ActivityRegularization: inTraining,
  Add: add,
  AlphaDropout: inTraining,
  Average: as(),
  AveragePooling1D: as(),
  AveragePooling2D: as(),
  AveragePooling3D: as(),
  BatchNormalization: checked({ renorm: false }, as()),
  Bidirectional: bidirectional,
  Concatenate: as(),
  Conv1D: convolution,
  Conv2D: convolution,
  Conv2DTranspose: transposed,
  Conv3D: convolution,
  Conv3DTranspose: transposed,
  Cropping2D: as(),
  Dense: as(),
  DepthwiseConv2D: as(),
  Divide: divide,
  Dot: as(),
  Dropout: as(),
  ELU: as(),
  Embedding: as(),
  Flatten: as(),
  GRU: gated,
  GRUCell: gated,
  GaussianDropout: inTraining,
  GaussianNoise: inTraining,
  GlobalAveragePooling1D: globalPool(1),
  GlobalAveragePooling2D: globalPool(2),
  GlobalMaxPooling1D: globalPool(1),
  GlobalMaxPooling2D: globalPool(2),
  Identity: identity,
  LSTM: gated,
  LSTMCell: gated,
  LayerNormalization: checked({ rms_scaling: false }, as()),
  LeakyReLU: as(({ config }) => ({ alpha: config.negative_slope ?? config.alpha ?? 0.3 })),
  Masking: as(),
  MaxPooling1D: as(),
  MaxPooling2D: as(),
  MaxPooling3D: as(),
  Maximum: as(),
  Minimum: as(),
  Multiply: multiply,
  Negative: (layer) => scaled(layer, -1, 0),
  Normalization: normalization,
  PReLU: as(),
  Permute: as(),
  ReLU: relu,
  RepeatVector: as(),
  Rescaling: rescaling,
  Reshape: as(),
  SeparableConv2D: as(),
  SimpleRNN: simple,
  SimpleRNNCell: simple,
  Softmax: as(),
  SpatialDropout1D: inTraining,
  SpatialDropout2D: inTraining,
  SpatialDropout3D: inTraining,
  Subtract: subtract,
  TimeDistributed: wrapped,
  TrueDivide: divide,
  UpSampling2D: as(),
  ZeroPadding2D: as(),
};

/** Samples of whole numbers are one type for tfjs. */
function inputType(dtype: unknown): string {
  const name = typeof dtype === 'string' ? dtype : 'float32';
  return name.includes('int') ? 'int32' : name === 'bool' ? 'bool' : 'float32';
}

/** Keys that say nothing to tfjs, or that a rule above has looked at. */
const foreign = new Set([
  ...['quantization_config', 'lora_rank', 'lora_alpha', 'synchronized', 'renorm', 'renorm_clipping', 'renorm_momentum'],
  ...['groups', 'keepdims', 'negative_slope', 'rms_scaling', 'zero_output_for_mask', 'reset_after', 'output_padding'],
  ...['ragged', 'optional', 'batch_shape', 'input_length', 'invert', 'time_major'],
]);

/**
 * The layers of tfjs that compute what the layer does, in the order of their computing; the last gives its value.
 *
 * @throws UserError 65 naming the layer, its class and what was wanted
 */
export function translatedLayer(layer: Keras3Layer): LayerStep[] {
  const { className, config, name } = layer;
  const own = Object.hasOwn(rules, className) ? rules[className] : undefined;
  const applied = Object.hasOwn(functions, className) ? functions[className] : undefined;
  if (className.startsWith('Random')) return randomLayer(layer);
  if (own === undefined && applied === undefined) throw layer.refusal(`it cannot be read; ${asOnnx} was wanted`);
  const { activation, ...others } = config;
  const isInside = 'recurrent_initializer' in config;
  const named = isInside ? undefined : isActivation(activation) ? activation : applied;
  const steps = own === undefined ? [] : own(isInside ? layer : { ...layer, config: others });
  const whole = named === undefined ? steps : activationSteps(layer, steps, named);
  return whole.map((one) => ({ ...one, config: plain({ name, ...one.config }, one.className) }));
}

/** Without keys that mean nothing to tfjs, and without values that are not there. */
function plain(config: Json, className: string): Json {
  return jsonSchema.parse(
    Object.fromEntries(
      Object.entries(config).filter(
        ([key, value]) => value !== undefined && !foreign.has(key) && (key !== 'dtype' || className === 'InputLayer'),
      ),
    ),
  );
}

/** Layers that change samples at random do so in training alone. */
function randomLayer(layer: Keras3Layer): LayerStep[] {
  if (!layer.isTrained) return identity(layer).map((one) => ({ ...one, config: { name: layer.name, ...one.config } }));
  throw layer.refusal(
    'it changes samples at random, which cannot be keyed, so a run could not be repeated; a model without it was wanted (data.augment changes samples)',
  );
}
