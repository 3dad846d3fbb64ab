/**
 * Batch normalisation in training: each micro-batch by its own statistics (ghost batches), which are kept for the
 * replicas' moving values instead of being folded into tfjs's. In inference tfjs's own layer runs, by the moving
 * values. Shape suffixes: N rows x positions, C channels.
 */
import type { Tensor } from '@tensorflow/tfjs';
import type { layers } from '@tensorflow/tfjs';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import type { TensorFlow } from '../../backends/backend.js';
import { normalise } from '../../backends/norm.js';

type Layer = layers.Layer;

/** Statistics of one layer's last training forward. */
export interface BatchStatistics {
  readonly mean_C: Tensor;
  readonly variance_C: Tensor;
  /** Values that each was taken over. */
  readonly count: number;
}

/** A batch-norm layer of a live model, made to keep the statistics of its training forwards. */
export class Norm {
  readonly momentum: number;
  #statistics: BatchStatistics | null = null;

  /** Replaces the layer's forward. A frozen layer always runs in inference mode, as in Keras. @throws UserError 65 */
  constructor(tf: TensorFlow, layer: Layer, { isFrozen }: { readonly isFrozen: boolean }) {
    const { axis, momentum, epsilon } = settingsOf(layer);
    this.momentum = momentum;
    const infer = layer.call.bind(layer);
    layer.call = (inputs, kwargs) => {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      if (x === undefined) throw new Error(`layer ${layer.name} got no input`);
      const isLast = axis === -1 || axis === x.rank - 1;
      const [gamma, beta] = ['gamma', 'beta'].map((name) => weightOf(layer, name));
      if (isFrozen && isLast && (gamma === undefined || beta === undefined)) return inferred(tf, x, layer, epsilon);
      if (isFrozen || kwargs.training !== true) return infer(inputs, { ...kwargs, training: false });
      if (!isLast) throw axisError(layer, axis);
      return tf.tidy(() => this.#normalise(tf, x, { gamma, beta, epsilon }));
    };
  }

  /** Takes the statistics of the last training forward; whoever takes them disposes of them. Null if it was not run. */
  takeStatistics(): BatchStatistics | null {
    const taken = this.#statistics;
    this.#statistics = null;
    return taken;
  }

  discardStatistics(): void {
    const taken = this.takeStatistics();
    taken?.mean_C.dispose();
    taken?.variance_C.dispose();
  }

  #normalise(
    tf: TensorFlow,
    x: Tensor,
    { gamma, beta, epsilon }: { gamma: Tensor | undefined; beta: Tensor | undefined; epsilon: number },
  ): Tensor {
    const channels = x.shape.at(-1) ?? 1;
    const count = x.size / channels;
    const inputs = {
      x_NC: x.reshape([count, channels]),
      gamma_C: gamma ?? tf.ones([channels]),
      beta_C: beta ?? tf.zeros([channels]),
      epsilon,
    };
    const y_NC = normalise(tf, inputs, ({ mean_C, variance_C }) => {
      this.#statistics = { mean_C: tf.keep(mean_C.clone()), variance_C: tf.keep(variance_C.clone()), count };
    });
    return y_NC.reshape(x.shape);
  }
}

/** The layer's inference where it lacks gamma or beta, of which tfjs has no gradient with respect to the input. */
function inferred(tf: TensorFlow, x: Tensor, layer: Layer, epsilon: number): Tensor {
  return tf.tidy(() => {
    const [mean, variance] = ['moving_mean', 'moving_variance'].map((name) => weightOf(layer, name));
    if (mean === undefined || variance === undefined) throw new Error(`layer ${layer.name} has no moving values`);
    const [gamma = tf.onesLike(mean), beta = tf.zerosLike(mean)] = ['gamma', 'beta'].map((name) =>
      weightOf(layer, name),
    );
    return tf.batchNorm(x, mean, variance, beta, gamma, epsilon);
  });
}

function settingsOf(layer: Layer): { axis: number; momentum: number; epsilon: number } {
  const { axis, momentum, epsilon } = layer.getConfig();
  const only = Array.isArray(axis) && axis.length === 1 ? axis[0] : axis;
  if (typeof only !== 'number') throw axisError(layer, axis);
  return {
    axis: only,
    momentum: typeof momentum === 'number' ? momentum : 0.99,
    epsilon: typeof epsilon === 'number' ? epsilon : 1e-3,
  };
}

function axisError(layer: Layer, axis: unknown): UserError {
  return new UserError(
    `student layer ${layer.name} (BatchNormalization): axis is ${String(axis)}; the last one was wanted`,
    exitCodes.data,
  );
}

function weightOf(layer: Layer, name: string): Tensor | undefined {
  return layer.weights.find((weight) => weight.originalName.endsWith(`/${name}`))?.read();
}
