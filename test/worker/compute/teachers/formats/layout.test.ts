import { describe, expect, it } from 'vitest';
import { feedShape, toChannelsFirst } from '../../../../../worker/compute/teachers/formats/layout.js';

describe('toChannelsFirst', () => {
  it('puts each channel of a sample together', () => {
    const twoSamples = Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60);
    expect([...toChannelsFirst(twoSamples, [1, 3, 2])]).toEqual([1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60]);
  });

  it('gives the same array for one channel and for vectors', () => {
    const values = Float32Array.of(1, 2, 3, 4);
    expect(toChannelsFirst(values, [2, 2, 1])).toBe(values);
    expect(toChannelsFirst(values, [4])).toBe(values);
  });
});

describe('feedShape', () => {
  const cases: [string, (number | null)[], number[], 'nhwc' | 'nchw', number[] | null][] = [
    ['channels last', [28, 28, 3], [28, 28, 3], 'nhwc', [28, 28, 3]],
    ['channels first', [3, 28, 28], [28, 28, 3], 'nchw', [3, 28, 28]],
    ['open sizes', [3, null, null], [20, 30, 3], 'nchw', [3, 20, 30]],
    ['a channel of 1 that the data lacks', [1, 28, 28], [28, 28], 'nchw', [1, 28, 28]],
    ['a channel of 1 that the model lacks', [28, 28], [28, 28, 1], 'nhwc', [28, 28]],
    ['a vector', [784], [784], 'nchw', [784]],
    ['another size', [32, 32, 3], [28, 28, 3], 'nhwc', null],
    ['the other layout', [3, 28, 28], [28, 28, 3], 'nhwc', null],
    ['a vector of an image', [784], [28, 28, 1], 'nhwc', null],
  ];
  it.each(cases)('answers for %s', (_, model, sample, layout, wanted) =>
    expect(feedShape(model, sample, layout)).toEqual(wanted),
  );
});
