import { describe, expect, it } from 'vitest';
import { Contributions } from '../../../coordinator/exchange/contributions.js';
import type { Unit } from '../../../coordinator/decide/types.js';
import { IncomingContributions, type ContributionEvent } from '../../../coordinator/exchange/incoming.js';
import { BufferPool } from '../../../coordinator/exchange/buffers.js';
import { ProtocolError } from '../../../shared/errors.js';
import { socketPlane } from '../../../shared/exchange/planes/socket.js';
import { checksumOf, hashOf } from '../../../shared/replica/piece-hash.js';
import type { Up } from '../../../shared/protocol/messages.js';
import { contributionBytes } from '../../../shared/replica/reduction/contribution.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { roundings } from '../../shared/replica/reduction/rounding.js';
import { tinyRun } from '../tiny-run.js';

const run = tinyRun();
const plan = planReplica(run.student, run.recipe.optimizer);
const unit: Unit = { kind: 'train', step: 4, epoch: 0, from: 0, to: 8, microBatches: 4 };
const source = new Replica(plan, { slots: 1 });

/** A contribution full of `value`, and its digest. */
function contribution(value: number): { bytes: Uint8Array; digest: string } {
  source.slot(0).fill(value);
  return { bytes: Uint8Array.from(source.slotBytes(0)), digest: source.hashSlot(0) };
}

function offerOf(
  lease: number,
  { bytes, digest }: { bytes: Uint8Array; digest: string },
  fields: Partial<Up<'offer'>> = {},
): Up<'offer'> {
  return {
    type: 'offer',
    run: 'r',
    generation: 1,
    step: 4,
    lease,
    stateHash: '0'.repeat(16),
    bytes: bytes.length,
    digest,
    sums: { samples: 2 },
    momentCounts: [],
    seconds: {},
    ...fields,
  };
}

function setUp(buffers = 3): {
  incoming: IncomingContributions;
  contributions: Contributions;
  replica: Replica;
  events: ContributionEvent[];
  pulled: number[];
  pool: BufferPool;
} {
  const replica = new Replica(plan, { slots: buffers });
  const pool = new BufferPool(buffers);
  const contributions = new Contributions(replica, pool);
  const events: ContributionEvent[] = [];
  const pulled: number[] = [];
  const incoming = new IncomingContributions({
    replica,
    contributions,
    plane: socketPlane,
    faultIn: (sums) => ('constructor' in sums && typeof sums.constructor === 'number' ? 'a sum of no term' : null),
    sendPull: (lease) => pulled.push(lease),
    onEvent: (event) => events.push(event),
  });
  return { incoming, contributions, replica, events, pulled, pool };
}

function chunkOf(lease: number, bytes: Uint8Array): Up<'chunk'> {
  return {
    type: 'chunk',
    run: 'r',
    generation: 1,
    step: 4,
    lease,
    offset: 0,
    total: bytes.length,
    checksum: checksumOf([hashOf(bytes)]),
  };
}

const nothing = new Uint8Array(0);

describe.each(roundings)('IncomingContributions of gradients compressed to %s', (rounding) => {
  const rounded = planReplica(run.student, run.recipe.optimizer, rounding);

  function given(value: number): { bytes: Uint8Array; digest: string } {
    const worker = new Replica(rounded, { slots: 1 });
    worker.leaf(0).fill(0.1).fill(value, 3, 4);
    worker.settleLeaf(0);
    return { bytes: Uint8Array.from(worker.slotBytes(0)), digest: worker.hashSlot(0) };
  }

  function taken(sent: { bytes: Uint8Array; digest: string }): ContributionEvent[] {
    const replica = new Replica(rounded, { slots: 2 });
    const events: ContributionEvent[] = [];
    const incoming = new IncomingContributions({
      replica,
      contributions: new Contributions(replica, new BufferPool(2)),
      plane: socketPlane,
      faultIn: () => null,
      sendPull: () => undefined,
      onEvent: (event) => events.push(event),
    });
    incoming.open(7, unit, { level: 0, index: 0 });
    incoming.offer(offerOf(7, sent), sent.bytes, () => incoming.pull(7, 0));
    return events;
  }

  it('takes them as they come, and finds what is not finite in them', () => {
    expect(taken(given(-3))).toEqual([{ type: 'received', lease: 7, norm: expect.any(Number) }]);
    for (const bad of [NaN, Infinity, -Infinity])
      expect(taken(given(bad))).toEqual([{ type: 'failed', lease: 7, reason: 'the gradient is not finite' }]);
  });

  it('refuses the length of another encoding', () => {
    expect(() => taken(contribution(0.5))).toThrow(
      new RegExp(`an offer of ${contributionBytes(plan)} bytes; 0 or ${contributionBytes(rounded)} were wanted`),
    );
  });
});

