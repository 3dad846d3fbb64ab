/** What the rounding kernels must give, element by element in plain TypeScript: gradients as their bytes, and back. */
import type { Compression } from '../../../../shared/compression.js';
import { blockFloats, gradientBytes } from '../../../../shared/replica/reduction/encoding.js';

export type Rounding = Exclude<Compression, 'none'>;
export const roundings: readonly Rounding[] = ['bf16', 'int8'];

const f = Math.fround;
const words = new DataView(new ArrayBuffer(4));

function bitsOf(x: number): number {
  words.setFloat32(0, x);
  return words.getUint32(0);
}

function ofBits(bits: number): number {
  words.setUint32(0, bits);
  return words.getFloat32(0);
}

/** To the nearest, of two as near the even one. */
function nearestEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

export function encode(rounding: Rounding, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(gradientBytes(rounding, values.length));
  const view = new DataView(bytes.buffer);
  if (rounding === 'bf16') values.forEach((x, i) => view.setUint16(2 * i, bf16(x), true));
  else {
    for (let first = 0; first < values.length; first += blockFloats) {
      const block = values.subarray(first, first + blockFloats);
      const scale = scaleOf(block);
      view.setFloat32(scaleAt(values.length, first), scale, true);
      block.forEach((x, i) =>
        view.setInt8(first + i, scale === 0 || scale === Infinity ? 0 : nearestEven(f(x * f(1 / scale)))),
      );
    }
  }
  return bytes;
}

export function decode(rounding: Rounding, bytes: Uint8Array, floats: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: floats }, (_, i) => {
    if (rounding === 'bf16') return ofBits(view.getUint16(2 * i, true) * 65536);
    return view.getInt8(i) * view.getFloat32(scaleAt(floats, i), true);
  });
}

/** A node of the reduction tree. */
export function addRounded(rounding: Rounding, left: Uint8Array, right: Uint8Array, floats: number): Uint8Array {
  const [a, b] = [decode(rounding, left, floats), decode(rounding, right, floats)];
  return encode(
    rounding,
    a.map((x, i) => x + (b[i] ?? NaN)),
  );
}

function bf16(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0;
  const bits = bitsOf(x);
  const rest = bits & 0xffff;
  const upper = bits >>> 16;
  return rest > 0x8000 || (rest === 0x8000 && upper % 2 === 1) ? upper + 1 : upper;
}

function scaleOf(block: Float32Array): number {
  const largest = block.reduce((most, x) => (Number.isNaN(x) || Math.abs(x) > most ? Math.abs(x) : most), 0);
  if (Number.isNaN(largest) || block.some(Number.isNaN) || largest >= 2 ** 127) return Infinity;
  if (largest < 127 * 2 ** -126) return 0;
  const bits = bitsOf(f(largest / 127));
  return ofBits(Math.ceil(bits / 128) * 128);
}

function scaleAt(floats: number, i: number): number {
  return Math.ceil(floats / 16) * 16 + 4 * Math.floor(i / blockFloats);
}
