/** The core of a relay under every order of arrivals, deaths, failures and cancels: each lease comes back once, and whole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RelayCore } from '../../../coordinator/decide/relay-core.js';
import type { RelayCommand, UntimedRelayEvent } from '../../../coordinator/decide/relay-types.js';
import type { Unit } from '../../../coordinator/decide/types.js';
import { blockRange, childrenOf, isEmpty, rootOf, type Block } from '../../../shared/replica/reduction/tree.js';

const slots = 8;

function unitOf(step: number, microBatches: number, kind: Unit['kind'] = 'train'): Unit {
  return { kind, step, epoch: 0, from: 0, to: 100, microBatches };
}

/** The sum of a block as text: which micro-batches were added to which, in which order. */
function sumOf(block: Block, m: number): string {
  if (block.level === 0) return `${block.index}`;
  const [left, right] = childrenOf(block);
  return isEmpty(right, m) ? sumOf(left, m) : `(${sumOf(left, m)}+${sumOf(right, m)})`;
}

interface Below {
  readonly worker: string;
  readonly of: number;
  readonly unit: Unit;
  readonly block: Block;
  state: 'computing' | 'offered' | 'pulled';
  slot: number | null;
}

/** A relay's shell whose gradients are texts, and whose workers do what they are told to. */
class Rig {
  nowMs = 0;
  readonly core = new RelayCore({ slots, silenceMs: 1500, firstLeaseMs: 1000, contributionBytes: 1000 });
  readonly below = new Map<number, Below>();
  readonly contents = new Map<number, string>();
  readonly reported = new Map<number, string>();
  readonly failed = new Map<number, string>();
  readonly here = new Set<string>();
  most = 0;

  post(event: UntimedRelayEvent): void {
    for (const command of this.core.handle({ ...event, nowMs: this.nowMs })) this.carryOut(command);
    this.most = Math.max(this.most, this.contents.size);
  }

  join(worker: string): void {
    this.here.add(worker);
    this.post({ type: 'join', worker, process: worker });
    this.post({ type: 'ready', worker });
  }

  leave(worker: string): void {
    this.here.delete(worker);
    for (const [id, { worker: its }] of this.below) if (its === worker) this.below.delete(id);
    this.post({ type: 'leave', worker, reason: 'killed' });
  }

  offer(id: number, bytes = 1000): void {
    const lease = this.below.get(id);
    if (lease === undefined) return;
    if (lease.state === 'computing') lease.state = 'offered';
    const offered = { lease: id, step: lease.unit.step, stateHash: 'h', digest: '', bytes, computeSeconds: 0.01 };
    this.post({ type: 'offer', worker: lease.worker, ...offered });
  }

  arrive(id: number): void {
    const lease = this.below.get(id);
    if (lease?.state !== 'pulled') return;
    this.below.delete(id);
    this.post({ type: 'received', worker: lease.worker, lease: id });
  }

  /** Everybody computes until nothing is left to do. */
  finish(): void {
    for (let moves = 0; moves < 10_000; moves++) {
      const [next] = [...this.below].filter(([, lease]) => lease.state !== 'offered');
      if (next === undefined) return;
      if (next[1].state === 'computing') this.offer(next[0]);
      else this.arrive(next[0]);
    }
    throw new Error('the relay does not come to an end');
  }

  private carryOut(command: RelayCommand): void {
    switch (command.type) {
      case 'lease':
        expect(this.here.has(command.worker)).toBe(true);
        this.below.set(command.id, { ...command, state: 'computing', slot: null });
        return;
      case 'cancel':
        this.below.delete(command.id);
        return;
      case 'pull':
      case 'accept': {
        const lease = this.below.get(command.id);
        if (lease === undefined) throw new Error(`lease ${command.id} is not open`);
        expect(this.contents.has(command.slot)).toBe(false);
        this.contents.set(command.slot, sumOf(lease.block, lease.unit.microBatches));
        if (command.type === 'accept') this.below.delete(command.id);
        else [lease.state, lease.slot] = ['pulled', command.slot];
        return;
      }
      case 'merge': {
        const [left, right] = [this.contents.get(command.into), this.contents.get(command.from)];
        if (left === undefined || right === undefined) throw new Error('an empty slot was merged');
        this.contents.set(command.into, `(${left}+${right})`);
        this.contents.delete(command.from);
        return;
      }
      case 'free':
        this.contents.delete(command.slot);
        return;
      case 'report': {
        expect(this.reported.has(command.lease)).toBe(false);
        this.reported.set(command.lease, this.contents.get(command.slot) ?? 'nothing');
        this.contents.delete(command.slot);
        return;
      }
      case 'fail':
        this.failed.set(command.lease, command.reason);
        return;
      case 'resync':
      case 'dismiss':
      case 'say':
        return;
    }
  }
}

