/** Which samples keep their labels with `labelled`. */
import { expect, describe, it } from 'vitest';
import { keepLabels } from '../../../../cli/prepare/sources/labelled.js';
import type { SampleTargets } from '../../../../cli/prepare/sources/source.js';

/** Labels sorted by class, as many of each class as given. */
const sorted = (...sizes: number[]): Int32Array =>
  Int32Array.from(sizes.flatMap((size, label) => new Array<number>(size).fill(label)));

/** How many samples of each class keep their labels. */
const counts = (labels: Int32Array, classes: number): number[] =>
  Array.from({ length: classes }, (_, label) => labels.filter((one) => one === label).length);

const source = (labels: Int32Array): { file: string; samples: number; labels: Int32Array } => ({
  file: 'f',
  samples: labels.length,
  labels,
});

describe('labelled: N', () => {
  it.each([
    ['evenly of classes that are alike', [100, 100, 100], 30, [10, 10, 10]],
    ['by the shares of classes that are not', [600, 300, 100], 100, [60, 30, 10]],
    ['one of each at least, where that is possible', [1000, 1, 1], 4, [2, 1, 1]],
    ['of the largest classes, where there are more classes than labels', [2, 50, 50, 3], 2, [0, 1, 1, 0]],
    ['of every class all, where so many are wanted', [2, 3], 9, [2, 3]],
    ['none', [2, 3], 0, [0, 0]],
  ])('draws %s', (_, sizes, wanted, expected) => {
    const labels = sorted(...sizes);
    const whole = labels.slice();
    const { text } = keepLabels(wanted, source(labels));
    expect(counts(labels, sizes.length)).toEqual(expected);
    expect(labels.every((label, id) => label === -1 || label === whole[id])).toBe(true);
    expect(text).toMatch(
      wanted > labels.length
        ? `f: labelled: ${wanted} given; all ${labels.length} labelled samples keep their labels`
        : new RegExp(`^f: labels of ${wanted} of ${labels.length} labelled samples kept, drawn`),
    );
  });

  it('draws the same ones each time, from all over the file', () => {
    const [a, b] = [sorted(500, 500), sorted(500, 500)];
    const { text, isOdd } = keepLabels(100, source(a));
    keepLabels(100, source(b));
    expect(a).toEqual(b);
    const places = [...a].flatMap((label, id) => (label === 0 ? [id] : []));
    expect([places.length, places.some((id) => id < 125), places.some((id) => id >= 375)]).toEqual([50, true, true]);
    expect([text, isOdd]).toEqual([
      'f: labels of 100 of 1000 labelled samples kept, drawn, 50 of each of 2 classes; labelled: { first: 100 } keeps those of the first',
      false,
    ]);
  });

  it('draws among the samples that have a label', () => {
    const labels = Int32Array.of(-1, 0, -1, 1, -1, -1);
    keepLabels(2, source(labels));
    expect([...labels]).toEqual([-1, 0, -1, 1, -1, -1]);
  });

  it('draws whole sequences, and samples with targets', () => {
    const positions = Int32Array.of(0, 1, 2, -1, -1, -1, 1, 1);
    keepLabels(1, { file: 'f', samples: 4, labels: positions, positions: 2 });
    const kept = [0, 1, 3].filter((id) => positions.subarray(2 * id, 2 * id + 2).some((label) => label >= 0));
    expect([kept.length, positions.filter((label) => label >= 0).length]).toEqual([1, kept[0] === 1 ? 1 : 2]);
    const labels = new Int32Array(4);
    const targets: SampleTargets = { width: 1, values: Float32Array.of(1, 2, 3, 4) };
    const { text } = keepLabels(2, { ...source(labels), targets });
    expect(labels.filter((label) => label === 0)).toHaveLength(2);
    expect(text).toMatch(/^f: labels of 2 of 4 labelled samples kept, drawn; labelled/);
  });
});

it('labelled: { first: N } keeps those of the first samples, whatever their classes', () => {
  const labels = sorted(3, 3);
  const { text } = keepLabels({ first: 4 }, source(labels));
  expect([...labels]).toEqual([0, 0, 0, 1, -1, -1]);
  expect(text).toBe('f: labels of the first 4 samples kept, 1 to 3 of each of 2 classes');
});
