import { describe, expect, it } from 'vitest';
import { describeLosses } from '../../../shared/recipe/check.js';
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
const read = (text: string, set: string[] = []): ReturnType<typeof readRecipe> => readRecipe(text, { file: 'dir/my.yaml', set });
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
    expect(recipe).toMatchObject({ name: 'my', seed: 7, compression: 'none', ensemble: { combine: 'logits' }, snapshots: { everySteps: 200, keep: 2 }, optimizer: { beta1: 0.9, epsilon: 1e-8 } });
  });
  it('lets --set and --seed win over the file', () => {
    const { recipe } = readRecipe(good, { file: 'r.yaml', set: ['optimizer.learningRate=0.5', 'teachers.1.weight=2', 'epochs=9'], seed: 3 });
    expect([recipe.optimizer.learningRate, recipe.teachers[1]?.weight, recipe.epochs, recipe.seed]).toEqual([0.5, 2, 9, 3]);
  });
  it('cuts a batch into micro-batches of 32 where the recipe does not say', () => {
    expect(read(good.replace(', micro: 16', '')).recipe.batch).toEqual({ size: 64, micro: 32 });
    expect(read(good.replace('size: 64, micro: 16', 'size: 20')).recipe.batch).toEqual({ size: 20, micro: 20 });
  });

  it.each<[string, string, string]>([
    ['an unknown key, with the nearest known one', good.replace('0.001', '0.001, weightDecya: 0'), 'dir/my.yaml:11: optimizer.weightDecya: unknown key; did you mean weightDecay?'],
    ['an unknown key at the top', `${good}epoch: 2\n`, 'dir/my.yaml:14: epoch: unknown key; did you mean epochs?'],
    ['a wrong type', good.replace('size: 64', 'size: many'), 'dir/my.yaml:12: batch.size: "many" given; number wanted'],
    ['a negative number', good.replace('size: 64', 'size: -64'), 'dir/my.yaml:12: batch.size: -64 given; >0 wanted'],
    ['a missing key', good.replace('optimizer: { name: adam, learningRate: 0.001 }\n', ''), 'dir/my.yaml:1: optimizer: missing; object wanted'],
    ['a response term without a teacher', good.replace(/teachers:\n.*\n.*\n/, ''), 'dir/my.yaml:5: losses.response: there is no teacher; at least one under teachers wanted'],
    ['a batch smaller than a micro-batch', good.replace('micro: 16', 'micro: 128'), 'dir/my.yaml:12: batch.micro: 128 given; at most batch.size (64) wanted'],
    ['epochs and steps', `${good}steps: 5\n`, 'dir/my.yaml:14: steps: given beside epochs; one of the two wanted'],
    ['one name for two teachers', good.replace('name: b', 'name: a'), 'dir/my.yaml:5: teachers.1.name: "a" given twice; a name of its own wanted'],
    ['early stopping without an evaluation set', `${good}evaluate: { earlyStop: { patience: 2 } }\n`, 'dir/my.yaml:14: evaluate.earlyStop: there is no evaluation set; data.eval wanted'],
  ])('refuses %s in one line', (_, text, line) => {
    expect(messageOf(text)).toBe(line);
  });
  it('tells every problem, a line each', () => {
    expect(messageOf(good.replace('size: 64', 'size: x').replace('epochs: 2', 'epochs: y')).split('\n')).toHaveLength(2);
  });
  it('says so when the text is no YAML or no mapping', () => {
    expect(messageOf('a: [1,\n')).toMatch(/^dir\/my\.yaml:\d+: no YAML/);
    expect(messageOf('- 1\n')).toMatch(/no recipe/);
  });
  it('refuses a --set without a value', () => {
    expect(messageOf(good, ['epochs'])).toBe('--set epochs: KEY.PATH=VALUE was wanted');
  });
  it('warns of an unusual temperature', () => {
    expect(read(good.replace('temperature: 4', 'temperature: 40')).warnings).toEqual([expect.stringMatching(/^dir\/my\.yaml:8: losses\.response\.temperature: 40 given; 1 to 20 is usual/)]);
  });
});

describe('describeLosses', () => {
  it('writes the total out, with T squared and the normalised weights', () => {
    expect(describeLosses(read(good).recipe)).toEqual(['total = 0.3 x crossEntropy + 0.7 x 16 x KL(ensemble || student at T=4)', 'ensemble (logits) = 0.7500 x a + 0.2500 x b']);
  });
});

describe('nearest', () => {
  it('finds a word that is near enough, else nothing', () => {
    expect(nearest('epocs', ['epochs', 'steps'])).toBe('epochs');
    expect(nearest('zzzzzz', ['epochs', 'steps'])).toBeUndefined();
  });
});
