/**
 * One fixed number of rows in every forward of a teacher, whatever number of samples there is. Pure but for the
 * forward.
 */
import type { Activation } from '../../../shared/losses/math/activation.js';
import type { TeacherFeed } from './feed.js';
import type { ForwardResult, Teacher } from './formats/teacher.js';
import { must, mustAt } from '../../../shared/must.js';

/** How samples are cut into forwards of one size. */
export interface FixedRows {
  /** Samples in the inputs; at least 1. */
  readonly rows: number;
  /** What the teacher is given of so many samples. */
  readonly feed: Pick<TeacherFeed, 'of'>;
  /** Rows of every forward, unless the model insists on a number of its own. */
  readonly fixedRows: number;
  readonly taps?: readonly string[];
}

/**
 * All samples through the teacher, so many at a time, the last one again and again after it: a sample of zeros would be
 * all padding to a model with masks, and what it gives no number. What the teacher is given is made for one forward at a
 * time.
 *
 * @param samples [rows x sample] @returns output and taps, [rows x ...] each
 */
export async function forwardInFixedRows(
  teacher: Pick<Teacher, 'forward' | 'fixedRows'>,
  samples: Float32Array,
  { rows, feed, fixedRows, taps }: FixedRows,
): Promise<ForwardResult> {
  const [step, size] = [teacher.fixedRows ?? fixedRows, samples.length / rows];
  const parts: ForwardResult[] = [];
  for (let row = 0; row < rows; row += step) {
    const batch = new Float32Array(step * size);
    for (let i = 0; i < step; i++) {
      const from = Math.min(row + i, rows - 1) * size;
      batch.set(samples.subarray(from, from + size), i * size);
    }
    parts.push(await teacher.forward(feed.of(batch, step), taps));
  }
  const join = (arrays: readonly Float32Array[]): Float32Array => joinRows(arrays, step, rows);
  return { output: join(parts.map(({ output }) => output)), taps: joinTaps(parts, join) };
}

function joinTaps(
  parts: readonly ForwardResult[],
  join: (arrays: readonly Float32Array[]) => Float32Array,
): Map<string, Activation> {
  return new Map(
    [...mustAt(parts, 0, 'part').taps].map(([name, { shape }]) => [
      name,
      { shape, values: join(parts.map(({ taps }) => must(taps, name, 'tap').values)) },
    ]),
  );
}

/** Picks rows of an array in the order in which they are wanted; the array itself where all are. */
export function pickRows(values: Float32Array, rows: number, wanted: readonly number[]): Float32Array {
  if (wanted.length === rows) return values;
  const size = values.length / rows;
  const out = new Float32Array(wanted.length * size);
  wanted.forEach((row, i) => out.set(values.subarray(row * size, (row + 1) * size), i * size));
  return out;
}

/** The first `rows` rows of arrays of `step` rows each. */
function joinRows(arrays: readonly Float32Array[], step: number, rows: number): Float32Array {
  const size = mustAt(arrays, 0, 'array').length / step;
  const out = new Float32Array(rows * size);
  arrays.forEach((array, i) => out.set(array.subarray(0, Math.min(step, rows - i * step) * size), i * step * size));
  return out;
}
