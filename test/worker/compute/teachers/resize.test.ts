import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changeChannels } from '../../../../worker/compute/teachers/channels.js';
import { resizeImages, type Resize } from '../../../../worker/compute/teachers/resize.js';

/** What PIL gives, by test/reference/resizes.py. */
const { shape, image, cases } = JSON.parse(
  readFileSync(new URL('../../../reference/data/resizes.json', import.meta.url), 'utf8'),
) as { shape: number[]; image: number[]; cases: (Resize & { values: number[] })[] };

describe('an image at another resolution', () => {
  it.each(cases)('is what PIL makes of it: $method to $to', ({ method, to, values }) => {
    const found = resizeImages(Float32Array.from(image), shape, { method, to });
    expect(found).toHaveLength(values.length);
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);
    expect(off).toBeLessThan(1e-6);
  });

  it('is by area the mean over what a pixel covers, be it a part of one', () => {
    // Of 3 pixels 2: each covers one and a half.
    const found = resizeImages(Float32Array.of(1, 2, 6), [1, 3, 1], { to: [1, 2], method: 'area' });
    expect([...found].map((value) => Number(value.toFixed(6)))).toEqual([1.333333, 4.666667]);
    // Of 2 pixels 3: the middle one covers half of each.
    const larger = resizeImages(Float32Array.of(2, 4), [2, 1, 1], { to: [3, 1], method: 'area' });
    expect([...larger].map((value) => Number(value.toFixed(6)))).toEqual([2, 3, 4]);
  });

  it('is of its own row alone, of several', () => {
    const two = Float32Array.from([...image, ...image.map((value) => 1 - value)]);
    const resize: Resize = { to: [5, 3], method: 'bilinear' };
    const own = resizeImages(Float32Array.from(image), shape, resize);
    expect(resizeImages(two, shape, resize).slice(0, own.length)).toEqual(own);
  });

  it('stays as it is at its own size', () => {
    const pixels = Float32Array.from(image);
    expect(resizeImages(pixels, shape, { to: [12, 8], method: 'bicubic' })).toBe(pixels);
  });
});

describe('an image with other channels', () => {
  it('of grey has three equal ones', () => {
    expect([...changeChannels(Float32Array.of(1, 2), 1, 3)]).toEqual([1, 1, 1, 2, 2, 2]);
  });

  it('of colours becomes grey by the weights of ITU-R 601', () => {
    const grey = changeChannels(Float32Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30), 3, 1);
    [76.245, 149.685, 29.07, 18.15].forEach((value, i) => expect(grey[i]).toBeCloseTo(value, 2));
  });

  it('is refused from two', () => {
    expect(() => changeChannels(Float32Array.of(1, 2), 2, 3)).toThrow('2 channels cannot become 3');
  });
});
