import { describe, expect, it } from 'vitest';
import { Fence } from '../../../worker/link/fence.js';

describe('fence', () => {
  it('follows one coordinator, and its successors', () => {
    const fence = new Fence();
    expect(fence.admit('a', 3, 'x')).toBeNull();
    expect(fence.admit('a', 3, 'x')).toBeNull();
    expect(fence.admit('a', 4, 'y')).toBeNull();
  });

  it('refuses an older generation, and the same one of another coordinator', () => {
    const fence = new Fence();
    fence.admit('a', 3, 'x');
    expect(fence.admit('a', 2, 'w')).toContain('older');
    expect(fence.admit('a', 3, 'z')).toContain('another coordinator');
    expect(fence.admit('a', 3, 'x')).toBeNull();
  });

  it('counts each run for itself', () => {
    const fence = new Fence();
    fence.admit('a', 3, 'x');
    expect(fence.admit('b', 1, 'z')).toBeNull();
  });
});
