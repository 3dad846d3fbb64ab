/** Reading what tfjs hands its kernels beside tensors: checked by the operations that call them, typed loosely. */
import type { NamedAttrMap } from '@tensorflow/tfjs';

/** The four dimensions of a tensor, such as [rows, height, width, channels]. */
export type Shape4 = [number, number, number, number];

/** The first four dimensions of a shape; missing ones are 1. */
export function shape4(shape: readonly number[]): Shape4 {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  return [a, b, c, d];
}

/** The settings of a convolution or a pool: strides and dilations as [height, width]. */
export interface ConvolutionAttrs {
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly pad: Padding;
  readonly dimRoundingMode: 'floor' | 'round' | 'ceil' | undefined;
}

/** How a window's input is padded: by a rule, by one number on all sides, or side by side. */
export type Padding = 'same' | 'valid' | number | ExplicitPadding;

/** Elements before and after each of the four dimensions. */
export type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];

/** Reads the settings that tfjs's convolution operations hand to their kernels, and have checked. Channels are last. */
export function convolutionAttrs(attrs: NamedAttrMap): ConvolutionAttrs {
  return {
    strides: pairAttr(attrs, 'strides'),
    dilations: pairAttr(attrs, 'dilations'),
    pad: attrs.pad as Padding,
    dimRoundingMode: attrs.dimRoundingMode as ConvolutionAttrs['dimRoundingMode'],
  };
}

/** Reads an attribute that is a shape. @throws Error when it is not there */
export function shapeAttr(attrs: NamedAttrMap, name: string): Shape4 {
  const value = attrs[name];
  if (!Array.isArray(value)) throw new Error(`a kernel needs the shape ${name}`);
  return shape4(value.map(Number));
}

/** Two numbers, or one for both; 1 where there are none. */
export function pairAttr(attrs: NamedAttrMap, name: string): [number, number] {
  const value = attrs[name];
  if (Array.isArray(value)) return [Number(value[0]), Number(value[1])];
  return typeof value === 'number' ? [value, value] : [1, 1];
}

/** The attribute `axis`: one axis, several, or all where there is none; not negative, ascending. */
export function axesAttr({ axis }: { readonly axis?: NamedAttrMap[string] | null }, rank: number): number[] {
  const axes =
    axis === null || axis === undefined ? Array.from({ length: rank }, (_, i) => i) : [axis].flat().map(Number);
  return axes.map((one) => (one < 0 ? one + rank : one)).sort((a, b) => a - b);
}
