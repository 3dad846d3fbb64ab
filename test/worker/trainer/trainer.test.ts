import { describe, expect, it } from 'vitest';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { Inbox } from '../../../worker/trainer/inbox.js';
import { TeacherFailure } from '../../../worker/compute/contract.js';
import { train } from '../../../worker/trainer/trainer.js';
import { Control } from '../../../worker/threads/control.js';
import type { Begin, ToLink } from '../../../worker/threads/messages.js';
import { addRounded, encode, roundings } from '../../shared/replica/reduction/rounding.js';
import { FakeCompute, initialWeights, leaseOf, manifest, recipeOf, specOf } from '../fakes.js';

const spec = specOf(6);

/** A trainer whose link is played by the test. */
function start(trainerSlots = [0, 1, 2, 3], recipe = recipeOf()) {
  const plan = planReplica(spec, recipe.optimizer, recipe.compression);
  const replica = new Replica(plan, { slots: 5 });
  replica.loadWeights(initialWeights(spec));
  const begin: Begin = {
    type: 'begin',
    runNumber: 1,
    recipe,
    spec,
    teachers: [],
    manifest,
    files: new Map(),
    initialPath: '',
    memory: replica.memory,
    slots: 5,
    trainerSlots,
  };
  const control = new Control();
  const posts: ToLink[] = [];
  let wake = (): void => undefined;
  const inbox = new Inbox(begin, control, (message) => {
    posts.push(message);
    wake();
  });
  const compute = new FakeCompute();
  const done = train({ inbox, compute, recipe });
  const posted = async <T extends ToLink['type']>(type: T): Promise<Extract<ToLink, { type: T }>> => {
    for (;;) {
      const at = posts.findIndex((post) => post.type === type);
      if (at >= 0) return posts.splice(at, 1)[0] as Extract<ToLink, { type: T }>;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { replica, control, inbox, compute, posts, posted, settle, done };
}

const lease = (overrides: Parameters<typeof leaseOf>[0] = {}) =>
  ({ type: 'lease', runNumber: 1, lease: leaseOf(overrides) }) as const;
/** Micro-batches of 10 samples cut in 4. */
const ranges = [
  [0, 2],
  [2, 5],
  [5, 7],
  [7, 10],
] as const;

/** Gradient of one micro-batch by FakeCompute's formula, in float32. */
function gradientOf(
  weights: Float32Array,
  [from, to]: readonly [number, number],
  out = new Float32Array(weights.length),
): Float32Array {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let id = from; id < to; id++) sum += (Math.sin(id + i) * (weights[i] ?? 0) + 1) / 10;
    out[i] = sum;
  }
  return out;
}

const add = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + (b[i] ?? 0));

