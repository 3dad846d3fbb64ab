import { describe, expect, it } from 'vitest';
import { must } from '../../shared/must.js';

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
