/** Two sources as one, their samples evenly mixed: wherever the whole is cut, both are there by their shares. */
import { UserError } from '../../../shared/errors.js';
import type { Rows, Source } from './rows.js';

/** @throws UserError 2 when their samples are not alike */
export function interleave(first: Source, second: Source): Source {
  if (first.shape.join() !== second.shape.join())
    throw new UserError(
      `${second.file}: samples of [${second.shape.join(', ')}]; [${first.shape.join(', ')}] wanted, as in ${first.file}`,
    );
  if (first.dtype !== second.dtype)
    throw new UserError(`${second.file}: values of ${second.dtype}; ${first.dtype} wanted, as in ${first.file}`);
  const samples = first.samples + second.samples;
  const size = first.shape.reduce((product, dim) => product * dim, 1);
  /** Samples of the first among the first `n` of the whole. */
  const before = (n: number): number => Math.floor((n * first.samples) / samples);
  const isFirst = (i: number): boolean => before(i + 1) > before(i);
  const read = async (from: number, to: number): Promise<Rows> => {
    const [ofFirst, ofSecond] = [
      await first.read(before(from), before(to)),
      await second.read(from - before(from), to - before(to)),
    ];
    const out = emptyRows(first.dtype, (to - from) * size);
    let [a, b] = [0, 0];
    for (let i = from; i < to; i++)
      out.set(
        isFirst(i) ? ofFirst.subarray(size * a, size * ++a) : ofSecond.subarray(size * b, size * ++b),
        (i - from) * size,
      );
    return out;
  };
  const { targets, positions = 1 } = first;
  if (second.positions !== undefined && second.positions !== positions)
    throw new UserError(
      `${second.file}: a mask of ${second.positions} positions; ${positions} wanted, as in ${first.file}`,
    );
  /** [samples x width]: those of the one that sample i is of, at its row there. */
  const mixed = <T extends Float32Array | Int32Array>(
    out: T,
    width: number,
    ofFirst: T | undefined,
    ofSecond: T | undefined,
  ): T => {
    for (let i = 0; i < samples; i++) {
      const [values, row] = isFirst(i) ? [ofFirst, before(i)] : [ofSecond, i - before(i)];
      if (values !== undefined) out.set(values.subarray(row * width, (row + 1) * width), i * width);
    }
    return out;
  };
  const isWeighted = first.weights !== undefined || second.weights !== undefined;
  return {
    ...first,
    samples,
    read,
    close: async () => void (await Promise.all([first.close(), second.close()])),
    labels: mixed(new Int32Array(samples * positions).fill(-1), positions, first.labels, undefined),
    targets:
      targets === undefined
        ? undefined
        : {
            width: targets.width,
            values: mixed(new Float32Array(samples * targets.width), targets.width, targets.values, undefined),
          },
    weights: isWeighted
      ? mixed(new Float32Array(samples * positions).fill(1), positions, first.weights, perPosition(second, positions))
      : undefined,
  };
}

/** A source without a mask has a weight a sample at most. */
function perPosition({ weights, positions: own, samples }: Source, positions: number): Float32Array | undefined {
  if (weights === undefined || own !== undefined || positions === 1) return weights;
  return Float32Array.from({ length: samples * positions }, (_, at) => weights[Math.floor(at / positions)] ?? 1);
}

function emptyRows(dtype: Source['dtype'], length: number): Rows {
  if (dtype === 'uint8') return new Uint8Array(length);
  return dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
}
