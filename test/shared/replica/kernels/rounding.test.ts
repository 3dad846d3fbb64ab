import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../../../shared/replica/kernels/kernels.js';
import { createMemory } from '../../../../shared/replica/kernels/memory.js';
import { randomStream } from '../../../../shared/random.js';
import { blockFloats, codecOf, gradientBytes } from '../../../../shared/replica/reduction/encoding.js';
import { addRounded, decode, encode, roundings, type Rounding } from '../reduction/rounding.js';

const memory = createMemory(8 * 65536);
const kernels = loadKernels(memory);
const bytesAt = (at: number, length: number): Uint8Array => new Uint8Array(memory.buffer, at, length);
const [source, first, second, back] = [0, 65536, 2 * 65536, 3 * 65536] as const;
const guard = 0xa5;

/** By the kernels, in memory that is full of something else; what lies behind must stay as it is. */
function encoded(rounding: Rounding, values: Float32Array, at: number = first): Uint8Array {
  new Float32Array(memory.buffer, source, values.length).set(values);
  const size = gradientBytes(rounding, values.length);
  bytesAt(at, size + 64).fill(guard);
  codecOf(rounding, kernels, values.length).encode(at, source);
  expect(
    bytesAt(at + size, 64).every((byte) => byte === guard),
    'wrote behind its end',
  ).toBe(true);
  return Uint8Array.from(bytesAt(at, size));
}

function decoded(rounding: Rounding, bytes: Uint8Array, floats: number): Float32Array {
  bytesAt(first, bytes.length).set(bytes);
  bytesAt(back, 4 * floats + 64).fill(guard);
  codecOf(rounding, kernels, floats).decode(back, first, 0, floats);
  expect(
    bytesAt(back + 4 * floats, 64).every((byte) => byte === guard),
    'wrote behind its end',
  ).toBe(true);
  return Float32Array.from(new Float32Array(memory.buffer, back, floats));
}

function added(rounding: Rounding, left: Float32Array, right: Float32Array): Uint8Array {
  encoded(rounding, left, first);
  encoded(rounding, right, second);
  codecOf(rounding, kernels, left.length).add(first, second);
  return Uint8Array.from(bytesAt(first, gradientBytes(rounding, left.length)));
}

/** Numbers of very different size, zeros among them. */
function numbers(n: number, seed: number, spread = 12): Float32Array {
  const stream = randomStream([seed, 'rounding']);
  return Float32Array.from({ length: n }, () =>
    stream.float() < 0.1 ? 0 : (stream.float() - 0.5) * 10 ** (stream.below(spread) - spread + 2),
  );
}

/** Any float32, also NaN, infinite and denormal. */
const anyFloats = fc
  .array(
    fc.oneof(
      fc.float(),
      fc.constantFrom(0, -0, 1e-45, -1e-40, 3.4e38, -3.4028234e38, 1.7014118e38, NaN, Infinity, -Infinity),
    ),
    { minLength: 1, maxLength: 75 },
  )
  .map((list) => Float32Array.from({ length: 4 * list.length }, (_, i) => list[i % list.length] ?? 0));
/** Every tail of a vector, of a block, and of a few blocks. */
const sizes = Array.from({ length: (3 * blockFloats) / 4 + 2 }, (_, i) => 4 * (i + 1));

