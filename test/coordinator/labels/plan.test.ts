import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabelPlan } from '../../../coordinator/labels/plan.js';

const patience = { firstMs: 1000, leastMs: 100 };
const planOf = (...units: number[]): LabelPlan => new LabelPlan(units, patience);

describe('a plan of label blocks', () => {
  it('leases each unit to one worker, in the order of need, and then has them wait', () => {
    const plan = planOf(7, 3);
    expect([plan.lease('a', 0), plan.lease('b', 0), plan.lease('c', 0)]).toEqual([7, 3, 'wait']);
  });

  it('is done once every unit is complete, whoever completed it', () => {
    const plan = planOf(7, 3);
    plan.lease('a', 0);
    plan.complete(3);
    expect(plan.lease('b', 0)).toBe('wait');
    plan.complete(7);
    expect([plan.lease('a', 1), plan.lease('b', 1), plan.missing]).toEqual(['done', 'done', 0]);
  });

  it('leases a unit again when its worker asks for another without having completed it', () => {
    const plan = planOf(7);
    plan.lease('a', 0);
    expect(plan.lease('a', 5)).toBe(7);
  });

  it('gives a worker that was never heard again the first patience, then its unit to another', () => {
    const plan = planOf(7);
    plan.lease('a', 0);
    expect([plan.lease('b', 999), plan.lease('b', 1000)]).toEqual(['wait', 7]);
  });

  it('is as patient as four times the longest silence of a worker so far, and never less than the least', () => {
    const plan = planOf(7, 8);
    plan.lease('a', 0);
    plan.heard('a', 50);
    expect(plan.lease('b', 51)).toBe(8);
    expect([plan.lease('c', 249), plan.lease('c', 250)]).toEqual(['wait', 7]);
    const quick = planOf(7);
    quick.lease('a', 0);
    quick.heard('a', 1);
    expect([quick.lease('b', 100), quick.lease('b', 101)]).toEqual(['wait', 7]);
  });

  it('renews a lease at every sign of life, and does not count the time without a lease as silence', () => {
    const plan = planOf(7, 8);
    plan.lease('a', 0);
    plan.heard('a', 100);
    plan.heard('a', 200);
    plan.complete(7);
    expect(plan.lease('a', 250)).toBe(8);
    expect([plan.lease('b', 649), plan.lease('b', 650)]).toEqual(['wait', 8]);
  });

  it('comes to its end in any order of events, as long as some worker works', () => {
    const event = fc.record({
      worker: fc.constantFrom('a', 'b', 'c'),
      kind: fc.constantFrom('lease', 'complete', 'heard', 'die'),
      ms: fc.nat(2000),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (events, units) => {
        const plan = planOf(...Array.from({ length: units }, (_, i) => i));
        const holds = new Map<string, number>();
        let nowMs = 0;
        for (const { worker, kind, ms } of events) {
          nowMs += ms;
          const held = holds.get(worker);
          if (kind === 'heard') plan.heard(worker, nowMs);
          if (kind === 'die') holds.delete(worker);
          if (kind === 'complete' && held !== undefined) plan.complete(held);
          if (kind !== 'lease') continue;
          const unit = plan.lease(worker, nowMs);
          if (typeof unit === 'number') holds.set(worker, unit);
        }
        nowMs += 1e6;
        for (let i = 0; i < units; i++) {
          const unit = plan.lease('last', nowMs);
          if (typeof unit === 'number') plan.complete(unit);
        }
        return plan.lease('last', nowMs) === 'done';
      }),
    );
  });
});
