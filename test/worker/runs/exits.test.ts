/**
 * Students with several outputs: earlier exits that learn from labels and from the last one (BYOT), and are left out of
 * what is written.
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { lastOutputAlone } from '../../../shared/models/exits.js';
import { studentAlone, withoutAdapters } from '../../../shared/models/student-spec.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { lossesAtStep } from '../../shared/losses/at-step.js';
import { randomStream } from '../../../shared/random.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { builtinStudent } from '../../../worker/compute/student/builtin-students.js';
import { exportStudent } from '../../../worker/tools/export/export-student.js';
import type { InspectedStudent } from '../../../cli/prepare/inspected-student.js';
import { inspectStudent } from '../../../cli/prepare/student.js';
import { planTaps } from '../../../cli/prepare/taps.js';
import { make, type Made } from '../compute/student/students.js';
import { temporaryFolder } from '../fakes.js';
import { prepared, whole } from './real-runs.js';
import { saveLayersModel } from '../compute/teachers/fixtures.js';

const classes = 3;
const rows = 4;
const labels = Int32Array.of(0, 2, 1, -1);
const optimizer = recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 0.1 });

beforeAll(async () => {
  await openWasm();
});

const builtin = (batchNorm: boolean): ReturnType<typeof builtinStudent> =>
  builtinStudent({ builtin: 'cnn-small', filters: 2, batchNorm, exits: true }, [6, 6, 2], classes, 3);

function noise(size: number, key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length: size }, () => 2 * stream.float() - 1);
}

const inputs = noise(rows * 72, 'inputs');

async function gradientOf(
  { replica, student }: Made,
  losses: object,
  weights = replica.weights,
): Promise<{ sums: Record<string, number>; gradient: Float32Array }> {
  student.load(weights, replica.frozen, replica.moving);
  const divisors = Object.fromEntries(Object.keys(losses).map((term) => [term, rows]));
  const { sums } = await student.gradients(
    { inputs, rows, targets: { labels, soft: null } },
    { losses: lossesAtStep(losses), divisors, dropoutKey: [1] },
    replica.slot(0),
  );
  return { sums, gradient: Float32Array.from(replica.slot(0)) };
}

/** A trunk and two heads; the earlier one is a layer deeper than it looks, and both end in a softmax. */
async function modelFile(): Promise<string> {
  const input = tf.input({ shape: [6], name: 'in' });
  const dense = (
    name: string,
    units: number,
    activation: 'relu' | 'softmax',
    from: tf.SymbolicTensor,
  ): tf.SymbolicTensor =>
    tf.layers
      .dense({
        name,
        units,
        activation,
        kernelInitializer: tf.initializers.randomUniform({ minval: -1, maxval: 1, seed: units + name.length }),
      })
      .apply(from) as tf.SymbolicTensor;
  const trunk = dense('trunk', 5, 'relu', input);
  const early = dense('early', classes, 'softmax', dense('aside', 4, 'relu', trunk));
  const model = tf.model({
    inputs: input,
    outputs: [early, dense('answer', classes, 'softmax', dense('deep', 4, 'relu', trunk))],
  });
  return saveLayersModel(model, join(temporaryFolder(), 'student'));
}

const inspect = async (model: string, expectedClasses = classes): Promise<InspectedStudent> =>
  inspectStudent(
    { model },
    { inputShape: [6], task: 'classes', classes: expectedClasses, preprocess: null },
    { folder: '/', seed: 1 },
  );

