import { describe, expect, it } from 'vitest';
import { describeLosses } from '../../../shared/recipe/describe.js';
import { readRecipe } from '../../../shared/recipe/read.js';
import { nearest } from '../../../shared/recipe/nearest.js';
import { UserError } from '../../../shared/errors.js';

const good = `seed: 7
student: { builtin: mlp, hidden: [8] }
teachers:
  - { name: a, model: a.onnx, weight: 3 }
  - { name: b, model: b.onnx }
losses:
  crossEntropy: { weight: 0.3 }
  response: { weight: 0.7, temperature: 4 }
data:
  train: { format: idx, images: x, labels: y }
optimizer: { name: adam, learningRate: 0.001 }
batch: { size: 64, micro: 16 }
epochs: 2
`;
const read = (text: string, set: string[] = []): ReturnType<typeof readRecipe> =>
  readRecipe(text, { file: 'dir/my.yaml', set });
const messageOf = (text: string, set: string[] = []): string => {
  try {
    read(text, set);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    return (error as UserError).message;
  }
  return 'accepted';
};

describe('readRecipe', () => {
  it('fills in the defaults and takes the name from the file', () => {
    const { recipe, warnings } = read(good);
    expect(warnings).toEqual([]);
    expect(recipe).toMatchObject({
      name: 'my',
      seed: 7,
      compression: 'none',
      ensemble: { combine: 'logits' },
      snapshots: { everySteps: 200, keep: 2 },
      optimizer: { beta1: 0.9, epsilon: 1e-8 },
    });
  });
  it('lets --set and --seed win over the file', () => {
    const { recipe } = readRecipe(good, {
      file: 'r.yaml',
      set: ['optimizer.learningRate=0.5', 'teachers.1.weight=2', 'epochs=9'],
      seed: 3,
    });
    expect([recipe.optimizer.learningRate, recipe.teachers[1]?.weight, recipe.epochs, recipe.seed]).toEqual([
      0.5, 2, 9, 3,
    ]);
  });
  it('cuts a batch into micro-batches of 32 where the recipe does not say', () => {
    expect(read(good.replace(', micro: 16', '')).recipe.batch).toEqual({ size: 64, micro: 32 });
    expect(read(good.replace('size: 64, micro: 16', 'size: 20')).recipe.batch).toEqual({ size: 20, micro: 20 });
  });

  it.each<[string, string, string]>([
    [
      'an unknown key, with the nearest known one',
      good.replace('0.001', '0.001, weightDecya: 0'),
      'dir/my.yaml:11: optimizer.weightDecya: unknown key; did you mean weightDecay?',
    ],
    ['an unknown key at the top', `${good}epoch: 2\n`, 'dir/my.yaml:14: epoch: unknown key; did you mean epochs?'],
    [
      'a wrong type',
      good.replace('size: 64', 'size: many'),
      'dir/my.yaml:12: batch.size: "many" given; a number wanted',
    ],
    [
      'a negative number',
      good.replace('size: 64', 'size: -64'),
      'dir/my.yaml:12: batch.size: -64 given; more than 0 wanted',
    ],
    [
      'a missing key',
      good.replace('optimizer: { name: adam, learningRate: 0.001 }\n', ''),
      'dir/my.yaml:1: optimizer: missing; a mapping wanted',
    ],
    [
      'a response term without a teacher',
      good.replace(/teachers:\n.*\n.*\n/, ''),
      'dir/my.yaml:5: losses.response: there is no teacher; at least one under teachers wanted',
    ],
    [
      'a batch smaller than a micro-batch',
      good.replace('micro: 16', 'micro: 128'),
      'dir/my.yaml:12: batch.micro: 128 given; at most batch.size (64) wanted',
    ],
    ['epochs and steps', `${good}steps: 5\n`, 'dir/my.yaml:14: steps: given beside epochs; one of the two wanted'],
    [
      'one name for two teachers',
      good.replace('name: b', 'name: a'),
      'dir/my.yaml:5: teachers.1.name: "a" given twice; a name of its own wanted',
    ],
    [
      'class names of a teacher alone',
      good.replace('name: b', 'name: b, classes: [x, y]'),
      'dir/my.yaml:5: teachers.1.classes: given without the names to bring them into the order of; data.classNames wanted',
    ],
    [
      'one input and several',
      good.replace('name: b', 'name: b, input: x, inputs: { x: a }'),
      'dir/my.yaml:5: teachers.1.inputs: given beside input, which gets the whole sample; one of the two wanted',
    ],
    [
      'a class name given twice',
      good.replace(/^data:\n/m, 'data:\n  classNames: [x, x]\n'),
      'dir/my.yaml:10: data.classNames: a name given twice; a name of its own for each class wanted',
    ],
    [
      'class names of another number',
      good.replace(/^data:\n/m, 'data:\n  classNames: [x, y]\n  classes: 3\n'),
      'dir/my.yaml:10: data.classNames: 2 names given; 3 wanted, as data.classes says',
    ],
    [
      'a format that is none',
      good.replace('format: idx', 'format: hdf5'),
      'dir/my.yaml:10: data.train.format: "hdf5" given; one of idx, npy, csv, jsonl, parquet, folder, tfrecord, arrow, webdataset wanted',
    ],
    [
      'a slip in a choice',
      good.replace('name: adam', 'name: adm'),
      'dir/my.yaml:11: optimizer.name: "adm" given; one of sgd, adam, adamw (adam?) wanted',
    ],
    [
      'a key of another format',
      good.replace('images: x', 'images: x, delimiter: ";"'),
      'dir/my.yaml:10: data.train.delimiter: unknown key; one of format, images, inputs, labels, weights, targets, mask, layout, paddingLabel, limit, labelled, onlyLabelled wanted',
    ],
    [
      'a student of both kinds',
      good.replace('builtin: mlp', 'builtin: mlp, model: m.json'),
      'dir/my.yaml:2: student: builtin and model given; one of the two wanted',
    ],
    [
      'a student of no kind',
      good.replace('builtin: mlp, ', ''),
      'dir/my.yaml:2: student: missing; builtin: NAME or model: FILE wanted',
    ],
    [
      'a number that is none',
      good.replace('0.001', '.nan'),
      'dir/my.yaml:11: optimizer.learningRate: NaN given; a number wanted',
    ],
    [
      'half an epoch',
      good.replace('epochs: 2', 'epochs: 2.5'),
      'dir/my.yaml:13: epochs: 2.5 given; a whole number wanted',
    ],
    [
      'losses without a weight',
      good.replace('0.3', '0').replace('0.7', '0'),
      'dir/my.yaml:6: losses: every weight is 0; one above 0 wanted',
    ],
    [
      'cross entropy alone without labels',
      good.replace(', labels: y', '').replace(/ {2}response.*\n/, ''),
      'dir/my.yaml:7: losses.crossEntropy: the data has no labels; data.train.labels wanted',
    ],
    [
      'a baseline without labels',
      `${good.replace(', labels: y', '')}baseline: true\n`,
      'dir/my.yaml:14: baseline: the data has no labels to train on alone; data.train.labels wanted',
    ],
    [
      'images beside inputs',
      good.replace('images: x', 'images: x, inputs: z'),
      'dir/my.yaml:10: data.train.inputs: given beside images; one of the two wanted',
    ],
    [
      'means and deviations of other channels',
      good.replace('labels: y }', 'labels: y }\n  preprocess: { mean: [1, 2], std: [1, 2, 3] }'),
      'dir/my.yaml:11: data.preprocess.std: 3 values given; 2 wanted, as in mean',
    ],
    [
      'nesterov without momentum',
      good.replace('name: adam', 'name: sgd, nesterov: true'),
      'dir/my.yaml:11: optimizer.nesterov: needs a momentum above 0',
    ],
    ['a key that is no text', `${good}{ epochs: 3 }: 4\n`, 'dir/my.yaml:14: no YAML: All keys must be strings'],
    ['a key that is given twice', `${good}epochs: 3\n`, 'dir/my.yaml:14: no YAML: Map keys must be unique'],
    [
      'aliases that unfold to billions',
      `a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n`,
      'dir/my.yaml:1: no YAML: Excessive alias count indicates a resource exhaustion attack',
    ],
    [
      'early stopping without an evaluation set',
      `${good}evaluate: { earlyStop: { patience: 2 } }\n`,
      'dir/my.yaml:14: evaluate.earlyStop: there is no evaluation set; data.eval wanted',
    ],
  ])('refuses %s in one line', (_, text, line) => {
    expect(messageOf(text)).toBe(line);
  });
  it('tells every problem, a line each', () => {
    expect(messageOf(good.replace('size: 64', 'size: x').replace('epochs: 2', 'epochs: y')).split('\n')).toHaveLength(
      2,
    );
  });
  it('says so when the text is no YAML or no mapping', () => {
    expect(messageOf('a: [1,\n')).toMatch(/^dir\/my\.yaml:\d+: no YAML/);
    expect(messageOf('- 1\n')).toMatch(/no recipe/);
  });
  it.each<[string, string, string]>([
    ['without a value', 'epochs', '--set epochs: KEY.PATH=VALUE was wanted'],
    [
      'of an unknown key',
      'optimizer.learningRte=1',
      '--set optimizer.learningRte=1: optimizer.learningRte: unknown key; did you mean learningRate?',
    ],
    ['of a wrong type', 'batch.size=x', '--set batch.size=x: batch.size: "x" given; a number wanted'],
    ['beyond a list', 'teachers.5.name=x', '--set teachers.5.name=x: there is no place teachers.5 in the recipe'],
    ['inside a number', 'epochs.x=1', '--set epochs.x=1: there is no place epochs.x in the recipe'],
    ['of something that is no YAML', 'epochs=[', '--set epochs=[: the value is no YAML; one in YAML was wanted'],
  ])('refuses a --set %s, by its name', (_, assignment, line) => {
    expect(messageOf(good, [assignment])).toBe(line);
  });
  it('blames the line of the file where another flag is fine', () => {
    expect(messageOf(good.replace('size: 64', 'size: x'), ['batch.micro=8'])).toBe(
      'dir/my.yaml:12: batch.size: "x" given; a number wanted',
    );
  });
  it('lets --set add what the file lacks', () => {
    expect(
      read(`${good}evaluate:\n`, ['evaluate.everyEpochs=3', 'optimizer.schedule.name=cosine']).recipe,
    ).toMatchObject({ evaluate: { everyEpochs: 3 }, optimizer: { schedule: { name: 'cosine' } } });
  });
  it('makes a name that fits a folder from any file', () => {
    expect(readRecipe(good, { file: 'a/.my recipe!.yaml' }).recipe.name).toBe('my-recipe-');
  });
  it.each<[string, string, string]>([
    [
      'teachers that no term uses',
      good.replace(/ {2}response.*\n/, ''),
      'dir/my.yaml:3: teachers: no loss term uses them; they are evaluated only',
    ],
    [
      'labels that are missing',
      good.replace(', labels: y', ''),
      'dir/my.yaml:7: losses.crossEntropy: the data has no labels, so the term is 0 for every sample',
    ],
    [
      'a baseline of a run without teachers',
      `${good.replace(/teachers:\n.*\n.*\n/, '').replace(/ {2}response.*\n/, '')}baseline: true\n`,
      'dir/my.yaml:10: baseline: there are no teachers: the run is its own baseline',
    ],
  ])('warns of %s', (_, text, line) => {
    expect(read(text).warnings).toEqual([line]);
  });
  it('warns of an unusual temperature', () => {
    expect(read(good.replace('temperature: 4', 'temperature: 40')).warnings).toEqual([
      expect.stringMatching(/^dir\/my\.yaml:8: losses\.response\.temperature: 40 given; 1 to 20 is usual/),
    ]);
  });
});

describe('describeLosses', () => {
  it('writes the total out, with T squared and the normalised weights', () => {
    expect(describeLosses(read(good).recipe)).toEqual([
      'total = 0.3 x crossEntropy + 0.7 x 16 x KL(ensemble || student at T=4)',
      'ensemble (logits) = 0.7500 x a + 0.2500 x b',
    ]);
  });
});

describe('nearest', () => {
  it('finds a word that is near enough, else nothing', () => {
    expect(nearest('epocs', ['epochs', 'steps'])).toBe('epochs');
    expect(nearest('zzzzzz', ['epochs', 'steps'])).toBeUndefined();
  });
});
