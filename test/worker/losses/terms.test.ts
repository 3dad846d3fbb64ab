/** Every term of the recipe, through the total loss: against PyTorch (test/reference/losses.py), finite differences, and at the edges. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossesAtStepSchema, type LossesAtStep } from '../../../shared/recipe/loss-schema.js';
import { isTerm, terms, termsIn } from '../../../shared/recipe/terms.js';
import { SoftLabels } from '../../../worker/soft-labels.js';
import { totalLoss, type TotalLoss } from '../../../worker/losses/total.js';

interface Reference {
  readonly classes: number;
  readonly logits: number[];
  readonly teacher: number[];
  readonly labels: number[];
  readonly cases: { readonly term: string; readonly options: Record<string, unknown>; readonly values: number[]; readonly gradient: number[] }[];
}

const reference = JSON.parse(readFileSync(new URL('../../reference/data/losses.json', import.meta.url), 'utf8')) as Reference;
const labels = Int32Array.from(reference.labels);

function lossOf(term: string, options: object, weight = 1): LossesAtStep {
  return lossesAtStepSchema.parse({ [term]: { ...options, weight } });
}

function total(losses: LossesAtStep, z: ArrayLike<number>, u: ArrayLike<number>, classes: number, labels_B: Int32Array = labels, divisor = 1): TotalLoss {
  const soft = new SoftLabels(new Map([['teacher:a', Float32Array.from(u)]]), { combine: 'logits', classes, teachers: [{ name: 'a', weight: 1, temperature: null }] });
  const divisors = Object.fromEntries(termsIn(losses).map((term) => [term, divisor]));
  return totalLoss(Float32Array.from(z), classes, { labels: labels_B, soft }, { losses, divisors });
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const { classes, logits, teacher, cases } = reference;

describe('every loss term', () => {
  it.each(cases)('$term $options has the value and the gradient of PyTorch', ({ term, options, values, gradient }) => {
    const { sums, gradient_BC } = total(lossOf(term, options), logits, teacher, classes);
    const scale = Math.max(1, ...gradient.map(Math.abs));
    expect(Math.abs((sums[term] ?? NaN) - sum(values))).toBeLessThan(1e-5 * Math.max(1, Math.abs(sum(values))));
    gradient_BC.forEach((slope, i) => expect(Math.abs(slope - (gradient[i] ?? NaN))).toBeLessThan(1e-5 * scale));
  });

  it.each(cases)('$term $options has the gradient that finite differences find', ({ term, options }) => {
    const losses = lossOf(term, options, 0.5);
    const { gradient_BC } = total(losses, logits, teacher, classes, labels, 4);
    const valueAt = (i: number, step: number): number => (0.5 / 4) * (total(losses, logits.map((z, k) => (k === i ? z + step : z)), teacher, classes).sums[term] ?? NaN);
    const step = 2 ** -7;
    gradient_BC.forEach((slope, i) => expect(Math.abs((valueAt(i, step) - valueAt(i, -step)) / (2 * step) - slope)).toBeLessThan(2e-3 * Math.max(1, Math.abs(slope))));
  });

  const imitating = cases.filter(({ term }) => !['virtualTeacher', 'crossEntropy'].includes(term));
  it.each(imitating)('$term $options and its gradient are 0 for a student that equals its teacher', ({ term, options }) => {
    const { sums, gradient_BC } = total(lossOf(term, options), teacher, teacher, classes);
    expect(Math.abs(sums[term] ?? NaN)).toBeLessThan(1e-5);
    gradient_BC.forEach((slope) => expect(Math.abs(slope)).toBeLessThan(1e-5));
  });

  const names = Object.keys(terms).filter(isTerm).filter((term) => !terms[term].pairs && !terms[term].exits && term !== 'selfDistillation');
  const edges: [string, number[], number[], number, number[]][] = [
    ['equal logits', [1, 1, 1, 2, 2, 2], [0, 0, 0, 3, 3, 3], 3, [0, 2]],
    ['one class', [1, -4], [2, 3], 1, [0, 0]],
    ['logits of 1e4', [1e4, -1e4, 0, 0, 1e4, -1e4], [-1e4, 1e4, 0, 1e4, 0, -1e4], 3, [0, 1]],
    ['a teacher that is certain', [1, 2, 3, 0, 1, 0], [0, 300, 0, 0, 0, 300], 3, [1, 0]],
    ['vectors of zeros', [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], 3, [0, 1]],
  ];
  it.each(names.flatMap((term) => edges.map((edge) => [term, ...edge] as const)))('%s is finite for %s', (term, _, z, u, width, own) => {
    for (const temperature of [0.1, 1, 100]) {
      const parsed = lossOf(term, {});
      const options = parsed[term];
      const losses = options !== undefined && 'temperature' in options ? lossOf(term, { temperature }) : parsed;
      const { sums, gradient_BC } = total(losses, z, u, width, Int32Array.from(own));
      expect(sums[term]).toSatisfy(Number.isFinite);
      expect(gradient_BC.every(Number.isFinite)).toBe(true);
    }
  });

  it('depends on its own sample alone, but for the relations of dist', () => {
    for (const term of names.filter((name) => name !== 'dist')) {
      const whole = total(lossOf(term, {}), logits, teacher, classes).gradient_BC;
      const first = total(lossOf(term, {}), logits.slice(0, classes), teacher.slice(0, classes), classes, labels.slice(0, 1)).gradient_BC;
      expect([...whole.slice(0, classes)]).toEqual([...first]);
    }
  });

  it('is left out where no sample has what it needs', () => {
    for (const term of names.filter((name) => terms[name].over === 'labelled')) {
      expect(total(lossOf(term, {}), logits, teacher, classes, new Int32Array(5).fill(-1)).sums).not.toHaveProperty(term);
    }
  });
});
