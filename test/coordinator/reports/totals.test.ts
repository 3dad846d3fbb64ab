import { describe, expect, it } from 'vitest';
import { Account } from '../../../coordinator/reports/totals.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { commitLine, evaluationLine } from '../helpers.js';

const weights = { crossEntropy: 0.25, response: 0.5 };
const never = { task: 'classes', weightsAt: () => weights, closesEpoch: () => false, patience: undefined } as const;

function evaluated(correct: number, loss = 5): ReturnType<typeof evaluationLine> {
  return evaluationLine(1, { sums: { samples: 10, 'student.correct': correct, 'student.loss': loss } });
}

describe('Account', () => {
  it('gives an epoch its line when its last unit is committed, weighted by samples', () => {
    const account = new Account({ ...never, closesEpoch: (unit) => unit === 2 });
    expect(account.add({ type: 'generation', generation: 1, atMs: 0, step: 0 })).toBeNull();
    const first = commitLine(0, {
      atMs: 1000,
      samples: 4,
      loss: { response: 8, crossEntropy: 3 },
      counts: { response: 4, crossEntropy: 1 },
      sums: { labelled: 1, correct: 1 },
    });
    const second = commitLine(1, {
      atMs: 3000,
      samples: 2,
      loss: { response: 1, crossEntropy: 5 },
      counts: { response: 2, crossEntropy: 1 },
      sums: { labelled: 1, correct: 0 },
    });
    expect(account.add(first)).toBeNull();
    expect(account.add(second)).toBeNull();
    // response: (8 + 1) / 6 = 1.5; cross entropy over the two labelled: 4; total 0.5 x 1.5 + 0.25 x 4 = 1.75
    expect(account.add(evaluationLine(2, { unit: 2, atMs: 9000 }))).toEqual({
      epoch: 0,
      step: 2,
      samples: 6,
      loss: 1.75,
      terms: { response: 1.5, crossEntropy: 4 },
      samplesPerSecond: 2,
      accuracy: 0.5,
      eval: { accuracy: 0.7, loss: 0.5, calibrationError: 0 },
    });
  });

  it('counts what is journalled beside the units neither as work nor as time', () => {
    const beside: readonly JournalLine[] = [
      {
        ...{ type: 'failure', generation: 1, atMs: 1900, step: 1, worker: 'w1', host: 'a', code: 69 },
        ...{ reason: 'out of memory', lines: [] },
      },
      {
        ...{ type: 'audit', generation: 1, atMs: 1910, step: 1, from: 0, to: 1, outcome: 'undecided' },
        ...{ workers: [], text: '' },
      },
      { type: 'labels', generation: 1, atMs: 1920, step: 1, outcome: 'undecided', workers: [], text: '' },
      {
        ...{ type: 'reference', generation: 1, atMs: 1930 },
        reference: { digest: 'd', backend: 'wasm', gpu: null, host: 'a' },
      },
      { type: 'rewind', generation: 1, atMs: 1940, toStep: 1, reason: '' },
      { type: 'results', generation: 1, atMs: 9000, digest: 'd' },
    ];
    const [first, second] = [commitLine(0, { atMs: 1000 }), commitLine(1, { atMs: 2000 })];
    const began: JournalLine = { type: 'generation', generation: 1, atMs: 0, step: 0 };
    const toldOf = (lines: readonly JournalLine[]): unknown => {
      const account = new Account({ ...never, closesEpoch: (unit) => unit === 1 });
      const metrics = lines.map((line) => account.add(line)).filter((line) => line !== null);
      return [account.steps, account.samples, account.milliseconds, metrics];
    };
    const live = toldOf([began, first, second]);
    for (const line of beside) expect(toldOf([began, first, line, second])).toEqual(live);
    expect(live).toMatchObject([2, 8, 2000, [{ samplesPerSecond: 4 }]]);
  });

  it("counts no time between a coordinator's end and the next one's start", () => {
    const account = new Account(never);
    account.add({ type: 'generation', generation: 1, atMs: 1000, step: 0 });
    account.add(commitLine(0, { atMs: 3000 }));
    account.add({ type: 'generation', generation: 2, atMs: 100_000, step: 1 });
    account.add(commitLine(1, { atMs: 100_500 }));
    expect([account.steps, account.samples, account.milliseconds]).toEqual([2, 8, 2500]);
  });

  it('takes the evaluation with more correct answers as the best, and at equality the lower loss', () => {
    const account = new Account(never);
    const [worse, better, sharper] = [evaluated(5), evaluated(7, 5), evaluated(7, 4)];
    for (const line of [better, worse]) account.add(line);
    expect(account.best).toBe(better);
    expect([account.isBest(evaluated(7, 6)), account.isBest(sharper)]).toEqual([false, true]);
  });

  it('takes the evaluation with the least error, or the highest F1, where samples have targets', () => {
    const [numbers, labels] = [
      new Account({ ...never, task: 'regression' }),
      new Account({ ...never, task: 'multiLabel' }),
    ];
    const error = (squares: number, spread = 8): ReturnType<typeof evaluationLine> =>
      evaluationLine(1, { sums: { samples: 4, spread, 'student.squares': squares, 'student.absolutes': 1 } });
    numbers.add(error(2));
    expect([numbers.isBest(error(3)), numbers.isBest(error(1))]).toEqual([false, true]);
    const constant = new Account({ ...never, task: 'regression' });
    constant.add(error(2, 0));
    expect([constant.isBest(error(3, 0)), constant.isBest(error(1, 0))]).toEqual([false, true]);
    const predicted = (hits: number, loss: number): ReturnType<typeof evaluationLine> =>
      evaluationLine(1, {
        sums: {
          samples: 4,
          'student.hits': hits,
          'student.told': 8,
          'student.actual': 8,
          'student.exact': 0,
          'student.right': 1,
          'student.loss': loss,
        },
      });
    labels.add(predicted(4, 5));
    expect([
      labels.isBest(predicted(3, 1)),
      labels.isBest(predicted(4, 6)),
      labels.isBest(predicted(4, 4)),
      labels.isBest(predicted(5, 9)),
    ]).toEqual([false, false, true, true]);
  });

  it('is stale after so many evaluations without a better one', () => {
    const account = new Account({ ...never, patience: 2 });
    const stale = [5, 7, 6, 7, 8, 1, 2].map((correct) => {
      account.add(evaluated(correct));
      return account.isStale;
    });
    expect(stale).toEqual([false, false, false, true, false, false, true]);
  });

  it('tells the first step without each teacher that was dropped, and the epoch of it', () => {
    const account = new Account({ ...never, closesEpoch: (unit) => unit > 0 });
    const epochs = [
      commitLine(0),
      commitLine(1, { dropped: ['deep'] }),
      evaluationLine(2, { dropped: ['deep'] }),
      commitLine(2, { unit: 3, epoch: 1, dropped: ['deep', 'wide'] }),
    ].map((line) => account.add(line));
    expect([...account.dropped]).toEqual([
      ['deep', 1],
      ['wide', 2],
    ]);
    expect(epochs.map((line) => line?.dropped)).toEqual([undefined, ['deep'], undefined, ['deep', 'wide']]);
  });

  it('keeps teachers and student apart', () => {
    const account = new Account(never);
    const teachers = evaluationLine(0, { subject: 'teachers', sums: { samples: 10, 'ensemble.correct': 9 } });
    account.add(teachers);
    expect([account.teachers, account.student, account.best]).toEqual([teachers, undefined, undefined]);
  });
});
