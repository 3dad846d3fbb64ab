/** The space of a search: from the recipe and flags, or the usual one; and what is refused. */
import { describe, expect, it } from 'vitest';
import { dimensionText, recipeValue, usualSpace, wantedSpace } from '../../../cli/search/wanted-space.js';
import { readRecipe } from '../../../shared/recipe/read.js';

const lines = [
  'student: { builtin: mlp, hidden: [4] }',
  'teachers: [{ name: t, model: t.onnx }]',
  'losses: { crossEntropy: { weight: 0.5 }, response: { weight: 1, temperature: 4 } }',
  'data: { train: { format: csv, inputs: a.csv, labels: 2 }, eval: { format: csv, inputs: a.csv, labels: 2 } }',
  'optimizer: { name: adam, learningRate: 0.002 }',
  'batch: { size: 8 }',
  'epochs: 4',
];
const read = (search: string): ReturnType<typeof readRecipe> =>
  readRecipe([...lines, `search: ${search}`].join('\n'), { file: 'r.yaml' });

describe('the section search', () => {
  it('is no part of the recipe that a run is made of', () => {
    const { recipe, search } = read('{ space: { batch.size: { choices: [8, 16] } } }');
    expect(recipe).toEqual(readRecipe(lines.join('\n'), { file: 'r.yaml' }).recipe);
    expect(search).toEqual({
      space: { 'batch.size': { choices: [8, 16] } },
      startup: 10,
      halving: { factor: 3, firstEpoch: 1 },
    });
  });

  it.each([
    [
      '{ space: { batch.size: { from: 4, to: 4 } } }',
      'r.yaml:8: search.space.batch.size.to: 4 given; a number above `from` wanted',
    ],
    [
      '{ space: { batch.size: { from: 0, to: 4, scale: log } } }',
      'r.yaml:8: search.space.batch.size.from: 0 given; with scale: log, a number above 0 wanted',
    ],
    [
      '{ space: { batch.size: { from: 1.5, to: 4, whole: true } } }',
      'r.yaml:8: search.space.batch.size.whole: true given; whole numbers as from and to, or false wanted',
    ],
    ['{ space: { batch.size: { choices: [8] } } }', 'r.yaml:8: search.space.batch.size.choices'],
    ['{ space: { batch.size: { choices: [8, 8] } } }', 'values that differ from each other wanted'],
    ['{ space: {} }', 'r.yaml:8: search.space: {} given; at least one key and its range wanted'],
    ['{ objective: acuracy }', 'r.yaml:8: search.objective: "acuracy" given'],
    ['{ halving: true }', 'r.yaml:8: search.halving'],
    ['{ spaces: {} }', 'r.yaml:8: search.spaces: unknown key; did you mean space?'],
  ])('is refused: %s', (search, message) => {
    expect(() => read(search)).toThrow(message);
  });
});

describe('a wanted space', () => {
  const range = { from: 1, to: 10, scale: 'log', whole: false } as const;

  it("is the recipe's, with the flags' ranges in place of its own and behind them", () => {
    const flags = ['batch.size={choices: [8, 16]}', 'losses.response.temperature={from: 2, to: 3}'];
    expect(wantedSpace({ 'losses.response.temperature': range }, flags)?.map(dimensionText)).toEqual([
      'losses.response.temperature from 2 to 3',
      'batch.size of 8, 16',
    ]);
    expect(wantedSpace(undefined, [])).toBeNull();
  });

  it.each([
    ['batch.size', 'no range given'],
    ['batch.size=8', 'no range given'],
    ['batch.size={from: 3, to: 1}', 'no range given'],
    ['batch.size={from: [}', 'no range given'],
  ])('refuses --space %s', (flag, message) => {
    expect(() => wantedSpace(undefined, [flag])).toThrow(message);
  });

  it.each(['name', 'search.startup', 'baseline', 'data.eval.limit', 'evaluate.everyEpochs'])(
    'refuses the key %s',
    (key) => {
      expect(() => wantedSpace({ [key]: range }, [])).toThrow(`search.space.${key}: `);
    },
  );
});

describe('the usual space', () => {
  it('has temperatures, the weights of several terms, and the learning rate', () => {
    expect(usualSpace(read('{}').recipe).map(dimensionText)).toEqual([
      'losses.crossEntropy.weight from 0.1 to 2.5 (log)',
      'losses.response.temperature from 1 to 10 (log)',
      'losses.response.weight from 0.2 to 5 (log)',
      'optimizer.learningRate from 0.0002 to 0.02 (log)',
    ]);
  });

  it('has no weight of the only term, and nothing of a term that changes in the run', () => {
    const recipe = readRecipe(lines.join('\n'), {
      file: 'r.yaml',
      set: ['losses={response: {weight: 1, temperature: {from: 4, to: 1}}}'],
    }).recipe;
    expect(usualSpace(recipe).map(({ key }) => key)).toEqual(['optimizer.learningRate']);
  });
});

describe('what a recipe says at a key', () => {
  it('is found by its path, in lists too', () => {
    const { recipe } = read('{}');
    expect(
      ['optimizer.learningRate', 'teachers.0.name', 'losses.none.weight'].map((key) => recipeValue(recipe, key)),
    ).toEqual([0.002, 't', undefined]);
  });
});