describe('a student with several outputs', () => {
  it('answers with the last, without the softmax of any; the others are earlier exits', async () => {
    const { spec, weights, warnings } = await inspect(await modelFile());
    expect(spec.exits).toEqual(['early']);
    expect(
      spec.weights
        .filter(({ exit }) => exit)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['aside/bias', 'aside/kernel', 'early/bias', 'early/kernel']);
    expect(warnings.map((text) => text.replace(/^student \S+: /, ''))).toEqual([
      'its final softmax is left out; the student gives logits',
      'it has 2 outputs; answer, the last one, is its answer, and early are earlier exits',
    ]);
    const { student } = await make(spec, weights);
    const { logits, exits } = await student.outputs(noise(12, 'two'), 2);
    expect(logits).toEqual((await student.outputs(noise(12, 'two'), 2)).logits);
    expect([...exits.keys()]).toEqual(['early']);
    for (const values of [logits, exits.get('early') ?? []])
      expect(Math.abs([...values].slice(0, 3).reduce((a, b) => a + b, 0) - 1)).toBeGreaterThan(1e-3);
    expect(exits.get('early')).not.toEqual(logits);
  });

  it('is refused where one of them is of other classes', async () => {
    await expect(inspect(await modelFile(), 4)).rejects.toThrow(
      'the shape of its output early is [3]; the data has 4 classes',
    );
  });

  it('is written down as its last exit alone, which gives the same, and with all of them', async () => {
    const { spec, weights } = await inspect(await modelFile());
    const alone = studentAlone(spec, weights);
    expect(alone.spec).not.toHaveProperty('exits');
    expect([...alone.weights.keys()].sort()).toEqual([
      'answer/bias',
      'answer/kernel',
      'deep/bias',
      'deep/kernel',
      'trunk/bias',
      'trunk/kernel',
    ]);
    const [both, one] = [await make(spec, weights), await make(alone.spec, alone.weights)];
    expect((await one.student.outputs(noise(12, 'two'), 2)).logits).toEqual(
      (await both.student.outputs(noise(12, 'two'), 2)).logits,
    );
    const folder = temporaryFolder();
    const all = withoutAdapters(spec, weights);
    await exportStudent(all.spec, all.weights, folder);
    const again = await inspect(join(folder, 'model.json'));
    expect([again.spec.exits, again.spec.weights]).toEqual([spec.exits, spec.weights]);
  });

  it('lends no map of an earlier exit to pairs that are proposed', async () => {
    const { spec, weights } = builtin(false);
    const recipe = recipeSchema.parse({
      student: { builtin: 'cnn-small' },
      losses: { attention: { weight: 1, pairs: 'auto' } },
      teachers: [{ name: 't', model: 't.onnx' }],
      data: { train: { format: 'npy', inputs: 'x.npy' } },
      optimizer,
      batch: { size: 4 },
      epochs: 1,
    });
    const planned = await planTaps({
      recipe,
      student: { spec, weights },
      teachers: new Map([
        [
          't',
          [
            { name: 'm', shape: [2, 2, 1] },
            { name: 'n', shape: [6, 6, 1] },
          ],
        ],
      ]),
    });
    const { pairs } = planned.recipe.losses.attention ?? {};
    // exit1_conv has the size [2, 2], too.
    expect(pairs === 'auto' ? [] : pairs?.map(({ student }) => student)).toEqual(['conv1']);
  });

  it('keeps a layer that is applied in both, with all that any of its places needs', () => {
    const layer = (name: string, ...sources: string[][]): object => ({
      class_name: 'Dense',
      name,
      config: { name },
      inbound_nodes: sources.map((from) => from.map((source) => [source, 0, 0, {}])),
    });
    const topology = {
      class_name: 'Model',
      config: {
        layers: [
          layer('in'),
          layer('a', ['in']),
          layer('b', ['in']),
          layer('both', ['a'], ['b']),
          layer('c', ['a']),
          layer('out', ['both']),
        ],
        output_layers: [
          ['c', 0, 0],
          ['out', 0, 0],
        ],
      },
    };
    const { config } = lastOutputAlone(topology) as typeof topology;
    expect(config.layers.map((one) => 'name' in one && one.name)).toEqual(['in', 'a', 'b', 'both', 'out']);
    expect(config.output_layers).toEqual([['out', 0, 0]]);
    expect(topology.config.layers).toHaveLength(6);
  });
});

