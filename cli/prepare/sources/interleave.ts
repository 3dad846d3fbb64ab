/**
 * Two sources as one, their samples evenly mixed: wherever the whole is cut, both are there by their shares. Only the
 * first has labels and targets. Pure.
 */
import { counted } from '../../../shared/counted.js';
import { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { joinedRoutes } from './route-cells.js';
import { areReordered, paddedOtherwise, rowsOfType, type Annotations, type Rows, type Source } from './source.js';

/** @throws UserError 2 when the samples of the two are not alike */
export function interleave(first: Source, second: Source): Source {
  checkAlike(first, second);
  const order = new MixedOrder(first.samples, second.samples);
  return {
    ...first,
    samples: order.samples,
    ...mixedAnnotations(order, first, second),
    notes: [...(first.notes ?? []), ...(second.notes ?? [])],
    read: (from, to) => readMixed(order, [first, second], from, to),
    readsOthers: () => [first, second].some((source) => source.readsOthers?.() === true),
    close: async () => void (await Promise.all([first.close(), second.close()])),
  };
}

function checkAlike(first: Source, second: Source): void {
  if (first.shape.join() !== second.shape.join())
    throw new UserError(
      `${second.file}: samples of [${second.shape.join(', ')}]; [${first.shape.join(', ')}] wanted, as in ${first.file}`,
    );
  if (first.dtype !== second.dtype)
    throw new UserError(`${second.file}: values of ${second.dtype}; ${first.dtype} wanted, as in ${first.file}`);
  if (areReordered(first, second))
    throw new UserError(`${second.file}: its columns are in another order; that of ${first.file} wanted`);
  const padded = paddedOtherwise(first, second);
  if (padded !== null)
    throw new UserError(`${second.file}: pad.${padded}.value is another; that of ${first.file} wanted`);
  const { positions = 1 } = first;
  if (second.positions !== undefined && second.positions !== positions)
    throw new UserError(
      `${second.file}: a mask of ${counted(second.positions, 'position')}; ${positions} wanted, as in ${first.file}`,
    );
}

/** Where the samples of both stand in the whole. Each keeps its own order. */
class MixedOrder {
  readonly samples: number;

  constructor(
    private readonly first: number,
    second: number,
  ) {
    this.samples = first + second;
  }

  /** Samples of the first source among the first `n` of the whole. */
  before(n: number): number {
    return Math.floor((n * this.first) / this.samples);
  }

  isFirst(i: number): boolean {
    return this.before(i + 1) > this.before(i);
  }
}

async function readMixed(
  order: MixedOrder,
  [first, second]: readonly [Source, Source],
  from: number,
  to: number,
): Promise<Rows> {
  const size = elementsIn(first.shape);
  const rows = [
    await first.read(order.before(from), order.before(to)),
    await second.read(from - order.before(from), to - order.before(to)),
  ] as const;
  const out = rowsOfType(first.dtype, (to - from) * size);
  let [a, b] = [0, 0];
  for (let i = from; i < to; i++)
    out.set(
      order.isFirst(i) ? rows[0].subarray(size * a, size * ++a) : rows[1].subarray(size * b, size * ++b),
      (i - from) * size,
    );
  return out;
}

function mixedAnnotations(order: MixedOrder, first: Source, second: Source): Annotations {
  const { samples } = order;
  const { targets, positions = 1 } = first;
  const isWeighted = first.weights !== undefined || second.weights !== undefined;
  const weights = [first.weights, perPosition(second, positions)] as const;
  const routes = joinedRoutes([first.routes, second.routes]);
  return {
    positions: first.positions,
    labels: mixed(order, new Int32Array(samples * positions).fill(-1), [first.labels, undefined]),
    targets:
      targets === undefined
        ? undefined
        : {
            width: targets.width,
            values: mixed(order, new Float32Array(samples * targets.width), [targets.values, undefined]),
          },
    weights: isWeighted ? mixed(order, new Float32Array(samples * positions).fill(1), weights) : undefined,
    routes: routes && {
      values: routes.values,
      of: mixed(order, new Int32Array(samples), [
        routes.of.subarray(0, first.samples),
        routes.of.subarray(first.samples),
      ]),
    },
  };
}

/** Fills `out` with the rows of both in their order; where one of them has none, what is there stays. */
function mixed<T extends Float32Array | Int32Array>(
  order: MixedOrder,
  out: T,
  [first, second]: readonly [T | undefined, T | undefined],
): T {
  const width = out.length / order.samples;
  for (let i = 0; i < order.samples; i++) {
    const [values, row] = order.isFirst(i) ? [first, order.before(i)] : [second, i - order.before(i)];
    if (values !== undefined) out.set(values.subarray(row * width, (row + 1) * width), i * width);
  }
  return out;
}

/** A source without a mask has one weight a sample at most, which each of the sample's positions gets. */
function perPosition({ weights, positions: own, samples }: Source, positions: number): Float32Array | undefined {
  if (weights === undefined || own !== undefined || positions === 1) return weights;
  return Float32Array.from({ length: samples * positions }, (_, at) => weights[Math.floor(at / positions)] ?? 1);
}
