/** Whole runs on target vectors: the same bits for any number of workers, the figures that fit, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { baselineRecipe } from '../../../cli/prepare/baseline.js';
import { figuresByTask } from '../../../shared/figures/tasks.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { readNpy } from '../../../cli/prepare/sources/npy-array.js';
import { installedPlugins } from '../../../shared/recipe/plugins.js';
import { temporaryFolder } from '../fakes.js';
import { curve, prepareAgain, prepared, samples, targetData, whole } from './real-runs.js';

const student = { builtin: 'mlp', hidden: [8] };
const tasks = [
  [
    'regression',
    {
      regression: { weight: 0.3, distance: 'huber' },
      embedding: { weight: 0.5 },
      logitMse: { weight: 0.1 },
      features: { weight: 0.1, pairs: [{ student: 'logits', teacher: 'wide/logits' }] },
    },
    'r2',
  ],
  ['multiLabel', { binaryCrossEntropy: { weight: 0.3 }, multiLabel: { weight: 0.5, temperature: 2 } }, 'microF1'],
] as const;
const counted = (lines: readonly JournalLine[], term: string): number =>
  lines.reduce((sum, line) => sum + (line.type === 'commit' && line.epoch === 0 ? (line.counts[term] ?? 0) : 0), 0);

describe.each(tasks)('a run of %s', (task, losses, main) => {
  const hard = Object.keys(losses)[0] ?? '';

  it('has the same bits with 1, 2 and 3 workers, kept labels and live ones; counts targets alone in their term; and reports what fits', async () => {
    const run = await prepared(student, { epochs: 2, ...targetData(task), losses });
    expect(run.manifest).toMatchObject({ task, classes: 5, eval: { targets: { width: 5 } } });
    const [one, two, three] = [await whole(run, 1), await whole(run, 2, { cut: true }), await whole(run, 3)];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    expect(curve(three.lines)).toEqual(curve(one.lines));
    const live = await whole(
      await prepareAgain(run, { ...run.recipe, labels: { ...run.recipe.labels, cache: false } }),
      2,
    );
    expect(curve(live.lines)).toEqual(curve(one.lines));
    expect([counted(one.lines, hard), counted(one.lines, Object.keys(losses)[1] ?? '')]).toEqual([
      (samples * 4) / 5,
      samples,
    ]);
    const evaluations = one.lines.filter((line) => line.type === 'evaluation');
    expect(evaluations.map(({ subject }) => subject)).toEqual(['teachers', 'student', 'student']);
    const [before, , after] = evaluations;
    expect(one.summary.student).toMatchObject(figuresByTask[task].figuresOf(after?.sums ?? {}, 'student'));
    expect(one.summary.student[main]).toEqual(expect.any(Number));
    expect(one.summary.teachers[0]).toMatchObject(figuresByTask[task].figuresOf(before?.sums ?? {}, { teacher: 'wide' }));
    expect(one.summary.ensemble?.[main]).toEqual(expect.any(Number));
    expect('accuracy' in one.summary.student).toBe(false);
    expect(one.said.join('\n')).toContain(
      task === 'regression'
        ? 'teachers, R2 on 20 evaluation samples: wide '
        : 'teachers, micro F1 on 20 evaluation samples: wide ',
    );
  }, 60_000);

  it('takes the mean of what its teachers give: alone, a teacher is the ensemble', async () => {
    const run = await prepared(student, { epochs: 1, ...targetData(task), losses: { [hard]: { weight: 1 } } });
    const [first] = run.recipe.teachers;
    const { summary } = await whole(
      await prepareAgain(run, { ...run.recipe, teachers: first === undefined ? [] : [first] }),
      1,
    );
    const [{ name: _, ...figures } = { name: '' }] = summary.teachers;
    expect(figures).toHaveProperty(main);
    expect(summary.ensemble).toEqual(figures);
  }, 60_000);

  it('alone learns the targets', async () => {
    const run = await prepared(student, { epochs: 2, ...targetData(task), losses });
    const alone = await prepareAgain(run, {
      ...baselineRecipe(run),
      steps: 60,
      optimizer: { ...run.recipe.optimizer, learningRate: 0.03 },
    });
    expect(Object.keys(alone.recipe.losses)).toEqual([hard]);
    const { summary } = await whole(alone, 1);
    // Nothing but the mean would have an R2 of 0, and whoever tells every label an F1 of about 0.7.
    expect(summary.student[main]).toBeGreaterThan(task === 'regression' ? 0.5 : 0.9);
  }, 60_000);

  it('on augmented mixtures has the same bits with 1 and 2 workers, and counts every sample once', async () => {
    const data = targetData(task, { augment: { noise: 0.1, mixup: 0.7 } });
    const train = { format: 'npy', inputs: 'train.npy', targets: `train-${task}.npy`, onlyLabelled: true };
    const run = await prepared(student, { epochs: 1, data: { ...(data.data as object), train }, losses });
    const [one, two] = [await whole(run, 1), await whole(run, 2)];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    expect(counted(one.lines, hard)).toBe((samples * 4) / 5);
    await expect(prepared(student, { epochs: 1, ...data, losses })).rejects.toThrow(
      'data.augment.mixup: sample 4 has no target to mix; targets of all samples wanted',
    );
  }, 60_000);

  it('does not begin with a teacher that knows nothing, unless it is allowed', async () => {
    // The teachers' 5 outputs are of random weights.
    const run = await prepared(student, { epochs: 1, ...targetData(task), losses, ensemble: {} });
    await expect(whole(run, 1)).rejects.toThrow(
      task === 'regression'
        ? /teachers? .*: no better than the mean of the targets of 20 samples; .* wanted, or ensemble.allowChance: true/
        : /teachers? .*: no better than the labels' frequencies on 20 samples/,
    );
  }, 60_000);
});

describe('a plug-in', () => {
  it('is given the vectors, of mixtures the mixed ones', async () => {
    const file = join(temporaryFolder(), 'square.js');
    writeFileSync(
      file,
      `export function loss({ rows, classes, targets, logits }) {
      return { values: Array.from({ length: rows }, (_, row) => targets[row * classes] ** 2), gradient: new Float64Array(logits.length) };
    }`,
    );
    const plugins = await installedPlugins([file], undefined);
    const losses = { regression: { weight: 1 }, plugins: { square: { weight: 1, over: 'labelled' } } };
    const squares = async (more: object): Promise<number> => {
      const train = { format: 'npy', inputs: 'train.npy', targets: 'train-regression.npy', onlyLabelled: true };
      const run = await prepared(
        student,
        { epochs: 1, data: { ...(targetData('regression').data as object), train, ...more }, losses },
        plugins,
      );
      return (await whole(run, 1, { plugins })).lines.reduce(
        (sum, line) => sum + (line.type === 'commit' ? (line.loss['plugins.square'] ?? 0) : 0),
        0,
      );
    };
    const [own, mixed] = [await squares({}), await squares({ augment: { mixup: 2 } })];
    const bytes = readFileSync(
      join(
        (await prepared(student, { epochs: 1, ...targetData('regression'), losses: { regression: { weight: 1 } } }))
          .recipeFolder,
        'train-regression.npy',
      ),
    );
    const all = await readNpy('t', { sizeBytes: bytes.length, pieces: [bytes] });
    const first = Array.from(all.data as Float32Array).filter((value, i) => i % 5 === 0 && !Number.isNaN(value));
    expect(own).toBeCloseTo(
      first.reduce((sum, value) => sum + value * value, 0),
      3,
    );
    // Mixtures lie nearer to the middle, and keep the sum.
    const middle = first.reduce((sum, value) => sum + value, 0) ** 2 / first.length;
    expect(mixed).toBeLessThan(own - 0.1 * (own - middle));
    expect(mixed).toBeGreaterThan(middle);
  }, 60_000);
});

describe('targets that do not fit', () => {
  const losses = { regression: { weight: 1 } };
  it.each([
    [
      'a student of another width',
      { builtin: 'mlp', classes: 4 },
      targetData('regression'),
      2,
      'student.classes is 4; the data has 5 numbers a target',
    ],
    [
      'teachers of another width',
      student,
      {
        data: {
          ...(targetData('regression').data as object),
          train: { format: 'npy', inputs: 'train.npy', targets: 'train-labels.npy' },
          eval: undefined,
        },
      },
      2,
      'teacher wide: it gives 5; the data has 1 number a target',
    ],
    [
      'an evaluation set of another width',
      student,
      {
        data: {
          ...(targetData('regression').data as object),
          eval: { format: 'npy', inputs: 'eval.npy', targets: 'eval-labels.npy' },
        },
      },
      2,
      'data.eval: 1 number a target; 5 wanted, as data.train has',
    ],
    [
      'another number in the recipe',
      student,
      targetData('regression', { classes: 3 }),
      2,
      'data.classes: 3 numbers a target; 5 wanted, as data.train has',
    ],
    [
      'none to count',
      student,
      {
        data: { task: 'regression', train: { format: 'npy', inputs: 'train.npy' } },
        losses: { embedding: { weight: 1 } },
      },
      2,
      'data.classes is needed: the data has no targets',
    ],
  ])('are refused in one line: %s', async (_, model, overrides, exitCode, text) => {
    await expect(prepared(model, { losses, ...overrides })).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringContaining(text),
    });
  });

  it('are refused where labels neither apply nor not', async () => {
    const data = {
      ...(targetData('multiLabel').data as object),
      train: { format: 'npy', inputs: 'train.npy', targets: 'train-regression.npy' },
    };
    await expect(prepared(student, { data, losses: { multiLabel: { weight: 1 } } })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/^data\.train: sample \d+ has \S+ for label \d; 0 to 1 wanted$/),
    });
  });
});

describe('a teacher of several labels that gives probabilities', () => {
  it('is as good as one that gives their logits', async () => {
    const losses = { multiLabel: { weight: 1 } };
    const run = await prepared(student, { epochs: 1, ...targetData('multiLabel'), losses });
    const [first, ...others] = run.recipe.teachers;
    if (first === undefined) throw new Error('no teacher');
    const other = await prepareAgain(run, {
      ...run.recipe,
      teachers: [{ ...first, output: 'probabilities' }, ...others],
    });
    expect(other.teachers.map(({ output }) => output)).toEqual(['independent', 'logits']);
  });
});
