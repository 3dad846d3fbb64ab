/**
 * Adapters: small trained maps from a student's tap to what a teacher's tap looks like (Romero et al. 2015). They are
 * weights of the replica, named `adapter/<term>/<number>/...`, and no part of the student.
 *
 *   conv1x1   y = x W + b at every place, W [C, C']          dense   y = x W + b over the whole sample, W [D, D']
 *   then, where the recipe wants them: batch norm by the micro-batch's statistics, ReLU
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import type { WeightSpec } from '../../../../shared/models/student-spec.js';
import { randomStream } from '../../../../shared/random.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import { elementsIn } from '../../../../shared/shape.js';
import type { TensorFlow } from '../../backends/backend.js';
import { normalise } from '../../backends/norm.js';

export interface AdapterShapes {
  /** Of the student's tap, one sample, channels last. */
  readonly student: readonly number[];
  readonly teacher: readonly number[];
}

/**
 * Its weights with their initial values: Glorot's uniform ones (2010) from the stream of seed and name, zeros, ones.
 */
export function adapterWeights(
  pair: TapPair,
  shapes: AdapterShapes,
  seed: number,
): { spec: WeightSpec; values: Float32Array }[] {
  if (pair.adapter === undefined || pair.adapter === 'identity') return [];
  const isDense = pair.adapter === 'dense';
  const [from, to] = isDense
    ? [elementsIn(shapes.student), elementsIn(shapes.teacher)]
    : [shapes.student.at(-1) ?? 1, shapes.teacher.at(-1) ?? 1];
  const layer = `adapter/${pair.key}`;
  const weight = (
    name: string,
    shape: number[],
    value: (i: number) => number,
  ): { spec: WeightSpec; values: Float32Array } => ({
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

/** @param tap [rows x ...] @param variable by the weight's name behind the adapter's */
export function applyAdapter(tf: TensorFlow, pair: TapPair, tap: Tensor, variable: (name: string) => Variable): Tensor {
  if (pair.adapter === undefined || pair.adapter === 'identity') return tap;
  const [rows = 1] = tap.shape;
  const kernel = variable('kernel');
  const [from = 1, to = 1] = kernel.shape;
  const linear = tf.add(tf.matMul(tap.reshape([-1, from]), kernel), variable('bias'));
  const normed = pair.batchNorm
    ? normalise(
        tf,
        { x_NC: linear, gamma_C: variable('gamma'), beta_C: variable('beta'), epsilon: 1e-3 },
        () => undefined,
      )
    : linear;
  const active = pair.activation === 'relu' ? tf.relu(normed) : normed;
  return active.reshape(pair.adapter === 'dense' ? [rows, to] : [...tap.shape.slice(0, -1), to]);
}
