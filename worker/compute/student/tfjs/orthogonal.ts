/**
 * The orthogonal initializer (Saxe et al. 2014), which recurrent layers use, from a keyed stream. tfjs's own warns on
 * the console and takes seconds for a layer of ordinary size.
 */
import type { TensorFlow } from '../../backends/backend.js';
import { randomStream } from '../../../../shared/random.js';
import { elementsIn } from '../../../../shared/shape.js';

export const orthogonalClass = 'StillhouseOrthogonal';

/** Lets topologies name it: `{ class_name: orthogonalClass, config: { gain, seed } }`. */
export function registerOrthogonal(tf: TensorFlow): void {
  tf.serialization.registerClass(
    class extends tf.serialization.Serializable {
      static readonly className = orthogonalClass;
      readonly #config: { gain: number; seed: number };

      constructor(config: { gain: number; seed: number }) {
        super();
        this.#config = config;
      }

      apply(shape: number[]): unknown {
        return tf.tensor(orthogonal(shape, this.#config.gain, this.#config.seed), shape);
      }

      getConfig(): { gain: number; seed: number } {
        return this.#config;
      }
    },
  );
}

/** A matrix of all axes but the last x the last, with orthonormal rows or columns (the fewer of them), times `gain`. */
export function orthogonal(shape: readonly number[], gain: number, seed: number): Float32Array {
  const columns = shape.at(-1) ?? 1;
  const rows = elementsIn(shape.slice(0, -1));
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const vectors = orthonormal(count, length, seed);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return gain * ((rows >= columns ? vectors[column]?.[row] : vectors[row]?.[column]) ?? 0);
  });
}

/** Gram and Schmidt on normal vectors, each step twice, in float64. */
function orthonormal(count: number, length: number, seed: number): Float64Array[] {
  const normal = normalStream(seed);
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, normal);
    for (const other of [...vectors, ...vectors]) subtract(vector, dot(vector, other), other);
    const norm = Math.sqrt(dot(vector, vector));
    vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function subtract(from: Float64Array, factor: number, vector: Float64Array): void {
  for (let i = 0; i < from.length; i++) from[i] = (from[i] ?? 0) - factor * (vector[i] ?? 0);
}

/** Standard normal numbers: Box and Muller 1958. */
function normalStream(seed: number): () => number {
  const stream = randomStream(['orthogonal', seed]);
  return () => Math.sqrt(-2 * Math.log(1 - stream.float())) * Math.cos(2 * Math.PI * stream.float());
}
