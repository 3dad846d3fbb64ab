import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adviceFor, type PlannedRun } from '../../../cli/plan/advice.js';
import { planText } from '../../../cli/plan/plan-text.js';
import { predictStep, type PlannedCluster, type StepShape, type StepSpeeds } from '../../../cli/plan/step-model.js';

const speeds: StepSpeeds = {
  labelMs: 3,
  studentMs: 10,
  addMs: 0.5,
  loadMs: 1,
  sendMs: 2,
  receiveMs: 4,
  applyMs: 1.5,
  commitReduceMs: 0.25,
  commitApplyMs: 0.75,
  fsyncMs: 6,
  otherMs: 5,
};
const shape: StepShape = { samples: 128, microBatches: 8, bytes: 1_000_000 };
const here: PlannedCluster = {
  hosts: 1,
  workersPerHost: 2,
  hostBytesPerSecond: null,
  coordinatorBytesPerSecond: null,
  latencyMs: 0,
  slowdown: 1,
};
const run: PlannedRun = { speeds, shape, cluster: here, bytesBy: { none: 1_000_000, bf16: 500_000, int8: 270_000 } };

describe('the time of a step', () => {
  it('is the sum of its parts, worked out by hand for two workers of one machine', () => {
    const found = predictStep(speeds, shape, here);
    // Each computes four of eight; their labels (12 ms) hide behind 4.5 + 1 + 8 + 1.5 ms of exchange.
    expect(found.parts).toEqual({
      compute: 1 + 4 * 10.5,
      upload: 2 * 2 + 0.5,
      commit: 1,
      fsync: 0,
      broadcast: 8,
      apply: 1.5,
      other: 5,
    });
    expect(found.stepMs).toBe(63);
    expect(found.samplesPerSecond).toBeCloseTo(128 / 0.063, 6);
    expect(found.efficiency).toBeCloseTo((8 * 13) / 2 / 63, 9);
    expect([found.bottleneck, found.contributions, found.bytesIn, found.bytesOut]).toEqual([
      'compute',
      2,
      2_000_000,
      2_000_000,
    ]);
  });

  it('has the labels that the exchange does not hide', () => {
    const { parts } = predictStep({ ...speeds, labelMs: 20 }, shape, here);
    expect(parts.compute).toBe(43 + 4 * 20 - 15);
  });

  it('has the fsync where it is longer than the broadcast', () => {
    const { parts } = predictStep({ ...speeds, fsyncMs: 30 }, shape, here);
    expect([parts.fsync, parts.broadcast]).toEqual([30, 0]);
  });

  it("is bound by the coordinator's link where many send, and by a host's where several share it", () => {
    const link = { hostBytesPerSecond: 1e8, coordinatorBytesPerSecond: 1e8, latencyMs: 0.5 };
    const many = predictStep(speeds, shape, { ...here, hosts: 4, ...link });
    // Contributions of 10 ms each are worth two micro-batches of 10.5: sqrt(8 x 10 / 10.5) is 2.8. Three ways of half a millisecond.
    expect(many.contributions).toBe(4);
    expect(many.parts.upload).toBeCloseTo(40 + 3 * 0.5 + 1.5, 9);
    expect(many.parts.broadcast).toBeCloseTo(80.5, 9);
    expect(many.bottleneck).toBe('broadcast');
    const wide = predictStep(speeds, shape, { ...here, hosts: 4, ...link, coordinatorBytesPerSecond: 1e12 });
    expect(wide.parts.upload).toBeCloseTo(10 + 3 * 0.5 + 1.5, 9);
  });

  it('gives blocks that are aligned, and leaves workers idle beyond the micro-batches', () => {
    const leased = (microBatches: number, workers: number): unknown[] => {
      const { contributions, busyWorkers, parts } = predictStep(
        { ...speeds, labelMs: 0 },
        { ...shape, microBatches },
        { ...here, workersPerHost: workers },
      );
      return [contributions, busyWorkers, (parts.compute - 1) / 10.5];
    };
    expect(leased(8, 1)).toEqual([1, 1, 8]);
    expect(leased(8, 3)).toEqual([4, 3, 4]);
    expect(leased(8, 4)).toEqual([4, 4, 2]);
    expect(leased(7, 2)).toEqual([2, 2, 4]);
    expect(leased(8, 64)).toEqual([8, 8, 1]);
    expect(leased(1, 5)).toEqual([1, 1, 1]);
  });

  it('is never shorter than computing alone, nor negative anywhere', () => {
    const some = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(
        some,
        some,
        some,
        fc.double({ min: 1e3, max: 1e12, noNaN: true }),
        (hosts, workersPerHost, microBatches, rate) => {
          const link = { hostBytesPerSecond: rate, coordinatorBytesPerSecond: rate };
          const found = predictStep(speeds, { ...shape, microBatches }, { ...here, hosts, workersPerHost, ...link });
          expect(Math.min(...Object.values(found.parts))).toBeGreaterThanOrEqual(0);
          expect(found.stepMs).toBeGreaterThanOrEqual((microBatches * speeds.studentMs) / (hosts * workersPerHost));
          expect(found.efficiency).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe('what would help', () => {
  const slow = { ...run, cluster: { ...here, hosts: 4, hostBytesPerSecond: 1e8, coordinatorBytesPerSecond: 1e8 } };

  it('is compression where the link is the bottleneck, the most first', () => {
    const found = adviceFor(slow).map(({ what }) => what);
    expect(found.indexOf('compression: int8')).toBeLessThan(found.indexOf('compression: bf16'));
    expect(found).toContain('compression: bf16');
    expect(found).not.toContain('compression: none');
    const rates = adviceFor(slow).map(({ prediction }) => prediction.samplesPerSecond);
    expect(rates).toEqual([...rates].sort((a, b) => b - a));
  });

  it('is labels made before where they are not hidden', () => {
    const taught = { ...run, speeds: { ...speeds, labelMs: 40 } };
    expect(adviceFor(taught).map(({ what }) => what)).toContain('labels made before (stillhouse label)');
    const alone = { ...run, speeds: { ...speeds, labelMs: 0 } };
    expect(adviceFor(alone).map(({ what }) => what)).not.toContain('labels made before (stillhouse label)');
  });

  it('is fewer workers where half of them do as much', () => {
    const crowded = { ...run, cluster: { ...here, workersPerHost: 64 } };
    expect(adviceFor(crowded).map(({ what }) => what)).toContain('half of the workers');
    const few = { ...run, speeds: { ...speeds, studentMs: 1000 } };
    expect(adviceFor(few).map(({ what }) => what)).not.toContain('half of the workers');
  });
});

describe('a plan in words', () => {
  it('says the time, its parts, the bottleneck, the link, and what would help', () => {
    expect(planText(run, predictStep(speeds, shape, here), [])).toEqual([
      '2 workers (1 host, 2 each): 63 ms a step, 2032 samples/s, efficiency 83 %',
      "   68 %      43 ms  compute: weights, labels and gradients on the workers' devices",
      "    7 %    4.50 ms  upload: contributions, over the coordinator's link and through its one thread",
      '    2 %    1.00 ms  commit: reduction and application at the coordinator',
      "   13 %    8.00 ms  broadcast: the commit to all workers, over the coordinator's link and through its one thread",
      '    2 %    1.50 ms  apply: the commit applied by the workers',
      '    8 %    5.00 ms  other: all else',
      'bottleneck: compute',
      "the coordinator's link: 2.00 MB in (2 contributions) and 2.00 MB out a step, 0.51 Gbit/s",
      'nothing that the plan knows would make it 5 % faster',
    ]);
  });

  it('says who has nothing to do', () => {
    const cluster = { ...here, workersPerHost: 9 };
    const text = planText({ ...run, cluster }, predictStep(speeds, shape, cluster), []);
    expect(text).toContain('8 micro-batches a step give 8 of 9 workers something to do');
  });
});
