/** The objects inside a layer's config of Keras 3 in the form that tfjs reads. Pure. */
import { ownEntry } from '../own.js';
import { jsonSchema, type Json } from './topology.js';

/** tfjs' names of classes that Keras 3 calls otherwise. */
const classes: Readonly<Record<string, string>> = {
  LecunNormal: 'LeCunNormal',
  LecunUniform: 'LeCunUniform',
  OrthogonalInitializer: 'Orthogonal',
  L1: 'L1L2',
  L2: 'L1L2',
};

const distributions: Readonly<Record<string, string>> = {
  truncated_normal: 'truncatedNormal',
  untruncated_normal: 'normal',
};

/**
 * The config with plain initializers, regularizers and constraints, and without its dtype, which is float32 in tfjs.
 * Regularizers and constraints mean nothing to a model that is not trained.
 */
export function withPlainObjects(config: Json, { isTrained }: { readonly isTrained: boolean }): Json {
  const entries = Object.entries(config).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'dtype') return typeof value === 'string' ? [[key, value]] : [];
    if (key === 'seed') return [[key, typeof value === 'number' ? value : null]];
    const isOfTraining = /_(regularizer|constraint)$/.test(key);
    if (isOfTraining && !isTrained) return [];
    return isOfTraining || key.endsWith('_initializer') ? [[key, plainObject(value)]] : [[key, value]];
  });
  return Object.fromEntries(entries);
}

/** `{ class_name, config }` of an initializer, a regularizer or a constraint; anything else as it is. */
function plainObject(value: unknown): unknown {
  const json = jsonSchema.safeParse(value);
  if (!json.success || typeof json.data.class_name !== 'string') return value;
  const { class_name: name } = json.data;
  const { input_axes: _, output_axes: __, ...config } = jsonSchema.safeParse(json.data.config).data ?? {};
  const distribution = config.distribution;
  return {
    class_name: ownEntry(classes, name) ?? name,
    config: {
      ...(name === 'L1' || name === 'L2' ? { l1: 0, l2: 0 } : {}),
      ...config,
      ...('seed' in config ? { seed: typeof config.seed === 'number' ? config.seed : null } : {}),
      ...(typeof distribution === 'string'
        ? { distribution: ownEntry(distributions, distribution) ?? distribution }
        : {}),
    },
  };
}