describe('losses on earlier exits', () => {
  const byot = { exitCrossEntropy: { weight: 0.6 }, exitResponse: { weight: 0.4, temperature: 3 } };

  it('have the gradient that finite differences find in the exit, and in the trunk where the last exit is held', async () => {
    const made = await make(builtin(false).spec, builtin(false).weights);
    const { replica } = made;
    const { gradient, sums } = await gradientOf(made, byot);
    expect(sums).toMatchObject({ 'exitCrossEntropy.count': 3, 'exitResponse.count': 4 });
    const valueAt = async (i: number, off: number): Promise<number> => {
      const weights = Float32Array.from(replica.weights);
      weights[i] = (weights[i] ?? 0) + off;
      const found = (await gradientOf(made, byot, weights)).sums;
      return (0.6 * (found.exitCrossEntropy ?? NaN) + 0.4 * (found.exitResponse ?? NaN)) / rows;
    };
    for (const { spec, offset, size } of replica.plan.trained.filter((tensor) => tensor.spec.exit === true)) {
      for (const i of [offset, offset + size - 1])
        expect(
          Math.abs(((await valueAt(i, 0.01)) - (await valueAt(i, -0.01))) / 0.02 - (gradient[i] ?? NaN)),
          spec.name,
        ).toBeLessThan(2e-3);
    }
    const part = (name: string): number[] =>
      replica.plan.trained
        .filter(({ spec }) => spec.name.startsWith(name))
        .flatMap(({ offset, size }) => [...gradient.subarray(offset, offset + size)]);
    expect(part('conv1/').some((value) => value !== 0)).toBe(true);
    // The last exit is the teacher: a constant.
    expect([...part('conv2/'), ...part('logits/')].every((value) => value === 0)).toBe(true);
  });

  it('leave the gradient of the others as it is', async () => {
    const { spec, weights } = builtin(true);
    const [with_, without] = [
      await make(spec, weights),
      builtinStudent({ builtin: 'cnn-small', filters: 2, batchNorm: true }, [6, 6, 2], classes, 3),
    ];
    const plain = await make(without.spec, without.weights);
    const [a, b] = [
      await gradientOf(with_, { crossEntropy: { weight: 1 } }),
      await gradientOf(plain, { crossEntropy: { weight: 1 } }),
    ];
    expect(a.sums).toEqual(b.sums);
    for (const {
      spec: { name },
      offset,
      size,
    } of plain.replica.plan.trained) {
      const at = with_.replica.plan.trained.find((tensor) => tensor.spec.name === name)?.offset ?? NaN;
      expect(a.gradient.slice(at, at + size), name).toEqual(b.gradient.slice(offset, offset + size));
    }
  });

  it('add up over the exits, each gradient going to its own', async () => {
    const { spec, weights } = builtinStudent({ builtin: 'mlp', hidden: [4, 4, 4], exits: true }, [72], classes, 3);
    const made = await make(spec, weights);
    const { sums } = await gradientOf(made, byot);
    const { logits, exits } = await made.student.outputs(inputs, rows);
    const logQ = (values: Float32Array, row: number, t: number): number[] => {
      const z = [...values.slice(row * classes, (row + 1) * classes)].map((value) => value / t);
      const normaliser = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0));
      return z.map((value) => value - normaliser);
    };
    const perExit = [...exits.values()].map((exit) => ({
      labels: [...labels].reduce((sum, label, row) => sum - (label < 0 ? 0 : (logQ(exit, row, 1)[label] ?? NaN)), 0),
      last: [0, 1, 2, 3].reduce(
        (sum, row) =>
          sum +
          9 *
            logQ(logits, row, 3).reduce(
              (kl, logP, k) => kl + Math.exp(logP) * (logP - (logQ(exit, row, 3)[k] ?? NaN)),
              0,
            ),
        0,
      ),
    }));
    expect(perExit).toHaveLength(2);
    expect(sums.exitCrossEntropy).toBeCloseTo(
      perExit.reduce((sum, one) => sum + one.labels, 0),
      4,
    );
    expect(sums.exitResponse).toBeCloseTo(
      perExit.reduce((sum, one) => sum + one.last, 0),
      4,
    );
  });

  it('train the exits of a run, whose accuracies are reported; the answer is written alone and with them', async () => {
    const run = await prepared(
      { builtin: 'mlp', hidden: [8, 8], exits: true },
      { epochs: 2, losses: { crossEntropy: { weight: 1 }, ...byot } },
    );
    const { summary, exported, written, lines } = await whole(run, 1);
    expect(Object.keys(summary.student.exits ?? {})).toEqual(['exit1']);
    const last = lines.filter((line) => line.type === 'evaluation').at(-1);
    expect(summary.student.exits?.exit1).toBe((last?.sums['exit.exit1.correct'] ?? NaN) / 20);
    expect([...exported.keys()]).toEqual([
      'dense1/kernel',
      'dense1/bias',
      'dense2/kernel',
      'dense2/bias',
      'logits/kernel',
      'logits/bias',
    ]);
    expect(summary.student.parameters).toBe([...exported.values()].reduce((sum, { length }) => sum + length, 0));
    const all = written.get('student-exits');
    expect(all?.spec.exits).toEqual(['exit1']);
    expect(all?.weights.get('exit1/kernel')).not.toEqual(run.initialWeights.get('exit1/kernel'));
    expect(all?.weights.get('dense1/kernel')).toEqual(exported.get('dense1/kernel'));
  });

  it('are refused for a student of one output', async () => {
    await expect(prepared({ builtin: 'mlp' }, { losses: { crossEntropy: { weight: 1 }, ...byot } })).rejects.toThrow(
      'losses.exitCrossEntropy: the student has one output; earlier exits wanted (student.exits: true, or a model with several outputs)',
    );
  });
});
