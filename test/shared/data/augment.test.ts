/** Augmentations of one sample: what each may do to its pixels, and on what its draws depend. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augmentSample, viewOf } from '../../../shared/data/augment.js';
import type { Augment } from '../../../shared/recipe/schema.js';

const shape = [6, 5, 2];
const [height, width, channels] = [6, 5, 2];
const size = height * width * channels;
/** Every element its own, none the fill. */
const numbered = (): Float32Array => Float32Array.from({ length: size }, (_, i) => i + 1);
const augment = (given: Partial<Augment>): Augment => ({ flip: false, fill: 0, ...given });

function augmented(given: Partial<Augment>, view: number, sample = numbered()): Float32Array {
  augmentSample(sample, shape, augment(given), [7, 'augment', 'shard', 3, view]);
  return sample;
}

const views = fc.integer({ min: 0, max: 100_000 });
const pixel = (values: Float32Array, y: number, x: number): number[] => [
  ...values.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
];
const everyPixel = Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width] as const);

describe('a view', () => {
  it('is taken in turn where their number is fixed, else new in each epoch', () => {
    expect([0, 1, 4, 5].map((epoch) => viewOf({ views: 4 }, epoch))).toEqual([0, 1, 0, 1]);
    expect(viewOf({}, 9)).toBe(9);
  });

  it('depends on its key alone', () => {
    const all = { shift: 2, flip: true, crop: 0.5, cutout: 2, noise: 1 };
    expect(augmented(all, 5)).toEqual(augmented(all, 5));
    expect(new Set(Array.from({ length: 50 }, (_, view) => augmented(all, view).join())).size).toBe(50);
  });

  it('draws for one operation alike, whatever the others are', () => {
    fc.assert(
      fc.property(views, (view) => {
        const both = augmented({ shift: 2, cutout: 1, fill: -1 }, view);
        const shifted = augmented({ shift: 2, fill: -1 }, view);
        expect(
          everyPixel.filter(([y, x]) => pixel(both, y, x).join() !== pixel(shifted, y, x).join()).length,
        ).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('shift', () => {
  it('moves all pixels by one offset, at most so far, and fills what is left empty', () => {
    const seen = new Set<string>();
    for (let view = 0; view < 300; view++) {
      const out = augmented({ shift: 2, fill: -1 }, view);
      const fits = (down: number, right: number): boolean =>
        everyPixel.every(([y, x]) => {
          const [fromY, fromX] = [y - down, x - right];
          const isInside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
          return pixel(out, y, x).join() === (isInside ? pixel(numbered(), fromY, fromX) : [-1, -1]).join();
        });
      const offsets = Array.from({ length: 25 }, (_, i) => [Math.floor(i / 5) - 2, (i % 5) - 2] as const).filter(
        ([down, right]) => fits(down, right),
      );
      expect(offsets).toHaveLength(1);
      seen.add(String(offsets[0]));
    }
    expect(seen.size).toBe(25);
  });
});

describe('flip', () => {
  it('mirrors each row, channels together, in about half of the views', () => {
    let flipped = 0;
    for (let view = 0; view < 400; view++) {
      const out = augmented({ flip: true }, view);
      if (out.join() === numbered().join()) continue;
      flipped++;
      expect(everyPixel.every(([y, x]) => pixel(out, y, x).join() === pixel(numbered(), y, width - 1 - x).join())).toBe(
        true,
      );
    }
    expect(flipped).toBeGreaterThan(150);
    expect(flipped).toBeLessThan(250);
  });
});

describe('crop', () => {
  it('takes a window of the image: a plane stays one, no steeper than before and no flatter than the least share', () => {
    fc.assert(
      fc.property(views, (view) => {
        const plane = Float32Array.from(
          { length: size },
          (_, i) => Math.floor(i / (width * channels)) + 10 * (Math.floor(i / channels) % width),
        );
        const out = augmented({ crop: 0.4 }, view, plane);
        const slope = pixel(out, 1, 0)[0] ?? 0;
        const down = slope - (pixel(out, 0, 0)[0] ?? 0);
        expect(down).toBeGreaterThan(0.4 - 1e-5);
        expect(down).toBeLessThan(1 + 1e-5);
        for (const [y, x] of everyPixel) {
          const [value = NaN] = pixel(out, y, x);
          expect(value).toBeCloseTo((pixel(out, 0, 0)[0] ?? 0) + y * down + x * 10 * down, 3);
        }
        expect(Math.min(...out)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...out)).toBeLessThanOrEqual(5 + 40 + 1e-4);
      }),
    );
  });
});

describe('cutout', () => {
  it('fills one square as far as it lies inside, and nothing else', () => {
    const areas = new Set<number>();
    for (let view = 0; view < 300; view++) {
      const out = augmented({ cutout: 3, fill: -1 }, view);
      const cut = everyPixel.filter(([y, x]) => pixel(out, y, x).join() === '-1,-1');
      const [ys, xs] = [cut.map(([y]) => y), cut.map(([, x]) => x)];
      const [high, wide] = [Math.max(...ys) - Math.min(...ys) + 1, Math.max(...xs) - Math.min(...xs) + 1];
      expect(cut.length).toBe(high * wide);
      expect(Math.max(high, wide)).toBeLessThanOrEqual(3);
      areas.add(cut.length);
      expect(
        everyPixel.every(
          ([y, x]) => pixel(out, y, x).join() === '-1,-1' || pixel(out, y, x).join() === pixel(numbered(), y, x).join(),
        ),
      ).toBe(true);
    }
    expect(areas).toEqual(new Set([4, 6, 9]));
  });
});

describe('noise', () => {
  it('has mean 0 and the deviation that was asked for, also on samples that are no images', () => {
    const values = new Float32Array(40_000);
    augmentSample(values, [40_000], augment({ noise: 3 }), ['noise']);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.06);
    expect(Math.sqrt(variance)).toBeCloseTo(3, 1);
    expect(Math.max(...values)).toBeLessThan(3 * 3.47);
  });
});
