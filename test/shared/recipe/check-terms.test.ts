/** What the recipe says of its loss terms: refused, warned of, or written out. */
import { describe, expect, it } from 'vitest';
import { checkFields } from '../../../shared/recipe/check.js';
import { describeLosses } from '../../../shared/recipe/describe.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';

function recipe(losses: unknown, overrides: Record<string, unknown> = {}): Recipe {
  return recipeSchema.parse({
    student: { builtin: 'mlp' },
    teachers: [{ name: 'a', model: 'a.onnx' }],
    losses,
    optimizer: { name: 'sgd', learningRate: 0.1 },
    batch: { size: 8 },
    epochs: 1,
    data: { train: { format: 'idx', images: 'x', labels: 'y' } },
    ...overrides,
  });
}

const unlabelled = { data: { train: { format: 'idx', images: 'x' } } };

describe('loss terms of a recipe', () => {
  it.each([
    ['none', {}, {}, 'losses: no term given; crossEntropy, response or both wanted'],
    [
      'a schedule that is never above 0',
      { response: { weight: { from: 0, to: 0 } } },
      {},
      'losses: every weight is 0; one above 0 wanted',
    ],
    [
      'an imitation without a teacher',
      { dist: { weight: 1 } },
      { teachers: [] },
      'losses.dist: there is no teacher; at least one under teachers wanted',
    ],
    [
      'only terms of labels, without labels',
      { decoupled: { weight: 1 } },
      unlabelled,
      'losses.decoupled: the data has no labels; data.train.labels wanted',
    ],
    [
      'raw logits of truncated labels',
      { logitMse: { weight: 1 } },
      { labels: { precision: 'top-k' } },
      'losses.logitMse: needs all logits; labels.precision float32 or float16 wanted',
    ],
    [
      'a schedule over labels from a file',
      { response: { weight: 1, temperature: { from: 4, to: 1 } } },
      { labels: { from: 'l.npz' } },
      'losses.response.temperature: a schedule given beside labels.from; one temperature wanted',
    ],
  ])('are refused: %s', (_, losses, overrides, text) => {
    expect(checkFields(recipe(losses, overrides)).problems.map((problem) => problem.text)).toContain(text);
  });

  it('may rise from 0 and fall to it', () => {
    expect(checkFields(recipe({ response: { weight: { from: 0, to: 1 } } })).problems).toEqual([]);
  });

  it('warn of a term that no sample has a label for', () => {
    const { problems, warnings } = checkFields(
      recipe({ response: { weight: 1 }, virtualTeacher: { weight: 1 } }, unlabelled),
    );
    expect([problems, warnings.map(({ text }) => text)]).toEqual([
      [],
      ['losses.virtualTeacher: the data has no labels, so the term is 0 for every sample'],
    ]);
  });

  it('are written out with T^2, and schedules with both ends', () => {
    expect(
      describeLosses(
        recipe({
          crossEntropy: { weight: 0.3 },
          response: { weight: { from: 1, to: 0, over: 'cosine' }, temperature: 4 },
          decoupled: { weight: 2, temperature: { from: 4, to: 1 } },
        }),
      ),
    ).toEqual([
      'total = 0.3 x crossEntropy + (1 to 0, cosine) x 16 x KL(ensemble || student at T=4) + 2 x T^2 x (1 x target + 8 x other classes at T=(4 to 1, linear))',
      'ensemble (logits) = 1.0000 x a',
    ]);
  });
});

describe('sample weights in a recipe', () => {
  const train = { format: 'idx', images: 'x', labels: 'y', weights: 'w' };
  const problems = (losses: unknown, data: unknown): string[] =>
    checkFields(recipe(losses, { data })).problems.map((problem) => problem.text);

  it('are refused beside a term among samples, and warned of for an evaluation', () => {
    expect(problems({ dist: { weight: 1 } }, { train })).toEqual([
      'losses.dist: compares samples with each other, so it cannot weigh them; data without weights wanted',
    ]);
    const { problems: none, warnings } = checkFields(
      recipe({ response: { weight: 1 } }, { data: { train, eval: train } }),
    );
    expect([none, warnings.map(({ text }) => text)]).toEqual([
      [],
      ['data.eval.weights: left out: an evaluation counts every sample alike'],
    ]);
    expect(problems({ response: { weight: 1 } }, { train })).toEqual([]);
  });
});

