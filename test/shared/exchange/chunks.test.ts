import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import { checksumOf } from '../../../shared/replica/checksum.js';
import { Assembler, split } from '../../../shared/exchange/chunks.js';

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + 3) & 0xff);
}

function chunkAt(
  whole: Uint8Array,
  offset: number,
  length: number,
): [{ offset: number; total: number; checksum: number }, Uint8Array] {
  const payload = whole.subarray(offset, offset + length);
  return [{ offset, total: whole.length, checksum: checksumOf(payload) }, payload];
}

describe('split', () => {
  it('covers every byte once, in order, in pieces of at most the cap', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.integer({ min: 1, max: 700 }), (total, cap) => {
        let next = 0;
        for (const { offset, length } of split(total, cap)) {
          expect(offset).toBe(next);
          expect(length).toBeGreaterThan(0);
          expect(length).toBeLessThanOrEqual(cap);
          next += length;
        }
        expect(next).toBe(total);
      }),
    );
  });
});

describe('Assembler', () => {
  it('puts together what was split, for any sizes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 500 }), (total, cap) => {
        const whole = bytes(total);
        const target = new Uint8Array(total);
        const assembler = new Assembler(target);
        const ends = split(total, cap).map(({ offset, length }) => assembler.accept(...chunkAt(whole, offset, length)));
        expect(ends).toEqual(ends.map((_, i) => i === ends.length - 1));
        expect(target).toEqual(whole);
      }),
    );
  });

  const whole = bytes(100);
  const corrupt = Uint8Array.from(whole.subarray(10, 20), (byte, i) => (i === 4 ? byte ^ 1 : byte));
  const cases: [string, Parameters<Assembler['accept']>][] = [
    ['a chunk that leaves a gap', chunkAt(whole, 20, 10)],
    ['a chunk that comes again', chunkAt(whole, 0, 10)],
    ['a chunk that overlaps the last', chunkAt(whole, 5, 10)],
    ['a chunk beyond the end', [{ offset: 10, total: 100, checksum: checksumOf(bytes(91)) }, bytes(91)]],
    ['a chunk of another total', [{ ...chunkAt(whole, 10, 10)[0], total: 99 }, whole.subarray(10, 20)]],
    ['an empty chunk', [{ offset: 10, total: 100, checksum: 0 }, new Uint8Array(0)]],
    ['a flipped bit', [chunkAt(whole, 10, 10)[0], corrupt]],
    ['a chunk cut short', [chunkAt(whole, 10, 10)[0], whole.subarray(10, 19)]],
  ];
  /** A checksum is taken where the bytes have come to lie; all else is refused before. */
  const foundByChecksum = ['a flipped bit', 'a chunk cut short'];
  it.each(cases)('refuses %s and writes nothing that counts', (name, [header, payload]) => {
    const target = new Uint8Array(100);
    const assembler = new Assembler(target);
    assembler.accept(...chunkAt(whole, 0, 10));
    expect(() => assembler.accept(header, payload)).toThrow(ProtocolError);
    if (!foundByChecksum.includes(name)) expect(target.subarray(10)).toEqual(new Uint8Array(90));
    expect([assembler.received, assembler.isDone]).toEqual([10, false]);
    expect(target.subarray(0, 10)).toEqual(whole.subarray(0, 10));
    assembler.accept(...chunkAt(whole, 10, 90));
    expect(target).toEqual(whole);
  });

  it('refuses anything after the last byte', () => {
    const assembler = new Assembler(new Uint8Array(100));
    assembler.accept(...chunkAt(whole, 0, 100));
    expect(assembler.isDone).toBe(true);
    expect(() => assembler.accept(...chunkAt(whole, 0, 100))).toThrow(ProtocolError);
  });
});
