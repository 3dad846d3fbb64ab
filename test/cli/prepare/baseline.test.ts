import { describe, expect, it } from 'vitest';
import { baselineRecipe } from '../../../cli/prepare/baseline.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { tinyRun } from '../../coordinator/tiny-run.js';

describe('baselineRecipe', () => {
  const base = tinyRun({ samples: 40, epochs: 4 });

  it('trains for as many steps on the labelled samples alone, without teachers', () => {
    const labels = new Int32Array(40).fill(-1).fill(1, 0, 10);
    const baseline = baselineRecipe({ ...base, trainLabels: labels });
    expect(baseline).toMatchObject({
      teachers: [],
      steps: 20,
      baseline: false,
      losses: { crossEntropy: { weight: 1 } },
      data: { train: { onlyLabelled: true } },
    });
    expect('epochs' in baseline).toBe(false);
    expect(baseline.losses.response).toBeUndefined();
    // 5 steps an epoch against 2: evaluated as often as the run is.
    expect(baseline.evaluate).toEqual({ everyEpochs: 3 });
    expect(recipeSchema.parse(JSON.parse(JSON.stringify(baseline)))).toEqual(baseline);
  });

  it('counts scattered labels as it counts those that come first', () => {
    const labels = new Int32Array(40).map((_, i) => (i % 4 === 0 ? 1 : -1));
    expect(baselineRecipe({ ...base, trainLabels: labels })).toMatchObject({ steps: 20, evaluate: { everyEpochs: 3 } });
  });

  it('refuses data without labels', () => {
    expect(() => baselineRecipe({ ...base, trainLabels: new Int32Array(40).fill(-1) })).toThrow(
      /no labels to train on alone/,
    );
  });
});