describe('targets in a recipe', () => {
  const train = { format: 'npy', inputs: 'x', targets: 't' };
  const problems = (losses: unknown, data: object, more: object = {}): string[] =>
    checkFields(recipe(losses, { data, ...more })).problems.map((problem) => problem.text);

  it('are learnt by the terms that fit them, beside soft ones', () => {
    expect(
      problems(
        { regression: { weight: 1 }, embedding: { weight: 1 }, features: { weight: 1, pairs: 'auto' } },
        { task: 'regression', train },
      ),
    ).toEqual([]);
    expect(
      problems(
        { binaryCrossEntropy: { weight: 1 }, multiLabel: { weight: 1 } },
        { task: 'multiLabel', train },
        { baseline: true },
      ),
    ).toEqual([]);
    expect(
      problems({ embedding: { weight: 1 } }, { task: 'regression', train: { format: 'npy', inputs: 'x' }, classes: 3 }),
    ).toEqual([]);
    expect(describeLosses(recipe({ regression: { weight: 1, distance: 'huber', delta: 2 } }))[0]).toBe(
      'total = 1 x regression (huber, delta 2)',
    );
  });

  it.each([
    [
      'a term of classes',
      { crossEntropy: { weight: 1 }, regression: { weight: 1 } },
      { task: 'regression', train },
      {},
      'losses.crossEntropy: means nothing for data.task regression; regression, embedding or a term on taps wanted, or data.task classes or sequence',
    ],
    [
      'soft labels of classes',
      { binaryCrossEntropy: { weight: 1 }, response: { weight: 1 } },
      { task: 'multiLabel', train },
      {},
      'losses.response: means nothing for data.task multiLabel; binaryCrossEntropy, multiLabel or a term on taps wanted, or data.task classes or sequence',
    ],
    [
      'a term of targets without',
      { regression: { weight: 1 } },
      { train: { format: 'npy', inputs: 'x', labels: 'y' } },
      {},
      'losses.regression: means nothing for data.task classes; crossEntropy, response or another term of classes wanted, or data.task regression',
    ],
    [
      'labels beside them',
      { regression: { weight: 1 } },
      { task: 'regression', train: { ...train, labels: 'y' } },
      {},
      'data.train.labels: given beside data.task regression; targets wanted',
    ],
    [
      'no task',
      { crossEntropy: { weight: 1 } },
      { train: { ...train, labels: 'y' } },
      {},
      'data.train.targets: given without data.task; regression or multiLabel wanted there',
    ],
    [
      'none to learn from',
      { regression: { weight: 1 } },
      { task: 'regression', train: { format: 'npy', inputs: 'x' } },
      {},
      'losses.regression: the data has no targets; data.train.targets wanted',
    ],
    [
      'none for a baseline',
      { embedding: { weight: 1 } },
      { task: 'regression', train: { format: 'npy', inputs: 'x' } },
      { baseline: true },
      'baseline: the data has no labels to train on alone; data.train.targets wanted',
    ],
    [
      'a mixture of probabilities',
      { embedding: { weight: 1 } },
      { task: 'multiLabel', train },
      { ensemble: { combine: 'probabilities' } },
      'ensemble.combine: probabilities given; with data.task multiLabel the mean of what the teachers give is taken: logits wanted',
    ],
    [
      'numbers that are probabilities',
      { embedding: { weight: 1 } },
      { task: 'regression', train },
      { teachers: [{ name: 'a', model: 'a', output: 'probabilities' }] },
      'teachers.0.output: probabilities given; with data.task regression logits wanted, which are taken as they are',
    ],
    [
      'of samples without labels',
      { embedding: { weight: 1 } },
      { task: 'regression', train, unlabelled: train },
      {},
      'data.unlabelled.targets: given; none wanted (samples with targets are data.train)',
    ],
  ])('are refused: %s', (_, losses, data, more, text) => {
    expect(problems(losses, data, more)).toEqual([text]);
  });
});

