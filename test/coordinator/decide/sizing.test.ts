import { describe, expect, it } from 'vitest';
import { WorkerRecords } from '../../../coordinator/decide/workers.js';
import { fairMicroBatches, patienceMs, UploadRate, wantedMicroBatches } from '../../../coordinator/decide/sizing.js';
import type { WorkerRecord } from '../../../coordinator/decide/state.js';
import type { Unit } from '../../../coordinator/decide/types.js';
import { UnitWork } from '../../../coordinator/decide/unit-work.js';

function workOf(microBatches: number, kind: Unit['kind'] = 'train'): UnitWork {
  return new UnitWork(0, { kind, step: 0, epoch: 0, from: 0, to: microBatches, microBatches });
}

/** Ready workers with these milliseconds a micro-batch; null: nothing is known. */
function crew(...costs: (number | null)[]): { workers: WorkerRecords; list: WorkerRecord[] } {
  const workers = new WorkerRecords();
  const list = costs.map((costMs, i) => {
    workers.add(`w${i + 1}`, { process: `p${i + 1}`, origin: `h${i + 1}` }, 0);
    const worker = workers.get(`w${i + 1}`);
    if (worker === undefined) throw new Error('not added');
    workers.markReady(worker);
    if (costMs !== null) workers.learn(worker, 'train', { costMs, overheadMs: 0 });
    return worker;
  });
  return { workers, list };
}

function wanted(costs: (number | null)[], work: UnitWork, uploadMs = 0): number[] {
  const { workers, list } = crew(...costs);
  return list.map((worker) => wantedMicroBatches(worker, work, { workers, uploadMs }));
}

describe('the size of a lease', () => {
  it.each([
    ['equal before anything is known', [null, null], 16, [8, 8]],
    ['by speed', [10, 30], 16, [12, 4]],
    ['average for a newcomer', [10, 30, null], 12, [6, 2, 4]],
    ['rounded up for thirds', [5, 5, 5], 16, [6, 6, 6]],
    ['not rounded up for a trifle', [10, 11], 2, [1, 1]],
    ['never nothing', [1, 1000], 4, [4, 1]],
  ])('is %s', (_name, costs, m, sizes) => {
    expect(wanted(costs, workOf(m))).toEqual(sizes);
  });

  it('is as wide as pays for its upload: the root of M u / c', () => {
    expect(wanted([10, 10, 10, 10], workOf(16), 10)).toEqual([4, 4, 4, 4]);
    expect(wanted([10, 10, 10, 10], workOf(16), 40)).toEqual([8, 8, 8, 8]);
    expect(wanted([10, 10], workOf(16), 10)).toEqual([8, 8]);
  });

  it('does not mind uploads in an evaluation', () => {
    expect(wanted([null, null], workOf(8, 'evaluate'), 1e6)).toEqual([4, 4]);
  });

  it('is at most what is fair for a whole unit', () => {
    const { workers, list } = crew(10, 30);
    expect(list.map((worker) => fairMicroBatches(worker, workOf(16), { workers, uploadMs: 0 }))).toEqual([12, 4]);
  });
});

describe('WorkerRecords', () => {
  it('moves a cost by three tenths of what is new', () => {
    const {
      workers,
      list: [worker],
    } = crew(10);
    if (worker === undefined) throw new Error('no worker');
    workers.learn(worker, 'train', { costMs: 20, overheadMs: 50 });
    expect([worker.costMs.get('train'), worker.overheadMs]).toEqual([13, 15]);
  });

  it('believes the less that a worker is slow the longer it had no part in a step, until it has one', () => {
    const {
      workers,
      list: [fast, slow],
    } = crew(10, 40);
    if (fast === undefined || slow === undefined) throw new Error('no workers');
    const work = workOf(2);
    let steps = 0;
    for (; wantedMicroBatches(fast, work, { workers, uploadMs: 0 }) > 1; steps++) {
      workers.doubtSlowness(fast, 'train');
      workers.doubtSlowness(slow, 'train');
    }
    expect(fast.costMs.get('train')).toBe(10);
    expect(slow.costMs.get('train')).toBeCloseTo(16.6, 1);
    expect(steps).toBe(136);
    expect(workers.averageCostMs('train')).toBeCloseTo(2 / (1 / 10 + 1 / (slow.costMs.get('train') ?? 0)), 12);
  });

  it('forgets the speed of one that is gone', () => {
    const {
      workers,
      list: [fast, slow],
    } = crew(10, 30);
    if (fast === undefined || slow === undefined) throw new Error('no workers');
    workers.remove(fast);
    expect(workers.shareOf(slow, 'train')).toBeCloseTo(1, 12);
    expect(workers.averageCostMs('train')).toBeCloseTo(30, 12);
  });

  it('puts the unknown last for due work, and among the average for work ahead', () => {
    const { workers, list } = crew(30, null, 10);
    const names = (work: 'due' | 'ahead'): string[] =>
      workers.fastestFirst([...list], 'train', work).map(({ id }) => id);
    expect([names('due'), names('ahead')]).toEqual([
      ['w3', 'w1', 'w2'],
      ['w3', 'w2', 'w1'],
    ]);
  });
});

describe('patience', () => {
  it('is four times what is expected, at least two seconds, and long for a first lease', () => {
    const {
      list: [known, unknown],
    } = crew(400, null);
    if (known === undefined || unknown === undefined) throw new Error('no workers');
    const work = workOf(8);
    const of = (worker: WorkerRecord, to: number): number =>
      patienceMs(worker, work, { assignment: work.open({ level: Math.log2(to), index: 0 }), firstMs: 180_000 });
    expect([of(known, 8), of(known, 1), of(unknown, 1)]).toEqual([12_800, 2000, 180_000]);
  });

  it('follows the measured rate of uploads', () => {
    const rate = new UploadRate();
    expect(rate.msOf(2e6)).toBe(2);
    rate.begin(0);
    rate.begin(50);
    rate.end(80, 5e6);
    rate.end(100, 5e6);
    // 10 MB in 100 ms: 0.3 of the way from 1e6 to 1e5 bytes a millisecond.
    expect(rate.msOf(730_000)).toBeCloseTo(1, 9);
    expect([rate.patienceMs(730_000_000, 10_000), Math.round(rate.patienceMs(7_300_000_000, 10_000))]).toEqual([
      10_000, 80_000,
    ]);
  });
});
