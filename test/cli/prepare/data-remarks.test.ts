/** Classes of which no sample tells, and labels that cannot be meant. */
import { describe, expect, it } from 'vitest';
import type { DataSets } from '../../../cli/prepare/data-checks.js';
import { dataRemarks } from '../../../cli/prepare/data-remarks.js';
import { widthOf } from '../../../cli/prepare/data-width.js';
import type { WrittenData } from '../../../cli/prepare/shards.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';

function recipe(data: object = {}): Recipe {
  return recipeSchema.parse({
    student: { builtin: 'mlp', hidden: [3] },
    losses: { crossEntropy: { weight: 1 } },
    data: { train: { format: 'npy', inputs: 'x.npy', labels: 'y.npy' }, ...data },
    optimizer: { name: 'adam', learningRate: 0.05 },
    batch: { size: 2 },
    epochs: 1,
  });
}

function set(labels: readonly number[], more: Partial<WrittenData> = {}): WrittenData {
  const dataSet = { samples: labels.length, shape: [4], dtype: 'float32' as const, shards: [] };
  return { dataSet, labels: Int32Array.from(labels), notes: [], inputRange: { least: 0, most: 1 }, ...more };
}

const sets = (train: WrittenData, evaluation: WrittenData | null = null): DataSets => ({ train, evaluation });

describe('classes without a sample', () => {
  const told = (data: DataSets, count: number, names?: readonly string[], of?: object): string[] =>
    dataRemarks(recipe(of), data, { count, names });
  const then = '; nothing teaches the student those';

  it.each([
    ['where labels count from 1', [1, 2, 3], 4, `no sample of 1 of 4 classes: 0${then}`],
    [
      'where labels have gaps',
      [0, 5, 15],
      16,
      `no sample of 13 of 16 classes: 1, 2, 3, 4, 6, 7, 8, 9, 10, 11 and 3 more${then}`,
    ],
    ['where some samples have no label', [0, -1, 2], 3, `no sample of 1 of 3 classes: 1${then}`],
  ])('are named in one line %s', (_, labels, count, text) => {
    expect(told(sets(set(labels)), count)).toEqual([`data.train: ${text}`]);
  });

  it('are all but one where the first labels of a sorted file are kept, which is said', () => {
    expect(told(sets(set([0, 0, -1])), 1)).toEqual([
      'data.train: all of its labels are of one class, 0; two at least wanted, for a student to tell apart',
    ]);
    expect(told(sets(set([-1, -1])), 1)).toEqual([]);
  });

  it('are called by their names, in the training set and in the evaluation set', () => {
    expect(told(sets(set([0, 2]), set([0, 1, 1])), 3, ['ant', 'bee', 'cat'])).toEqual([
      `data.train: no sample of 1 of 3 classes: bee${then}`,
      'data.eval: no sample of 1 of 3 classes: cat',
    ]);
  });

  it('may be learned from teachers', () => {
    const taught = { ...recipe(), labels: { ...recipe().labels, from: 'labels.npz' } };
    expect(dataRemarks(taught, sets(set([0, 2])), { count: 3, names: undefined })).toEqual([
      'data.train: no sample of 1 of 3 classes: 1; the student learns those from its teachers alone, if at all',
    ]);
  });

  it('are not missed where there are no labels, or too few to evaluate to have them all', () => {
    expect(told(sets(set([-1, -1])), 3)).toEqual([]);
    expect(told(sets(set([0, 1, 2]), set([0, 1])), 3)).toEqual([]);
  });

  it('are those of several labels that no sample has', () => {
    const targets = { width: 3, values: Float32Array.of(1, 0, 0, 0.5, 0, 0) };
    expect(told(sets(set([0, 0], { targets })), 3, undefined, { task: 'multiLabel' })).toEqual([
      `data.train: no sample of 2 of 3 classes: 1, 2${then}`,
    ]);
  });
});

describe('a label far beyond the others', () => {
  const many = (greatest: number): DataSets => sets(set([0, 1, 2, greatest, 3]), set([0, 1]));

  it('is refused, with its sample', () => {
    expect(() => widthOf(recipe(), undefined, many(5_000_000))).toThrow(
      expect.objectContaining({
        exitCode: 65,
        message:
          'data.train: sample 3 has label 5000000, but there are 5 different labels in all; labels from 0 without such gaps wanted, or data.classes: 5000001',
      }),
    );
    expect(() => widthOf(recipe(), undefined, sets(set([0, 1]), set([0, 7000])))).toThrow(
      /^data\.eval: sample 1 has label 7000,/,
    );
  });

  it('is taken where the recipe says so, or where the gap is small', () => {
    expect(widthOf(recipe({ classes: 5_000_001 }), undefined, many(5_000_000))).toBe(5_000_001);
    expect(widthOf(recipe(), undefined, many(900))).toBe(901);
  });
});
