/** Rows and columns of outputs that are judged by target vectors. Pure. */
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import { pickRows } from '../../worker/compute/teachers/fixed-rows.js';

/** Leaves out the rows without a target. */
export function withTargets({ outputs, vectors, labels, width }: JudgedVectors): JudgedVectors {
  const rows = [...labels.keys()].filter((row) => (labels[row] ?? -1) >= 0);
  return {
    outputs: pickRows(outputs, labels.length, rows),
    vectors: pickRows(vectors, labels.length, rows),
    labels: new Int32Array(rows.length),
    width,
  };
}

/** Takes number `k` of every vector alone. */
export function column({ outputs, vectors, labels, width }: JudgedVectors, k: number): JudgedVectors {
  const own = (values: Float32Array): Float32Array => values.filter((_, at) => at % width === k);
  return { outputs: own(outputs), vectors: own(vectors), labels, width: 1 };
}
