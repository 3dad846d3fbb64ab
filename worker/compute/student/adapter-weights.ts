/**
 * The weights of adapters, small trained maps from a student's tap to what a teacher's tap looks like (Romero et al.
 * 2015). They are weights of the replica, named `adapter/<term>/<number>/...`, and no part of the student.
 *
 *   conv1x1   y = x W + b at every place, W [C, C']          dense   y = x W + b over the whole sample, W [D, D']
 *   then, where the recipe wants them: batch norm by the micro-batch's statistics, ReLU
 *
 * Pure.
 */
import type { TapPair } from '../../../shared/losses/term.js';
import type { WeightSpec } from '../../../shared/models/student-spec.js';
import { elementsIn } from '../../../shared/shape.js';
import { randomStream } from '../../../shared/random.js';

/** One sample's shapes, channels last. */
export interface AdapterShapes {
  readonly student: readonly number[];
  readonly teacher: readonly number[];
}

/** A weight of an adapter, with its initial values. */
export interface AdapterWeight {
  readonly spec: WeightSpec;
  readonly values: Float32Array;
}

/** The beginning of the names of an adapter's weights. */
export function adapterName({ key }: Pick<TapPair, 'key'>): string {
  return `adapter/${key}`;
}

/**
 * An adapter's weights with their initial values: the kernel uniform in +-sqrt(6 / (fan in + fan out)) (Glorot and
 * Bengio 2010), from the stream of seed and name; zeros and ones.
 *
 * @returns none for a pair without an adapter
 */
export function adapterWeights(pair: TapPair, shapes: AdapterShapes, seed: number): AdapterWeight[] {
  if (pair.adapter === undefined || pair.adapter === 'identity') return [];
  const isDense = pair.adapter === 'dense';
  const [from, to] = isDense
    ? [elementsIn(shapes.student), elementsIn(shapes.teacher)]
    : [shapes.student.at(-1) ?? 1, shapes.teacher.at(-1) ?? 1];
  const layer = adapterName(pair);
  const weight = (name: string, shape: number[], value: (i: number) => number): AdapterWeight => ({
    spec: { name: `${layer}/${name}`, layer, shape, kind: 'trained', adapter: true },
    values: Float32Array.from({ length: elementsIn(shape) }, (_, i) => value(i)),
  });
  const random = randomStream([seed, 'initial', layer, 'kernel']);
  const limit = Math.sqrt(6 / (from + to));
  return [
    weight('kernel', [from, to], () => limit * (2 * random.float() - 1)),
    weight('bias', [to], () => 0),
    ...(pair.batchNorm ? [weight('gamma', [to], () => 1), weight('beta', [to], () => 0)] : []),
  ];
}