describe('sequences in a recipe', () => {
  const train = { format: 'npy', inputs: 'x', labels: 'y', paddingLabel: -100 };
  const file = { student: { model: 'm.json' } };
  const problems = (losses: unknown, data: object, more: object = {}): string[] =>
    checkFields(recipe(losses, { data, ...file, ...more })).problems.map((problem) => problem.text);
  const pairs = [{ student: 'a', teacher: 'a/b', adapter: 'conv1x1' }];

  it('take the terms of a position by itself', () => {
    expect(
      problems(
        {
          crossEntropy: { weight: 1 },
          response: { weight: 1 },
          logitMse: { weight: 1 },
          decoupled: { weight: 1 },
          features: { weight: 1, pairs },
        },
        { task: 'sequence', train },
        { baseline: true },
      ),
    ).toEqual([]);
    expect(
      problems({ response: { weight: 1 } }, { task: 'sequence', train: { format: 'npy', inputs: 'x', mask: 'm' } }),
    ).toEqual([]);
  });

  it.each([
    [
      'a term among samples',
      { dist: { weight: 1 } },
      train,
      {},
      'losses.dist: means nothing for data.task sequence; a term of each position by itself (crossEntropy, response, logitMse, features) wanted, or data.task classes',
    ],
    [
      'maps',
      { attention: { weight: 1, pairs } },
      train,
      {},
      'losses.attention: means nothing for data.task sequence; a term of each position by itself (crossEntropy, response, logitMse, features) wanted, or data.task classes or regression or multiLabel',
    ],
    [
      'an adapter of whole samples',
      { features: { weight: 1, pairs: [{ ...pairs[0], adapter: 'dense' }] } },
      train,
      {},
      'losses.features.adapter: dense given, which mixes positions; conv1x1 wanted',
    ],
    [
      'statistics over all positions',
      { features: { weight: 1, pairs: [{ ...pairs[0], batchNorm: true }] } },
      train,
      {},
      'losses.features.batchNorm: true given, whose statistics would count positions that do not; false wanted',
    ],
    [
      'a built-in student',
      { response: { weight: 1 } },
      train,
      { student: { builtin: 'mlp' } },
      'student.builtin: given, which gives no sequence; a model file of [positions, classes] wanted',
    ],
    [
      'no positions',
      { response: { weight: 1 } },
      { format: 'npy', inputs: 'x' },
      {},
      'data.train: nothing tells the positions; labels or mask of [samples, positions] wanted',
    ],
    [
      'labels from a file',
      { response: { weight: 1 } },
      train,
      { teachers: [], labels: { from: 'l.npz' } },
      'labels.from: given with data.task sequence; teachers wanted',
    ],
    [
      'specialists',
      { response: { weight: 1 } },
      train,
      {
        teachers: [
          { name: 'a', model: 'a' },
          { name: 'b', model: 'b', specialist: [1] },
        ],
      },
      'teachers.1.specialist: given with data.task sequence, whose samples are of no one class; none wanted',
    ],
  ])('are refused: %s', (_, losses, source, more, text) => {
    expect(problems(losses, { task: 'sequence', train: source }, more)).toEqual([text]);
  });

  it('are refused where masks would mix, and masks where there are no sequences', () => {
    expect(problems({ response: { weight: 1 } }, { task: 'sequence', train, augment: { mixup: 1 } })).toEqual([
      'data.augment.mixup: given with data.task sequence, whose masks do not mix; no mixup wanted',
    ]);
    expect(problems({ response: { weight: 1 } }, { train: { ...train, mask: 'm' } })).toEqual([
      'data.train.mask: given without data.task sequence; that task, or no such key, wanted',
      'data.train.paddingLabel: given without data.task sequence; that task, or no such key, wanted',
    ]);
  });
});

