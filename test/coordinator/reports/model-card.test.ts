/** The model card says what the run's files say, and what they do not. */
import { describe, expect, it } from 'vitest';
import { modelCard, type CardSource } from '../../../coordinator/reports/model-card.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';

const recipe = recipeSchema.parse({
  student: { builtin: 'mlp' },
  teachers: [
    { name: 'wide', model: 'w.onnx', weight: 3 },
    { name: 'deep', model: 'd.onnx' },
  ],
  losses: { crossEntropy: { weight: 0.3 }, response: { weight: 0.7, temperature: 2 } },
  optimizer: { name: 'sgd', learningRate: 0.1 },
  batch: { size: 8 },
  epochs: 1,
  data: { train: { format: 'idx', images: 'x', labels: 'y', labelled: 5 } },
});
const source: CardSource = {
  recipe,
  evaluationSamples: 20,
  digests: { recipe: 'r', student: 's', data: 'd', teachers: { wide: ['w1', 'w2'], deep: ['d1'] } },
  summary: {
    run: 'a',
    name: 'small',
    recipeDigest: 'r',
    digest: 'f00',
    steps: 4,
    samples: 32,
    seconds: 9,
    student: { accuracy: 1, parameters: 1234 },
    baseline: { accuracy: 0, parameters: 1234, digest: 'b' },
    teachers: [
      { name: 'wide', parameters: 9, accuracy: 0.5 },
      { name: 'deep', parameters: 8 },
    ],
    ensemble: { parameters: 17, accuracy: 0.5 },
    log: { bytes: 0, seconds: 0 },
    leases: { granted: 1, repeated: 0, refused: 0 },
    workers: [],
  },
};

describe('a model card', () => {
  it('has each model with its interval, and says where a figure is missing', () => {
    const card = modelCard(source);
    // Wilson's interval of 20 of 20 begins at 0.8389.
    for (const line of [
      '| student | 1,234 | 100.00 % | 83.89 % to 100.00 % |',
      '| student alone (baseline) | 1,234 | 0.00 % | 0.00 % to 16.11 % |',
      '| teacher deep | 8 | missing | missing |',
      '- teacher wide: w1, w2',
    ])
      expect(card.split('\n')).toContain(line);
    expect(card).toContain('0.7500 x wide + 0.2500 x deep');
    expect(card).toContain('backends: missing');
  });

  it('says what the student is fed, and what it gives', () => {
    const facts = {
      input: {
        shape: [28, 28, 3],
        range: { least: 0, most: 255 },
        preprocess: { scale: 0.5, mean: [1, 2, 3], std: [4] },
      },
      output: { task: 'classes' as const, classes: 2, classNames: ['cat', 'dog'] },
    };
    const told = { ...source, summary: { ...source.summary, facts } };
    const lines = modelCard(told).split('\n');
    expect(lines).toContain(
      '- input: float32 of [batch, 28, 28, 3], channels last; raw samples from 0 to 255 are fed as (x * 0.5 - [1, 2, 3]) / 4',
    );
    expect(lines).toContain('- output: logits of 2 classes: cat, dog');
    const inside = modelCard({ ...told, isPreprocessed: true }).split('\n');
    expect(inside).toContain(
      '- input: float32 of [batch, 28, 28, 3], channels last; raw samples from 0 to 255 are fed as they are',
    );
    expect(inside).toContain('- the scaling is in the graph of the files beside this card');
    expect(modelCard(source)).toContain('Missing: the run is of an earlier version.');
  });

  it('has the figures that fit the task', () => {
    const regression = { ...recipe, data: { ...recipe.data, task: 'regression' as const } };
    const figures = { r2: 0.9, mse: 0.25, mae: 0.5 };
    const card = modelCard({
      ...source,
      recipe: regression,
      summary: {
        ...source.summary,
        student: { parameters: 1234, ...figures },
        baseline: undefined,
        teachers: [{ name: 'wide', parameters: 9, r2: 0.95, mse: 0.1, mae: 0.2 }],
        ensemble: undefined,
      },
    });
    expect(card).toContain(
      '| model | parameters | R2 | MSE | MAE |\n| --- | --- | --- | --- | --- |\n| student | 1,234 | 0.9000 | 0.2500 | 0.5000 |\n| teacher wide | 9 | 0.9500 | 0.1000 | 0.2000 |',
    );
  });

  it('says which teachers the run went on without', () => {
    expect(modelCard({ ...source, summary: { ...source.summary, dropped: [{ name: 'deep', step: 3 }] } })).toContain(
      '- teacher deep failed: from step 3 on the ensemble was without it\n',
    );
    expect(modelCard(source)).not.toContain('failed');
  });

  it('has no figures for a run without evaluation', () => {
    const card = modelCard({ ...source, evaluationSamples: null });
    expect(card).toContain('Missing: the run had no evaluation data.');
    expect(card).toContain('| student | 1,234 | missing | missing |');
  });
});
