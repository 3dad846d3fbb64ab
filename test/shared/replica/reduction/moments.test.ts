import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { momentValues, pool, type PooledMoments } from '../../../../shared/replica/reduction/moments.js';

/** Two-pass moments of columns of values, one layer. */
function momentsOf(rows: readonly (readonly number[])[]): PooledMoments {
  const channels = rows[0]?.length ?? 0;
  const mean = Array.from(
    { length: channels },
    (_, c) => rows.reduce((sum, row) => sum + (row[c] ?? 0), 0) / rows.length,
  );
  const m2 = mean.map((mu, c) => rows.reduce((sum, row) => sum + ((row[c] ?? 0) - mu) ** 2, 0));
  return { counts: [rows.length], values: Float64Array.from([...mean, ...m2]) };
}

describe('pooled moments', () => {
  it('two parts worked out by hand', () => {
    const a = { counts: [2], values: Float64Array.of(3, 2) };
    const b = { counts: [3], values: Float64Array.of(8, 6) };
    expect(pool(a, b, [{ channels: 1 }])).toEqual({
      counts: [5],
      values: Float64Array.of(6, 2 + 6 + (25 * 2 * 3) / 5),
    });
  });

  it('equal the moments of all values at once', () => {
    const row = fc.tuple(
      fc.double({ min: -50, max: 50, noNaN: true }),
      fc.double({ min: 1000, max: 1001, noNaN: true }),
    );
    const rows = fc.array(row, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(rows, rows, (a, b) => {
        const pooled = pool(momentsOf(a), momentsOf(b), [{ channels: 2 }]);
        const wanted = momentsOf([...a, ...b]);
        expect(pooled?.counts).toEqual(wanted.counts);
        wanted.values.forEach((value, i) =>
          expect(Math.abs((pooled?.values[i] ?? NaN) - value)).toBeLessThan(1e-9 * (1 + Math.abs(value))),
        );
      }),
    );
  });

  it('keep a variance that float32 sums of squares would lose', () => {
    const rows = (offset: number) => Array.from({ length: 64 }, (_, i) => [1000 + ((i + offset) % 2) * 0.01]);
    const pooled = pool(momentsOf(rows(0)), momentsOf(rows(1)), [{ channels: 1 }]);
    expect((pooled?.values[1] ?? NaN) / 128).toBeCloseTo(0.005 ** 2, 12);
  });

  it('pool each layer with its own count, and pass a count of zero through', () => {
    const norms = [{ channels: 1 }, { channels: 2 }];
    expect(momentValues(norms)).toBe(6);
    const a = { counts: [0, 1], values: Float64Array.of(0, 0, 1, 2, 0, 0) };
    const b = { counts: [4, 1], values: Float64Array.of(7, 3, 3, 2, 0, 0) };
    expect(pool(a, b, norms)).toEqual({ counts: [4, 2], values: Float64Array.of(7, 3, 2, 2, 2, 0) });
    expect(pool(b, a, norms)).toEqual({ counts: [4, 2], values: Float64Array.of(7, 3, 2, 2, 2, 0) });
  });

  it('of two layers that saw nothing stay as the right one had them, never NaN', () => {
    const [a, b] = [Float64Array.of(5, 6), Float64Array.of(7, 8)];
    expect(pool({ counts: [0], values: a }, { counts: [0], values: b }, [{ channels: 1 }])).toEqual({
      counts: [0],
      values: b,
    });
    expect(
      pool({ counts: [3], values: a }, { counts: [0], values: Float64Array.of(NaN, NaN) }, [{ channels: 1 }]),
    ).toEqual({ counts: [3], values: a });
  });

  it('leave their parts as they were, and pass null through', () => {
    const a = momentsOf([[1], [2]]);
    const b = momentsOf([[5]]);
    const held = [Float64Array.from(a.values), Float64Array.from(b.values)];
    pool(a, b, [{ channels: 1 }]);
    expect([a.values, b.values]).toEqual(held);
    expect(pool(null, b, [{ channels: 1 }])).toBe(b);
    expect(pool(a, null, [{ channels: 1 }])).toBe(a);
    expect(pool(null, null, [])).toBeNull();
  });
});
