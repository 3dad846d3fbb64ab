import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Simulation, type Plan, type WorkerPlan } from './simulation.js';

const healthy: fc.Arbitrary<WorkerPlan> = fc.record({
  costMs: fc.integer({ min: 1, max: 200 }), joinMs: fc.integer({ min: 0, max: 500 }), fault: fc.constant('none' as const), chance: fc.constant(0),
});

function faulty(...faults: WorkerPlan['fault'][]): fc.Arbitrary<WorkerPlan> {
  return fc.record({
    costMs: fc.integer({ min: 1, max: 400 }), joinMs: fc.integer({ min: 0, max: 5000 }), fault: fc.constantFrom(...faults),
    chance: fc.constantFrom(0.05, 0.3, 1),
  });
}

function plans(workers: fc.Arbitrary<WorkerPlan[]>, stopMs: Plan['stopMs'][] = [null]): fc.Arbitrary<Plan> {
  return fc.record({
    seed: fc.integer(), workers, stopMs: fc.constantFrom(...stopMs),
    units: fc.array(fc.record({ kind: fc.constantFrom('train' as const, 'train' as const, 'evaluate' as const), microBatches: fc.integer({ min: 1, max: 40 }) }), { minLength: 1, maxLength: 8 }),
    earlySlots: fc.integer({ min: 0, max: 4 }), contributionBytes: fc.constantFrom(100, 1_000_000, 200_000_000), latencyMs: fc.constantFrom(0, 5, 300),
  });
}

function withOneHealthy(...faults: WorkerPlan['fault'][]): fc.Arbitrary<WorkerPlan[]> {
  return fc.tuple(healthy, fc.array(fc.oneof(healthy, faulty(...faults)), { maxLength: 6 })).map(([one, others]) => [one, ...others]);
}

const fixed = { seed: 20_250_801 };

describe('any schedule', () => {
  it('comes to the canonical sum of every unit, once and in order, whatever dies, hangs, lies or repeats', () => {
    const fired = new Set<string>();
    fc.assert(fc.property(plans(withOneHealthy('die', 'mute', 'hang', 'wrongState', 'stallUpload', 'repeat', 'lose')), (plan) => {
      const result = new Simulation(plan).run();
      result.fired.forEach((what) => fired.add(what));
      expect(result.outcome?.outcome).toBe('done');
      expect(result.commits).toEqual(plan.units.map((_, index) => ({ index, skip: false })));
      expect(result.core.accounts.outstanding).toBe(0);
    }), { ...fixed, numRuns: 400 });
    expect([...fired].sort()).toEqual(['die', 'dismiss', 'hang', 'late', 'lose', 'mute', 'repeat', 'resync', 'stallUpload', 'wrongState']);
  });

  it('gives the blocks of one worker that fails to others, and skips nothing', () => {
    const fired = new Set<string>();
    const workers = fc.tuple(healthy, faulty('fail', 'poison'), fc.array(healthy, { maxLength: 3 })).map(([one, bad, others]) => [one, { ...bad, joinMs: 2000 }, ...others]);
    fc.assert(fc.property(plans(workers), (plan) => {
      const result = new Simulation(plan).run();
      result.fired.forEach((what) => fired.add(what));
      expect(result.outcome?.outcome).toBe('done');
      expect(result.commits.every(({ skip }) => !skip)).toBe(true);
    }), { ...fixed, numRuns: 200 });
    expect([...fired].sort()).toEqual(expect.arrayContaining(['fail', 'poison']));
  });

  it('skips what fails everywhere, and ends after three skips in a row', () => {
    const fired = new Set<string>();
    const bad = fc.array(faulty('fail', 'poison'), { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(plans(fc.oneof(bad, withOneHealthy('fail', 'poison', 'die'))), (plan) => {
      const { outcome, commits, fired: seen } = new Simulation(plan).run();
      seen.forEach((what) => fired.add(what));
      fired.add(outcome?.outcome ?? 'none');
      if (outcome?.outcome === 'failed') expect(outcome.reason).toMatch(/^3 steps in a row have no update/);
      else expect(commits.map(({ index }) => index)).toEqual(plan.units.map((_, index) => index));
    }), { ...fixed, numRuns: 300 });
    expect([...fired]).toEqual(expect.arrayContaining(['skip', 'failed', 'done']));
    expect(fired.has('none')).toBe(false);
  });

  it('stops within a bound, with every commit before it in order', () => {
    const fired = new Set<string>();
    fc.assert(fc.property(plans(withOneHealthy('die', 'mute', 'hang', 'fail'), [0, 50, 1000, 8000]), (plan) => {
      const { outcome, commits, endedMs } = new Simulation(plan).run();
      fired.add(outcome?.outcome ?? 'none');
      expect(endedMs).toBeLessThanOrEqual((plan.stopMs ?? 0) + 10_300);
      expect(commits.map(({ index }) => index)).toEqual(commits.map((_, index) => index));
    }), { ...fixed, numRuns: 200 });
    expect([...fired].sort()).toEqual(['done', 'stopped']);
  });

  it('ends whoever is left: also when every worker dies now and then and comes back', () => {
    fc.assert(fc.property(plans(fc.array(faulty('die', 'repeat'), { minLength: 1, maxLength: 4 }).map((workers) => workers.map((worker) => ({ ...worker, chance: 0.2 })))), (plan) => {
      const { outcome, commits } = new Simulation(plan).run();
      expect([outcome?.outcome, commits.length]).toEqual(['done', plan.units.length]);
    }), { ...fixed, numRuns: 100 });
  });

  it('comes to its end with a single worker that loses leases or uploads, or hangs until it is dismissed', () => {
    const fired = new Set<string>();
    const lone = faulty('lose', 'stallUpload', 'hang').map((worker) => [{ ...worker, chance: 0.3 }]);
    fc.assert(fc.property(plans(lone), (plan) => {
      const { outcome, commits, fired: seen } = new Simulation(plan).run();
      seen.forEach((what) => fired.add(what));
      expect([outcome?.outcome, commits.length]).toEqual(['done', plan.units.length]);
    }), { ...fixed, numRuns: 200 });
    expect([...fired].sort()).toEqual(['dismiss', 'hang', 'late', 'lose', 'stallUpload']);
  });

  it('waits out a single worker that is far slower than expected', () => {
    const slow = fc.record({ costMs: fc.integer({ min: 5_000, max: 60_000 }), joinMs: fc.constant(0), fault: fc.constant('none' as const), chance: fc.constant(0) });
    const few = fc.array(fc.record({ kind: fc.constant('train' as const), microBatches: fc.integer({ min: 1, max: 3 }) }), { minLength: 1, maxLength: 3 });
    fc.assert(fc.property(plans(slow.map((worker) => [worker])), few, (plan, units) => {
      const { outcome, commits, fired } = new Simulation({ ...plan, units }).run();
      expect([outcome?.outcome, commits.length, fired.has('dismiss')]).toEqual(['done', units.length, false]);
    }), { ...fixed, numRuns: 50 });
  });

  it('gives the same commands for the same events', () => {
    fc.assert(fc.property(plans(withOneHealthy('die', 'fail', 'repeat')), (plan) => {
      const [first, second] = [new Simulation(plan).run(), new Simulation(plan).run()];
      expect([second.endedMs, second.commits, second.core.accounts]).toEqual([first.endedMs, first.commits, first.core.accounts]);
    }), { ...fixed, numRuns: 20 });
  });
});
