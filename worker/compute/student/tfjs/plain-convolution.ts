/**
 * Convolutions without bias and activation, as in front of a batch norm, run as tfjs's plain operation. The fused one,
 * which the layer would take, always computes the gradient of its input as well: a waste where that is the data.
 */
import type { layers } from '@tensorflow/tfjs';
import { shape4 } from '../../backends/attrs.js';
import type { TensorFlow } from '../../backends/backend.js';

/** Replaces the forward of a Conv2D layer, where it has neither bias nor activation. */
export function unfuse(tf: TensorFlow, layer: layers.Layer): void {
  const { useBias, activation, strides, padding } = layer.getConfig();
  if (useBias !== false || activation !== 'linear' || (padding !== 'same' && padding !== 'valid')) return;
  const [high, wide] = Array.isArray(strides) ? strides.map(Number) : [];
  if (high === undefined || wide === undefined) throw new Error(`layer ${layer.name} has no strides`);
  layer.call = (inputs) =>
    tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      const kernel = layer.weights[0]?.read();
      if (x === undefined || kernel === undefined) throw new Error(`layer ${layer.name} has no input or no kernel`);
      return tf.conv2d(x.as4D(...shape4(x.shape)), kernel.as4D(...shape4(kernel.shape)), [high, wide], padding);
    });
}
