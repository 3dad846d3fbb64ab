import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockOffsets } from '../../../shared/trace/clock-offset.js';

describe('the offset of another clock', () => {
  it('is the middle of a round trip, off by half of it', () => {
    const clocks = new ClockOffsets();
    expect(clocks.best).toBeNull();
    clocks.measured(100, 1107, 110);
    expect(clocks.best).toEqual({ offsetMs: 1002, errorMs: 5 });
    clocks.measured(200, 1202, 204);
    expect(clocks.best).toEqual({ offsetMs: 1000, errorMs: 2 });
  });

  it('is never further from the truth than it says, whatever share of the time each way takes', () => {
    const trip = fc.record({ up: fc.nat(1000), down: fc.nat(1000), at: fc.nat(100_000) });
    fc.assert(
      fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.array(trip, { minLength: 1 }), (truth, trips) => {
        const clocks = new ClockOffsets();
        for (const { up, down, at } of trips) clocks.measured(at, at + up + truth, at + up + down);
        const { offsetMs, errorMs } = clocks.best ?? { offsetMs: NaN, errorMs: NaN };
        expect(Math.abs(offsetMs - truth)).toBeLessThanOrEqual(errorMs + 1e-6);
      }),
    );
  });

  it('forgets what was measured long ago, since clocks drift', () => {
    const clocks = new ClockOffsets();
    clocks.measured(0, 50, 1);
    for (let i = 0; i < 64; i++) clocks.measured(1000 * i, 1000 * i + 80, 1000 * i + 10);
    expect(clocks.best).toEqual({ offsetMs: 75, errorMs: 5 });
  });
});
