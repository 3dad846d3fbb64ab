import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../shared/replica/checksum.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { optimizerOf, studentOf, weightOf } from './student.js';

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

describe('checksumOf', () => {
  it('is 32 bits, and the same wherever the bytes lie, at any length and start', () => {
    const replica = new Replica(
      planReplica(studentOf([weightOf('d/kernel', [70_000])]), optimizerOf({ name: 'sgd', learningRate: 1 })),
      { slots: 1 },
    );
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
      const checksum = checksumOf(own);
      expect(checksum).toBe(checksum >>> 0);
      expect(replica.checksum(slot.subarray(at, at + length))).toBe(checksum);
      expect(replica.checksum(own)).toBe(checksum);
    }
  });

  it('changes with any flipped bit, swapped words, and length', () => {
    const whole = bytes(1000);
    const seen = new Set([
      checksumOf(whole),
      checksumOf(whole.subarray(0, 999)),
      checksumOf(new Uint8Array(1000)),
      checksumOf(new Uint8Array(1001)),
    ]);
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = Uint8Array.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      seen.add(checksumOf(flipped));
    }
    const swapped = Uint8Array.from(whole);
    swapped.set(whole.subarray(4, 8), 0);
    swapped.set(whole.subarray(0, 4), 4);
    seen.add(checksumOf(swapped));
    expect(seen.size).toBe(4 + 8 * whole.length + 1);
  });

  it('says nothing of bytes that it was given before', () => {
    const first = checksumOf(bytes(10));
    checksumOf(bytes(200_000));
    expect(checksumOf(bytes(10))).toBe(first);
  });
});
