/** A kernel written with the operations of other kernels, and the typed reading of what the engine hands it. */
import type { NamedAttrMap, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.js';

export type Inputs = Readonly<Record<string, Tensor>>;
/** Runs inside a tidy scope; gives one tensor. */
export type Composition = (tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap) => Tensor;

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

export type Shape4 = [number, number, number, number];

export function shape4(shape: readonly number[]): Shape4 {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  return [a, b, c, d];
}

export interface ConvolutionAttrs {
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly pad: Padding;
  readonly dimRoundingMode: 'floor' | 'round' | 'ceil' | undefined;
}

export type Padding = 'same' | 'valid' | number | ExplicitPadding;
export type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];

/** As tfjs's convolution operations hand them to their kernels: channels last, checked there. */
export function convolutionAttrs(attrs: NamedAttrMap): ConvolutionAttrs {
  return {
    strides: pair(attrs.strides, 1),
    dilations: pair(attrs.dilations, 1),
    pad: attrs.pad as Padding,
    dimRoundingMode: attrs.dimRoundingMode as ConvolutionAttrs['dimRoundingMode'],
  };
}

export function shapeAttr(attrs: NamedAttrMap, name: string): Shape4 {
  const value = attrs[name];
  if (!Array.isArray(value)) throw new Error(`a kernel needs the shape ${name}`);
  return shape4(value.map(Number));
}

function pair(value: unknown, byDefault: number): [number, number] {
  if (Array.isArray(value)) return [Number(value[0]), Number(value[1])];
  const one = typeof value === 'number' ? value : byDefault;
  return [one, one];
}
