/** Topologies as Keras writes them, brought to what tfjs reads. Pure. */
import { jsonSchema, type Json } from './topology.js';

/** Settings that Keras 2 writes for layers whose weights have other names; it does not use them, and tfjs refuses them. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  SeparableConv1D: ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint'],
  SeparableConv2D: ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint'],
};

/** The same topology without settings that no layer uses; a copy. Layers inside of models and of layers are seen, too. */
export function asTfjsReads(topology: Json): Json {
  return jsonSchema.parse(changed(topology));
}

function changed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(changed);
  const json = jsonSchema.safeParse(value);
  if (!json.success) return value;
  const entries = Object.entries(json.data).map(([key, inner]) => [key, changed(inner)] as const);
  const whole: Json = Object.fromEntries(entries);
  const config = jsonSchema.safeParse(whole.config);
  const left = foreign[String(whole.class_name)];
  if (!config.success || left === undefined) return whole;
  return { ...whole, config: Object.fromEntries(Object.entries(config.data).filter(([key]) => !left.includes(key))) };
}
