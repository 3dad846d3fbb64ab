import { describe, expect, it } from 'vitest';
import { lossSchema } from '../../../shared/recipe/loss-schema.js';
import { lossesAt, scalarsAt, scheduleAt, weightsAt } from '../../../shared/recipe/schedules.js';

describe('a schedule', () => {
  const at = { from: 2, to: 10, start: 4, steps: 8 };

  it.each([
    ['linear', [2, 2, 4, 6, 10, 10]],
    ['cosine', [2, 2, 2 + (8 * (1 - Math.cos(Math.PI / 4))) / 2, 6, 10, 10]],
    ['step', [2, 2, 2, 2, 10, 10]],
  ] as const)('that is %s stands still before its start and after its end', (over, expected) => {
    [0, 4, 6, 8, 12, 100].forEach((step, i) =>
      expect(scheduleAt({ ...at, over }, step, 1000)).toBeCloseTo(expected[i] ?? NaN, 12),
    );
  });

  it('takes the rest of the run where it has no steps', () => {
    expect(scheduleAt({ from: 0, to: 1, over: 'linear', start: 10 }, 15, 20)).toBe(0.5);
  });
});

describe('losses with schedules', () => {
  const losses = lossSchema.parse({
    crossEntropy: { weight: 0.3 },
    response: { weight: { from: 1, to: 0 }, temperature: { from: 8, to: 2 } },
  });

  it('name their numbers in a step, and only those that change', () => {
    expect(scalarsAt(losses, 5, 10)).toEqual({ 'response.weight': 0.5, 'response.temperature': 5 });
    expect(weightsAt(losses, 5, 10)).toEqual({ crossEntropy: 0.3, response: 0.5 });
  });

  it('are put together from these numbers; without them they are at their beginning', () => {
    const response = (scalars?: Record<string, number>): unknown =>
      lossesAt(losses, scalars).find(({ name }) => name === 'response');
    expect(response(scalarsAt(losses, 5, 10))).toMatchObject({ weight: 0.5, temperature: 5 });
    expect(response()).toMatchObject({ weight: 1, temperature: 8 });
  });
});
