import fc from 'fast-check';
import { expect, it } from 'vitest';
import { piecesIn, split } from '../../../shared/replica/pieces.js';
import { limits } from '../../../shared/protocol/messages.js';

it('a payload is cut into pieces of at most the cap, which cover every byte once, in order', () => {
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

it('a chunk has the hashes of its own pieces, of which the last may be short', () => {
  const { pieceBytes } = limits;
  const hashes = ['a', 'b', 'c', 'd'];
  const of = (offset: number, length: number): string[] => piecesIn(hashes, { offset, length });
  expect(of(0, pieceBytes)).toEqual(['a']);
  expect(of(pieceBytes, 2 * pieceBytes)).toEqual(['b', 'c']);
  expect(of(2 * pieceBytes, pieceBytes + 1)).toEqual(['c', 'd']);
});