describe('trainer', () => {
  it('contributes the sum over its block in tree order', async () => {
    const { inbox, replica, posted } = start();
    inbox.hear(lease({ id: 7 }));
    const contribution = await posted('contribution');
    expect(contribution).toMatchObject({
      lease: 7,
      step: 0,
      stateHash: replica.hashState(),
      sums: { samples: 10, crossEntropy: 45, 'crossEntropy.count': 10 },
      momentCounts: [10],
    });
    const weights = Float32Array.from(replica.weights);
    const [a, b, c, d] = ranges.map((range) => gradientOf(weights, range)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    expect(Array.from(replica.slot(contribution.slot ?? -1))).toEqual(Array.from(add(add(a, b), add(c, d))));
    expect(replica.readMoments(contribution.slot ?? -1, [10])?.values[0]).toBe(4.5);
  });

  it.each(roundings)('rounds every micro-batch and every sum to %s', async (rounding) => {
    const { inbox, replica, posted } = start(undefined, recipeOf({ compression: rounding }));
    inbox.hear(lease({ id: 7 }));
    const contribution = await posted('contribution');
    const weights = Float32Array.from(replica.weights);
    const [a, b, c, d] = ranges.map((range) => encode(rounding, gradientOf(weights, range))) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const sum = (left: Uint8Array, right: Uint8Array): Uint8Array => addRounded(rounding, left, right, weights.length);
    const gradient = sum(sum(a, b), sum(c, d));
    expect([...replica.slotBytes(contribution.slot ?? -1).subarray(0, gradient.length)]).toEqual([...gradient]);
    // Moments and sums stay as they are.
    expect(replica.readMoments(contribution.slot ?? -1, [10])?.values[0]).toBe(4.5);
    expect(contribution.sums).toEqual({ samples: 10, crossEntropy: 45, 'crossEntropy.count': 10 });
  });

  it('computes the block that it was leased and nothing else', async () => {
    const { inbox, compute, posted } = start();
    inbox.hear(lease({ block: { level: 1, index: 1 } }));
    expect((await posted('contribution')).sums.samples).toBe(5);
    expect(compute.events.filter((event) => !event.startsWith('batch'))).toEqual([
      'load',
      'gradients 5,6',
      'gradients 7,8,9',
    ]);
    expect(compute.events.filter((event) => event.startsWith('batch'))).toEqual(['batch 0:5-7', 'batch 0:7-10']);
  });

  it('loads the weights once a step', async () => {
    const { inbox, compute, posted } = start();
    inbox.hear(lease({ id: 1, block: { level: 0, index: 0 } }));
    inbox.hear(lease({ id: 2, block: { level: 0, index: 1 } }));
    await posted('contribution');
    await posted('contribution');
    expect(compute.events.filter((event) => event === 'load')).toHaveLength(1);
  });

  it('labels ahead while it waits for weights', async () => {
    const { inbox, control, compute, settle, posts, posted } = start();
    inbox.hear(lease({ step: 1, from: 10, to: 20 }));
    await settle();
    expect(compute.events).toEqual(['batch 0:10-12', 'batch 0:12-15', 'batch 0:15-17', 'batch 0:17-20']);
    expect(posts).toEqual([]);
    control.step = 1;
    inbox.hear({ type: 'weights', runNumber: 1, step: 1 });
    await posted('contribution');
    expect(compute.events.slice(4)[0]).toBe('load');
    expect(compute.events.filter((event) => event.startsWith('batch'))).toHaveLength(4);
  });

  it('labels a micro-batch when its turn comes: teachers and student share the thread, and labels ahead would hold up the contribution', async () => {
    const { inbox, compute, posted } = start();
    const seen: string[] = [];
    compute.onGradient = (inputs) =>
      void seen.push(`${inputs[0]}: ${compute.events.filter((event) => event.startsWith('batch')).length}`);
    inbox.hear(lease({ id: 1, block: { level: 1, index: 0 } }));
    inbox.hear(lease({ id: 2, block: { level: 0, index: 2 } }));
    await posted('contribution');
    await posted('contribution');
    expect(seen).toEqual(['0: 1', '2: 2', '5: 3']);
  });

  it('drops a lease that is cancelled between its micro-batches', async () => {
    const { inbox, compute, settle, posts, posted } = start();
    compute.onGradient = (inputs) => {
      if (inputs[0] === 2) inbox.hear({ type: 'cancel', runNumber: 1, lease: 1 });
    };
    inbox.hear(lease());
    await settle();
    expect(posts).toEqual([]);
    expect(compute.events.filter((event) => event.startsWith('gradients'))).toHaveLength(2);
    compute.onGradient = () => undefined;
    inbox.hear(lease({ id: 2 }));
    expect((await posted('contribution')).lease).toBe(2);
  });

  it('drops a lease whose step was committed without it', async () => {
    const { inbox, control, settle, posts, posted } = start();
    control.step = 5;
    inbox.hear(lease({ step: 4 }));
    await settle();
    expect(posts).toEqual([]);
    inbox.hear(lease({ id: 9, step: 5 }));
    expect((await posted('contribution')).lease).toBe(9);
  });

  it('loads the weights anew after a lost connection', async () => {
    const { inbox, compute, replica, posted } = start();
    inbox.hear(lease({ block: { level: 0, index: 0 } }));
    const first = await posted('contribution');
    replica.weights[0] = 42;
    inbox.hear({ type: 'disconnected', runNumber: 1 });
    inbox.hear(lease({ id: 2, block: { level: 0, index: 0 } }));
    const second = await posted('contribution');
    expect(compute.weights[0]).toBe(42);
    expect(second.stateHash).not.toBe(first.stateHash);
  });

  it('waits for slots, and says so', async () => {
    const { inbox, posted } = start([0, 1, 2]);
    inbox.hear(lease({ id: 1 }));
    inbox.hear(lease({ id: 2 }));
    const { slot } = await posted('contribution');
    await posted('needSlots');
    inbox.hear({ type: 'slot', runNumber: 1, slot: slot ?? -1 });
    expect((await posted('contribution')).lease).toBe(2);
  });

  it.each([
    [
      'a gradient that is not finite',
      (out: Float32Array) => void (out[2] = Number.NaN),
      {},
      'the gradient is not finite',
    ],
    [
      'a gradient of an absurd norm',
      (out: Float32Array) => void (out[2] = 3e15),
      {},
      "the gradient's norm is 3.00e+15, beyond 1000000000000000",
    ],
    ['a loss that is not finite', () => undefined, { crossEntropy: Infinity }, 'crossEntropy is Infinity'],
  ])('reports the micro-batch with %s', async (_case, spoil, sums, reason) => {
    const { inbox, compute, posts, posted } = start();
    const gradients = compute.student.gradients.bind(compute.student);
    compute.student.gradients = async (batch, step, out) => {
      const result = await gradients(batch, step, out);
      if (batch.inputs[0] !== 5) return result;
      spoil(out);
      return { ...result, sums: { ...result.sums, ...sums } };
    };
    inbox.hear(lease({ id: 3 }));
    expect(await posted('failed')).toEqual({ type: 'failed', runNumber: 1, lease: 3, microBatch: 2, reason });
    inbox.hear(lease({ id: 4, block: { level: 1, index: 0 } }));
    expect((await posted('contribution')).lease).toBe(4);
    expect(posts).toEqual([]);
  });

  it('contributes sums alone where no term applies', async () => {
    const { inbox, compute, posted } = start();
    compute.trainBatch = async () => ({
      rows: 2,
      inputs: Float32Array.from([-1, -1]),
      targets: { labels: new Int32Array(2).fill(-1), soft: null },
    });
    inbox.hear(lease());
    expect(await posted('contribution')).toMatchObject({ slot: null, sums: { samples: 8 }, momentCounts: [] });
  });

  it('passes over micro-batches without gradient in a block with some', async () => {
    const { inbox, compute, replica, posted } = start();
    const trainBatch = compute.trainBatch.bind(compute);
    compute.trainBatch = async (epoch, from, to) =>
      from === 7
        ? trainBatch(epoch, from, to)
        : { rows: 2, inputs: Float32Array.from([-1, -1]), targets: { labels: new Int32Array(2), soft: null } };
    inbox.hear(lease());
    const { slot, momentCounts } = await posted('contribution');
    expect(Array.from(replica.slot(slot ?? -1))).toEqual(
      Array.from(gradientOf(Float32Array.from(replica.weights), [7, 10])),
    );
    expect(momentCounts).toEqual([3]);
  });

  it('evaluates the student', async () => {
    const { inbox, posted } = start();
    inbox.hear(lease({ kind: 'evaluate', subject: 'student', from: 0, to: 8, microBatches: 3, divisors: {} }));
    const { sums, slot } = await posted('contribution');
    expect(slot).toBeNull();
    expect(sums).toMatchObject({ samples: 8, 'student.correct': 8 });
    expect(sums['student.loss']).toBeCloseTo(8 * Math.log(1 + Math.exp(-1)), 6);
  });

  it('evaluates teachers and ensemble', async () => {
    const { inbox, posted } = start();
    inbox.hear(lease({ kind: 'evaluate', subject: 'teachers', from: 0, to: 8, microBatches: 3, divisors: {} }));
    expect((await posted('contribution')).sums).toEqual({
      samples: 8,
      'teacher.wide.correct': 4,
      'ensemble.correct': 8,
      'teacher.wide.agree': 4,
    });
  });

  it('gives signs of life for every micro-batch, and ends when its queue closes', async () => {
    const { inbox, control, posted, done } = start();
    inbox.hear(lease());
    await posted('contribution');
    expect(control.progress).toBe(4);
    expect(control.tensors).toBe(3);
    expect(control.isBusy).toBe(false);
    inbox.queue.close();
    await done;
  });

  it('tells of a teacher that fails, by name and micro-batch, and goes on with the next lease', async () => {
    const { inbox, compute, posted, posts } = start();
    const make = compute.trainBatch.bind(compute);
    compute.trainBatch = async (epoch, from, to, dropped = []) => {
      if (from === 5 && !dropped.includes('deep')) throw new TeacherFailure('deep', 'it gives NaN');
      return make(epoch, from, to);
    };
    inbox.hear(lease({ id: 1, block: { level: 2, index: 0 } }));
    inbox.hear(lease({ id: 2, block: { level: 2, index: 0 }, dropped: ['wide'] }));
    inbox.hear(lease({ id: 3, block: { level: 2, index: 0 }, dropped: ['wide', 'deep'] }));
    for (const id of [1, 2])
      expect(await posted('failed')).toEqual({
        type: 'failed',
        runNumber: 1,
        lease: id,
        microBatch: 2,
        reason: 'it gives NaN',
        teacher: 'deep',
      });
    expect((await posted('contribution')).lease).toBe(3);
    expect(posts).toEqual([]);
  });

  it('meets the failure of a teacher that came while labelling ahead when the lease is due', async () => {
    const { inbox, control, compute, settle, posts, posted } = start();
    const make = compute.trainBatch.bind(compute);
    compute.trainBatch = async (epoch, from, to) => {
      if (from === 12) throw new TeacherFailure('deep', 'it gives NaN');
      return make(epoch, from, to);
    };
    inbox.hear(lease({ step: 1, from: 10, to: 20 }));
    await settle();
    expect(compute.events).toEqual(['batch 0:10-12', 'batch 0:15-17', 'batch 0:17-20']);
    expect(posts).toEqual([]);
    control.step = 1;
    inbox.hear({ type: 'weights', runNumber: 1, step: 1 });
    expect(await posted('failed')).toMatchObject({ microBatch: 1, teacher: 'deep' });
  });

  it('tells of a teacher that fails in an evaluation, and leaves out those that the run has dropped', async () => {
    const { inbox, compute, posted } = start();
    const asked: (readonly string[])[] = [];
    const give = compute.teacherLogits.bind(compute);
    compute.teacherLogits = async (batch, dropped = []) => {
      asked.push(dropped);
      if (dropped.length === 0) throw new TeacherFailure('deep', 'it gives NaN');
      return give(batch);
    };
    const evaluation = { kind: 'evaluate', subject: 'teachers', to: 8, block: { level: 0, index: 0 } } as const;
    inbox.hear(lease({ ...evaluation, id: 1 }));
    expect(await posted('failed')).toMatchObject({ lease: 1, teacher: 'deep' });
    inbox.hear(lease({ ...evaluation, id: 2, dropped: ['deep'] }));
    expect((await posted('contribution')).sums).toMatchObject({ 'teacher.wide.correct': 1 });
    expect(asked).toEqual([[], ['deep']]);
  });
});
