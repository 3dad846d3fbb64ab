import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../../coordinator/exchange/buffers.js';

function taking(pool: BufferPool, into: number[]): void {
  pool.take((slot) => into.push(slot));
}

describe('BufferPool', () => {
  it('hands out each buffer once, then makes callers wait in order', () => {
    const pool = new BufferPool(2);
    const got: number[] = [];
    for (let i = 0; i < 4; i++) taking(pool, got);
    expect(got).toEqual([0, 1]);
    expect(pool.isShort).toBe(true);
    pool.give(1);
    pool.give(0);
    expect(got).toEqual([0, 1, 1, 0]);
    expect(pool.isShort).toBe(false);
  });

  it('takes a retired buffer back only when a buffer is needed and no socket reads from it', () => {
    const pool = new BufferPool(1);
    const got: number[] = [];
    taking(pool, got);
    const retired = pool.retire(0);
    retired.pin();
    retired.pin();
    taking(pool, got);
    retired.unpin();
    expect([got, retired.isGone]).toEqual([[0], false]);
    retired.unpin();
    expect([got, retired.isGone]).toEqual([[0, 0], true]);
  });

  it('leaves a retired buffer alone while another is free', () => {
    const pool = new BufferPool(2);
    const got: number[] = [];
    taking(pool, got);
    const retired = pool.retire(0);
    taking(pool, got);
    expect([got, retired.isGone]).toEqual([[0, 1], false]);
  });
});
