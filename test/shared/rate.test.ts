import { describe, expect, it } from 'vitest';
import { Rate, Rates } from '../../shared/rate.js';

describe('a rate', () => {
  it('lets so many through at once, and says how long the next is to wait', () => {
    let nowMs = 0;
    const rate = new Rate({ burst: 3, perSecond: 10 }, () => nowMs);
    expect([rate.take(), rate.take(), rate.take(), rate.take(), rate.take()]).toEqual([0, 0, 0, 100, 200]);
    nowMs = 300;
    expect([rate.take(), rate.take()]).toEqual([0, 100]);
    nowMs = 60_000;
    expect([1, 2, 3, 4].map(() => rate.take())).toEqual([0, 0, 0, 100]);
  });

  it('is kept for each key, and the oldest key is forgotten', () => {
    const rates = new Rates({ burst: 1, perSecond: 1 }, () => 0, 2);
    expect([rates.take('a'), rates.take('a'), rates.take('b')]).toEqual([true, false, true]);
    expect([rates.take('c'), rates.take('b'), rates.take('a')]).toEqual([true, false, true]);
  });
});
