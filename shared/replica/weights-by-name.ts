/** A replica's weights by the student's names for them, in and out. */
import { exitCodes, UserError } from '../errors.js';
import type { TensorPlace } from './places.js';

/** Views of the regions that hold weights, in floats. */
export type WeightRegions = Readonly<Record<TensorPlace['region'], Float32Array>>;

/**
 * Writes values to their places. The padding between them stays as it is.
 *
 * @throws UserError 65 when a weight is missing or has another number of values
 */
export function putWeights(
  regions: WeightRegions,
  places: readonly TensorPlace[],
  values: ReadonlyMap<string, Float32Array>,
): void {
  for (const place of places) regions[place.region].set(checkedValues(place, values), place.offset);
}

/** Copies of all weights, in the order of the places. */
export function copyWeights(regions: WeightRegions, places: readonly TensorPlace[]): Map<string, Float32Array> {
  return new Map(
    places.map(({ spec, region, offset, size }) => [spec.name, regions[region].slice(offset, offset + size)]),
  );
}

function checkedValues({ spec, size }: TensorPlace, values: ReadonlyMap<string, Float32Array>): Float32Array {
  const found = values.get(spec.name);
  if (found === undefined) throw new UserError(`weights: no tensor named ${spec.name}`, exitCodes.data);
  if (found.length !== size) {
    throw new UserError(
      `weights: ${spec.name} has ${found.length} values, the student needs ${size} [${spec.shape.join(', ')}]`,
      exitCodes.data,
    );
  }
  return found;
}