/** An aligned block of a step of so many micro-batches that is not empty. */
const leases = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat()).map(([m, level, index]) => {
  const block = { level: level % (rootOf(m).level + 1), index: 0 };
  const blocks = Math.ceil(m / 2 ** block.level);
  return { m, block: { ...block, index: index % blocks } };
});

const deeds = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('offer' as const), which: fc.nat() }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('arrive' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('empty' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('join' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('tick' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('again' as const), which: fc.nat() }) },
  ),
  { maxLength: 80 },
);

type Deed = typeof deeds extends fc.Arbitrary<(infer T)[]> ? T : never;

function act(rig: Rig, { type, which }: Deed, names: { next: number }): void {
  const ids = [...rig.below.keys()];
  const id = ids[which % Math.max(1, ids.length)] ?? -1;
  const workers = [...rig.here];
  const worker = workers[which % Math.max(1, workers.length)];
  switch (type) {
    case 'offer':
    case 'again':
      return rig.offer(id);
    case 'empty':
      return rig.offer(id, rig.below.get(id)?.state === 'computing' ? 0 : 1000);
    case 'arrive':
      return rig.arrive(id);
    case 'kill':
      return worker === undefined ? undefined : rig.leave(worker);
    case 'join':
      return rig.join(`w${names.next++}`);
    case 'fail': {
      const lease = rig.below.get(id);
      if (lease?.state !== 'computing') return;
      rig.below.delete(id);
      // Whoever has failed is not asked again: somebody else has to be there.
      rig.join(`w${names.next++}`);
      return rig.post({ type: 'failed', worker: lease.worker, lease: id, reason: 'no memory', microBatch: 3 });
    }
    case 'tick':
      rig.nowMs += which % 5000;
      for (const alive of rig.here) rig.post({ type: 'heard', worker: alive, progress: rig.nowMs });
      return rig.post({ type: 'tick' });
  }
}

