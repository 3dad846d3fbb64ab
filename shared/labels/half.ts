/** IEEE 754 half precision: float32 to 16 bits, rounded to nearest even, and back by table. Pure. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
/** The largest finite half. A number beyond it is kept as this one. */
export const largestHalf = 65504;

/** The half nearest to `value`, ties to even; |value| above 65504 becomes 65504. */
export function toHalf(value: number): number {
  float[0] = Math.max(-largestHalf, Math.min(largestHalf, value));
  const x = bits[0] ?? 0;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude < 0x38800000) return sign | subnormal(Math.abs(float[0]));
  // The exponent is moved from bias 127 to 15; the 13 bits that go decide the rounding.
  const moved = magnitude - 0x38000000;
  return sign | ((moved + 0x0fff + ((moved >>> 13) & 1)) >>> 13);
}

/** Below 2^-14 halves are multiples of 2^-24. */
function subnormal(magnitude: number): number {
  const scaled = magnitude * 2 ** 24;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function fromHalf(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

let table: Float32Array | null = null;

/** The values of all halves, by their 16 bits: [65536]. */
export function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, half) => fromHalf(half));
  return table;
}
