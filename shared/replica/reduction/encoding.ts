/**
 * How gradients lie in slots, travel and are logged: as float32, or rounded (recipe: `compression`).
 *
 *   none   float32
 *   bf16   2 bytes an element                          | zeros to a multiple of 16
 *   int8   a code an element, zeros to a multiple of 16 | a float32 scale for each 128 elements, zeros likewise
 *
 * A slot holds nothing but what can travel, so every node of the reduction tree is rounded, a micro-batch's own
 * gradient included, by whoever computes it: the same bits for any number of workers. What was rounded off is lost;
 * nothing is kept back for the next step. This file knows sizes and places; the arithmetic is in the kernels
 * (assembly/bf16.ts, assembly/int8.ts).
 */
import type { Compression } from '../../compression.js';
import type { Kernels } from '../kernels/kernels.js';

/** Elements of an int8 gradient that share a scale. */
export const blockFloats = 128;

/** Bytes of a gradient of `floats` elements, a multiple of 4, in an encoding: a multiple of 16. */
export function gradientBytes(compression: Compression, floats: number): number {
  switch (compression) {
    case 'none':
      return 4 * floats;
    case 'bf16':
      return to16(2 * floats);
    case 'int8':
      return scalesAt(floats) + to16(4 * Math.ceil(floats / blockFloats));
  }
}

/** The operations on rounded gradients of one length. Places are byte offsets, as the kernels take them. */
export interface GradientCodec {
  /** The gradient at `into` = the float32 at `from`, rounded. */
  encode(into: number, from: number): void;
  /** Elements [first, first + count) of the gradient at `from` as float32; `first` is a multiple of `blockFloats`. */
  decode(into: number, from: number, first: number, count: number): void;
  /** The gradient at `into` = the sum of both in float32, rounded. */
  add(into: number, from: number): void;
  /** Whether no element of the gradient at `at` is infinite or NaN. */
  isFinite(at: number): boolean;
}

/** @param floats elements of every gradient, a multiple of 4 */
export function codecOf(compression: Exclude<Compression, 'none'>, kernels: Kernels, floats: number): GradientCodec {
  return compression === 'bf16' ? bf16(kernels, floats) : int8(kernels, floats);
}

function bf16(kernels: Kernels, floats: number): GradientCodec {
  return {
    encode: (into, from) => kernels.encodeBf16(into, from, floats),
    decode: (into, from, first, count) => kernels.decodeBf16(into, from + 2 * first, count),
    add: (into, from) => kernels.addBf16(into, from, floats),
    isFinite: (at) => kernels.isFiniteBf16(at, floats),
  };
}

function int8(kernels: Kernels, floats: number): GradientCodec {
  const scales = scalesAt(floats);
  const blocks = Math.ceil(floats / blockFloats);
  return {
    encode: (into, from) => kernels.encodeInt8(into, into + scales, from, floats),
    decode: (into, from, first, count) =>
      kernels.decodeInt8(into, from + first, from + scales + (4 * first) / blockFloats, count),
    add: (into, from) => kernels.addInt8(into, into + scales, from, from + scales, floats),
    isFinite: (at) => kernels.isFinite(at + scales, Math.ceil(blocks / 4) * 4),
  };
}

/** Byte offset of the scales in an int8 gradient: they follow the codes, which are a byte each. */
function scalesAt(floats: number): number {
  return to16(floats);
}

function to16(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
