/** The student's weights at its best evaluation, on the disk before that evaluation's journal line. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../shared/files.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { elementsIn } from '../../shared/shape.js';
import { storing, writeDurably } from './durable-files.js';

const pathIn = (folder: string): string => join(folder, 'snapshots', 'best.weights');

/**
 * Writes the weights, one after the other in the order of the map, as raw float32.
 *
 * @param folder the run's folder
 * @throws UserError 69 when the storage fails
 */
export async function writeBest(folder: string, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  const pieces = [...weights.values()].map(
    (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  await storing(pathIn(folder), () => writeDurably(pathIn(folder), pieces));
}

/** Null when there is none, or it is not this student's. */
export async function readBest(folder: string, spec: StudentSpec): Promise<Map<string, Float32Array> | null> {
  const bytes = await ifThere(readFile(pathIn(folder)));
  const total = spec.weights.reduce((sum, { shape }) => sum + 4 * elementsIn(shape), 0);
  if (bytes?.length !== total) return null;
  let at = 0;
  return new Map(
    spec.weights.map(({ name, shape }) => {
      const values = new Float32Array(Uint8Array.prototype.slice.call(bytes, at, (at += 4 * elementsIn(shape))).buffer);
      return [name, values];
    }),
  );
}
