/** Whole runs with every loss term: the same bits for any number of workers, and numbers that change over the steps. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { baselineRecipe } from '../../../cli/prepare/baseline.js';
import { UserError } from '../../../shared/errors.js';
import { studentAlone } from '../../../shared/models/student-spec.js';
import { installedPlugins } from '../../../shared/recipe/plugins.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { planTaps } from '../../../cli/prepare/taps.js';
import { temporaryFolder } from '../fakes.js';
import { lossNames, lossOf, rowOf, vectorTaskOf } from '../compute/losses/rows.js';
import { curve, prepareAgain, prepared, samples, targetData, whole } from './real-runs.js';
import { reference, saveLayersModel } from '../compute/teachers/fixtures.js';

const student = { builtin: 'mlp', hidden: [8] };
const cnn = { model: '' };
const withExits = { builtin: 'mlp', hidden: [8, 8, 8], exits: true };
const short = { epochs: 1 };

beforeAll(async () => {
  await openWasm();
  const init = tf.initializers.randomUniform({ minval: -0.5, maxval: 0.5, seed: 3 });
  const model = tf.sequential();
  model.add(
    tf.layers.conv2d({
      name: 'relu1',
      filters: 3,
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: init,
      inputShape: reference.shape,
    }),
  );
  model.add(tf.layers.maxPooling2d({ name: 'pool1', poolSize: [2, 1], strides: [2, 1] }));
  model.add(
    tf.layers.conv2d({
      name: 'relu2',
      filters: 4,
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: init,
    }),
  );
  model.add(tf.layers.flatten({ name: 'flatten' }));
  model.add(tf.layers.dense({ name: 'dense', units: reference.classes, kernelInitializer: init }));
  cnn.model = await saveLayersModel(model, join(temporaryFolder(), 'student'));
});

describe.each(['auto', 'wasm'])('a run with backend %s', (backend) => {
  const numerics = { backend };

  it.each(lossNames)(
    'with %s has the same bits with 1, 2 and 3 workers',
    async (term) => {
      const [{ on }, { recipe }, task] = [lossOf(term), rowOf(term), vectorTaskOf(term)];
      const run = await prepared({ answer: student, pairs: cnn, exits: withExits }[on], {
        ...short,
        numerics,
        ...(task === undefined ? {} : targetData(task)),
        losses: {
          [task === undefined ? 'crossEntropy' : 'embedding']: { weight: 0.1 },
          [term]: { weight: 0.5, ...recipe },
        },
      });
      const [one, two, three] = [await whole(run, 1), await whole(run, 2), await whole(run, 3)];
      expect(curve(two.lines)).toEqual(curve(one.lines));
      expect(curve(three.lines)).toEqual(curve(one.lines));
      const [first] = one.lines.filter((line) => line.type === 'commit');
      expect(first?.loss[term]).toBeGreaterThan(0);
      expect(first?.sums[`gradient.${term}`]).toBeGreaterThan(0);
    },
    60_000,
  );

  it('with plug-ins, on logits and on pairs, has the same bits with 1, 2 and 3 workers', async () => {
    const file = join(temporaryFolder(), 'half.js');
    // Half the squared distance, of whatever it is given.
    writeFileSync(
      file,
      `export function loss({ rows, logits, soft, student, teacher, options }) {
      const [x, y] = student === undefined ? [logits, soft] : [student.values, teacher.values];
      const gradient = x.map((value, i) => options.factor * (value - y[i]));
      const values = Array.from({ length: rows }, (_, row) => gradient.subarray(row * x.length / rows, (row + 1) * x.length / rows).reduce((sum, g) => sum + g * g / 2 / options.factor, 0));
      return { values, gradient };
    }`,
    );
    const other = join(temporaryFolder(), 'pairs.js');
    copyFileSync(file, other);
    const plugins = await installedPlugins([file, other], undefined);
    const run = await prepared(
      cnn,
      {
        ...short,
        numerics,
        losses: {
          crossEntropy: { weight: 0.1 },
          plugins: {
            pairs: {
              weight: 0.5,
              pairs: [
                { student: 'relu2', teacher: 'deep/logits', adapter: 'dense' },
                { student: 'logits', teacher: 'wide/logits' },
              ],
              options: { factor: 1 },
            },
            half: { weight: { from: 1, to: 0.5 }, over: 'labelled', soft: 'logits', options: { factor: 2 } },
          },
        },
      },
      plugins,
    );
    expect(run.plugins.map(({ name }) => name)).toEqual(['half', 'pairs']);
    const [one, two, three] = [
      await whole(run, 1, { plugins }),
      await whole(run, 2, { plugins }),
      await whole(run, 3, { plugins }),
    ];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    expect(curve(three.lines)).toEqual(curve(one.lines));
    const [first] = one.lines.filter((line) => line.type === 'commit');
    for (const term of ['plugins.half', 'plugins.pairs']) {
      expect(first?.loss[term]).toBeGreaterThan(0);
      expect(first?.sums[`gradient.${term}`]).toBeGreaterThan(0);
    }
    expect(first?.counts['plugins.half']).toBeLessThan(24);
    expect(first?.counts['plugins.pairs']).toBe(24);
  }, 60_000);

  it.each(['distilled', 'alone'])(
    'on augmented mixtures, %s, has the same bits with 1, 2 and 3 workers, and counts each label of an epoch once',
    async (how) => {
      const whatever = await prepared(student, {
        ...short,
        losses: {
          crossEntropy: { weight: 0.3, labelSmoothing: 0.1 },
          response: { weight: 0.4 },
          decoupled: { weight: 0.1 },
          virtualTeacher: { weight: 0.2 },
        },
      });
      const taught = await prepareAgain(whatever, {
        ...whatever.recipe,
        data: { ...whatever.recipe.data, augment: { shift: 1, flip: true, noise: 0.1, fill: 0, mixup: 0.7 } },
      });
      const run = how === 'alone' ? await prepareAgain(taught, baselineRecipe(taught)) : taught;
      const [one, two, three] = [await whole(run, 1), await whole(run, 2), await whole(run, 3)];
      expect(curve(two.lines)).toEqual(curve(one.lines));
      expect(curve(three.lines)).toEqual(curve(one.lines));
      expect(curve((await whole(await prepareAgain(run, { ...run.recipe, seed: 4 }), 1)).lines)).not.toEqual(
        curve(one.lines),
      );
      const counted = (term: string): number =>
        one.lines.reduce(
          (sum, line) => sum + (line.type === 'commit' && line.epoch === 0 ? (line.counts[term] ?? 0) : 0),
          0,
        );
      const labelled = (samples * 4) / 5;
      expect(['crossEntropy', 'response', 'decoupled', 'virtualTeacher'].map(counted)).toEqual(
        how === 'alone' ? [labelled, 0, 0, 0] : [labelled, samples, labelled, labelled],
      );
    },
    60_000,
  );

  it.each([
    ['a temperature', { weight: 1, temperature: { from: 3, to: 1, over: 'step', steps: 2 } }],
    ['a weight', { weight: { from: 1, to: 0.25, over: 'cosine', start: 1, steps: 1 }, temperature: 3 }],
  ])(
    'follows the schedule of %s, the same with 1 and 2 workers',
    async (what, response) => {
      const of = async (term: unknown, workers: number): Promise<Awaited<ReturnType<typeof whole>>> =>
        whole(
          await prepared(student, { epochs: 2, losses: { crossEntropy: { weight: 0.1 }, response: term } }),
          workers,
        );
      const [scheduled, constant] = [await of(response, 1), await of({ weight: 1, temperature: 3 }, 1)];
      expect(curve((await of(response, 2)).lines)).toEqual(curve(scheduled.lines));
      const values = ({ lines }: typeof scheduled): (number | undefined)[] =>
        lines.flatMap((line) => (line.type === 'commit' ? [line.loss.response] : []));
      // A loss is taken before the update: the temperature of step 2 shows in it, the weight of step 2 in step 3.
      const same = what === 'a temperature' ? 2 : 3;
      expect(values(scheduled).slice(0, same)).toEqual(values(constant).slice(0, same));
      expect(values(scheduled)[same]).not.toBe(values(constant)[same]);
    },
    60_000,
  );
});

describe('temperatures', () => {
  const of = async (
    combine: string,
    own: number | undefined,
    losses: Record<string, unknown>,
    workers: number,
    cached = true,
  ): Promise<Awaited<ReturnType<typeof whole>>> => {
    const run = await prepared(student, {
      ...short,
      ensemble: { combine, allowChance: true },
      labels: { cache: cached },
      losses: { crossEntropy: { weight: 0.1 }, ...losses },
    });
    const [first] = run.recipe.teachers;
    if (first === undefined) throw new Error('no teacher');
    return whole(
      await prepareAgain(run, {
        ...run.recipe,
        teachers: [{ ...first, temperature: own }, ...run.recipe.teachers.slice(1)],
      }),
      workers,
    );
  };
  const lossesOf = ({ lines }: Awaited<ReturnType<typeof of>>, term: string): number[] =>
    lines.flatMap((line) => (line.type === 'commit' ? [line.loss[term] ?? NaN] : []));
  const two = {
    response: { weight: 1, temperature: 3 },
    decoupled: { weight: 0.1, temperature: { from: 6, to: 2, steps: 2 } },
  };

  it.each(['logits', 'probabilities'])(
    "of a teacher's own are kept in a mixture of %s whatever a loss or a schedule asks for, live and kept, with 1 and 2 workers",
    async (combine) => {
      const [same, near, none, live, many] = [
        await of(combine, 3, two, 1),
        await of(combine, 3 + 1e-6, two, 1),
        await of(combine, undefined, two, 1),
        await of(combine, 3, two, 1, false),
        await of(combine, 3, two, 2),
      ];
      expect(curve(live.lines)).toEqual(curve(same.lines));
      expect(curve(many.lines)).toEqual(curve(same.lines));
      lossesOf(same, 'decoupled').forEach((loss, i) =>
        expect(loss).toBeCloseTo(lossesOf(near, 'decoupled')[i] ?? NaN, 2),
      );
      // The response is at the very temperature; the other term is not, until the teacher has none of its own.
      expect(lossesOf(same, 'response')[0]).toBe(lossesOf(none, 'response')[0]);
      expect(
        Math.abs((lossesOf(same, 'decoupled')[0] ?? NaN) - (lossesOf(none, 'decoupled')[0] ?? NaN)),
      ).toBeGreaterThan(0.1);
    },
    60_000,
  );
});

describe('pairs of taps', () => {
  const losses = (pairs: unknown, term = 'features'): Record<string, unknown> => ({
    losses: { crossEntropy: { weight: 1 }, [term]: { weight: 1, pairs } },
  });

  it('are proposed by spatial size, for every teacher, with the adapters that they need', async () => {
    const { recipe, student: spec } = await prepared(cnn, {
      ...short,
      losses: {
        crossEntropy: { weight: 1 },
        features: { weight: 1, pairs: 'auto' },
        attention: { weight: 1, pairs: 'auto' },
      },
    });
    const plain = { batchNorm: false, activation: 'linear' };
    const deep: unknown = expect.stringMatching(/^deep\/dropout/);
    const pairs = [
      { student: 'relu1', teacher: 'wide//2/Relu_output_0', ...plain },
      { student: 'relu1', teacher: deep, ...plain },
    ];
    expect(recipe.losses.features?.pairs).toEqual(pairs.map((pair) => ({ ...pair, adapter: 'conv1x1' })));
    expect(recipe.losses.attention?.pairs).toEqual(pairs);
    expect(spec.weights.filter(({ adapter }) => adapter).map(({ name, shape }) => [name, ...shape])).toEqual([
      ['adapter/features/0/kernel', 3, 4],
      ['adapter/features/0/bias', 4],
      ['adapter/features/1/kernel', 3, 4],
      ['adapter/features/1/bias', 4],
    ]);
  });

  it('train their adapters, which the student that is written down does not have', async () => {
    const run = await prepared(cnn, {
      ...short,
      losses: { crossEntropy: { weight: 1 }, features: { weight: 1, ...rowOf('features').recipe } },
    });
    const { summary, exported, best } = await whole(run, 1);
    const names = run.student.weights.filter(({ adapter }) => adapter).map(({ name }) => name);
    expect(names).toEqual([
      'adapter/features/0/kernel',
      'adapter/features/0/bias',
      'adapter/features/0/gamma',
      'adapter/features/0/beta',
      'adapter/features/1/kernel',
      'adapter/features/1/bias',
    ]);
    for (const name of names.filter((one) => !one.endsWith('0/bias')))
      expect(best?.get(name), name).not.toEqual(run.initialWeights.get(name));
    expect([...exported.keys()]).toEqual([...studentAlone(run.student, best ?? new Map()).weights.keys()]);
    expect(summary.student.parameters).toBe([...exported.values()].reduce((sum, { length }) => sum + length, 0));
  });

  it.each([
    [
      losses([{ student: 'nothing', teacher: 'wide//2/Relu' }]),
      'losses.features: the student has no tap "nothing"; it has',
    ],
    [losses([{ student: 'relu1', teacher: 'wide/nothing' }]), 'nothing'],
    [losses([{ student: 'relu1', teacher: 'deep/nothing' }]), 'nothing'],
    [losses([{ student: 'relu1', teacher: 'wide//2/Relu' }]), 'differ in their channels; adapter conv1x1 wanted'],
    [losses([{ student: 'relu1', teacher: 'wide/logits' }]), 'differ in their channels; adapter dense wanted'],
    [
      losses([{ student: 'relu1', teacher: 'wide/logits', adapter: 'conv1x1' }]),
      'conv1x1 maps the channels of maps; adapter dense wanted',
    ],
    [losses([{ student: 'logits', teacher: 'wide/logits' }], 'attention'), 'are no maps of the same kind'],
    [losses([{ student: 'relu1', teacher: 'wide//2/Relu', adapter: 'dense' }], 'selectivity'), 'dense makes no map'],
  ])('are refused in one line: %j', async (overrides, text) => {
    const error: unknown = await prepared(cnn, { ...short, ...overrides }).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(text);
    expect(String(error)).not.toContain('\n');
  });

  it('are proposed by depth for a teacher whose maps have other sizes', async () => {
    const run = await prepared(cnn, {
      ...short,
      losses: {
        crossEntropy: { weight: 1 },
        attention: { weight: 1, pairs: [{ student: 'relu1', teacher: 'wide//2/Relu' }] },
      },
    });
    const taps = (...sizes: number[]): { name: string; shape: number[] }[] =>
      sizes.map((size, i) => ({ name: `m${i}`, shape: [size, size + 1, 2] }));
    const teachers = new Map([
      ['wide', taps(20, 10, 5, 1)],
      ['deep', [...taps(9), { name: 'vector', shape: [4] }]],
    ]);
    const planned = await planTaps({
      recipe: { ...run.recipe, losses: { attention: { weight: 1, normalize: 'none', pairs: 'auto' } } },
      student: { spec: run.student, weights: run.initialWeights },
      teachers,
    });
    const { pairs } = planned.recipe.losses.attention ?? {};
    // The student's two sizes end with those of relu1 and relu2; a map of height 1 is none.
    expect(pairs === 'auto' ? [] : pairs?.map((pair) => [pair.student, pair.teacher])).toEqual([
      ['relu1', 'wide/m1'],
      ['relu2', 'wide/m2'],
      ['relu2', 'deep/m0'],
    ]);
  });

  it('are refused where auto finds none', async () => {
    await expect(prepared(student, { ...short, ...losses('auto') })).rejects.toThrow(
      'losses.features.pairs: auto finds no maps',
    );
  });
});
