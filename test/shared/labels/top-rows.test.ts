import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsAt, putBits } from '../../../shared/labels/bits.js';
import { totalVariation } from '../../../shared/labels/precision.js';
import { topCodec, topError, topFormOf } from '../../../shared/labels/top-rows.js';
import { randomStream } from '../../../shared/random.js';
import { sha256Of } from '../../../shared/sha256.js';

/** Log-probabilities of a softmax over classes in a mixed order: one over the rank to the power of `fall`. */
function zipf(classes: number, fall: number): Float32Array {
  const random = randomStream(['zipf', classes, fall]);
  const weights = Float64Array.from({ length: classes }, (_, i) => Math.exp(-fall * Math.log(i + 1)));
  const sum = weights.reduce((a, b) => a + b, 0);
  const logs = Float32Array.from(weights, (w) => Math.log(w / sum));
  for (let i = classes - 1; i > 0; i--) {
    const j = Math.floor(random.float() * (i + 1));
    [logs[i], logs[j]] = [logs[j] ?? 0, logs[i] ?? 0];
  }
  return logs;
}

function roundTrip(k: number, logs: Float32Array): { bytes: Uint8Array; out: Float32Array; fault: string | null } {
  const codec = topCodec(k, logs.length);
  const bytes = new Uint8Array(codec.rowBytes + 2).fill(7);
  const rows = codec.open(bytes.buffer, 1, 1);
  rows.write(0, logs, 0);
  expect([bytes[0], bytes.at(-1)]).toEqual([7, 7]);
  const out = new Float32Array(logs.length);
  rows.read(0, out, 0);
  return { bytes: bytes.slice(1, -1), out, fault: rows.fault(0) };
}

/** The mass of all but the k likeliest classes, and the logarithm of the likeliest by the k-th. */
function tailOf(logs: Float32Array, k: number): { mass: number; spread: number } {
  const sorted = logs.slice().sort().reverse();
  const mass = sorted.slice(k).reduce((sum, log) => sum + Math.exp(log), 0);
  return { mass, spread: (sorted[0] ?? 0) - (sorted[k - 1] ?? 0) };
}

describe('rows of the likeliest classes', () => {
  it.each([
    [50, 50_000, 114],
    [128, 50_000, 300],
    [50, 131_072, 123],
    [16, 1000, 36],
    [10, 10, 17],
    [1, 2, 4],
  ])('of %i of %i classes take %i bytes at most', (k, classes, bytes) => {
    expect(topFormOf(k, classes).rowBytes).toBeLessThanOrEqual(bytes);
  });

  it.each([
    [50, 50_000],
    [128, 50_000],
    [16, 1000],
    [20, 20],
    [1, 1],
  ])('of %i of %i classes hold the bound that they state, for flat and steep distributions', (k, classes) => {
    for (const fall of [0, 0.5, 1, 1.5, 3, 20]) {
      const logs = zipf(classes, fall);
      const { out, fault } = roundTrip(k, logs);
      const { mass, spread } = tailOf(logs, k);
      expect(fault).toBeNull();
      expect(totalVariation(logs, out)).toBeLessThanOrEqual(mass + topError(topFormOf(k, classes), spread));
      expect(out.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 5);
    }
  });

  it('keep the same classes, in the same order of likelihood', () => {
    const logs = zipf(5000, 1);
    const { out } = roundTrip(40, logs);
    const byValue = [...logs.keys()].sort((a, b) => (logs[b] ?? 0) - (logs[a] ?? 0));
    const floor = Math.min(...out);
    expect([...out.keys()].filter((c) => (out[c] ?? 0) > floor)).toEqual(byValue.slice(0, 40).sort((a, b) => a - b));
    byValue.slice(0, 39).forEach((c, i) => expect(out[c]).toBeGreaterThanOrEqual(out[byValue[i + 1] ?? 0] ?? 0));
  });

  it('have the same bytes and the same values on every machine', () => {
    const { bytes, out } = roundTrip(50, zipf(50_000, 1));
    expect([sha256Of(bytes).slice(0, 16), sha256Of(new Uint8Array(out.buffer)).slice(0, 16)]).toMatchInlineSnapshot(`
      [
        "97cc09016c90e220",
        "88c68f14cda23dcb",
      ]
    `);
  });

  it.each([
    ['no number', NaN],
    ['infinity', Infinity],
    ['a probability above 1', 0.1],
    ['too much', Math.log(0.9)],
  ])('of %s have a fault', (_case, value) => {
    const logs = zipf(100, 1);
    logs[50] = value;
    expect(roundTrip(8, logs).fault).toBe('values that are no distribution');
  });

  it('are a distribution whatever their bits, unless they have a fault', () => {
    const codec = topCodec(3, 9);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: codec.rowBytes, maxLength: codec.rowBytes }), (bytes) => {
        const rows = codec.open(bytes.slice().buffer, 0, 1);
        if (rows.fault(0) !== null) return;
        const out = new Float32Array(9);
        rows.read(0, out, 0);
        expect(out.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 5);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('bits', () => {
  it('come back wherever they lie, and leave others alone', () => {
    const part = fc.tuple(fc.integer({ min: 0, max: 24 }), fc.nat());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const bytes = new Uint8Array(64);
        let at = 0;
        for (const [width, value] of parts) {
          putBits(bytes, at, { width, value });
          at += width;
        }
        at = 0;
        for (const [width, value] of parts) {
          expect(bitsAt(bytes, at, width)).toBe(value & (2 ** width - 1));
          at += width;
        }
      }),
    );
  });
});
