/** What every engine of students must do, tried on all of the list. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersModel } from '@tensorflow/tfjs';
import { lossSchema } from '../../../../shared/recipe/loss-schema.js';
import { recipeSchema } from '../../../../shared/recipe/schema.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import { planReplica } from '../../../../shared/replica/plan.js';
import type { TensorFlow } from '../../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import { buildStudent, studentEngines } from '../../../../worker/compute/open/student-engines.js';
import { adapterWeights } from '../../../../worker/compute/student/adapter-weights.js';
import { builtinStudent, type BuiltinStudent } from '../../../../worker/compute/student/builtin-students.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';
import {
  checkSlopes,
  classes,
  gradientOf,
  labels,
  make,
  makeBuiltin as builtin,
  makeModel as modelled,
  noise,
  rows,
  step,
  type Made,
} from './students.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

describe.each(studentEngines)('a student on $name', (engine) => {
  const makeBuiltin = (options: BuiltinStudent, shape?: number[]): Promise<Made> => builtin(options, shape, engine);
  const makeModel = (model: LayersModel, inputShape: number[]): Promise<Made> => modelled(model, inputShape, engine);

  it('gives the gradient that finite differences find, for every weight of a CNN with batch norm', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true });
    await checkSlopes(made);
  });

  it('gives the same bits whatever ran before', async () => {
    const options: BuiltinStudent = { builtin: 'cnn-small', filters: 4, batchNorm: true, dropout: 0.4 };
    const [first, second] = [await makeBuiltin(options), await makeBuiltin(options)];
    const expected = await gradientOf(first);
    await gradientOf(second, { inputs: noise([4, 6, 6, 2], 'others'), step: { ...step, dropoutKey: [8] } });
    await second.student.outputs(noise([9, 6, 6, 2], 'more'), 9);
    const actual = await gradientOf(second);
    expect(actual).toEqual(expected);
    await first.student.dispose();
    await second.student.dispose();
  });

  it('drops units by key and layer, nested models included', async () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [tf.layers.dropout({ rate: 0.5, inputShape: [40], name: 'drop' })],
    });
    const input = tf.input({ shape: [40] });
    const twice = tf.layers.dropout({ rate: 0.5, name: 'drop' }).apply(input);
    if (Array.isArray(twice) || !('sourceLayer' in twice)) throw new Error('not symbolic');
    const nested = inner.apply(twice);
    const logits = tf.layers.dense({ units: classes, name: 'logits' }).apply(nested);
    if (Array.isArray(logits) || !('sourceLayer' in logits)) throw new Error('not symbolic');
    const made = await makeModel(tf.model({ inputs: input, outputs: logits }), [40]);
    const inputs = new Float32Array(4 * 40).fill(1);
    const kept = async (key: number): Promise<boolean[]> => {
      const { gradient } = await gradientOf(made, {
        inputs,
        targets: { labels: Int32Array.of(0, -1, -1, -1), soft: null },
        step: { ...step, dropoutKey: [key] },
      });
      return Array.from({ length: 40 }, (_, i) => gradient[i * classes] !== 0);
    };
    const masks = [await kept(1), await kept(1), await kept(2)];
    expect(masks[0]).toEqual(masks[1]);
    expect(masks[0]).not.toEqual(masks[2]);
    const share = (masks[0]?.filter(Boolean).length ?? 0) / 40;
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThan(0.45);
  });

  it('reports the moments of what each batch norm saw, and its gradient does not see the moving values', async () => {
    const made = await makeModel(
      tf.sequential({
        layers: [
          tf.layers.batchNormalization({ inputShape: [5], name: 'norm', momentum: 0.8 }),
          tf.layers.dense({ units: classes, name: 'logits' }),
        ],
      }),
      [5],
    );
    const inputs = noise([4, 5], 'inputs');
    const { moments, gradient } = await gradientOf(made, { inputs });
    const { mean, variance } = tf.tidy(() => {
      const { mean, variance } = tf.moments(tf.tensor2d(inputs, [4, 5]), 0);
      return { mean: [...mean.dataSync()], variance: [...variance.dataSync()] };
    });
    expect(moments?.counts).toEqual([4]);
    [...mean, ...variance.map((value) => 4 * value)].forEach((value, i) =>
      expect(moments?.values[i]).toBeCloseTo(value, 6),
    );
    made.student.load(
      made.replica.weights,
      made.replica.frozen,
      made.replica.moving.map((value) => value + 1),
    );
    expect((await gradientOf(made, { inputs })).gradient).toEqual(gradient);
    expect(made.spec.weights.map(({ name, kind, momentum }) => [name, kind, momentum])).toEqual([
      ['norm/gamma', 'trained', undefined],
      ['norm/beta', 'trained', undefined],
      ['norm/moving_mean', 'mean', 0.8],
      ['norm/moving_variance', 'variance', 0.8],
      ['logits/kernel', 'trained', undefined],
      ['logits/bias', 'trained', undefined],
    ]);
  });

  it('gives logits in inference mode: by the moving values, without dropout, row by row alike', async () => {
    const made = await makeBuiltin({ builtin: 'mlp', hidden: [6], batchNorm: true, dropout: 0.5 }, [3]);
    const { replica, student } = made;
    const moving = replica.moving.map((value, i) => value + (i % 3));
    student.load(replica.weights, replica.frozen, moving);
    const inputs = noise([4, 3], 'inputs');
    const { logits: before } = await student.outputs(inputs, 4);
    await gradientOf(made, { inputs });
    expect((await student.outputs(inputs, 4)).logits).toEqual(before);
    const w = new Map(
      replica.plan.tensors.map(({ spec, region, offset, size }) => [
        spec.name,
        (region === 'moving' ? moving : replica.weights).subarray(offset, offset + size),
      ]),
    );
    const at = (name: string, i: number): number => w.get(name)?.[i] ?? NaN;
    const expected = Array.from({ length: 4 * classes }, (_, i) => {
      const [row, k] = [Math.floor(i / classes), i % classes];
      let z = at('logits/bias', k);
      for (let h = 0; h < 6; h++) {
        let a = 0;
        for (let c = 0; c < 3; c++) a += (inputs[row * 3 + c] ?? 0) * at('dense1/kernel', c * 6 + h);
        const normed =
          (at('dense1_norm/gamma', h) * (a - at('dense1_norm/moving_mean', h))) /
            Math.sqrt(at('dense1_norm/moving_variance', h) + 1e-3) +
          at('dense1_norm/beta', h);
        z += Math.max(0, normed) * at('logits/kernel', h * classes + k);
      }
      return z;
    });
    before.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 4));
  });

  it('skips the forward of a micro-batch to which no term applies', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true });
    made.replica.slot(0).fill(5);
    expect(
      await made.student.gradients(
        { inputs: new Float32Array(0), rows: 4, targets: { labels: Int32Array.of(-1, -1, -1, -1), soft: null } },
        step,
        made.replica.slot(0),
      ),
    ).toEqual({ hasGradient: false, sums: { samples: 4 }, moments: null });
    expect(made.replica.slot(0).every((value) => value === 5)).toBe(true);
  });

  it('gives a weight that the output does not depend on the gradient 0', async () => {
    const input = tf.input({ shape: [2] });
    const used = tf.layers.dense({ units: classes, name: 'used', useBias: false }).apply(input);
    const unused = tf.layers.dense({ units: classes, name: 'unused' }).apply(input);
    if (Array.isArray(used) || Array.isArray(unused) || !('sourceLayer' in used) || !('sourceLayer' in unused))
      throw new Error('not symbolic');
    const zero = tf.layers.reLU({ maxValue: 0 }).apply(unused);
    if (Array.isArray(zero) || !('sourceLayer' in zero)) throw new Error('not symbolic');
    const sum = tf.layers.add().apply([used, zero]);
    if (Array.isArray(sum) || !('sourceLayer' in sum)) throw new Error('not symbolic');
    const made = await makeModel(tf.model({ inputs: input, outputs: sum }), [2]);
    made.replica.slot(0).fill(9);
    const { gradient } = await gradientOf(made);
    for (const { spec, offset, size } of made.replica.plan.trained) {
      expect(
        gradient.subarray(offset, offset + size).some((value) => value !== 0),
        spec.name,
      ).toBe(spec.layer === 'used');
    }
  });

  it('leaves frozen weights alone and runs a frozen batch norm by its moving values', async () => {
    const layers = [
      tf.layers.dense({ units: 4, inputShape: [3], name: 'first', trainable: false }),
      tf.layers.batchNormalization({ name: 'norm', trainable: false }),
      tf.layers.dense({ units: classes, name: 'last' }),
    ];
    const made = await makeModel(tf.sequential({ layers }), [3]);
    expect(made.spec.weights.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'first/kernel frozen',
      'first/bias frozen',
      'norm/gamma frozen',
      'norm/beta frozen',
      'norm/moving_mean frozen',
      'norm/moving_variance frozen',
      'last/kernel trained',
      'last/bias trained',
    ]);
    const { gradient, moments } = await gradientOf(made);
    expect(moments).toBeNull();
    const { logits } = await made.student.outputs(noise([4, 3], 'inputs'), 4);
    const bias = made.replica.plan.trained[1]?.offset ?? 0;
    const share = Array.from({ length: classes }, (_, k) =>
      labels.reduce((sum, label, row) => {
        if (label < 0) return sum;
        const all = logits.subarray(row * classes, (row + 1) * classes).map(Math.exp);
        return sum + ((all[k] ?? 0) / all.reduce((a, b) => a + b, 0) - (label === k ? 1 : 0)) / 4;
      }, 0),
    );
    share.forEach((value, k) => expect(gradient[bias + k]).toBeCloseTo(value, 5));
  });

  it('gives every exit by its name, the last one as the answer, and none without', async () => {
    const { spec, weights } = builtinStudent(
      { builtin: 'mlp', hidden: [5, 4], exits: true, batchNorm: true },
      [3],
      classes,
      3,
    );
    const made = await make(spec, weights, { engine });
    const { logits, exits } = await made.student.outputs(noise([rows, 3], 'inputs'), rows);
    expect([...exits.keys()]).toEqual(spec.exits);
    expect(exits.size).toBe(1);
    for (const values of [logits, ...exits.values()]) expect(values).toHaveLength(rows * classes);
    const early = exits.get('exit1') ?? new Float32Array(0);
    const at = (name: string, i: number): number => weights.get(name)?.[i] ?? NaN;
    const x = noise([rows, 3], 'inputs');
    for (let i = 0; i < rows * classes; i++) {
      const [row, k] = [Math.floor(i / classes), i % classes];
      let z = at('exit1/bias', k);
      for (let h = 0; h < 5; h++) {
        let a = 0;
        for (let c = 0; c < 3; c++) a += (x[row * 3 + c] ?? 0) * at('dense1/kernel', c * 5 + h);
        z += Math.max(0, a / Math.sqrt(1 + 1e-3)) * at('exit1/kernel', h * classes + k);
      }
      expect(early[i]).toBeCloseTo(z, 4);
    }
    const alone = await makeBuiltin({ builtin: 'mlp', hidden: [5, 4] }, [3]);
    expect((await alone.student.outputs(noise([rows, 3], 'inputs'), rows)).exits.size).toBe(0);
  });

  it('takes the gradient of an earlier exit to its own weights and to those that it shares', async () => {
    const { spec, weights } = builtinStudent({ builtin: 'mlp', hidden: [5, 4], exits: true }, [3], classes, 3);
    const losses = { exitCrossEntropy: { weight: 1, labelSmoothing: 0 } };
    const made = await make(spec, weights, { engine, losses });
    const { gradient } = await gradientOf(made, {
      step: { ...step, losses: lossesAtStep(losses), divisors: { exitCrossEntropy: 4 } },
    });
    const moved = made.replica.plan.trained
      .filter(({ offset, size }) => gradient.subarray(offset, offset + size).some((value) => value !== 0))
      .map(({ spec: { layer } }) => layer);
    expect([...new Set(moved)].sort()).toEqual(['dense1', 'exit1']);
  });

  it('compares a tap with a teacher through an adapter, whose weights learn, too', async () => {
    const { spec, weights } = builtinStudent({ builtin: 'mlp', hidden: [5] }, [3], classes, 3);
    const losses = lossSchema.parse({
      features: { weight: 1, pairs: [{ student: 'dense1', teacher: 't/x', adapter: 'dense', batchNorm: true }] },
    });
    const adapter = tapPairs(losses).flatMap((pair) => adapterWeights(pair, { student: [5], teacher: [2] }, 3));
    const made = await make(
      { ...spec, weights: [...spec.weights, ...adapter.map((weight) => weight.spec)] },
      new Map([...weights, ...adapter.map((weight) => [weight.spec.name, weight.values] as const)]),
      { engine, losses },
    );
    const wanted = { values: noise([rows, 2], 'teacher'), shape: [2] };
    const context = { ...step, losses: lossesAtStep(losses), divisors: { features: 4 } };
    const taught = { labels, soft: null, activations: new Map([['t/x', wanted]]) };
    const { gradient, sums } = await gradientOf(made, { step: context, targets: taught });
    expect(sums['features.count']).toBe(rows);
    for (const { spec: weight, offset, size } of made.replica.plan.trained) {
      const isMoved = gradient.subarray(offset, offset + size).some((value) => Math.abs(value) > 1e-7);
      // Batch norm takes every constant off, so the bias before it has no gradient.
      if (weight.name !== 'adapter/features/0/bias') expect(isMoved, weight.name).toBe(weight.layer !== 'logits');
    }
  });

  it('leaves samples, labels and weights as they are', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true });
    const inputs = noise([rows, 6, 6, 2], 'inputs');
    const weights = Float32Array.from(made.replica.weights);
    await gradientOf(made, { inputs });
    await made.student.outputs(inputs, rows);
    expect(inputs).toEqual(noise([rows, 6, 6, 2], 'inputs'));
    expect([...labels]).toEqual([0, 2, 1, -1]);
    expect(Float32Array.from(made.replica.weights)).toEqual(weights);
  });

  it('keeps what it was given of weights, whatever becomes of their memory', async () => {
    const made = await makeBuiltin({ builtin: 'mlp', hidden: [4] }, [3]);
    const expected = await gradientOf(made);
    const [weights, frozen, moving] = [made.replica.weights.slice(), new Float32Array(0), new Float32Array(0)];
    made.student.load(weights, frozen, moving);
    weights.fill(NaN);
    expect(await gradientOf(made)).toEqual(expected);
  });

  it("tells the norm of each term's gradient where it is asked to, and the gradient stays what it was", async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true, dropout: 0.3 });
    const plain = await gradientOf(made);
    const probed = await gradientOf(made, { step: { ...step, isProbed: true } });
    expect([probed.gradient, probed.moments]).toEqual([plain.gradient, plain.moments]);
    const norm = Math.sqrt(plain.gradient.reduce((sum, value) => sum + value ** 2, 0));
    expect(probed.sums['gradient.crossEntropy']).toBeCloseTo(norm, 5);
    expect(plain.sums).not.toHaveProperty('gradient.crossEntropy');
  });

  it('holds no more tensors after 1,000 steps than after one', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true, dropout: 0.3 });
    const once = async (): Promise<number> => {
      made.student.load(made.replica.weights, made.replica.frozen, made.replica.moving);
      await gradientOf(made);
      await made.student.outputs(noise([4, 6, 6, 2], 'inputs'), 4);
      return made.student.tensors();
    };
    const after = await once();
    for (let i = 0; i < 999; i++) await once();
    expect(await once()).toBe(after);
    await made.student.dispose();
    expect(made.student.tensors()).toBeLessThan(after);
  });
});

describe('the engines of students', () => {
  it('have names of their own, and tell why they cannot take a student', async () => {
    expect(new Set(studentEngines.map(({ name }) => name)).size).toBe(studentEngines.length);
    const { spec } = builtinStudent({ builtin: 'mlp' }, [3], classes, 3);
    const topology = {
      class_name: 'Sequential',
      config: { name: 'model', layers: [{ class_name: 'GaussianNoise', config: { name: 'noise', stddev: 1 } }] },
    };
    const plan = planReplica(spec, recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 1 }));
    const definition = { spec: { ...spec, topology }, plan, losses: {}, plugins: new Map() };
    for (const engine of studentEngines) expect(engine.objectionTo(definition), engine.name).toMatch(/noise/);
    await expect(buildStudent(definition, await openWasm())).rejects.toMatchObject({
      exitCode: 65,
      message:
        'student layer noise (GaussianNoise): its noise cannot be keyed, so a run could not be repeated; use Dropout',
    });
  });
});
