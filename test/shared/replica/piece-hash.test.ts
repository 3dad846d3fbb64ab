import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/protocol/messages.js';
import { checksumOf, digestOf, hashOf, pieceHashes } from '../../../shared/replica/piece-hash.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { optimizerOf, studentOf, weightOf } from './student.js';

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

function replicaOf(weights: number): Replica {
  const student = studentOf([weightOf('d/kernel', [weights])]);
  return new Replica(planReplica(student, optimizerOf({ name: 'sgd', learningRate: 1 })), { slots: 1 });
}

describe('the hash of a piece', () => {
  it('is 64 bits, and the same wherever the bytes lie, at any length and start', () => {
    const replica = replicaOf(70_000);
    const slot = replica.slotBytes(0);
    for (const [at, length] of [
      [0, 1],
      [0, 16],
      [16, 1000],
      [3, 129],
      [1024, 4096],
      [0, 280_000],
    ] as const) {
      const own = bytes(length);
      slot.set(own, at);
      const hash = hashOf(own);
      expect(hash).toMatch(/^[0-9a-f]{16}$/);
      expect(replica.hashPiece(slot.subarray(at, at + length))).toBe(hash);
      expect(replica.hashPiece(own)).toBe(hash);
    }
  });

  it('changes with any flipped bit, swapped words, and length, and so does a checksum', () => {
    const whole = bytes(1000);
    const seen = new Set<string | number>();
    const see = (one: Uint8Array): unknown => seen.add(hashOf(one)).add(checksumOf([hashOf(one)]));
    for (const one of [whole, whole.subarray(0, 999), new Uint8Array(1000), new Uint8Array(1001)]) see(one);
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = Uint8Array.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      see(flipped);
    }
    const swapped = Uint8Array.from(whole);
    swapped.set(whole.subarray(4, 8), 0);
    swapped.set(whole.subarray(0, 4), 4);
    see(swapped);
    expect(seen.size).toBe(2 * (4 + 8 * whole.length + 1));
  });

  it('says nothing of bytes that it was given before', () => {
    const first = hashOf(bytes(10));
    hashOf(bytes(200_000));
    expect(hashOf(bytes(10))).toBe(first);
  });
});

describe('the digest of a payload', () => {
  it('is the hash of its only piece, and a slot has the same as its bytes elsewhere', () => {
    expect(digestOf([hashOf(bytes(5))])).toBe(hashOf(bytes(5)));
    const replica = replicaOf(700_000);
    replica.slotBytes(0).set(bytes(2_800_000));
    const hashes = replica.hashPieces(0);
    expect(hashes).toHaveLength(Math.ceil(replica.slotBytes(0).length / limits.pieceBytes));
    expect(hashes).toEqual(pieceHashes(Uint8Array.from(replica.slotBytes(0))));
    expect(replica.hashSlot(0)).toBe(digestOf(hashes));
  });

  it('changes with each of its pieces, their order and their number', () => {
    const digests = ['a', 'b', 'c'].flatMap((x) => ['a', 'b'].map((y) => digestOf([x, y].map((z) => z.repeat(16)))));
    const others = [
      digestOf([]),
      digestOf(['a'.repeat(16)]),
      digestOf(['a'.repeat(16), 'a'.repeat(16), 'b'.repeat(16)]),
    ];
    expect(new Set([...digests, ...others]).size).toBe(9);
  });

  it('has 32 bits for the checksum of a chunk', () => {
    expect(checksumOf(['00000000fedcba98'])).toBe(0xfedcba98);
    const two = ['0'.repeat(16), 'f'.repeat(16)];
    expect(checksumOf(two).toString(16).padStart(8, '0')).toBe(digestOf(two).slice(8));
  });
});
