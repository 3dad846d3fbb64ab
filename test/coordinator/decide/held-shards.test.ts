/** Leases prefer the workers that hold the shards: less is downloaded, and nothing else is other than without it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Core } from '../../../coordinator/decide/decide.js';
import { HeldShards, ShardHolders } from '../../../coordinator/decide/held-shards.js';
import type { Command, DecideConfig, Unit, UntimedEvent } from '../../../coordinator/decide/types.js';
import { unitShards } from '../../../coordinator/plan/unit-shards.js';
import { epochOrder } from '../../../shared/data/sampler.js';
import type { DataSet } from '../../../shared/data/manifest.js';
import { randomStream } from '../../../shared/random.js';
import { blockRange } from '../../../shared/replica/reduction/tree.js';

interface Played {
  /** Shards that workers had to fetch, all together. */
  readonly fetched: number;
  /** How often each micro-batch of each unit was in a commit's leases. */
  readonly covered: readonly (readonly number[])[];
  /** Leases of each worker. */
  readonly leases: ReadonlyMap<string, number>;
}

/** A lease that its worker computes, or will. */
interface Waiting {
  readonly worker: string;
  readonly id: number;
  readonly unit: Unit;
  readonly tookMs: number;
  readonly endMs: number;
  readonly count: (by: number) => void;
}

/** Plays evaluations of all shards to the end, with workers whose speeds are drawn by the seed. */
function play(
  { shards, perShard, units, workers, seed }: Record<'shards' | 'perShard' | 'units' | 'workers' | 'seed', number>,
  isPreferred: boolean,
): Played {
  const microBatches = shards * perShard;
  const plan = Array.from({ length: units }, (): Unit => ({
    kind: 'evaluate',
    step: 0,
    epoch: 0,
    from: 0,
    to: microBatches,
    microBatches,
  }));
  const shardsOf: DecideConfig['shardsOf'] = (_unit, from, to) =>
    Array.from(
      { length: Math.ceil(to / perShard) - Math.floor(from / perShard) },
      (_, i) => Math.floor(from / perShard) + i,
    );
  const core = new Core({
    unitAt: (index) => plan[index],
    firstUnit: 0,
    stateHash: 's0',
    skips: 0,
    slots: 8,
    contributionBytes: 100,
    silenceMs: 1e9,
    firstLeaseMs: 1e9,
    ...(isPreferred ? { shardsOf } : {}),
  });
  const random = randomStream(['play', seed]);
  const held = new Map<string, Set<number>>();
  const leases = new Map<string, number>();
  const covered = plan.map(() => new Array<number>(microBatches).fill(0));
  const waiting: Waiting[] = [];
  /** When each worker is done with what it has. */
  const freeMs = new Map<string, number>();
  let [nowMs, committed, fetched] = [0, 0, 0];
  const queue: Command[] = [];
  const hear = (event: UntimedEvent): void => void queue.push(...core.handle({ ...event, nowMs }));
  const carryOut = (command: Command): void => {
    if (command.type === 'cancel') {
      const cancelled = waiting.findIndex(({ id }) => id === command.id);
      if (cancelled >= 0) waiting.splice(cancelled, 1)[0]?.count(-1);
    }
    if (command.type === 'commit') {
      committed = command.index + 1;
      hear({ type: 'committed', unit: command.index, stateHash: 's0', isSkipped: false, stopEarly: false });
    }
    if (command.type !== 'lease') return;
    const { worker, id, unit, block } = command;
    const { from, to } = blockRange(block, microBatches);
    leases.set(worker, (leases.get(worker) ?? 0) + 1);
    const own = held.get(worker) ?? new Set();
    const before = own.size;
    for (const shard of shardsOf(unit, from, to)) own.add(shard);
    fetched += own.size - before;
    held.set(worker, own);
    const counts = covered[plan.indexOf(unit)] ?? [];
    const count = (by: number): void => {
      for (let j = from; j < to; j++) counts[j] = (counts[j] ?? 0) + by;
    };
    count(1);
    // Workers are up to half as fast again as others for a while, so that another is the fastest again and again.
    const tookMs = (to - from) * (8 + random.below(5));
    const endMs = Math.max(nowMs, freeMs.get(worker) ?? 0) + tookMs;
    freeMs.set(worker, endMs);
    waiting.push({ worker, id, unit, tookMs, endMs, count });
  };
  for (let i = 0; i < workers; i++) {
    hear({ type: 'join', worker: `w${i}` });
    hear({ type: 'ready', worker: `w${i}`, step: 0, stateHash: 's0' });
  }
  for (let turns = 0; committed < units; turns++) {
    for (let command = queue.shift(); command !== undefined; command = queue.shift()) carryOut(command);
    if (committed === units) break;
    if (turns > 20_000) throw new Error('the run stands still');
    // What is leased ahead is answered once its unit is open.
    const due = waiting.filter(({ unit }) => plan.indexOf(unit) === committed);
    const lease = due.reduce<Waiting | undefined>(
      (first, one) => (first === undefined || one.endMs < first.endMs ? one : first),
      undefined,
    );
    if (lease !== undefined) waiting.splice(waiting.indexOf(lease), 1);
    nowMs = Math.max(nowMs, lease?.endMs ?? 0);
    if (lease !== undefined)
      hear({
        type: 'offer',
        worker: lease.worker,
        lease: lease.id,
        step: 0,
        stateHash: 's0',
        digest: '',
        bytes: 0,
        computeSeconds: lease.tookMs / 1000,
      });
  }
  return { fetched, covered, leases };
}

