import { describe, expect, it } from 'vitest';
import { MicroBatches } from '../../../worker/trainer/micro-batches.js';
import { FakeCompute, leaseOf } from '../fakes.js';

const wide = leaseOf({ from: 0, to: 120, microBatches: 40, block: { level: 6, index: 0 } });

describe('micro-batches', () => {
  it('are made once, ahead or when they are taken', async () => {
    const compute = new FakeCompute();
    const microBatches = new MicroBatches(compute);
    await microBatches.startNext([leaseOf()]);
    expect(Array.from((await microBatches.take(leaseOf(), 0)).inputs)).toEqual([0, 1]);
    expect(Array.from((await microBatches.take(leaseOf(), 1)).inputs)).toEqual([2, 3, 4]);
    await microBatches.startNext([leaseOf()]);
    expect(compute.events).toEqual(['batch 0:0-2', 'batch 0:2-5', 'batch 0:5-7']);
  });

  it('are not held beyond a bound', async () => {
    const microBatches = new MicroBatches(new FakeCompute());
    let made = 0;
    while (microBatches.startNext([wide]) !== null) made++;
    expect(made).toBe(32);
    await microBatches.take(wide, 0);
    expect(microBatches.startNext([wide])).not.toBeNull();
  });

  it('are others without a teacher', async () => {
    const compute = new FakeCompute();
    const asked: (readonly string[] | undefined)[] = [];
    const make = compute.trainBatch.bind(compute);
    compute.trainBatch = (epoch, from, to, dropped) => {
      asked.push(dropped);
      return make(epoch, from, to);
    };
    const microBatches = new MicroBatches(compute);
    await microBatches.startNext([leaseOf()]);
    await microBatches.take(leaseOf({ dropped: ['deep'] }), 0);
    await microBatches.take(leaseOf(), 0);
    expect(asked).toEqual([undefined, ['deep']]);
  });

  it('of other steps are forgotten', async () => {
    const microBatches = new MicroBatches(new FakeCompute());
    while (microBatches.startNext([wide]) !== null);
    const other = leaseOf({ from: 120, to: 130 });
    expect(microBatches.startNext([other])).toBeNull();
    microBatches.keepOnly([other]);
    expect(microBatches.startNext([other])).not.toBeNull();
  });

  it('are done with once they are stopped', async () => {
    const compute = new FakeCompute();
    let running = 0;
    let begun = 0;
    compute.trainBatch = async (_epoch, from) => {
      begun++;
      running++;
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return { rows: 1, inputs: Float32Array.from([from]), targets: { labels: new Int32Array(1), soft: null } };
    };
    const microBatches = new MicroBatches(compute);
    for (let i = 0; i < 3; i++) void microBatches.startNext([leaseOf()]);
    await Promise.resolve();
    await microBatches.stop();
    expect({ running, begun }).toEqual({ running: 0, begun: 1 });
  });

  it('fail where they are taken, not where they were begun', async () => {
    const compute = new FakeCompute();
    compute.trainBatch = async () => {
      throw new Error('no shard');
    };
    const microBatches = new MicroBatches(compute);
    void microBatches.startNext([leaseOf()]);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(microBatches.take(leaseOf(), 0)).rejects.toThrow('no shard');
  });
});
