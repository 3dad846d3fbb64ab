/** A kernel written with the operations of other kernels, and the typed reading of what the engine hands it. */
import type { NamedAttrMap, Tensor, Tensor4D } from '@tensorflow/tfjs';
import { shape4 } from '../attrs.js';
import type { TensorFlow } from '../backend.js';

/** The tensors that a kernel is given, by the names that tfjs has for them. */
export type Inputs = Readonly<Record<string, Tensor>>;
/** Runs inside a tidy scope; gives one tensor. */
export type Composition = (tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap) => Tensor;

/** A kernel's input by its name. @throws Error when the engine has not given it */
export function inputOf(inputs: Inputs, name: string): Tensor {
  const found = inputs[name];
  if (found === undefined) throw new Error(`a kernel needs the input ${name}`);
  return found;
}

/** An input of shape [batch, height, width, channels]. */
export function imagesOf(inputs: Inputs, name: string): Tensor4D {
  const found = inputOf(inputs, name);
  return found.as4D(...shape4(found.shape));
}