describe.each(roundings)('rounding to %s', (rounding) => {
  it('gives the bits of the reference at every length', () => {
    for (const n of sizes) {
      const [a, b] = [numbers(n, n), numbers(n, n + 1)];
      const bytes = encoded(rounding, a);
      expect([n, ...bytes]).toEqual([n, ...encode(rounding, a)]);
      expect(decoded(rounding, bytes, n)).toEqual(decode(rounding, bytes, n));
      expect([n, ...added(rounding, a, b)]).toEqual([
        n,
        ...addRounded(rounding, encode(rounding, a), encode(rounding, b), n),
      ]);
    }
  });

  it('gives the bits of the reference for any numbers, and says which are not finite', () => {
    fc.assert(
      fc.property(anyFloats, fc.nat(), (a, seed) => {
        const b = numbers(a.length, seed, 40);
        const bytes = encoded(rounding, a);
        expect([...bytes]).toEqual([...encode(rounding, a)]);
        const isFinite = codecOf(rounding, kernels, a.length).isFinite(first);
        expect(isFinite).toBe(decoded(rounding, bytes, a.length).every(Number.isFinite));
        if (!a.every(Number.isFinite)) expect(isFinite).toBe(false);
        expect([...added(rounding, a, b)]).toEqual([
          ...addRounded(rounding, encode(rounding, a), encode(rounding, b), a.length),
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it('changes nothing that is rounded already', () => {
    fc.assert(
      fc.property(anyFloats, (values) => {
        const bytes = encoded(rounding, values);
        const once = decoded(rounding, bytes, values.length);
        // An infinite block of int8 decodes to NaN, and NaN to the same bytes again.
        expect([...encoded(rounding, once)]).toEqual([...bytes]);
      }),
      { numRuns: 500 },
    );
  });

  it('decodes a piece from any block on as the whole', () => {
    const n = 5 * blockFloats + 12;
    const whole = decoded(rounding, encoded(rounding, numbers(n, 3)), n);
    const codec = codecOf(rounding, kernels, n);
    for (const [from, to] of [
      [0, blockFloats],
      [2 * blockFloats, 4 * blockFloats],
      [5 * blockFloats, n],
    ] as const) {
      codec.decode(back, first, from, to - from);
      expect(Float32Array.from(new Float32Array(memory.buffer, back, to - from))).toEqual(whole.slice(from, to));
    }
  });
});

describe('bf16', () => {
  const halves = (...values: number[]): number[] =>
    [
      ...new Uint16Array(
        encoded(
          'bf16',
          Float32Array.from({ length: 4 }, (_, i) => values[i] ?? 0),
        ).buffer.slice(0, 8),
      ),
    ].slice(0, values.length);

  it('rounds to the nearest, and ties to even', () => {
    expect(halves(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20)).toEqual([0x3f80, 0x3f80, 0x3f82, 0x3f81]);
  });

  it('rounds to infinity beyond its largest number, keeps the sign of zero, and has one NaN', () => {
    expect(halves(3.4e38, -0, NaN, -3.3895314e38)).toEqual([0x7f80, 0x8000, 0x7fc0, 0xff7f]);
  });

  it('loses at most 1/256 of an element', () => {
    const values = numbers(1000, 8, 30);
    decode('bf16', encoded('bf16', values), 1000).forEach((x, i) =>
      expect(Math.abs(x - (values[i] ?? NaN))).toBeLessThanOrEqual(Math.abs(values[i] ?? NaN) / 256),
    );
  });
});

describe('int8', () => {
  const n = 2 * blockFloats;
  const roundTrip = (values: Float32Array): Float32Array => decode('int8', encoded('int8', values), values.length);

  it('loses at most half a scale of an element, the scale being a 127th of the largest in its block, up to 2^-16 of it', () => {
    const values = numbers(n, 4, 6);
    const scales = [0, blockFloats].map(
      (from) =>
        (values.subarray(from, from + blockFloats).reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127) *
        (1 + 2 ** -16),
    );
    roundTrip(values).forEach((x, i) =>
      expect(Math.abs(x - (values[i] ?? NaN))).toBeLessThanOrEqual(
        (scales[Math.floor(i / blockFloats)] ?? NaN) * 0.5001,
      ),
    );
  });

  it('gives the largest element the code 127, and keeps its sign', () => {
    expect(
      [...encoded('int8', Float32Array.of(0.25, -1, 1e-3, 0)).subarray(0, 4)].map((code) => (code << 24) >> 24),
    ).toEqual([32, -127, 0, 0]);
  });

  it('loses all others beside one huge value, in its own block alone', () => {
    const values = new Float32Array(n).fill(0.01);
    values[5] = 1e20;
    const found = roundTrip(values);
    expect([...found.subarray(0, 8)].map((x) => x > 0)).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(Math.abs((found[5] ?? 0) / 1e20 - 1)).toBeLessThan(2 ** -15);
    expect(found.subarray(blockFloats).every((x) => Math.abs(x - 0.01) < 1e-6)).toBe(true);
  });

  it('takes blocks of zeros and of denormals for zeros', () => {
    const values = new Float32Array(n);
    values.fill(1e-40, 0, blockFloats);
    expect(encoded('int8', values).every((byte) => byte === 0)).toBe(true);
  });
});
