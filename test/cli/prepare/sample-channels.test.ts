/** Means and deviations for each channel, and images with their channels first. */
import { describe, expect, it } from 'vitest';
import { checkPreprocess, looksChannelsFirst } from '../../../cli/prepare/sample-channels.js';

const imageNet = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

describe('means and deviations', () => {
  it.each([
    ['three of images channels last', imageNet, [16, 16, 3]],
    ['one for all channels', { scale: 1, mean: [0.5], std: [2] }, [16, 16, 3]],
    ['one mean beside a deviation for each', { scale: 1, mean: [0.5], std: [1, 2] }, [2]],
    ['none', undefined, [16, 16, 3]],
  ])('fit: %s', (_, preprocess, shape) => {
    expect(() => checkPreprocess(preprocess, shape)).not.toThrow();
  });

  it.each([
    [
      'three of images channels first',
      imageNet,
      [3, 16, 16],
      'data.preprocess.mean: 3 values given for samples of [3, 16, 16]; 1 or 16 (the channels) wanted; channels last wanted, or layout: nchw in data.train (and eval) where they stand first',
    ],
    [
      'three of grey images',
      imageNet,
      [28, 28, 1],
      'data.preprocess.mean: 3 values given for samples of [28, 28, 1]; one, as they have one channel, wanted',
    ],
    [
      '13 of 14 columns',
      { scale: 1, mean: [0], std: new Array<number>(13).fill(1) },
      [14],
      'data.preprocess.std: 13 values given for samples of [14]; 1 or 14 (the channels) wanted',
    ],
  ])('are refused: %s', (_, preprocess, shape, message) => {
    expect(() => checkPreprocess(preprocess, shape)).toThrow(
      expect.objectContaining({ name: 'UserError', exitCode: 2, message }),
    );
  });
});

it.each([
  [[3, 16, 16], true],
  [[1, 28, 28], true],
  [[16, 16, 3], false],
  [[2, 2, 3], false],
  [[3, 16], false],
])('samples of [%s] look as if their channels came first: %s', (shape, isFirst) => {
  expect(looksChannelsFirst(shape)).toBe(isFirst);
});
