import { describe, expect, it } from 'vitest';
import { must, mustAt } from '../../shared/must.js';

describe('must', () => {
  const sizes = new Map<string, number | undefined>([
    ['zero', 0],
    ['nothing', undefined],
  ]);

  it('gives what the map holds, whatever it is', () => {
    expect(must(sizes, 'zero')).toBe(0);
    expect(must(sizes, 'nothing')).toBeUndefined();
  });

  it('throws an error that names the thing and the key', () => {
    expect(() => must(sizes, 'one', 'size')).toThrow(new Error('no size for one'));
  });
});

describe('mustAt', () => {
  it('gives the element, and throws an error that names the thing and the index where there is none', () => {
    expect(mustAt([0, 1], 0)).toBe(0);
    expect(() => mustAt([0, 1], 2, 'shard')).toThrow(new RangeError('no shard 2 among 2'));
  });
});
