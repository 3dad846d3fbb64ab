import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addPart, type HeldSeries } from '../../../coordinator/page/browser/series.js';
import { Curves, unread } from '../../../coordinator/page/curves.js';

describe('curves', () => {
  it('keep every value while there are buckets enough', () => {
    const curves = new Curves(4);
    [3, 1, 2].forEach((value, step) => curves.add(step, { loss: value }));
    expect(curves.since(unread)).toEqual({
      width: 1,
      from: 0,
      series: { loss: { min: [3, 1, 2], max: [3, 1, 2], mean: [3, 1, 2] } },
    });
  });

  it('put neighbours together beyond that, and lose neither peak nor mean', () => {
    const curves = new Curves(4);
    [3, 1, 2, 9, 5].forEach((value, step) => curves.add(step, { loss: value }));
    expect(curves.since(unread)).toEqual({
      width: 2,
      from: 0,
      series: { loss: { min: [1, 2, 5], max: [3, 9, 5], mean: [2, 5.5, 5] } },
    });
  });

  it('leave out what is not finite, and begin a series where its first value is', () => {
    const curves = new Curves(4);
    curves.add(0, { loss: NaN, other: 1 });
    curves.add(1, { loss: Infinity, late: 2 });
    const { series } = curves.since(unread);
    expect(series).toEqual({
      other: { min: [1, null], max: [1, null], mean: [1, null] },
      late: { min: [null, 2], max: [null, 2], mean: [null, 2] },
    });
  });

  it('tell a reader what it has not read, the newest bucket once more, and all of it after they widened', () => {
    const curves = new Curves(4);
    for (const step of [0, 1, 2]) curves.add(step, { loss: step });
    const { position } = curves;
    curves.add(3, { loss: 3 });
    expect(curves.since(position)).toMatchObject({ width: 1, from: 2, series: { loss: { mean: [2, 3] } } });
    curves.add(4, { loss: 4 });
    expect(curves.since(position)).toMatchObject({ width: 2, from: 0, series: { loss: { mean: [0.5, 2.5, 4] } } });
  });

  it('hold the least, the greatest and the mean of every bucket, whatever the steps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ step: fc.nat(5000), value: fc.integer({ min: -1000, max: 1000 }) }), { minLength: 1 }),
        (points) => {
          const curves = new Curves(16);
          for (const { step, value } of points) curves.add(step, { x: value });
          const { width, series } = curves.since(unread);
          const { min, max, mean } = series.x ?? { min: [], max: [], mean: [] };
          expect(min.length).toBeLessThanOrEqual(16);
          min.forEach((_, bucket) => {
            const inside = points.filter(({ step }) => Math.floor(step / width) === bucket).map(({ value }) => value);
            const sum = inside.reduce((total, value) => total + value, 0);
            expect([min[bucket], max[bucket]]).toEqual(
              inside.length === 0 ? [null, null] : [Math.min(...inside), Math.max(...inside)],
            );
            if (inside.length > 0) expect(mean[bucket]).toBeCloseTo(sum / inside.length, 2);
          });
        },
      ),
    );
  });

  it('are the same for a page that was told of them in parts', () => {
    const add = fc.record({ step: fc.nat(40), name: fc.constantFrom('a', 'b'), isRead: fc.boolean() });
    fc.assert(
      fc.property(fc.array(add, { minLength: 1 }), (adds) => {
        const [curves, held] = [new Curves(8), new Map<string, HeldSeries>()];
        let position = unread;
        let newest = 0;
        for (const { step, name, isRead } of adds) {
          newest += step;
          curves.add(newest, { [name]: step });
          if (!isRead) continue;
          addPart(held, curves.since(position));
          position = curves.position;
        }
        addPart(held, curves.since(position));
        expect(Object.fromEntries(held)).toEqual(curves.since(unread).series);
      }),
    );
  });

  it('take no more for 100,000 steps than for a thousand', () => {
    const curves = new Curves();
    for (let step = 0; step < 100_000; step++) curves.add(step, { loss: step % 1000, 'term/a': 1 });
    const text = JSON.stringify(curves.since(unread));
    expect(text.length).toBeLessThan(64 * 1024);
    expect(Math.max(...(curves.since(unread).series.loss?.max ?? []).map(Number))).toBe(999);
  });
});
