/** The initializers in a topology. Pure: JSON in, JSON out. */
import type { Json } from './topology.js';

/** All weights start at 0: for a model whose weights are loaded anyway. */
export function zeroedTopology(topology: Json): Json {
  return withInitializers(topology, () => ({ class_name: 'Zeros', config: {} }));
}

/** Copies the topology with each `..._initializer: { class_name, config }` replaced. */
export function withInitializers(topology: Json, replace: (initializer: Json, key: readonly string[]) => Json): Json {
  const copy = (value: unknown, key: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item, i) => copy(item, [...key, placeOf(item) ?? String(i)]));
    if (!isJson(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const isInitializer = name.endsWith('_initializer') && isJson(item) && typeof item.class_name === 'string';
        return [name, isInitializer ? replace(item, [...key, name]) : copy(item, [...key, name])];
      }),
    );
  };
  return asJson(copy(topology, []));
}

/** A layer's name, so that a layer put in front of it does not change what it draws. */
export function placeOf(value: unknown): string | null {
  if (!isJson(value) || !isJson(value.config)) return null;
  return typeof value.config.name === 'string' ? value.config.name : null;
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asJson(value: unknown): Json {
  return isJson(value) ? value : {};
}
