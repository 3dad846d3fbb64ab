/**
 * Thousands of runs in virtual time, each with its own faults. What they come to is compared with the oracle: the same
 * units folded by one replica in one loop. A failing schedule is shrunk and printed as a command that repeats it.
 *
 * STILLHOUSE_SCHEDULES: how many schedules in all, with new seeds (npm run soak); without it, the same ones every time.
 * STILLHOUSE_PLAN: one plan, to be run alone and told in detail.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommitLine, EvaluationLine, JournalLine } from '../../../coordinator/store/journal.js';
import { compressions } from '../../../shared/compression.js';
import { oracle } from './arithmetic.js';
import { teacherNames, type Crash, type Plan, type RelayPlan, type WorkerPlan } from './plan.js';
import { simulate, type Result } from './simulation.js';

const asked = process.env.STILLHOUSE_SCHEDULES;
const usual = 6_600;
const seed = asked === undefined ? 20_250_801 : Date.now() % 2 ** 31;

/**
 * @param share schedules of every `usual`. @throws with the shrunk plan of a schedule that fails, as a command that
 * repeats it
 */
async function inEvery(plan: fc.Arbitrary<Plan>, share: number, check: (plan: Plan) => Promise<void>): Promise<void> {
  const numRuns = Math.ceil(share * (asked === undefined ? 1 : Number(asked) / usual));
  const details = await fc.check(fc.asyncProperty(plan, check), { seed, numRuns });
  if (!details.failed) return;
  const [smallest] = details.counterexample ?? [];
  throw new Error(
    `after ${details.numRuns} schedules (seed ${seed}); to repeat it:\nSTILLHOUSE_PLAN='${JSON.stringify(smallest)}' npm run soak`,
    { cause: details.errorInstance },
  );
}

const healthy: fc.Arbitrary<WorkerPlan> = fc.record({
  costMs: fc.integer({ min: 1, max: 200 }),
  joinMs: fc.integer({ min: 0, max: 500 }),
  fault: fc.constant('none' as const),
  chance: fc.constant(0),
});

function faulty(...faults: WorkerPlan['fault'][]): fc.Arbitrary<WorkerPlan> {
  return fc.record({
    costMs: fc.integer({ min: 1, max: 400 }),
    joinMs: fc.integer({ min: 0, max: 5000 }),
    fault: fc.constantFrom(...faults),
    chance: fc.constantFrom(0.05, 0.3, 1),
  });
}

function crashesOf(...kinds: Crash['kind'][]): fc.Arbitrary<Crash[]> {
  return fc.array(
    fc.record({
      atMs: fc.integer({ min: 0, max: 20_000 }),
      downMs: fc.integer({ min: 0, max: 8000 }),
      kind: fc.constantFrom(...kinds),
    }),
    { maxLength: 4 },
  );
}

const relayPlans: fc.Arbitrary<RelayPlan> = fc.record({
  strikes: fc.array(
    fc.record({
      kind: fc.constantFrom('killRelay' as const, 'cutRelay' as const, 'muteRelay' as const, 'stallRelay' as const),
      atMs: fc.integer({ min: 0, max: 20_000 }),
      downMs: fc.integer({ min: 0, max: 8000 }),
    }),
    { maxLength: 4 },
  ),
  repeats: fc.boolean(),
});

interface Wish {
  readonly workers: fc.Arbitrary<WorkerPlan[]>;
  readonly stopMs?: Plan['stopMs'][];
  readonly crashes?: fc.Arbitrary<Crash[]>;
  readonly teachers?: fc.Arbitrary<Plan['teachers']>;
}

