import { describe, expect, it } from 'vitest';
import { codecOf, errorBound, totalVariation, type Precision } from '../../../shared/labels/precision.js';
import { topError, topFormOf } from '../../../shared/labels/top-rows.js';
import { randomStream } from '../../../shared/random.js';

const classes = 20;

/** A peaked distribution, as logs. */
function distribution(seed: number, spread = 3): Float32Array {
  const random = randomStream(['row', seed]);
  const logits = Array.from(
    { length: classes },
    () => spread * (random.float() + random.float() + random.float() - 1.5),
  );
  const log = Math.log(logits.reduce((sum, u) => sum + Math.exp(u), 0));
  return Float32Array.from(logits, (u) => u - log);
}

function roundTrip(precision: Precision, values: Float32Array, isDistribution = true): Float32Array {
  const codec = codecOf(precision, { classes: values.length, isDistribution });
  const rows = codec.open(new ArrayBuffer(8 + 3 * codec.rowBytes), 8, 3);
  rows.write(1, values, 0);
  const out = new Float32Array(2 * values.length);
  rows.read(1, out, values.length);
  expect(rows.fault(1)).toBeNull();
  return out.slice(values.length);
}

const mass = (logs: Float32Array): number => logs.reduce((sum, log) => sum + Math.exp(log), 0);

describe('label precision', () => {
  it('gives float32 rows back to the bit', () => {
    const row = distribution(1);
    expect(roundTrip({ name: 'float32' }, row)).toEqual(row);
  });

  it('keeps float16 numbers within 1/2048 of themselves, logits as they are and distributions normalised', () => {
    const logits = Float32Array.from({ length: classes }, (_, k) => 37 * Math.sin(k));
    roundTrip({ name: 'float16' }, logits, false).forEach((u, k) =>
      expect(Math.abs(u - (logits[k] ?? 0))).toBeLessThanOrEqual(Math.abs(logits[k] ?? 0) / 2048),
    );
    expect(mass(roundTrip({ name: 'float16' }, distribution(2)))).toBeCloseTo(1, 6);
  });

  it.each([{ name: 'float32' }, { name: 'float16' }, { name: 'top-k', k: 3 }] as const)(
    'keeps each position of a sequence as a row of its own: %j',
    (precision) => {
      const each = [4, 5, 6].map((seed) => distribution(seed));
      const codec = codecOf(precision, { classes, positions: 3, isDistribution: true });
      expect(codec.rowBytes).toBe(3 * codecOf(precision, { classes, isDistribution: true }).rowBytes);
      const rows = codec.open(new ArrayBuffer(8 + 2 * codec.rowBytes), 8, 2);
      rows.write(1, Float32Array.from(each.flatMap((row) => [...row])), 0);
      const out = new Float32Array(1 + 3 * classes);
      rows.read(1, out, 1);
      each.forEach((row, position) =>
        expect(out.slice(1 + position * classes, 1 + (position + 1) * classes)).toEqual(roundTrip(precision, row)),
      );
      expect(rows.fault(1)).toBeNull();
      rows.write(1, Float32Array.from(each.flatMap((row) => [...row])).fill(NaN, 2 * classes), 0);
      if (precision.name === 'float32') expect(rows.fault(1)).toBe('a value that is not finite');
    },
  );

  it('keeps the k likeliest classes and shares the rest evenly', () => {
    const row = Float32Array.from([0.5, 0.125, 0.25, 0.0625, 0.0625], Math.log);
    const out = roundTrip({ name: 'top-k', k: 2 }, row);
    expect([...out].map(Math.exp)).toEqual([0.5, 0.0833, 0.25, 0.0833, 0.0833].map((p) => expect.closeTo(p, 3)));
  });

  it('takes the lower class among equals', () => {
    const out = roundTrip({ name: 'top-k', k: 1 }, new Float32Array(4).fill(Math.log(0.25)));
    [...out].forEach((log) => expect(Math.abs(Math.exp(log) - 0.25)).toBeLessThan(1 / 500));
    expect(out[0]).not.toBe(out[1]);
    expect(out.slice(2)).toEqual(out.slice(1, 3));
  });

  it('keeps everything where k is the number of classes or more', () => {
    const row = distribution(3);
    expect(totalVariation(row, roundTrip({ name: 'top-k', k: 99 }, row))).toBeLessThan(1e-3);
  });

  it('holds the bound that it states, at every k', () => {
    for (let seed = 0; seed < 50; seed++) {
      const row = distribution(seed, 1 + (seed % 5) * 4);
      const entropy = -row.reduce((sum, log) => sum + Math.exp(log) * log, 0);
      expect(totalVariation(row, roundTrip({ name: 'float16' }, row))).toBeLessThanOrEqual(entropy / 1024 + 1e-6);
      for (const k of [1, 4, 16]) {
        const tail = [...row]
          .sort((a, b) => b - a)
          .slice(k)
          .reduce((sum, log) => sum + Math.exp(log), 0);
        const out = roundTrip({ name: 'top-k', k }, row);
        expect(mass(out)).toBeCloseTo(1, 5);
        const kept = [...row].sort((a, b) => b - a).slice(0, k);
        const bound = topError(topFormOf(k, classes), (kept[0] ?? 0) - (kept.at(-1) ?? 0));
        expect(totalVariation(row, out)).toBeLessThanOrEqual(tail + bound);
      }
    }
  });

  it('is stable: what was decoded decodes to itself', () => {
    const once = roundTrip({ name: 'float16' }, distribution(9));
    expect(totalVariation(roundTrip({ name: 'float16' }, once), once)).toBeLessThan(2e-3);
  });

  it('gives no class a probability of exactly 0', () => {
    const certain = Float32Array.from({ length: 5 }, (_, k) => (k === 2 ? 0 : -1000));
    const out = roundTrip({ name: 'top-k', k: 2 }, certain);
    expect(out.every(Number.isFinite)).toBe(true);
    expect(Math.exp(out[2] ?? 0)).toBeCloseTo(1, 6);
  });

  it.each([
    [{ name: 'float32' } as const, 4000],
    [{ name: 'float16' } as const, 2000],
    [{ name: 'top-k', k: 16 } as const, 36],
  ])('%o of 1,000 classes takes %i bytes a sample, and says so', (precision, bytes) => {
    const form = { classes: 1000, isDistribution: true };
    expect(codecOf(precision, form).rowBytes).toBe(bytes);
    expect(errorBound(precision, form)).toContain(`${bytes} bytes a sample`);
  });

  it('keeps class numbers above 65,535', () => {
    const row = new Float32Array(70_000).fill(Math.log(0.01 / 69_999));
    row[69_999] = Math.log(0.99);
    expect(roundTrip({ name: 'top-k', k: 1 }, row)[69_999]).toBeCloseTo(Math.log(0.99), 3);
  });
});