describe('leases that prefer who holds the shards', () => {
  const size = { shards: 64, perShard: 4, units: 10, workers: 4 };

  it('have workers fetch fewer of them', () => {
    const sums = [false, true].map((isPreferred) =>
      Array.from({ length: 5 }, (_, seed) => play({ ...size, seed }, isPreferred).fetched).reduce((a, b) => a + b, 0),
    );
    const [without = 0, preferred = 0] = sums;
    // Each shard is fetched once at least.
    expect(preferred).toBeGreaterThanOrEqual(5 * size.shards);
    expect(preferred).toBeLessThan(0.75 * without);
  });

  it('cover every micro-batch once, and leave no worker without work, whatever the order of answers', () => {
    fc.assert(
      fc.property(
        fc.record({
          shards: fc.integer({ min: 2, max: 20 }),
          perShard: fc.integer({ min: 1, max: 5 }),
          units: fc.integer({ min: 1, max: 5 }),
          workers: fc.integer({ min: 1, max: 6 }),
          seed: fc.integer({ min: 0, max: 1e6 }),
        }),
        (given) => {
          const { covered, leases } = play(given, true);
          for (const counts of covered) expect(counts).toEqual(counts.map(() => 1));
          if (given.units > 2 && given.shards * given.perShard >= 4 * given.workers)
            expect(leases.size).toBe(given.workers);
        },
      ),
      { seed: 7, numRuns: 100 },
    );
  });
});

describe('ShardHolders', () => {
  it('likes what a worker holds, and what no other does, until that one is gone', () => {
    const holders = new ShardHolders();
    const [one, other] = [new HeldShards(), new HeldShards()];
    holders.note(one, [0, 31, 32, 1000]);
    holders.note(one, [0]);
    holders.note(other, [0, 5]);
    const likes = (...shards: number[]): number => holders.liking(one, shards, 2);
    expect([likes(31), likes(0), likes(1), likes(5), likes(5000), likes()]).toEqual([1, 0.75, 0, -0.25, 0, 0]);
    expect(likes(31, 32, 5, 6)).toBe((2 - 0.25) / 4);
    holders.forget(other);
    expect([likes(0), likes(5)]).toEqual([1, 0]);
  });
});

describe('unitShards', () => {
  const shard = (samples: number): DataSet['shards'][number] => ({ sha256: 'a', bytes: 1, samples });
  const dataSet = (...samples: number[]): DataSet => ({
    samples: samples.reduce((a, b) => a + b, 0),
    shape: [1],
    dtype: 'uint8',
    shards: samples.map(shard),
  });
  const unit = { epoch: 0, step: 0, microBatches: 4 } as const;

  it('gives the shards in which the samples of micro-batches lie, those of the evaluation set behind those of the training set', () => {
    const train = dataSet(10, 10, 10);
    const manifest = { train, eval: dataSet(4, 4), classes: 2, preprocess: null };
    const { shardsIn } = epochOrder(train, 0, { seed: 1, shuffle: false });
    const shardsOf = unitShards({ manifest, shardsIn: (_epoch, from, to) => shardsIn(from, to) });
    const training = { ...unit, kind: 'train', from: 4, to: 24 } as const;
    expect([shardsOf?.(training, 0, 1), shardsOf?.(training, 1, 3), shardsOf?.(training, 3, 4)]).toEqual([
      [0],
      [0, 1],
      [1, 2],
    ]);
    expect(shardsOf?.(training, 2, 2)).toEqual([]);
    const evaluation = { ...unit, kind: 'evaluate', from: 0, to: 8 } as const;
    expect([shardsOf?.(evaluation, 0, 2), shardsOf?.(evaluation, 1, 3), shardsOf?.(evaluation, 3, 4)]).toEqual([
      [3],
      [3, 4],
      [4],
    ]);
  });

  it('gives the shards of the groups that samples are drawn from, where they are shuffled', () => {
    const train = dataSet(...new Array<number>(20).fill(10));
    const order = epochOrder(train, 3, { seed: 1, shuffle: true });
    for (const [from, to] of [
      [0, 10],
      [70, 90],
      [155, 165],
      [199, 200],
    ] as const) {
      const drawn = new Set(Array.from({ length: to - from }, (_, i) => Math.floor(order.at(from + i) / 10)));
      const found = order.shardsIn(from, to);
      expect([...drawn].filter((one) => !found.includes(one))).toEqual([]);
      expect(found.length).toBe(new Set(found).size);
    }
    expect([order.shardsIn(0, 80).length, order.shardsIn(79, 81).length, order.shardsIn(160, 200).length]).toEqual([
      8, 16, 4,
    ]);
  });

  it('gives nothing for a single shard', () => {
    expect(
      unitShards({ manifest: { train: dataSet(4), eval: null, classes: 2, preprocess: null }, shardsIn: () => [0] }),
    ).toBeUndefined();
  });
});
