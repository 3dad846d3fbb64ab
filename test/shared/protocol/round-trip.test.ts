import { describe, expect, it } from 'vitest';
import { allowanceMs, withMeasured, type RoundTrip } from '../../../shared/protocol/round-trip.js';

function after(...times: readonly number[]): RoundTrip | null {
  return times.reduce<RoundTrip | null>((measured, ms) => withMeasured(measured, ms), null);
}

describe('what an answer may take', () => {
  it('is nothing before a measurement, and three times the first one', () => {
    expect([allowanceMs(null), allowanceMs(after(10))]).toEqual([0, 30]);
  });

  it('comes down to the time itself on a steady link', () => {
    expect(allowanceMs(after(...Array<number>(60).fill(10)))).toBeCloseTo(10, 4);
  });

  it('grows with a link that becomes slow, and stays above what it varies by', () => {
    const steady = Array<number>(60).fill(1);
    expect(allowanceMs(after(...steady, 500))).toBeGreaterThan(500);
    expect(allowanceMs(after(...Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 10 : 210))))).toBeGreaterThan(210);
  });

  it('is bounded, whatever was measured: a pause of the peer is no reason to miss its death', () => {
    expect(allowanceMs(after(3_600_000))).toBe(10_000);
  });
});
