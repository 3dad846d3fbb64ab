/**
 * Batch normalisation in training on any backend: by kernels of its own where the backend has them, else composed.
 *
 *   x^ = (x - mean) / s,  s = sqrt(variance + epsilon),  y = gamma x^ + beta;  mean and biased variance over the N rows
 *   dbeta = sum(dy),  dgamma = sum(dy x^),  dx = gamma / s (dy - dbeta / N - x^ dgamma / N)
 *
 * Ioffe and Szegedy 2015. Shape suffixes: N rows, C columns.
 */
import type { Tensor } from '@tensorflow/tfjs';
import { kernelOf, type TensorFlow } from './backend.js';

export const normKernelName = 'StillhouseNorm';
export const normGradientKernelName = 'StillhouseNormGrad';

/** What is normalised, [rows x channels], and the layer's trained scale and shift, [channels]. */
export interface NormInputs {
  readonly x_NC: Tensor;
  readonly gamma_C: Tensor;
  readonly beta_C: Tensor;
  readonly epsilon: number;
}

/** The normalised values, [rows x channels], and the statistics by which they were, [channels]. */
export interface Normalised {
  readonly y_NC: Tensor;
  readonly mean_C: Tensor;
  readonly variance_C: Tensor;
}

/** `report` is given the statistics, which end with the tidy scope unless it keeps them. */
export function normalise(
  tf: TensorFlow,
  inputs: NormInputs,
  report: (statistics: Omit<Normalised, 'y_NC'>) => void,
): Tensor {
  const { epsilon } = inputs;
  const withGradient = tf.customGrad((x, gamma, beta, save) => {
    if (
      !(x instanceof tf.Tensor && gamma instanceof tf.Tensor && beta instanceof tf.Tensor) ||
      typeof save !== 'function'
    )
      throw new Error('a norm has three inputs');
    const { y_NC, mean_C, variance_C } = forward(tf, { x_NC: x, gamma_C: gamma, beta_C: beta, epsilon });
    report({ mean_C, variance_C });
    save([x, gamma, mean_C, variance_C]);
    return { value: y_NC, gradFunc: (dy: Tensor, saved: Tensor[]) => backward(tf, dy, saved, epsilon) };
  });
  return withGradient(inputs.x_NC, inputs.gamma_C, inputs.beta_C);
}

function forward(tf: TensorFlow, { x_NC, gamma_C, beta_C, epsilon }: NormInputs): Normalised {
  if (kernelOf(tf, normKernelName, tf.getBackend()) !== undefined) {
    const [y_NC, mean_C, variance_C] = three(
      tf.engine().runKernel(normKernelName, { x: x_NC, gamma: gamma_C, beta: beta_C }, { epsilon }),
    );
    return { y_NC, mean_C, variance_C };
  }
  const { mean: mean_C, variance: variance_C } = tf.moments(x_NC, 0);
  const scale_C = tf.mul(tf.rsqrt(tf.add(variance_C, epsilon)), gamma_C);
  return { y_NC: tf.add(tf.mul(tf.sub(x_NC, mean_C), scale_C), beta_C), mean_C, variance_C };
}

function backward(tf: TensorFlow, dy_NC: Tensor, saved: readonly Tensor[], epsilon: number): [Tensor, Tensor, Tensor] {
  const [x_NC, gamma_C, mean_C, variance_C] = saved;
  if (x_NC === undefined || gamma_C === undefined || mean_C === undefined || variance_C === undefined)
    throw new Error('a norm saves four tensors');
  if (kernelOf(tf, normGradientKernelName, tf.getBackend()) !== undefined) {
    const inputs = { x: x_NC, dy: dy_NC, mean: mean_C, variance: variance_C, gamma: gamma_C };
    return three(tf.engine().runKernel(normGradientKernelName, inputs, { epsilon }));
  }
  const [rows = 1] = x_NC.shape;
  const inverse_C = tf.rsqrt(tf.add(variance_C, epsilon));
  const normed_NC = tf.mul(tf.sub(x_NC, mean_C), inverse_C);
  const dbeta_C = tf.sum(dy_NC, 0);
  const dgamma_C = tf.sum(tf.mul(dy_NC, normed_NC), 0);
  const centred_NC = tf.sub(tf.sub(dy_NC, tf.div(dbeta_C, rows)), tf.mul(normed_NC, tf.div(dgamma_C, rows)));
  return [tf.mul(centred_NC, tf.mul(inverse_C, gamma_C)), dgamma_C, dbeta_C];
}

function three(results: Tensor | Tensor[]): [Tensor, Tensor, Tensor] {
  const [a, b, c] = Array.isArray(results) ? results : [];
  if (a === undefined || b === undefined || c === undefined) throw new Error('a norm kernel gives three tensors');
  return [a, b, c];
}
