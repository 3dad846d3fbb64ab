/** Activations of Keras 3 as those of tfjs, or as layers behind the one that they belong to. Pure. */
import { ownEntry } from '../own.js';
import { step, type Keras3Layer, type LayerStep } from './keras3-step.js';
import { jsonSchema, type Json } from './topology.js';

/** A name, or an object as Keras 3 writes functions and layers. */
export function isActivation(value: unknown): boolean {
  return typeof value === 'string' || jsonSchema.safeParse(value).success;
}

/** The activations that tfjs has, by Keras 3's names. */
const own: Readonly<Record<string, string>> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  elu: 'elu',
  selu: 'selu',
  sigmoid: 'sigmoid',
  softplus: 'softplus',
  softsign: 'softsign',
  softmax: 'softmax',
  log_softmax: 'logSoftmax',
  tanh: 'tanh',
  gelu: 'gelu',
  mish: 'mish',
  silu: 'swish',
  swish: 'swish',
};

/** clip(x / 6 + 1 / 2, 0, 1): Keras 2's and tfjs' own has other numbers. */
const hardSigmoid = (name: string): LayerStep[] => [
  step('Rescaling', { name: `${name}_linear`, trainable: false, scale: 1 / 6, offset: 0.5 }),
  step('ReLU', { name: `${name}_hard_sigmoid`, max_value: 1 }),
];

/** The name that tfjs has for it inside of recurrent layers. @throws UserError 65 for one that tfjs has not */
export function innerActivation(layer: Keras3Layer, key: string): string {
  const { name } = named(layer.config[key]);
  const known = Object.hasOwn(own, name) ? own[name] : undefined;
  if (known !== undefined) return known;
  throw layer.refusal(
    `its ${key} is ${name}, which tfjs cannot compute; one of ${Object.keys(own).join(', ')} was wanted`,
  );
}

/** The layers for an activation that is a layer in tfjs. `at` is the step whose value they take. */
function asLayers(name: string, activation: string, slope: number, at: number): LayerStep[] | null {
  switch (activation) {
    case 'leaky_relu':
      return [step('LeakyReLU', { name: `${name}_leaky_relu`, alpha: slope })];
    case 'hard_sigmoid':
      return hardSigmoid(name);
    case 'hard_silu':
    case 'hard_swish':
      return [...hardSigmoid(name), step('Multiply', { name: `${name}_hard_silu` }, [{ step: at }, { step: at + 2 }])];
    default:
      return null;
  }
}

/** Name and settings of an activation: `relu`, `{ class_name: 'function', config: 'relu' }`, or a layer's object. */
function named(activation: unknown): { readonly name: string; readonly config: Json } {
  if (typeof activation === 'string') return { name: activation, config: {} };
  const { class_name: className, config } = jsonSchema.parse(activation);
  if (typeof config === 'string') return { name: config, config: {} };
  const settings = jsonSchema.safeParse(config).data ?? {};
  const layers: Readonly<Record<string, string>> = {
    ReLU: 'relu',
    LeakyReLU: 'leaky_relu',
    Softmax: 'softmax',
    ELU: 'elu',
  };
  const name = typeof className === 'string' ? className : 'a function of its own program';
  return { name: ownEntry(layers, name) ?? name, config: settings };
}

/** Settings with which an activation's object is the plain function of its name. */
const plainly: Readonly<Record<string, readonly unknown[]>> = {
  max_value: [null],
  threshold: [0],
  alpha: [1],
  axis: [-1],
};

/**
 * The steps with the activation behind the last of them, which has a place for it.
 *
 * @param steps of the layer without its activation; none where the layer is nothing but that
 * @throws UserError 65 for one that tfjs has not
 */
export function activationSteps(layer: Keras3Layer, steps: readonly LayerStep[], activation: unknown): LayerStep[] {
  const { name, config } = named(activation);
  const isSloped = name === 'leaky_relu';
  const odd = Object.entries(plainly).find(([key, values]) => key in config && !values.includes(config[key]));
  const slope = typeof config.negative_slope === 'number' ? config.negative_slope : isSloped ? 0.2 : 0;
  if (odd !== undefined || (!isSloped && slope !== 0))
    throw layer.refusal(`its activation is ${JSON.stringify(activation)}; a layer of its own was wanted for that`);
  const known = Object.hasOwn(own, name) ? own[name] : undefined;
  const last = steps.at(-1);
  if (known !== undefined)
    return last === undefined
      ? [step('Activation', { name: layer.name, activation: known })]
      : [...steps.slice(0, -1), { ...last, config: { ...last.config, activation: known } }];
  const isAlone = last === undefined || layer.className === 'Activation';
  const layers = asLayers(layer.name, name, slope, isAlone ? 0 : steps.length - 1);
  if (layers === null)
    throw layer.refusal(
      `its activation is ${name}, which tfjs cannot compute; one of ${Object.keys(own).join(', ')} was wanted`,
    );
  const before = isAlone ? [step('Activation', { name: layer.name, activation: 'linear' })] : steps;
  return [...before.slice(0, -1), ...before.slice(-1).map(withoutActivation), ...layers];
}

function withoutActivation(one: LayerStep): LayerStep {
  return { ...one, config: { ...one.config, activation: 'linear' } };
}
