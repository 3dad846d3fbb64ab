/** Recipes whose mappings take keys from others by YAML's merge keys. */
import { describe, expect, it } from 'vitest';
import { readRecipe } from '../../../shared/recipe/read.js';

const recipe = (data: string): string => `student: { builtin: mlp, hidden: [3] }
losses: { crossEntropy: { weight: 1 } }
optimizer: { name: adam, learningRate: 0.1 }
batch: { size: 4 }
epochs: 1
data:
${data}`;

const read = (data: string, set: readonly string[] = []) => readRecipe(recipe(data), { file: 'r.yaml', set });

const merged = `  train: &set
    format: csv
    inputs: train.csv
    labels: kind
    weights: w
  eval:
    <<: *set
    inputs: eval.csv`;

describe('a merge key', () => {
  it('takes the keys that the mapping does not have itself', () => {
    const { train, eval: evaluation } = read(merged).recipe.data;
    expect(train).toMatchObject({ inputs: 'train.csv', weights: 'w' });
    expect(evaluation).toMatchObject({ format: 'csv', inputs: 'eval.csv', labels: 'kind', weights: 'w' });
  });

  it('may name several mappings, of which the first counts, and one that has merged itself', () => {
    const data = `  unlabelled: &base { format: npy, inputs: u.npy, limit: 3 }
  train: &train { <<: *base, inputs: x.npy, labels: y.npy }
  eval: { <<: [{ limit: 5 }, *train] }`;
    expect(read(data).recipe.data.eval).toMatchObject({ format: 'npy', inputs: 'x.npy', labels: 'y.npy', limit: 5 });
  });

  it('copies: a flag sets a key of the copy alone', () => {
    const data = `  train: &train { format: npy, inputs: x.npy, labels: y.npy }
  preprocess: &scaling { scale: 2, mean: [1, 2] }
  eval: { <<: *train }`;
    const { recipe: found } = read(data, ['data.eval.inputs=z.npy', 'data.preprocess.scale=3']);
    expect([found.data.train, found.data.eval]).toMatchObject([{ inputs: 'x.npy' }, { inputs: 'z.npy' }]);
    const whole = `student: { builtin: mlp, hidden: [3] }
losses: { crossEntropy: { weight: 1 } }
optimizer: { name: adam, learningRate: 0.1 }
batch: { size: 4 }
epochs: 1
teachers:
  - &one { name: one, model: a.onnx, preprocess: { scale: 2 } }
  - { <<: *one, name: two }
data: { train: { format: npy, inputs: x.npy, labels: y.npy } }`;
    const { teachers } = readRecipe(whole, { file: 'r.yaml', set: ['teachers.1.preprocess.scale=5'] }).recipe;
    expect(teachers).toMatchObject([
      { name: 'one', model: 'a.onnx', preprocess: { scale: 2 } },
      { name: 'two', model: 'a.onnx', preprocess: { scale: 5 } },
    ]);
  });

  it('names the line of a key that was taken', () => {
    expect(() => read(merged.replace('weights: w', 'wights: w'))).toThrow(
      /^r\.yaml:11: data\.train\.wights: unknown key.*\nr\.yaml:11: data\.eval\.wights: unknown key/,
    );
  });

  it.each([
    [
      'no mapping',
      '  train: &x { format: npy }\n  eval: { <<: 3 }',
      'r.yaml:8: <<: no mapping; one (<<: *NAME), or a list of them, wanted',
    ],
    ['itself', '  train: &x\n    eval: { <<: *x }', 'r.yaml:8: <<: merged into itself'],
    [
      'what unfolds to something huge',
      bomb(),
      expect.stringMatching(/: <<: merge keys that unfold to something huge$/),
    ],
  ])('is refused with %s', (_, data, message) => {
    expect(() => read(data)).toThrow(expect.objectContaining({ exitCode: 2, message }));
  });

  it('is a key like others in quotation marks', () => {
    expect(() => read('  train: &x { format: npy }\n  eval: { "<<": *x }')).toThrow(
      /r\.yaml:8: data\.eval\.format: missing/,
    );
  });
});

function bomb(): string {
  const levels = Array.from(
    { length: 16 },
    (_, i) => `  l${i + 1}: &l${i + 1} { a: { <<: *l${i} }, b: { <<: *l${i} } }`,
  );
  return ['  l0: &l0 { a: 1, b: 2 }', ...levels].join('\n');
}