describe('the core of a relay', () => {
  it('gives back each lease once, summed in tree order, whatever its workers do', () => {
    fc.assert(
      fc.property(fc.array(leases, { minLength: 1, maxLength: 3 }), deeds, (wanted, story) => {
        const rig = new Rig();
        const names = { next: 2 };
        rig.post({ type: 'weights', step: 0, stateHash: 'h' });
        rig.join('w1');
        for (const [lease, { m, block }] of wanted.entries())
          rig.post({ type: 'leased', lease, unit: unitOf(0, m), block });
        for (const deed of story) {
          act(rig, deed, names);
        }
        rig.join('the last');
        rig.finish();
        for (const [lease, { m, block }] of wanted.entries()) {
          expect(rig.reported.has(lease)).toBe(!rig.failed.has(lease));
          if (rig.reported.has(lease)) expect(rig.reported.get(lease)).toBe(sumOf(block, m));
        }
        // Whoever is left may be the one that has failed.
        if (!story.some(({ type }) => type === 'fail')) expect(rig.failed.size).toBe(0);
        expect(rig.core.openLeases).toBe(0);
        expect(rig.contents.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('never holds more sums at once than it has slots for', () => {
    fc.assert(
      fc.property(leases, deeds, ({ m, block }, story) => {
        const rig = new Rig();
        const names = { next: 4 };
        rig.post({ type: 'weights', step: 0, stateHash: 'h' });
        for (const worker of ['w1', 'w2', 'w3']) rig.join(worker);
        rig.post({ type: 'leased', lease: 0, unit: unitOf(0, m), block });
        for (const deed of story) {
          act(rig, deed, names);
        }
        expect(rig.most).toBeLessThanOrEqual(slots);
      }),
    );
  });

  it('splits a lease over its workers and reports it when all is in', () => {
    const rig = new Rig();
    rig.post({ type: 'weights', step: 4, stateHash: 'h' });
    for (const worker of ['w1', 'w2']) rig.join(worker);
    rig.post({ type: 'leased', lease: 9, unit: unitOf(4, 16), block: { level: 2, index: 2 } });
    const ranges = [...rig.below.values()].map(({ worker, block }) => [worker, blockRange(block, 16)]);
    expect(ranges).toEqual([
      ['w1', { from: 8, to: 10 }],
      ['w2', { from: 10, to: 12 }],
    ]);
    rig.finish();
    expect(rig.reported).toEqual(new Map([[9, '((8+9)+(10+11))']]));
  });

  it('leases ahead of the weights, and takes nothing for it before they are there', () => {
    const rig = new Rig();
    rig.post({ type: 'weights', step: 0, stateHash: 'h' });
    rig.join('w1');
    rig.post({ type: 'leased', lease: 1, unit: unitOf(1, 4), block: { level: 1, index: 0 } });
    const [id = -1] = rig.below.keys();
    rig.offer(id);
    expect(rig.reported.size).toBe(0);
    const lease = rig.below.get(id);
    if (lease !== undefined) lease.state = 'computing';
    rig.post({ type: 'weights', step: 1, stateHash: 'h' });
    rig.finish();
    expect(rig.reported.get(1)).toBe('(0+1)');
  });

  it('gives a lease back that nobody here can compute, with the reason and the teacher', () => {
    const rig = new Rig();
    rig.post({ type: 'weights', step: 0, stateHash: 'h' });
    for (const worker of ['w1', 'w2']) rig.join(worker);
    rig.post({ type: 'leased', lease: 1, unit: unitOf(0, 2), block: { level: 1, index: 0 } });
    for (let tries = 0; tries < 4 && rig.failed.size === 0; tries++) {
      const [first] = [...rig.below].filter(([, { block }]) => block.index === 0);
      if (first === undefined) break;
      rig.below.delete(first[0]);
      rig.post({ type: 'failed', worker: first[1].worker, lease: first[0], reason: 'broken', teacher: 'deep' });
      for (const [id, { block }] of rig.below) if (block.index !== 0) rig.offer(id);
    }
    expect(rig.failed).toEqual(new Map([[1, 'broken']]));
    expect([rig.contents.size, rig.core.openLeases]).toEqual([0, 0]);
  });

  it('forgets a lease that is taken back, and what came of it', () => {
    const rig = new Rig();
    rig.post({ type: 'weights', step: 0, stateHash: 'h' });
    for (const worker of ['w1', 'w2']) rig.join(worker);
    rig.post({ type: 'leased', lease: 1, unit: unitOf(0, 4), block: { level: 2, index: 0 } });
    const [id = -1] = rig.below.keys();
    rig.offer(id);
    rig.arrive(id);
    rig.post({ type: 'cancelled', lease: 1 });
    expect([rig.contents.size, rig.below.size, rig.core.openLeases]).toEqual([0, 0, 0]);
  });

  it('sends a worker away whose state differs for the third time', () => {
    const core = new RelayCore({ slots, silenceMs: 1500, firstLeaseMs: 1000, contributionBytes: 1 });
    const answers = [1, 2, 3].flatMap((time) => {
      core.handle({ type: 'join', worker: `w${time}`, process: 'one', nowMs: 0 });
      const state = { step: 0, stateHash: 'other', wanted: 'h' };
      return core.handle({ type: 'differs', worker: `w${time}`, ...state, nowMs: 0 });
    });
    expect(answers.map(({ type }) => type)).toEqual(['resync', 'resync', 'dismiss']);
  });

  it('lets go of a worker that is silent', () => {
    const rig = new Rig();
    rig.post({ type: 'weights', step: 0, stateHash: 'h' });
    for (const worker of ['w1', 'w2']) rig.join(worker);
    rig.post({ type: 'leased', lease: 1, unit: unitOf(0, 4), block: { level: 2, index: 0 } });
    rig.nowMs = 2000;
    rig.post({ type: 'heard', worker: 'w2', progress: 1 });
    for (const [id, { worker }] of rig.below) if (worker === 'w1') rig.below.delete(id);
    rig.post({ type: 'tick' });
    expect(rig.core.readyWorkers).toBe(1);
    rig.finish();
    expect(rig.reported.get(1)).toBe('((0+1)+(2+3))');
  });
});