describe('augmentation in a recipe', () => {
  const train = { format: 'idx', images: 'x', labels: 'y' };
  it.each([
    [
      'without an operation',
      { views: 2 },
      {},
      'data.augment: no operation given; shift, flip, crop, cutout, noise or mixup wanted',
    ],
    [
      'over labels from a file',
      { shift: 1 },
      { labels: { from: 'l.npz' } },
      'data.augment: given beside labels.from, whose labels are of the samples as they are; one of the two wanted',
    ],
    [
      'of mixtures whose labels are waited for',
      { mixup: 1, views: 2 },
      { labels: { wait: true } },
      'data.augment.mixup: given beside labels.wait; mixtures are labelled as they are made, so labels.wait: false wanted',
    ],
    [
      'of endless views whose labels are waited for',
      { shift: 1 },
      { labels: { wait: true } },
      'data.augment.views: missing beside labels.wait; a number of views wanted, whose labels can be kept',
    ],
  ])('is refused: %s', (_, augment, overrides, text) => {
    expect(
      checkFields(recipe({ response: { weight: 1 } }, { ...overrides, data: { train, augment } })).problems.map(
        (problem) => problem.text,
      ),
    ).toEqual([text]);
  });
});

describe('a rule for the teachers of a sample', () => {
  const train = { format: 'idx', images: 'x', labels: 'y' };
  const [a, b] = [
    { name: 'a', model: 'a.onnx' },
    { name: 'b', model: 'b.onnx' },
  ];
  const response = { response: { weight: 1 } };
  const problems = (overrides: object, losses: object = response): string[] =>
    checkFields(recipe(losses, { teachers: [a, b], data: { train }, ...overrides })).problems.map(({ text }) => text);

  it('is taken', () => {
    expect(problems({ ensemble: { subset: 2 } })).toEqual([]);
    expect(
      problems({ teachers: [a, { ...b, specialist: [1, 'cat'] }], data: { train, classNames: ['dog', 'cat'] } }),
    ).toEqual([]);
  });

  it.each([
    [
      'more than there are',
      { ensemble: { subset: 3 } },
      'ensemble.subset: 3 given; at most 2 wanted, the teachers with a weight that are no specialists',
    ],
    [
      'more than may label any sample',
      { ensemble: { subset: 2 }, teachers: [a, { ...b, specialist: [1] }] },
      'ensemble.subset: 2 given; at most 1 wanted, the teachers with a weight that are no specialists',
    ],
    [
      'labels from a file',
      { ensemble: { subset: 1 }, labels: { from: 'l.npz' } },
      'ensemble.subset: given beside labels.from, whose labels are of no teacher here; one of the two wanted',
    ],
    [
      'specialists alone',
      {
        teachers: [
          { ...a, weight: 0 },
          { ...b, specialist: [1] },
        ],
      },
      'teachers.1.specialist: no teacher with a weight is without it; one that labels any sample wanted',
    ],
    [
      'no labels',
      { teachers: [a, { ...b, specialist: [1] }], data: { train: { format: 'idx', images: 'x' } } },
      'teachers.1.specialist: the data has no labels by which samples could be told apart; data.train.labels wanted',
    ],
    [
      'mixtures of samples',
      { teachers: [a, { ...b, specialist: [1] }], data: { train, augment: { mixup: 1 } } },
      'teachers.1.specialist: given beside data.augment.mixup, whose samples are of two classes; one of the two wanted',
    ],
    [
      'a class that has no name',
      { teachers: [a, { ...b, specialist: ['cow'] }], data: { train, classNames: ['dog', 'cat'] } },
      'teachers.1.specialist: "cow" is none of data.classNames; one of dog, cat wanted',
    ],
  ])('is refused beside %s', (_case, overrides, text) => {
    expect(problems(overrides)).toEqual([text]);
  });

  it('may be weights for each sample', () => {
    for (const by of ['confidence', 'entropy', 'label'])
      expect(problems({ ensemble: { weights: { by } } })).toEqual([]);
    expect(problems({ labels: { keep: 'teachers', precision: 'float16' } })).toEqual([]);
  });

  it.each([
    [
      'a subset of the teachers',
      { ensemble: { subset: 1, weights: { by: 'entropy' } } },
      'ensemble.weights.by: given beside ensemble.subset, where teachers label some samples only; one of the two wanted',
    ],
    [
      'a specialist',
      { labels: { keep: 'teachers' }, teachers: [a, { ...b, specialist: [1] }] },
      'labels.keep: given beside a specialist, where teachers label some samples only; one of the two wanted',
    ],
    [
      'lists of classes',
      { labels: { keep: 'teachers', precision: 'top-k' } },
      'labels.keep: given beside labels.precision top-k, whose lists of classes do not mix; float32 or float16 wanted',
    ],
    [
      'kept mixtures',
      { labels: { keep: 'mixture' }, ensemble: { weights: { by: 'confidence' } } },
      'ensemble.weights.by: given beside labels.keep mixture; teachers, or auto, wanted',
    ],
    [
      'data without labels',
      { ensemble: { weights: { by: 'label' } }, data: { train: { format: 'idx', images: 'x' } } },
      'ensemble.weights.by: label given, and the data has no labels; data.train.labels, confidence or entropy wanted',
    ],
    [
      'mixtures of samples',
      { ensemble: { weights: { by: 'label' } }, data: { train, augment: { mixup: 1 } } },
      'ensemble.weights.by: label given beside data.augment.mixup, whose samples are of two classes; confidence or entropy wanted',
    ],
  ])('or labels that are mixed when they are read are refused beside %s', (_case, overrides, text) => {
    expect(problems(overrides)).toEqual([text]);
  });

  it('is refused beside pairs with a teacher that does not label every sample', () => {
    const features = (teacher: string): object => ({
      response: { weight: 1 },
      features: { weight: 1, pairs: [{ student: 'x', teacher }] },
    });
    const known = [a, { ...b, specialist: [1] }];
    expect(problems({ ensemble: { subset: 1 } }, features('a/x'))).toEqual([
      'ensemble.subset: given beside losses.features, which compares every sample with a teacher; one of the two wanted',
    ]);
    for (const losses of [features('b/x'), { response: { weight: 1 }, features: { weight: 1, pairs: 'auto' } }]) {
      expect(problems({ teachers: known }, losses)).toEqual([
        'teachers.1.specialist: given beside losses.features, which compares every sample with this teacher; one of the two wanted',
      ]);
    }
    expect(problems({ teachers: known }, features('a/x'))).toEqual([]);
  });

  it('is refused beside a temperature that changes', () => {
    const losses = { response: { weight: 1, temperature: { from: 4, to: 1 } } };
    expect(problems({ ensemble: { subset: 1 } }, losses)).toEqual([
      "ensemble.subset: given beside losses.response, which needs every teacher's logits of every sample; a temperature that stays, or no such rule, wanted",
    ]);
  });
});

