/** Two sources as one, their samples evenly mixed: wherever the whole is cut, both are there by their shares. */
import { UserError } from '../errors.js';
import type { Rows, Source, Targets } from './rows.js';

/** @throws UserError 2 when their samples are not alike */
export function interleave(first: Source, second: Source): Source {
  if (first.shape.join() !== second.shape.join()) throw new UserError(`${second.file}: samples of [${second.shape.join(', ')}]; [${first.shape.join(', ')}] wanted, as in ${first.file}`);
  if (first.dtype !== second.dtype) throw new UserError(`${second.file}: values of ${second.dtype}; ${first.dtype} wanted, as in ${first.file}`);
  const samples = first.samples + second.samples;
  const size = first.shape.reduce((product, dim) => product * dim, 1);
  /** Samples of the first among the first `n` of the whole. */
  const before = (n: number): number => Math.floor((n * first.samples) / samples);
  const isFirst = (i: number): boolean => before(i + 1) > before(i);
  const read = async (from: number, to: number): Promise<Rows> => {
    const [ofFirst, ofSecond] = [await first.read(before(from), before(to)), await second.read(from - before(from), to - before(to))];
    const out = emptyRows(first.dtype, (to - from) * size);
    let [a, b] = [0, 0];
    for (let i = from; i < to; i++) out.set(isFirst(i) ? ofFirst.subarray(size * a, size * ++a) : ofSecond.subarray(size * b, size * ++b), (i - from) * size);
    return out;
  };
  const labels = Int32Array.from({ length: samples }, (_, i) => (isFirst(i) ? first.labels[before(i)] : second.labels[i - before(i)]) ?? -1);
  const isWeighted = first.weights !== undefined || second.weights !== undefined;
  const { targets } = first;
  const weightAt = (i: number): number => (isFirst(i) ? first.weights?.[before(i)] : second.weights?.[i - before(i)]) ?? 1;
  return { ...first, samples, labels, targets: targets === undefined ? undefined : { width: targets.width, values: spread(targets, samples, (i) => (isFirst(i) ? before(i) : null)) }, weights: isWeighted ? Float32Array.from({ length: samples }, (_, i) => weightAt(i)) : undefined, read, close: async () => void (await Promise.all([first.close(), second.close()])) };
}

/** [samples x width]: those of the first's; zeros for the others, which have none. */
function spread({ width, values }: Targets, samples: number, rowAt: (i: number) => number | null): Float32Array {
  const out = new Float32Array(samples * width);
  for (let i = 0; i < samples; i++) {
    const row = rowAt(i);
    if (row !== null) out.set(values.subarray(row * width, (row + 1) * width), i * width);
  }
  return out;
}

function emptyRows(dtype: Source['dtype'], length: number): Rows {
  if (dtype === 'uint8') return new Uint8Array(length);
  return dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
}
