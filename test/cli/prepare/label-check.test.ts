/** Labels made elsewhere, beside the labels of the samples. */
import { describe, expect, it } from 'vitest';
import { checkLabelFile, type LabelsAtHand } from '../../../cli/prepare/label-check.js';
import { recipeOf } from '../../worker/fakes.js';

const samples = 40;
const recipe = { ...recipeOf(), labels: { ...recipeOf().labels, from: 'l.npz' } };
const train = { samples, shape: [1], dtype: 'float32' as const, shards: [] };
const labels = Int32Array.from({ length: samples }, (_, i) => (i * 3) % 4);
const atHand: LabelsAtHand = { recipe, train, classes: 4, labels, vectors: new Float32Array(0) };
/** Sure of each label's class. */
const logitsOf = (classOf: (i: number) => number): Float32Array =>
  Float32Array.from({ length: samples * 4 }, (_, at) => (at % 4 === classOf(Math.floor(at / 4)) ? 5 : 0));
const right = (i: number): number => labels[i] ?? 0;

describe('a file of labels', () => {
  it('of the samples is taken without a word, be it wrong now and then', () => {
    expect(checkLabelFile({ logits: logitsOf((i) => (i % 5 === 0 ? 3 : right(i))) }, atHand)).toEqual([]);
  });

  it.each([
    ['in another order', (i: number) => right(i + 1 < samples ? i + 1 : 0)],
    ['with its classes in another order', (i: number) => (right(i) + 1) % 4],
  ])('%s is refused', (_case, classOf) => {
    expect(() => checkLabelFile({ logits: logitsOf(classOf) }, atHand)).toThrow(
      "labels.from: l.npz (0.00 %): no better than chance on 40 samples of 4 classes; labels of the same samples in data.train's order, with its classes in their order wanted, or ensemble.allowChance: true",
    );
  });

  it('is judged by the labels that are there, and by the rows of the samples alone', () => {
    const few = { ...atHand, labels: labels.map((label, i) => (i < 20 ? label : -1)) };
    const logits = logitsOf((i) => right(i) ^ 1);
    expect(() => checkLabelFile({ logits }, few)).toThrow(/on 20 samples/);
    const cut = { ...atHand, train: { ...train, samples: 24 }, labels: labels.slice(0, 24) };
    expect(() => checkLabelFile({ logits }, cut)).toThrow(/on 24 samples/);
    expect(checkLabelFile({ logits }, { ...atHand, labels: labels.map(() => -1) })).toEqual([]);
  });

  it('is warned of where the recipe allows it, and where it says one thing of everything', () => {
    const allowed = { ...recipe, ensemble: { ...recipe.ensemble, allowChance: true } };
    expect(checkLabelFile({ logits: logitsOf(() => 2) }, { ...atHand, recipe: allowed })).toEqual([
      'labels.from: l.npz: it gives class 2 for all 40 samples; labels of the samples wanted',
      expect.stringContaining('labels.from: l.npz (25.00 %): no better than chance'),
    ]);
  });

  it('of numbers must be better than their mean', () => {
    const vectors = Float32Array.from({ length: samples }, (_, i) => i);
    const numbers: LabelsAtHand = {
      recipe: { ...recipe, data: { ...recipe.data, task: 'regression' } },
      train: { ...train, targets: { width: 1, means: [(samples - 1) / 2] } },
      classes: 1,
      labels: new Int32Array(samples),
      vectors,
    };
    expect(checkLabelFile({ logits: vectors.map((value) => value + 1) }, numbers)).toEqual([]);
    expect(() => checkLabelFile({ logits: vectors.toReversed() }, numbers)).toThrow(
      /^labels\.from: l\.npz \(-3\.0000\): no better than the mean of the targets of 40 samples; labels of .* in the same units wanted/,
    );
  });
});