describe('a recipe that drops teachers that fail', () => {
  const two = [
    { name: 'a', model: 'a.onnx' },
    { name: 'b', model: 'b.onnx' },
  ];
  const drop = { onFailure: 'drop' };
  const problems = (losses: unknown, overrides: Record<string, unknown>): string[] =>
    checkFields(recipe(losses, { ensemble: drop, teachers: two, ...overrides })).problems.map(({ text }) => text);

  it.each([
    [
      'one teacher',
      { response: { weight: 1 } },
      { teachers: [two[0], { ...two[1], weight: 0 }] },
      'ensemble.onFailure: drop given; two teachers with a weight above 0 wanted, one to go on with',
    ],
    [
      'pairs',
      { response: { weight: 1 }, features: { weight: 1, pairs: [{ student: 'x', teacher: 'a/y' }] } },
      {},
      'ensemble.onFailure: drop given, and losses.features compares with single teachers, which it cannot do without; stop wanted',
    ],
    [
      'pairs to be found',
      { attention: { weight: 1, pairs: 'auto' } },
      {},
      'ensemble.onFailure: drop given, and losses.attention compares with single teachers, which it cannot do without; stop wanted',
    ],
    [
      'workers without teachers',
      { response: { weight: 1 } },
      { labels: { wait: true } },
      'ensemble.onFailure: drop given beside labels.wait, where training workers run no teacher; stop wanted',
    ],
  ])('is refused with %s', (_, losses, overrides, text) => {
    expect(problems(losses, overrides)).toEqual([text]);
  });

  it('is taken with two teachers, and with any recipe by its default', () => {
    expect(problems({ response: { weight: 1 } }, {})).toEqual([]);
    expect(problems({ features: { weight: 1, pairs: [{ student: 'x', teacher: 'a/y' }] } }, { ensemble: {} })).toEqual(
      [],
    );
  });
});
