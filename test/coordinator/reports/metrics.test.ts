/** What an epoch's line says of its terms, and what is odd about them. */
import { describe, expect, it } from 'vitest';
import { EpochMetrics, type MetricsLine } from '../../../coordinator/reports/metrics.js';
import { termWarnings } from '../../../coordinator/reports/term-warnings.js';
import type { Task } from '../../../shared/task.js';
import { commitLine, evaluationLine } from '../helpers.js';

const line = (fields: Partial<MetricsLine>): MetricsLine => ({
  epoch: 2,
  step: 8,
  samples: 32,
  loss: 1,
  terms: { response: 1, crossEntropy: 2 },
  samplesPerSecond: 1,
  ...fields,
});
const names = ['crossEntropy', 'response'];

describe('odd terms', () => {
  it('are none where all teach', () => {
    expect([...termWarnings(line({ gradientShares: { response: 0.99, crossEntropy: 0.01 } }), names)]).toEqual([]);
  });

  it.each([
    [
      '0 in a whole epoch',
      { terms: { response: 0, crossEntropy: 2 } },
      'losses.response was 0 in all of epoch 3: it teaches nothing',
    ],
    [
      'without a sample that it applies to',
      { terms: { crossEntropy: 2 } },
      'losses.response applied to no sample of epoch 3: it teaches nothing',
    ],
    [
      'smaller by more than a hundredfold',
      { gradientShares: { response: 0.005, crossEntropy: 0.995 } },
      'epoch 3: the gradient of losses.crossEntropy is 199 times that of losses.response; other weights may be wanted',
    ],
  ])('are said: one that is %s', (_, fields, text) => {
    expect([...termWarnings(line(fields), names)]).toEqual([['response', text]]);
  });

  it('are not those that a schedule keeps at a weight of 0', () => {
    expect([...termWarnings(line({ gradientShares: { response: 0, crossEntropy: 1 } }), names)]).toEqual([]);
  });
});

describe("an evaluation's figures", () => {
  const of = (task: Task, sums: Record<string, number>): ReturnType<EpochMetrics['close']> => {
    const metrics = new EpochMetrics(task, () => ({}));
    metrics.add(evaluationLine(2, { sums }));
    return metrics.close();
  };

  it('are errors and what they explain of the variance, for numbers', () => {
    expect(of('regression', { samples: 4, spread: 8, 'student.squares': 2, 'student.absolutes': 3 })?.eval).toEqual({
      r2: 0.75,
      mse: 0.5,
      mae: 0.75,
    });
    expect(of('regression', { samples: 4, spread: 0, 'student.squares': 2, 'student.absolutes': 3 })?.eval).toEqual({
      mse: 0.5,
      mae: 0.75,
    });
  });

  it('are shares of positions and of whole sequences', () => {
    expect(
      of('sequence', { samples: 20, sequences: 4, 'student.correct': 15, 'student.exact': 1, 'student.loss': 10 })
        ?.eval,
    ).toEqual({ accuracy: 0.75, exactMatch: 0.25, loss: 0.5, calibrationError: 0 });
  });

  it('are F1 and shares, for labels', () => {
    const sums = {
      samples: 4,
      'student.hits': 3,
      'student.told': 5,
      'student.actual': 5,
      'student.exact': 1,
      'student.right': 3,
      'student.loss': 2,
    };
    const labels = {
      'label.0.hits': 3,
      'label.0.told': 3,
      'label.0.actual': 3,
      'label.1.hits': 0,
      'label.1.told': 2,
      'label.1.actual': 2,
    };
    expect(of('multiLabel', { ...sums, ...labels })?.eval).toEqual({
      microF1: 0.6,
      macroF1: 0.5,
      exactMatch: 0.25,
      labelAccuracy: 0.75,
      loss: 0.5,
    });
    expect(of('multiLabel', sums)?.eval).not.toHaveProperty('macroF1');
  });
});

describe("an epoch's line", () => {
  it("has the accuracy of each exit, the gradients' shares, and the total by the weights of each step", () => {
    const metrics = new EpochMetrics('classes', (step) => ({ response: step === 0 ? 1 : 0.5 }));
    metrics.add(commitLine(0, { sums: { 'gradient.response': 3, 'gradient.plugins.own': 1 } }));
    metrics.add(commitLine(1, { loss: { response: 4 }, counts: { response: 4 } }));
    metrics.add(
      evaluationLine(2, {
        sums: { samples: 10, 'student.correct': 7, 'student.loss': 5, 'exit.a.correct': 4, 'exit.b.c.correct': 6 },
      }),
    );
    expect(metrics.close()).toMatchObject({
      terms: { response: 1.5 },
      loss: (1 * 8 + 0.5 * 4) / 8,
      gradientShares: { response: 0.75, 'plugins.own': 0.25 },
      eval: { accuracy: 0.7, exits: { a: 0.4, 'b.c': 0.6 } },
    });
  });
});
