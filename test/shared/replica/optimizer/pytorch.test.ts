import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { commitScalars } from '../../../../shared/replica/optimizer/scalars.js';
import { planReplica } from '../../../../shared/replica/plan.js';
import { Replica } from '../../../../shared/replica/replica.js';
import { optimizerOf, studentOf, weightOf } from '../student.js';

type Tensors = Record<string, number[]>;
interface Reference {
  steps: number;
  shapes: Record<string, number[]>;
  initial: Tensors;
  gradients: Tensors[];
  cases: Record<
    string,
    { optimizer: Record<string, unknown>; weights: Record<string, Tensors>; averages?: Record<string, Tensors> }
  >;
}

/** Made by test/reference/optimizers.py. */
const reference = JSON.parse(
  readFileSync(new URL('../../../reference/data/optimizers.json', import.meta.url), 'utf8'),
) as Reference;
const student = studentOf(Object.entries(reference.shapes).map(([name, shape]) => weightOf(name, shape)));

/** Largest distance, relative to the largest weight of its tensor. */
function distance(found: Map<string, Float32Array>, wanted: Tensors): number {
  const distances = Object.entries(wanted).map(([name, values]) => {
    const largest = Math.max(...values.map(Math.abs));
    return Math.max(...values.map((value, i) => Math.abs(value - (found.get(name)?.[i] ?? NaN)))) / largest;
  });
  return Math.max(...distances);
}

describe('optimizers against PyTorch', () => {
  it.each(Object.entries(reference.cases))(
    '%s: weights are within 2e-6 after 1, 10 and 50 steps',
    (_, { optimizer: fields, weights, averages }) => {
      const optimizer = optimizerOf(fields);
      const plan = planReplica(student, optimizer);
      const replica = new Replica(plan, { slots: 1 });
      replica.loadWeights(
        new Map(Object.entries(reference.initial).map(([name, values]) => [name, Float32Array.from(values)])),
      );
      reference.gradients.forEach((gradient, step) => {
        for (const { spec, offset } of plan.trained) replica.slot(0).set(gradient[spec.name] ?? [], offset);
        const position = {
          update: step + 1,
          step,
          totalSteps: reference.steps,
          gradientSquares: replica.slotSquares(0),
        };
        replica.apply(commitScalars(plan, position), { slot: 0, moments: null });
        const wanted = weights[step + 1];
        if (wanted !== undefined) expect(distance(replica.readWeights(), wanted)).toBeLessThan(2e-6);
        const wantedAverage = averages?.[step + 1];
        if (wantedAverage !== undefined) expect(distance(replica.readWeights('ema'), wantedAverage)).toBeLessThan(2e-6);
      });
    },
  );

  it('no two cases of the reference end alike, and each moves every weight that is not frozen', () => {
    const cases = Object.values(reference.cases);
    expect(new Set(cases.map(({ weights }) => JSON.stringify(weights[reference.steps]))).size).toBe(cases.length);
    for (const { optimizer, weights } of cases) {
      const still = Object.entries(reference.initial).filter(([name, values]) =>
        values.some((value, i) => value === weights[reference.steps]?.[name]?.[i]),
      );
      expect(still.map(([name]) => name)).toEqual(optimizer.freeze ?? []);
    }
  });
});
