import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { skipScalars } from '../../../shared/replica/optimizer/scalars.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { fillSlot, moments, newReplica, scalarsOf, valuesFor } from './replicas.js';
import { normStudent, optimizerOf, studentOf, weightOf } from './student.js';

const f = Math.fround;

describe('weights of a replica', () => {
  it('come back by name, in topology order, as copies', () => {
    const replica = newReplica({ ema: 0.9 });
    const read = replica.readWeights();
    expect([...read.keys()]).toEqual(normStudent.weights.map(({ name }) => name));
    expect(read).toEqual(valuesFor(replica.plan));
    replica.weights.fill(0);
    expect(read).toEqual(valuesFor(replica.plan));
  });

  it('loaded anew start without momentum, the ema at the weights', () => {
    const replica = newReplica({ ema: 0.9 });
    const fresh = replica.hashState();
    fillSlot(replica, 0, 1);
    replica.apply(scalarsOf(replica, 1), { slot: 0, moments });
    expect(replica.hashState()).not.toBe(fresh);
    replica.loadWeights(valuesFor(replica.plan));
    expect(replica.hashState()).toBe(fresh);
    expect(replica.readWeights('ema')).toEqual(replica.readWeights());
  });

  it.each([
    [
      'missing',
      (values: Map<string, Float32Array>) => values.delete('dense/bias'),
      'weights: no tensor named dense/bias',
    ],
    [
      'of another size',
      (values: Map<string, Float32Array>) => values.set('dense/bias', new Float32Array(4)),
      'weights: dense/bias has 4 values, the student needs 5 [5]',
    ],
  ])('%s are refused by name', (_, spoil, message) => {
    const replica = newReplica();
    const values = valuesFor(replica.plan);
    spoil(values);
    expect(() => replica.loadWeights(values)).toThrow(UserError);
    expect(() => replica.loadWeights(values)).toThrow(message);
  });
});

describe('slots', () => {
  it('add and clear without touching state or neighbours', () => {
    const replica = newReplica();
    const state = replica.hashState();
    [0, 1, 2].forEach((slot) => fillSlot(replica, slot, slot));
    const [a, b, c] = [0, 1, 2].map((slot) => Float32Array.from(replica.slot(slot))) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    replica.addSlots(0, 1);
    expect(Float32Array.from(replica.slot(0))).toEqual(a.map((x, i) => f(x + (b[i] ?? NaN))));
    replica.writeMoments(2, moments);
    replica.clearSlot(1);
    expect(replica.slotBytes(1).every((byte) => byte === 0)).toBe(true);
    expect(Float32Array.from(replica.slot(2))).toEqual(c);
    expect(replica.readMoments(2, moments.counts)).toEqual(moments);
    expect(replica.hashState()).toBe(state);
  });

  it('are finite only if gradient and moments are', () => {
    const replica = newReplica();
    fillSlot(replica, 1, 1);
    replica.writeMoments(1, moments);
    expect(replica.slotIsFinite(1)).toBe(true);
    replica.writeMoments(1, { counts: [4, 8], values: Float64Array.from(moments.values).fill(Infinity, 15) });
    expect(replica.slotIsFinite(1)).toBe(false);
    replica.writeMoments(1, moments);
    replica.slot(1)[59] = NaN;
    expect(replica.slotIsFinite(1)).toBe(false);
    expect(replica.slotIsFinite(0)).toBe(true);
  });

  it('that do not exist are a bug', () => {
    const replica = newReplica();
    for (const slot of [-1, 3, NaN]) expect(() => replica.slot(slot)).toThrow(/slot .* of 3/);
  });

  it('count to the norm only what moves', () => {
    const replica = newReplica({ freeze: ['conv', '*/bias'] });
    for (const { spec, offset, size } of replica.plan.trained)
      replica.slot(0).fill(spec.name === 'conv/kernel' ? 1e6 : 2, offset, offset + size);
    expect(replica.slotSquares(0)).toBe(4 * (3 + 3 + 15));
  });

  it('too many for one memory are refused', () => {
    const plan = planReplica(
      studentOf([weightOf('d/kernel', [50_000_000])]),
      optimizerOf({ name: 'sgd', learningRate: 0.1 }),
    );
    expect(() => new Replica(plan, { slots: 40 })).toThrow(/replica needs 8200065984 bytes/);
  });
});