describe('IncomingContributions', () => {
  it('takes bytes that came with the offer at once', () => {
    const { incoming, contributions, replica, events, pulled } = setUp();
    const sent = contribution(0.5);
    incoming.open(7, unit, { level: 1, index: 0 });
    incoming.offer(offerOf(7, sent), sent.bytes, () => incoming.pull(7, 2));
    expect([events, pulled, incoming.settle(7), incoming.unitOf(7)]).toEqual([
      [{ type: 'received', lease: 7, norm: expect.any(Number) }],
      [],
      4,
      null,
    ]);
    const { buffer, sums } = contributions.take(2);
    expect([...replica.slotBytes(buffer ?? -1)]).toEqual([...sent.bytes]);
    expect(sums).toEqual({ samples: 2 });
  });

  it('asks once more for those of a lease that was in and is set aside, and takes no second offer before', () => {
    const { incoming, events, pulled } = setUp();
    const sent = contribution(0.5);
    incoming.open(7, unit, { level: 1, index: 0 });
    incoming.offer(offerOf(7, sent), sent.bytes, () => incoming.pull(7, 2));
    expect([incoming.settle(7), incoming.unitOf(7)]).toEqual([4, null]);
    incoming.offer(offerOf(7, sent), sent.bytes, () => {
      throw new Error('it was in');
    });
    expect([incoming.reopen(7), incoming.unitOf(7)]).toEqual([4, unit]);
    incoming.pull(7, 3);
    expect([pulled, events.length]).toEqual([[7], 1]);
    expect(incoming.chunk(chunkOf(7, sent.bytes), sent.bytes)).toBe(true);
    expect(events.length).toBe(2);
  });

  it('asks for bytes that did not come, or whose pull came later', () => {
    const { incoming, events, pulled } = setUp();
    const sent = contribution(0.5);
    incoming.open(7, unit, { level: 0, index: 0 });
    incoming.offer(offerOf(7, sent), sent.bytes, () => undefined);
    incoming.pull(7, 0);
    expect([pulled, events]).toEqual([[7], []]);
    expect(incoming.chunk(chunkOf(7, sent.bytes), sent.bytes)).toBe(true);
    expect(events).toEqual([{ type: 'received', lease: 7, norm: expect.any(Number) }]);
  });

  const nan = contribution(NaN);
  const cases: [string, Up<'offer'>, Uint8Array, RegExp][] = [
    [
      'other bytes than its digest',
      offerOf(7, { ...contribution(0.5), digest: 'f'.repeat(16) }),
      contribution(0.5).bytes,
      /digest/,
    ],
    ['a gradient that is not finite', offerOf(7, nan), nan.bytes, /gradient is not finite/],
    [
      'a sum that is not finite',
      offerOf(7, contribution(0.5), { sums: { response: Infinity } }),
      contribution(0.5).bytes,
      /sum of losses is not finite/,
    ],
  ];
  it.each(cases)('reports %s as failed and keeps nothing of it', (_name, offer, bytes, reason) => {
    const { incoming, events } = setUp();
    incoming.open(7, unit, { level: 0, index: 0 });
    incoming.offer(offer, bytes, () => incoming.pull(7, 0));
    expect(events).toEqual([{ type: 'failed', lease: 7, reason: expect.stringMatching(reason) }]);
    expect(incoming.unitOf(7)).toBeNull();
  });

  const broken: [string, Up<'offer'>, Uint8Array][] = [
    ['another length', offerOf(7, contribution(1), { bytes: 16 }), nothing],
    ['fewer bytes than it says', offerOf(7, contribution(1)), contribution(1).bytes.subarray(8)],
    ['another step', offerOf(7, contribution(1), { step: 3 }), nothing],
    ['moments of layers that the student has not', offerOf(7, contribution(1), { momentCounts: [3] }), nothing],
  ];
  it.each(broken)('does not speak to a worker whose offer has %s', (_name, offer, payload) => {
    const { incoming, events } = setUp();
    incoming.open(7, unit, { level: 0, index: 0 });
    expect(() => incoming.offer(offer, payload, () => incoming.pull(7, 0))).toThrow(ProtocolError);
    expect(events).toEqual([]);
  });

  it('refuses other bytes for a lease that was offered already', () => {
    const { incoming } = setUp();
    incoming.open(7, unit, { level: 0, index: 0 });
    incoming.offer(offerOf(7, contribution(1)), nothing, () => undefined);
    expect(() => incoming.offer(offerOf(7, contribution(2)), nothing, () => undefined)).toThrow(
      /twice with other bytes/,
    );
  });

  it('drops chunks of a lease that was cancelled, and of one whose slot was freed', () => {
    const { incoming, contributions, events } = setUp();
    const sent = contribution(0.5);
    for (const lease of [1, 2]) {
      incoming.open(lease, unit, { level: 0, index: lease });
      incoming.offer(offerOf(lease, sent), nothing, () => incoming.pull(lease, lease));
    }
    incoming.cancel(1);
    contributions.free(2);
    expect([1, 2, 3].map((lease) => incoming.chunk(chunkOf(lease, sent.bytes), sent.bytes))).toEqual([
      false,
      false,
      false,
    ]);
    expect(events).toEqual([]);
  });

  it('waits with the pull until there is a buffer, and forgets it when the slot is freed before', () => {
    const { incoming, contributions, pulled, pool } = setUp(1);
    const sent = contribution(0.5);
    for (const lease of [1, 2, 3]) {
      incoming.open(lease, unit, { level: 0, index: lease });
      incoming.offer(offerOf(lease, sent), nothing, () => incoming.pull(lease, lease));
    }
    expect([pulled, pool.isShort]).toEqual([[1], true]);
    contributions.free(2);
    contributions.free(1);
    expect([pulled, pool.isShort]).toEqual([[1, 3], false]);
  });
});