function plans({
  workers,
  stopMs = [null],
  crashes = fc.constant([]),
  teachers = fc.constant(undefined),
}: Wish): fc.Arbitrary<Plan> {
  return fc.record({
    seed: fc.integer(),
    workers,
    crashes,
    stopMs: fc.constantFrom(...stopMs),
    units: fc.array(
      fc.record({
        kind: fc.constantFrom('train' as const, 'train' as const, 'train' as const, 'evaluate' as const),
        microBatches: fc.integer({ min: 1, max: 40 }),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    snapshotEvery: fc.constantFrom(1, 2, 5),
    isInline: fc.boolean(),
    diskMs: fc.constantFrom(0, 30, 500),
    earlySlots: fc.integer({ min: 0, max: 4 }),
    contributionBytes: fc.constantFrom(100, 1_000_000, 200_000_000),
    latencyMs: fc.constantFrom(0, 5, 300),
    compression: fc.constantFrom(...compressions),
    teachers,
  });
}

/** @param most of the three that fail, each from a step on */
function failing(onFailure: 'stop' | 'drop', most: number): fc.Arbitrary<Plan['teachers']> {
  const one = fc.record({ teacher: fc.constantFrom(...teacherNames), fromStep: fc.integer({ min: 0, max: 6 }) });
  return fc
    .uniqueArray(one, { selector: ({ teacher }) => teacher, maxLength: most })
    .map((broken) => ({ onFailure, broken }));
}

function withOneHealthy(...faults: WorkerPlan['fault'][]): fc.Arbitrary<WorkerPlan[]> {
  return fc
    .tuple(healthy, fc.array(fc.oneof(healthy, faulty(...faults)), { maxLength: 6 }))
    .map(([one, others]) => [one, ...others]);
}

const fired = (): Set<string> => new Set<string>();

/** A step that was given up, or an evaluation that was: it has no sums. */
function isSkipped(line: JournalLine): line is CommitLine | EvaluationLine {
  if (line.type === 'evaluation') return Object.keys(line.sums).length === 0;
  return line.type === 'commit' && line.skip !== undefined && line.skip !== 'no loss term applied';
}

function droppedIn(line: JournalLine): readonly string[] {
  return (line.type === 'commit' || line.type === 'evaluation' ? line.dropped : undefined) ?? [];
}

/** Every unit is in the journal once, in order, and has the oracle's sums and state, bit for bit. */
function expectTruth({ lines, units, compression }: Result): void {
  const skipped = new Set(lines.flatMap((line) => (isSkipped(line) ? [line.unit] : [])));
  const truths = oracle(units, { skipped, dropped: lines.map(droppedIn), compression });
  expect(lines.map((line) => (line.type === 'commit' || line.type === 'evaluation' ? line.unit : line.type))).toEqual(
    lines.map((_, unit) => unit),
  );
  for (const [index, line] of lines.entries()) {
    const truth = truths[index];
    const { crossEntropy, 'crossEntropy.count': count, ...sums } = truth?.sums ?? {};
    if (line.type === 'evaluation') expect([index, line.sums]).toEqual([index, truth?.sums]);
    if (line.type !== 'commit') continue;
    expect([index, line.digest, line.sums]).toEqual([index, truth?.stateHash, sums]);
    expect([line.loss, line.counts]).toEqual(
      crossEntropy === undefined ? [{}, {}] : [{ crossEntropy }, { crossEntropy: count }],
    );
  }
}

/** The run is done, nothing was skipped, and it is what an undisturbed one is. */
function expectUndisturbed(result: Result): void {
  expect(result.outcome?.type).toBe('done');
  expect(result.lines.length).toBe(result.units.length);
  expect(result.lines.filter(isSkipped)).toEqual([]);
  expectTruth(result);
}

/** Over all schedules of the test, each of these happened. */
function expectFired(seen: ReadonlySet<string>, ...wanted: string[]): void {
  expect(
    wanted.filter((what) => !seen.has(what)),
    'never happened',
  ).toEqual([]);
}

const given = process.env.STILLHOUSE_PLAN;

describe.runIf(given !== undefined)('the given plan', () => {
  it('comes to the bits of the oracle', async () => {
    const result = await simulate(JSON.parse(given ?? '') as Plan);
    console.log(result);
    expectTruth(result);
  });
});

describe.runIf(given === undefined)('any schedule', () => {
  it('comes to the bits of the oracle whatever workers do: die, fall silent, hang, lose, repeat, flip bits, apply commits wrongly, spoil bytes', async () => {
    const seen = fired();
    await inEvery(
      plans({ workers: withOneHealthy('die', 'mute', 'hang', 'flip', 'drift', 'stallUpload', 'repeat', 'lose') }),
      1500,
      async (plan) => {
        const result = await simulate(plan);
        result.fired.forEach((what) => seen.add(what));
        expectUndisturbed(result);
        expect(result.accounts.outstanding).toBe(0);
      },
    );
    expectFired(
      seen,
      'die',
      'differs',
      'dismiss',
      'drift',
      'flip',
      'hang',
      'rebuild',
      'late',
      'lose',
      'mute',
      'repeat',
      'resync',
      'stallUpload',
      'turnedAway',
    );
  });

  it('comes to the bits of the oracle through relays that die, are cut off, fall silent, hold bytes back or repeat themselves, whoever else dies', async () => {
    const seen = fired();
    const workers = fc
      .tuple(
        withOneHealthy('die', 'mute', 'hang', 'repeat', 'lose', 'stallUpload'),
        fc.array(fc.nat(2), { minLength: 7, maxLength: 7 }),
      )
      .map(([all, under]) => all.map((worker, i) => ({ ...worker, relay: under[i] ?? 0 })));
    const crashes = crashesOf('kill', 'lostLog', 'stop');
    const behind = fc
      .tuple(plans({ workers, crashes }), relayPlans, relayPlans)
      .map(([plan, ...relays]) => ({ ...plan, relays }));
    await inEvery(behind, 300, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
    });
    expectFired(
      seen,
      ...['relayed', 'relayGoesOn', 'unbuilt', 'killRelay', 'cutRelay', 'muteRelay', 'stallRelay'],
      ...['kill', 'wentBack', 'stopped', 'die', 'mute', 'hang', 'repeat', 'lose', 'stallUpload'],
    );
  });

  it('comes to the bits of the oracle whenever the coordinator is killed or stopped, with its newest snapshot or commits unreadable, other workers, or a bit flipped', async () => {
    const seen = fired();
    const wish = {
      workers: withOneHealthy('die', 'mute', 'repeat', 'lose'),
      crashes: crashesOf('kill', 'damagedSnapshot', 'lostLog', 'stop', 'flip'),
    };
    await inEvery(plans(wish), 2000, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
    });
    expectFired(
      seen,
      'kill',
      'damagedSnapshot',
      'passedOver',
      'lostLog',
      'wentBack',
      'stop',
      'stopped',
      'flip',
      'foundFlip',
      'replayed',
      'die',
      'mute',
      'repeat',
      'lose',
    );
  });

  it('comes to the bits of the oracle beside workers that lie, where every block is audited, and finds them out', async () => {
    const seen = fired();
    const atOnce = healthy.map((worker) => ({ ...worker, joinMs: 0 }));
    const late = faulty('lie', 'die', 'repeat', 'lose').map((worker) => ({
      ...worker,
      joinMs: 1000 + Math.round(worker.joinMs / 10),
    }));
    const workers = fc
      .tuple(atOnce, atOnce, fc.array(late, { minLength: 1, maxLength: 3 }))
      .map(([one, other, others]) => [one, other, ...others]);
    const audited = fc.tuple(plans({ workers }), fc.boolean()).map(([plan, isSlow]) => ({
      ...plan,
      audit: 1,
      latencyMs: isSlow ? plan.latencyMs : 0,
    }));
    await inEvery(audited, 300, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
      expect(result.fired.has('undecided')).toBe(false);
    });
    expectFired(seen, 'lie', 'turnedAway', 'anew', 'die', 'repeat', 'lose');
  });

  it('comes to the bits of the oracle whenever the coordinator is killed or stopped in the middle of audits, and accuses nobody', async () => {
    const seen = fired();
    const plan = plans({
      workers: withOneHealthy('die', 'mute', 'repeat', 'lose'),
      crashes: crashesOf('kill', 'lostLog', 'stop'),
    });
    const audited = fc.tuple(plan, fc.constantFrom(0.3, 1)).map(([one, audit]) => ({ ...one, audit }));
    await inEvery(audited, 200, async (one) => {
      const result = await simulate(one);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
      expect([result.fired.has('lie'), result.fired.has('undecided')]).toEqual([false, false]);
    });
    expectFired(seen, 'kill', 'wentBack', 'stopped', 'die', 'mute', 'repeat', 'lose');
  });

  it('comes to the bits of the oracle beside workers whose gradients are out of all proportion, or nothing, without audits', async () => {
    const seen = fired();
    const atOnce = healthy.map((worker) => ({ ...worker, costMs: Math.min(20, worker.costMs), joinMs: 0 }));
    const late = faulty('exaggerate', 'nothing', 'die').map((worker) => ({ ...worker, joinMs: 3000 }));
    const workers = fc
      .tuple(atOnce, atOnce, fc.array(late, { minLength: 1, maxLength: 3 }))
      .map(([one, other, others]) => [one, other, ...others]);
    // The first step has one block, which is summed before the others come.
    const suspicious = plans({ workers }).map((plan) => ({
      ...plan,
      units: [{ kind: 'train', microBatches: 1 } as const, { kind: 'train', microBatches: 40 } as const, ...plan.units],
      latencyMs: 0,
      leastBlocks: 1,
    }));
    await inEvery(suspicious, 150, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
      expect(result.fired.has('undecided')).toBe(false);
    });
    expectFired(seen, 'exaggerate', 'nothing', 'setAside', 'lie', 'turnedAway', 'die');
  });

  it('gives the blocks of one worker that fails or spoils its bytes to others, and skips nothing', async () => {
    const seen = fired();
    const workers = fc
      .tuple(healthy, faulty('fail', 'poison', 'corrupt', 'teacher'), fc.array(healthy, { maxLength: 3 }))
      .map(([one, bad, others]) => [one, { ...bad, joinMs: 2000 }, ...others]);
    await inEvery(plans({ workers, teachers: failing('drop', 0) }), 700, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
      expect(result.lines.flatMap(droppedIn)).toEqual([]);
    });
    expectFired(seen, 'fail', 'poison', 'corrupt', 'teacher', 'refusedPoison', 'refusedBytes');
  });

  it('goes on without teachers that fail everywhere, from the step on at which they do, whoever is killed meanwhile', async () => {
    const seen = fired();
    const wish = {
      workers: withOneHealthy('die', 'mute', 'repeat', 'lose', 'stallUpload'),
      crashes: crashesOf('kill', 'lostLog', 'stop'),
      teachers: failing('drop', 2),
    };
    await inEvery(plans(wish), 700, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
      for (const line of result.lines.filter((one) => one.type === 'commit')) {
        expect([...droppedIn(line)].sort()).toEqual(
          plan.teachers?.broken
            .filter(({ fromStep }) => fromStep <= line.step)
            .map(({ teacher }) => teacher)
            .sort(),
        );
      }
    });
    expectFired(seen, 'drop', 'kill', 'wentBack', 'stopped', 'die', 'mute', 'repeat', 'lose', 'stallUpload');
  });

  it.each([
    ['drop', 3, /^teacher [abc] failed at .*; there is no other teacher to go on with$/],
    [
      'stop',
      1,
      /^teacher [abc] failed at .*, micro-batch(es)? .* of step \d+: micro-batch \d+: made up \(--force --set ensemble.onFailure=drop goes on without it\)$/,
    ],
  ] as const)(
    'ends with the step at which a teacher fails that must not be dropped (%s), every commit before it in order',
    async (onFailure, most, reason) => {
      const seen = fired();
      await inEvery(
        plans({
          workers: withOneHealthy('die', 'repeat'),
          crashes: crashesOf('kill'),
          teachers: failing(onFailure, most),
        }),
        150,
        async (plan) => {
          const result = await simulate(plan);
          seen.add(result.outcome?.type ?? 'none');
          expectTruth(result);
          const isAllGone = (step: number): boolean =>
            plan.teachers?.broken.filter(({ fromStep }) => fromStep <= step).length === most;
          const last = result.units.findIndex(({ kind, step }) => kind === 'train' && isAllGone(step));
          expect([result.outcome?.type, result.lines.length]).toEqual(
            last < 0 ? ['done', result.units.length] : ['failed', last],
          );
          if (last >= 0) expect(result.outcome?.reason).toMatch(reason);
        },
      );
      expectFired(seen, 'done', 'failed');
    },
  );

  it('skips what fails everywhere, for all alike, and ends after three skips in a row, whoever counts them', async () => {
    const seen = fired();
    const bad = fc.array(faulty('fail', 'poison'), { minLength: 1, maxLength: 4 });
    await inEvery(
      plans({ workers: fc.oneof(bad, withOneHealthy('fail', 'poison', 'die')), crashes: crashesOf('kill') }),
      500,
      async (plan) => {
        const result = await simulate(plan);
        result.fired.forEach((what) => seen.add(what));
        seen.add(result.outcome?.type ?? 'none');
        expectTruth(result);
        const failures = result.lines
          .filter((line) => line.type === 'commit')
          .map((line) => (isSkipped(line) ? 'x' : '.'))
          .join('');
        expect(failures).not.toContain('xxx');
        if (result.outcome?.type === 'failed') expect(failures).toMatch(/xx$/);
        if (result.outcome?.type === 'failed')
          expect(result.outcome.reason).toMatch(/^3 steps in a row have no update/);
        else expect(result.lines.length).toBe(plan.units.length);
      },
    );
    expectFired(seen, 'skip', 'failed', 'done', 'kill');
    expect(seen.has('none')).toBe(false);
  });

  it('stops within a bound, with every commit before it in order', async () => {
    const seen = fired();
    await inEvery(
      plans({ workers: withOneHealthy('die', 'mute', 'hang', 'fail'), stopMs: [0, 50, 1000, 8000] }),
      300,
      async (plan) => {
        const result = await simulate(plan);
        seen.add(result.outcome?.type ?? 'none');
        expect(result.endedMs).toBeLessThanOrEqual((plan.stopMs ?? 0) + 10_300 + plan.diskMs);
        expectTruth(result);
      },
    );
    expectFired(seen, 'done', 'stopped');
  });

  it('comes to its end when every worker dies now and then and comes back', async () => {
    const workers = fc
      .array(faulty('die', 'repeat'), { minLength: 1, maxLength: 4 })
      .map((all) => all.map((worker) => ({ ...worker, chance: 0.2 })));
    await inEvery(plans({ workers }), 250, async (plan) => expectUndisturbed(await simulate(plan)));
  });

  it('comes to its end with a single worker that loses leases or uploads, or hangs until it is dismissed', async () => {
    const seen = fired();
    const workers = faulty('lose', 'stallUpload', 'hang').map((worker) => [{ ...worker, chance: 0.3 }]);
    await inEvery(plans({ workers }), 250, async (plan) => {
      const result = await simulate(plan);
      result.fired.forEach((what) => seen.add(what));
      expectUndisturbed(result);
    });
    expectFired(seen, 'dismiss', 'hang', 'late', 'lose', 'stallUpload');
  });

  it('waits out a single worker that is far slower than expected', async () => {
    const slow = fc.record({
      costMs: fc.integer({ min: 5_000, max: 60_000 }),
      joinMs: fc.constant(0),
      fault: fc.constant('none' as const),
      chance: fc.constant(0),
    });
    const few = fc.array(
      fc.record({ kind: fc.constant('train' as const), microBatches: fc.integer({ min: 1, max: 3 }) }),
      { minLength: 1, maxLength: 3 },
    );
    const slowly = fc
      .tuple(plans({ workers: slow.map((worker) => [worker]) }), few)
      .map(([plan, units]) => ({ ...plan, units }));
    await inEvery(slowly, 50, async (plan) => {
      const result = await simulate(plan);
      expectUndisturbed(result);
      expect(result.fired.has('dismiss')).toBe(false);
    });
  });

  it('is the same run for the same plan', async () => {
    await inEvery(
      plans({ workers: withOneHealthy('die', 'fail', 'repeat'), crashes: crashesOf('kill') }),
      50,
      async (plan) => {
        const [first, second] = [await simulate(plan), await simulate(plan)];
        expect([second.endedMs, second.lines, second.accounts, second.lives]).toEqual([
          first.endedMs,
          first.lines,
          first.accounts,
          first.lives,
        ]);
      },
    );
  });
});
