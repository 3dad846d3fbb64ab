/** LayersModels as converters write them, brought to what tfjs reads: the one place for every model.json. Pure. */
import { ownEntry } from '../own.js';
import { z } from 'zod';
import { exitCodes, UserError } from '../errors.js';
import { isKeras3, translated, type ReadFor } from './keras3.js';
import { keras3WeightNames, type WeightNames } from './keras3-weights.js';
import { jsonSchema, type Json } from './topology.js';

/** Settings that Keras 2 writes for layers whose weights have other names; it does not use them, and tfjs refuses them. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  SeparableConv1D: ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint'],
  SeparableConv2D: ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint'],
};

/** A model as tfjs reads it. */
export interface TfjsModel {
  readonly topology: Json;
  /** The name that a weight of the file has in tfjs. */
  readonly weightName: WeightNames;
  /** Vectors that the file holds in its topology and tfjs as weights, by their names in tfjs. */
  readonly constants: ReadonlyMap<string, readonly number[]>;
}

/**
 * The model with a topology that tfjs reads; the given one stays as it is.
 *
 * @throws UserError 65 naming a layer that tfjs cannot compute, or what is no topology
 */
export function asTfjsReads(topology: Json, how: ReadFor): TfjsModel {
  if (isKeras3(topology)) return ofKeras3(topology, how);
  return { topology: jsonSchema.parse(changed(topology)), weightName: (name) => name, constants: new Map() };
}

function ofKeras3(topology: Json, how: ReadFor): TfjsModel {
  try {
    return { ...translated(topology, how), weightName: keras3WeightNames(topology) };
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new UserError(
      `${how.owner}: its modelTopology is no model of Keras 3 with class_name and config`,
      exitCodes.data,
      error,
    );
  }
}

/** The same without settings that no layer uses. Layers inside of models and of layers are seen, too. */
function changed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(changed);
  const json = jsonSchema.safeParse(value);
  if (!json.success) return value;
  const entries = Object.entries(json.data).map(([key, inner]) => [key, changed(inner)] as const);
  const whole: Json = Object.fromEntries(entries);
  const config = jsonSchema.safeParse(whole.config);
  const left = ownEntry(foreign, String(whole.class_name));
  if (!config.success || left === undefined) return whole;
  return { ...whole, config: Object.fromEntries(Object.entries(config.data).filter(([key]) => !left.includes(key))) };
}