describe('a commit', () => {
  it('that is a skip moves nothing', () => {
    const replica = newReplica({ ema: 0.9 });
    const before = replica.hashState();
    fillSlot(replica, 0, 1);
    replica.apply(skipScalars(0), { slot: 0, moments });
    expect(replica.hashState()).toBe(before);
  });

  it('without gradient or moments moves the other alone', () => {
    const replica = newReplica();
    const [weights, moving] = [Float32Array.from(replica.weights), Float32Array.from(replica.moving)];
    fillSlot(replica, 0, 1);
    replica.apply(scalarsOf(replica, 1), { slot: null, moments });
    expect(Float32Array.from(replica.weights)).toEqual(weights);
    expect(Float32Array.from(replica.moving)).not.toEqual(moving);
    const moved = Float32Array.from(replica.moving);
    replica.apply(scalarsOf(replica, 1), { slot: 0, moments: null });
    expect(Float32Array.from(replica.moving)).toEqual(moved);
    expect(Float32Array.from(replica.weights)).not.toEqual(weights);
  });

  it('moves the moving values by pooled mean and biased variance, in float32', () => {
    const replica = newReplica();
    const before = replica.readWeights();
    replica.apply(scalarsOf(replica, 1), { slot: null, moments });
    const after = replica.readWeights();
    const move = (name: string, statistics: number[], momentum: number) =>
      before.get(name)?.map((x, i) => f(f(x * f(momentum)) + f(f(statistics[i] ?? NaN) * f(1 - momentum))));
    expect(after.get('norm/moving_mean')).toEqual(move('norm/moving_mean', [1, 2, 3], 0.9));
    expect(after.get('norm/moving_variance')).toEqual(move('norm/moving_variance', [2, 3, 4], 0.9));
    expect(after.get('last/moving_mean')).toEqual(move('last/moving_mean', [1, 1, 1, 1, 1], 0.5));
    expect(after.get('last/moving_variance')).toEqual(move('last/moving_variance', [0.5, 0.5, 0.5, 0.5, 0.5], 0.5));
  });

  it('leaves a norm layer alone that saw nothing', () => {
    const replica = newReplica();
    const before = replica.readWeights();
    replica.apply(scalarsOf(replica, 1), { slot: null, moments: { counts: [0, 8], values: moments.values } });
    const after = replica.readWeights();
    expect(after.get('norm/moving_mean')).toEqual(before.get('norm/moving_mean'));
    expect(after.get('last/moving_mean')).not.toEqual(before.get('last/moving_mean'));
  });

  it('never moves frozen weights, their average, or the padding', () => {
    const replica = newReplica({ name: 'adamw', weightDecay: 0.1, ema: 0.3, freeze: ['dense/kernel'] });
    const before = replica.readWeights();
    for (let update = 1; update <= 5; update++) {
      fillSlot(replica, 0, update);
      replica.apply(scalarsOf(replica, update), { slot: 0, moments });
    }
    for (const name of ['dense/kernel', 'table/embeddings']) {
      expect(replica.readWeights().get(name)).toEqual(before.get(name));
      expect(replica.readWeights('ema').get(name)).toEqual(before.get(name));
    }
    expect([27, 35, 51, 57, 58, 59].map((i) => replica.weights[i])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(new Float32Array(replica.memory.buffer, 0, replica.plan.stateBytes / 4).every(Number.isFinite)).toBe(true);
  });

  it('adds to the average by hand: a + share x (w - a)', () => {
    const replica = newReplica({ name: 'sgd', learningRate: 0.5, ema: 0.75 });
    const start = replica.readWeights().get('norm/gamma') ?? [];
    fillSlot(replica, 0, 4);
    replica.apply(scalarsOf(replica, 1), { slot: 0, moments: null });
    const weights = replica.readWeights().get('norm/gamma') ?? [];
    expect([...(replica.readWeights('ema').get('norm/gamma') ?? [])]).toEqual(
      [...start].map((a, i) => f(a + f(f((weights[i] ?? NaN) - a) * 0.25))),
    );
  });

  it('lacking a scalar is a bug, before any weight of its group moves', () => {
    const replica = newReplica();
    const before = replica.hashState();
    expect(() => replica.apply({ ...scalarsOf(replica, 1), groups: [{}] }, { slot: 0, moments: null })).toThrow(
      /commit without .* for parameter group 0/,
    );
    expect(replica.hashState()).toBe(before);
  });
});

describe('batch statistics', () => {
  it('lacking the count of a layer are a bug', () => {
    const replica = newReplica();
    const body = { slot: null, moments: { counts: [4], values: moments.values } };
    expect(() => replica.apply(scalarsOf(replica, 1), body)).toThrow(/moments without a count for batch-norm layer 1/);
  });
});

describe('two replicas', () => {
  const commits = 20;
  const fields = {
    name: 'adam',
    weightDecay: 0.01,
    clipNorm: 0.5,
    ema: 0.9,
    schedule: { name: 'cosine', warmupSteps: 5 },
  };

  it('that fold the same commits hold the same bits, one of them from a snapshot on', () => {
    const [first, second] = [newReplica(fields), newReplica(fields, 1)];
    for (let update = 1; update <= commits; update++) {
      fillSlot(first, 2, update);
      const scalars = scalarsOf(first, update, 2);
      if (update === 8) second.state().set(first.state());
      if (update >= 8) {
        second.slotBytes(0).set(first.slotBytes(2));
        second.apply(structuredClone(scalars), { slot: 0, moments });
      }
      first.apply(scalars, { slot: 2, moments });
    }
    expect(second.hashState()).toBe(first.hashState());
    expect(Buffer.from(second.state()).equals(Buffer.from(first.state()))).toBe(true);
  });

  it('that differ by one bit have different hashes', () => {
    const [first, second] = [newReplica(fields), newReplica(fields)];
    expect(second.hashState()).toBe(first.hashState());
    const state = second.state();
    for (let at = 0; at < state.length; at += 7) {
      state[at] = (state[at] ?? 0) ^ 1;
      expect(second.hashState()).not.toBe(first.hashState());
      state[at] = (state[at] ?? 0) ^ 1;
    }
  });

  it('on one memory are one: a second attaches without touching its content', () => {
    const owner = newReplica(fields);
    fillSlot(owner, 1, 1);
    const before = Buffer.from(new Uint8Array(owner.memory.buffer));
    const other = new Replica(planReplica(normStudent, owner.plan.optimizer), { slots: 3, memory: owner.memory });
    expect(Buffer.from(new Uint8Array(owner.memory.buffer)).equals(before)).toBe(true);
    other.apply(scalarsOf(other, 1, 1), { slot: 1, moments });
    expect(owner.readWeights()).toEqual(other.readWeights());
    expect(Buffer.from(new Uint8Array(owner.memory.buffer)).equals(before)).toBe(false);
  });

  it('cannot share a memory that was laid out smaller', () => {
    const plan = planReplica(
      studentOf([weightOf('d/kernel', [100_000])]),
      optimizerOf({ name: 'adam', learningRate: 0.1 }),
    );
    expect(() => new Replica(plan, { slots: 1, memory: newReplica().memory })).toThrow(/another plan/);
  });

  it('a memory handed to a thread is the same memory', async () => {
    const owner = newReplica();
    const source = `const { workerData, parentPort } = require('node:worker_threads');
      new Float32Array(workerData.memory.buffer)[0] = 42; parentPort.postMessage('done');`;
    const thread = new Worker(source, { eval: true, workerData: { memory: owner.memory } });
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
    expect(owner.weights[0]).toBe(42);
    await thread.terminate();
  });
});
