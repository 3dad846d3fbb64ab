/** Numbers on their way into and out of an ONNX model: ours are float32, a model may want or give other types. Pure. */
import type { Tensor } from 'onnxruntime-node';
import { halfTable, toHalf } from '../../../../shared/labels/half.js';

export type Encoded =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const encoders: Partial<Record<Tensor.Type, (values: Float32Array) => Encoded>> = {
  float32: (values) => values,
  float16: (values) => Uint16Array.from(values, (value) => toHalf(value)),
  float64: (values) => Float64Array.from(values),
  int8: (values) => Int8Array.from(values, (value) => clamp(value, -128, 127)),
  uint8: (values) => Uint8Array.from(values, (value) => clamp(value, 0, 255)),
  int16: (values) => Int16Array.from(values, (value) => clamp(value, -(2 ** 15), 2 ** 15 - 1)),
  uint16: (values) => Uint16Array.from(values, (value) => clamp(value, 0, 2 ** 16 - 1)),
  int32: (values) => Int32Array.from(values),
  uint32: (values) => Uint32Array.from(values, (value) => clamp(value, 0, 2 ** 32 - 1)),
  int64: (values) => BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
  uint64: (values) => BigUint64Array.from(values, (value) => BigInt(Math.max(0, Math.trunc(value)))),
  bool: (values) => Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
};

/** Turns samples into what an input of that type takes (integers: rounded towards 0; bool: all but 0 is true); undefined for other types. */
export function encoderFor(type: Tensor.Type): ((values: Float32Array) => Encoded) | undefined {
  return encoders[type];
}

export const encodedTypes = Object.keys(encoders).join(', ');

/** An output's numbers as float32; null when they are of a type without numbers. */
export function decodeValues({ type, data }: Pick<Tensor, 'type' | 'data'>): Float32Array | null {
  if (type === 'float16') return decodeHalf(data);
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  if (!ArrayBuffer.isView(data) || type === 'bool') return null;
  return Float32Array.from(data);
}

/** As bits, or as numbers where the engine has arrays of float16. */
function decodeHalf(data: Tensor['data']): Float32Array | null {
  const table = halfTable();
  if (data instanceof Uint16Array) return Float32Array.from(data, (half) => table[half] ?? Number.NaN);
  return ArrayBuffer.isView(data) && !(data instanceof BigInt64Array) && !(data instanceof BigUint64Array)
    ? Float32Array.from(data)
    : null;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.trunc(value)));
}