describe("an offer whose sums cannot be the lease's", () => {
  it('is refused before anything is added', () => {
    const { incoming, events } = setUp();
    const sent = contribution(0.5);
    incoming.open(7, unit, { level: 1, index: 0 });
    const offer = { ...offerOf(7, sent), sums: JSON.parse('{"samples":2,"constructor":1}') as Record<string, number> };
    expect(() => incoming.offer(offer, sent.bytes, () => incoming.pull(7, 2))).toThrow(
      'an offer with a sum of no term',
    );
    expect(events).toEqual([]);
  });
});

describe('Contributions', () => {
  it('adds into the left sibling and frees the right one', () => {
    const { contributions, replica, pool } = setUp();
    const fill = (slot: number, value: number): void => {
      contributions.begin(slot, (content, buffer) => {
        replica.slot(buffer).fill(value);
        content.sums = { samples: slot, [`only${slot}`]: 1 };
      });
    };
    fill(1, 0.25);
    fill(2, 0.5);
    contributions.merge(1, 2);
    let free = 0;
    pool.take(() => free++);
    pool.take(() => free++);
    expect(free).toBe(2);
    const sum = contributions.take(1);
    expect([replica.slot(sum.buffer ?? -1)[3], sum.sums]).toEqual([0.75, { samples: 3, only1: 1, only2: 1 }]);
  });

  it('passes a gradient through where the other side has none', () => {
    for (const [left, right] of [
      [1, 2],
      [2, 1],
    ] as const) {
      const { contributions, replica } = setUp();
      contributions.begin(1, (content, buffer) => {
        replica.slot(buffer).fill(-0);
        content.sums = { samples: 1 };
      });
      contributions.put(2, { samples: 5 });
      contributions.merge(left, right);
      const sum = contributions.take(left);
      expect([Object.is(replica.slot(sum.buffer ?? -1)[0], -0), sum.sums]).toEqual([true, { samples: 6 }]);
    }
  });
});
