import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divisorsOf, planUnits, type PlanInput } from '../../../coordinator/plan/units.js';
import { lossSchema } from '../../../shared/recipe/loss-schema.js';
import type { Unit } from '../../../coordinator/decide/types.js';

const base: PlanInput = {
  trainSamples: 10,
  evalSamples: 5,
  hasTeachers: true,
  batch: { size: 4, micro: 2 },
  epochs: 3,
  everyEpochs: 2,
};

function list(input: PlanInput): Unit[] {
  const plan = planUnits(input);
  return Array.from({ length: plan.units }, (_, i) => plan.unitAt(i)).flatMap((unit) =>
    unit === undefined ? [] : [unit],
  );
}

function brief(units: Unit[]): string {
  return units
    .map((u) => (u.kind === 'train' ? `${u.epoch}:${u.from}-${u.to}/${u.microBatches}` : `${u.subject}@${u.step}`))
    .join(' ');
}

describe('planUnits', () => {
  it('evaluates the teachers first, then the student every so many epochs and after the last', () => {
    expect(brief(list(base))).toBe(
      'teachers@0 0:0-4/2 0:4-8/2 0:8-10/1 1:0-4/2 1:4-8/2 1:8-10/1 student@6 2:0-4/2 2:4-8/2 2:8-10/1 student@9',
    );
  });

  it('ends in the middle of an epoch when steps say so, and evaluates there', () => {
    expect(brief(list({ ...base, epochs: undefined, steps: 4 }))).toBe(
      'teachers@0 0:0-4/2 0:4-8/2 0:8-10/1 1:0-4/2 student@4',
    );
  });

  it('evaluates nothing without an evaluation set', () => {
    expect(brief(list({ ...base, evalSamples: 0, epochs: 1 }))).toBe('0:0-4/2 0:4-8/2 0:8-10/1');
  });

  it('knows the last unit of an epoch', () => {
    const plan = planUnits(base);
    const closing = Array.from({ length: plan.units }, (_, i) => i).filter((i) => plan.closesEpoch(i));
    expect(closing).toEqual([3, 7, 11]);
  });

  it('covers every sample of every epoch once, in order, whatever the sizes', () => {
    const sizes = fc.record({
      samples: fc.integer({ min: 1, max: 60 }),
      size: fc.integer({ min: 1, max: 20 }),
      epochs: fc.integer({ min: 1, max: 5 }),
      every: fc.integer({ min: 1, max: 4 }),
      evals: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(sizes, ({ samples, size, epochs, every, evals }) => {
        const units = list({
          ...base,
          trainSamples: samples,
          batch: { size, micro: 3 },
          epochs,
          everyEpochs: every,
          evalSamples: evals,
        });
        let step = 0;
        let position = 0;
        for (const unit of units) {
          expect(unit.step).toBe(step);
          if (unit.kind === 'evaluate') continue;
          expect([unit.epoch, unit.from]).toEqual([Math.floor(position / samples), position % samples]);
          position += unit.to - unit.from;
          step++;
        }
        expect(position).toBe(samples * epochs);
        const evaluations = units.filter((unit) => unit.subject === 'student').length;
        expect(evaluations).toBe(evals === 0 ? 0 : Math.ceil(epochs / every));
      }),
    );
  });
});

describe('divisorsOf', () => {
  const source = {
    losses: lossSchema.parse({ crossEntropy: { weight: 1 }, response: { weight: 1 } }),
    labels: Int32Array.of(1, -1, 0, -1, 2),
    sampleAt: (epoch: number, position: number) => (position + epoch) % 5,
  };
  const unit: Unit = { kind: 'train', step: 0, epoch: 1, from: 0, to: 3, microBatches: 1 };

  it('counts labelled samples for cross entropy and all samples for the response', () => {
    expect(divisorsOf(unit, source)).toEqual({ crossEntropy: 1, response: 3 });
  });

  it("adds the samples' weights where they have some", () => {
    // Epoch 1 has the samples 1, 2, 3 there; of those, 2 is labelled.
    expect(divisorsOf(unit, { ...source, weights: Float32Array.of(9, 0.5, 2, 0.25, 9) })).toEqual({
      crossEntropy: 2,
      response: 2.75,
    });
  });

  it('adds the weights of all positions of a sequence', () => {
    const sequences = {
      labels: Int32Array.of(9, 9, 1, -1, 0, 2, 1, -1, 9, 9),
      weights: Float32Array.of(9, 9, 1, 0, 1, 1, 0.5, 0.5, 9, 9),
      positions: 2,
    };
    // The samples 1, 2, 3: positions 2 to 7, of which those of weight 0 count nowhere.
    expect(divisorsOf(unit, { ...source, ...sequences })).toEqual({ crossEntropy: 3.5, response: 4 });
  });

  it('is empty for an evaluation', () => {
    expect(divisorsOf({ ...unit, kind: 'evaluate' }, source)).toEqual({});
  });
});
