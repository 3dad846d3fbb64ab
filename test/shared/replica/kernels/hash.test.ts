import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../../../shared/replica/kernels/kernels.js';
import { createMemory } from '../../../../shared/replica/kernels/memory.js';
import { randomStream } from '../../../../shared/random.js';

const memory = createMemory(8 * 65536);
const kernels = loadKernels(memory);
const bytes = new Uint8Array(memory.buffer);
const words = new Uint32Array(memory.buffer);

function fill(seed: number, length: number): void {
  const stream = randomStream([seed, 'hash']);
  bytes.fill(0);
  for (let i = 0; i < Math.ceil(length / 4); i++) words[i] = stream.uint32();
}

function swapWords(i: number, j: number): void {
  const held = words[i] ?? 0;
  words[i] = words[j] ?? 0;
  words[j] = held;
}

describe('hash', () => {
  it('is sixteen hex digits, the same for the same bytes wherever they lie', () => {
    fill(1, 1000);
    const digest = kernels.hash(0, 1000);
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    bytes.copyWithin(65536, 0, 1000);
    expect(kernels.hash(65536, 1000)).toBe(digest);
  });

  it('keeps its values: replicas of one version agree on every machine', () => {
    fill(1, 1000);
    expect([kernels.hash(0, 0), kernels.hash(0, 7), kernels.hash(0, 1000)]).toMatchInlineSnapshot(`
      [
        "88902bb27b905e3d",
        "5251f691c90f70d9",
        "9bf5ccc68c19d3dd",
      ]
    `);
  });

  it('finds every single flipped bit', () => {
    const length = 700;
    fill(2, length);
    const digest = kernels.hash(0, length);
    for (let bit = 0; bit < length * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      expect(kernels.hash(0, length)).not.toBe(digest);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
    expect(kernels.hash(0, length)).toBe(digest);
  });

  it('finds flipped bits in a large region of zeros, too', () => {
    bytes.fill(0);
    const digest = kernels.hash(0, 4 * 65536);
    fc.assert(
      fc.property(fc.nat(4 * 65536 - 1), fc.nat(7), (at, bit) => {
        bytes[at] = 1 << bit;
        const changed = kernels.hash(0, 4 * 65536);
        bytes[at] = 0;
        return changed !== digest;
      }),
    );
  });

  it('finds two words swapped, near and far, in one chain and across chains', () => {
    const count = 1024;
    fill(3, count * 4);
    const digest = kernels.hash(0, count * 4);
    for (let i = 0; i < count; i += 13) {
      for (const j of [i + 1, i + 4, i + 16, i + 32, i + 64, i + 32 * 7].filter((other) => other < count)) {
        swapWords(i, j);
        expect(kernels.hash(0, count * 4)).not.toBe(digest);
        swapWords(i, j);
      }
    }
    expect(kernels.hash(0, count * 4)).toBe(digest);
  });

  it('finds the signs of two elements flipped, wherever they are', () => {
    const count = 4096;
    fill(4, count * 4);
    const digest = kernels.hash(0, count * 4);
    fc.assert(
      fc.property(fc.nat(count - 1), fc.nat(count - 1), (i, j) => {
        fc.pre(i !== j);
        for (const at of [i, j]) words[at] = (words[at] ?? 0) ^ 0x80000000;
        const changed = kernels.hash(0, count * 4);
        for (const at of [i, j]) words[at] = (words[at] ?? 0) ^ 0x80000000;
        return changed !== digest;
      }),
      { numRuns: 1000 },
    );
  });

  it('tells lengths of zeros apart, and gives no digest twice in many', () => {
    bytes.fill(0);
    const lengths = Array.from({ length: 2000 }, (_, i) => kernels.hash(0, i));
    fill(5, 65536);
    const regions = Array.from({ length: 2000 }, (_, i) => kernels.hash(i * 16, 4096));
    expect(new Set([...lengths, ...regions]).size).toBe(4000);
  });

  it('half of the digest changes with a flipped bit, on average', () => {
    fill(6, 4096);
    const digest = BigInt(`0x${kernels.hash(0, 4096)}`);
    let changed = 0;
    for (let i = 0; i < 512; i++) {
      const at = i * 8 + (i % 8);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (i & 7));
      changed += (BigInt(`0x${kernels.hash(0, 4096)}`) ^ digest).toString(2).replaceAll('0', '').length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (i & 7));
    }
    expect(changed / 512).toBeGreaterThan(31);
    expect(changed / 512).toBeLessThan(33);
  });
});
