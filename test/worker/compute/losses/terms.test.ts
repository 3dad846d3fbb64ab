/**
 * Every term on logits and exits, through the total loss: against PyTorch, finite differences, invariances, and at the
 * edges.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BuiltInLoss } from '../../../../shared/losses/table.js';
import type { LossesAtStep } from '../../../../shared/recipe/schedules.js';
import { SoftLabels } from '../../../../worker/compute/labels/soft-labels.js';
import { totalLoss, type TotalLoss } from '../../../../worker/compute/losses/total.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';
import { lossesOn, lossNames, lossOf, rowNames, rowOf, vectorTaskOf } from './rows.js';

interface Mixing {
  readonly combine: 'logits' | 'probabilities';
  readonly weights: number[];
  /** Null: the term's. */
  readonly temperatures: (number | null)[];
}

interface Case {
  readonly term: BuiltInLoss;
  readonly options: Readonly<Record<string, unknown>>;
  readonly ensemble?: Mixing;
  readonly vectors?: number[];
  readonly values: number[];
  readonly gradient: number[];
}

interface Reference {
  readonly classes: number;
  readonly logits: number[];
  readonly teacher: number[];
  readonly second: number[];
  readonly exits: number[][];
  readonly labels: number[];
  readonly cases: Case[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../reference/data/${name}.json`, import.meta.url), 'utf8'));
const reference = read('losses') as Reference;
const { classes, cases } = reference;
const pairCases = (read('pair_losses') as { cases: { term: string }[] }).cases;

/** All that a loss on logits or exits can depend on. */
interface Setting {
  /** The student's: of its answer, for a term on exits what they should be like. */
  readonly z: ArrayLike<number>;
  readonly exits: readonly ArrayLike<number>[];
  readonly teachers: readonly ArrayLike<number>[];
  readonly mixing: Mixing;
  readonly labels: readonly number[];
  /** Target vectors; default: the first teacher's values, or for labels whether they are above 0. */
  readonly vectors?: readonly number[];
  readonly classes: number;
}

const alone: Mixing = { combine: 'logits', weights: [1], temperatures: [null] };
const setting: Setting = {
  z: reference.logits,
  exits: reference.exits,
  teachers: [reference.teacher],
  mixing: alone,
  labels: reference.labels,
  classes,
};
const settingOf = ({ ensemble, vectors }: Case): Setting => ({
  ...setting,
  ...(vectors === undefined ? {} : { vectors }),
  ...(ensemble === undefined ? {} : { mixing: ensemble, teachers: [reference.teacher, reference.second] }),
});

function stepWith(term: BuiltInLoss, options: object, weight = 1): LossesAtStep {
  return lossesAtStep({ [term]: { ...options, weight } });
}

function vectorsFor(losses: LossesAtStep, { vectors, teachers }: Setting): { vectors?: Float32Array } {
  const [task] = lossNames
    .filter((name) => losses.some((term) => term.name === name))
    .flatMap((name) => vectorTaskOf(name) ?? []);
  if (task === undefined) return {};
  return {
    vectors: Float32Array.from(
      vectors ?? Array.from(teachers[0] ?? [], (value) => (task === 'regression' ? value : Number(value > 0))),
    ),
  };
}

function total(losses: LossesAtStep, at: Setting, divisor = 1): TotalLoss {
  const { z, exits, teachers, mixing, labels, classes: width } = at;
  const names = teachers.map((_, i) => `t${i}`);
  const soft = new SoftLabels(new Map(teachers.map((u, i) => [`teacher:${names[i]}`, Float32Array.from(u)])), {
    combine: mixing.combine,
    classes: width,
    teachers: names.map((name, i) => ({
      name,
      weight: mixing.weights[i] ?? 1,
      temperature: mixing.temperatures[i] ?? null,
    })),
  });
  const divisors = Object.fromEntries(lossNames.map((term) => [term, divisor]));
  return totalLoss(
    { logits_BC: Float32Array.from(z), classes: width, exits: exits.map((values) => Float32Array.from(values)) },
    { labels: Int32Array.from(labels), ...vectorsFor(losses, at), soft },
    { losses, divisors },
  );
}

interface Found {
  /** Sum over the samples. */
  readonly value: number;
  /** Times weight over divisor. */
  readonly gradient: number[];
}

/** With respect to what the term's gradient is taken: the logits, or all exits one after the other. */
function lossAt(term: BuiltInLoss, options: object, at: Setting, { weight = 1, divisor = 1 } = {}): Found {
  const { sums, gradient_BC, exitGradients } = total(stepWith(term, options, weight), at, divisor);
  return {
    value: sums[term] ?? NaN,
    gradient: lossOf(term).on === 'exits' ? exitGradients.flatMap((values) => [...(values ?? [])]) : [...gradient_BC],
  };
}

const studentOf = (term: BuiltInLoss, { z, exits }: Setting): number[] =>
  lossOf(term).on === 'exits' ? exits.flatMap((values) => [...Array.from(values)]) : [...Array.from(z)];

function withStudent(term: BuiltInLoss, at: Setting, values: readonly number[]): Setting {
  if (lossOf(term).on !== 'exits') return { ...at, z: values };
  const size = values.length / at.exits.length;
  return { ...at, exits: at.exits.map((_, i) => values.slice(i * size, (i + 1) * size)) };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
const norm = (values: readonly number[]): number => Math.sqrt(sum(values.map((value) => value * value)));
const others = lossesOn('answer', 'exits');
const hasTemperature = (term: BuiltInLoss): boolean => lossOf(term).temperature !== undefined;

function softmax(values: readonly number[], temperature: number): number[] {
  const z = values.map((value) => value / temperature);
  const max = Math.max(...z);
  const whole = sum(z.map((value) => Math.exp(value - max)));
  return z.map((value) => Math.exp(value - max) / whole);
}

describe('every loss term', () => {
  it.each(lossNames)(
    '%s has a row and values of PyTorch, with temperatures small and large where it has one',
    (term) => {
      expect(rowNames).toContain(term);
      const own = [...cases, ...pairCases].filter((one) => one.term === term);
      expect(own.length).toBeGreaterThan(1);
      if (lossOf(term).on === 'pairs') return;
      expect(hasTemperature(term)).toBe(rowOf(term).isSteady !== null);
      const temperatures = cases.filter((one) => one.term === term).map(({ options }) => options.temperature);
      if (hasTemperature(term)) expect(temperatures).toEqual(expect.arrayContaining([0.1, 100]));
    },
  );

  it('is in the table; nothing else is', () => {
    expect(rowNames).toEqual(lossNames);
    expect(new Set(lossNames).size).toBe(lossNames.length);
  });

  it.each(cases)('$term $options $ensemble has the value and the gradient of PyTorch', (one) => {
    const { value, gradient } = lossAt(one.term, one.options, settingOf(one));
    const scale = Math.max(1, largest(one.gradient));
    expect(Math.abs(value - sum(one.values))).toBeLessThan(1e-5 * Math.max(1, Math.abs(sum(one.values))));
    expect(gradient).toHaveLength(one.gradient.length);
    gradient.forEach((slope, i) => expect(Math.abs(slope - (one.gradient[i] ?? NaN))).toBeLessThan(1e-5 * scale));
  });

  it.each(cases)('$term $options $ensemble has the gradient that finite differences find', (one) => {
    const { term, options } = one;
    const at = settingOf(one);
    const x = studentOf(term, at);
    const { gradient } = lossAt(term, options, at, { weight: 0.5, divisor: 4 });
    const step = 2 ** -7;
    const valueAt = (i: number, off: number): number =>
      (0.5 / 4) *
      lossAt(
        term,
        options,
        withStudent(
          term,
          at,
          x.map((value, k) => (k === i ? value + off : value)),
        ),
      ).value;
    gradient.forEach((slope, i) =>
      expect(Math.abs((valueAt(i, step) - valueAt(i, -step)) / (2 * step) - slope)).toBeLessThan(
        2e-3 * Math.max(1, largest(gradient)),
      ),
    );
  });

  it.each(cases.filter(({ term, ensemble }) => rowOf(term).imitates && ensemble === undefined))(
    '$term $options and its gradient are 0 where the student equals what it should be like',
    ({ term, options }) => {
      const wanted = lossOf(term).on === 'exits' ? reference.logits : reference.teacher;
      const { value, gradient } = lossAt(
        term,
        options,
        withStudent(term, setting, lossOf(term).on === 'exits' ? [...wanted, ...wanted] : wanted),
      );
      const usual = lossAt(term, options, setting);
      expect(Math.abs(value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(usual.value)));
      expect(largest(gradient)).toBeLessThan(1e-5 * Math.max(1, largest(usual.gradient)));
    },
  );

  const edges: [string, Omit<Setting, 'mixing'>][] = [
    [
      'equal logits',
      {
        z: [1, 1, 1, 2, 2, 2],
        exits: [[0, 0, 0, 5, 5, 5]],
        teachers: [[0, 0, 0, 3, 3, 3]],
        classes: 3,
        labels: [0, 2],
      },
    ],
    ['one class', { z: [1, -4], exits: [[3, 2]], teachers: [[2, 3]], classes: 1, labels: [0, 0] }],
    [
      'logits of 1e4',
      {
        z: [1e4, -1e4, 0, 0, 1e4, -1e4],
        exits: [[-1e4, 1e4, 0, 1e4, 0, -1e4]],
        teachers: [[-1e4, 1e4, 0, 1e4, 0, -1e4]],
        classes: 3,
        labels: [0, 1],
      },
    ],
    [
      'a teacher that is certain: probabilities of 0',
      {
        z: [1, 2, 3, 0, 1, 0],
        exits: [[3, 2, 1, 1, 0, 1]],
        teachers: [[0, 300, 0, 0, 0, 300]],
        classes: 3,
        labels: [1, 0],
      },
    ],
    [
      'an exit and a student that are certain',
      {
        z: [0, 300, 0, 0, 0, 300],
        exits: [[300, 0, 0, 300, 0, 0]],
        teachers: [[1, 2, 3, 0, 1, 0]],
        classes: 3,
        labels: [0, 2],
      },
    ],
    [
      'vectors of zeros',
      {
        z: [0, 0, 0, 0, 0, 0],
        exits: [[0, 0, 0, 0, 0, 0]],
        teachers: [[0, 0, 0, 0, 0, 0]],
        classes: 3,
        labels: [0, 1],
      },
    ],
    ['a single sample', { z: [1, 2, 3], exits: [[3, 2, 1]], teachers: [[2, 2, 4]], classes: 3, labels: [2] }],
    [
      'one label among samples without',
      {
        z: [1, 2, 3, 4, 5, 7],
        exits: [[3, 2, 1, 1, 1, 1]],
        teachers: [[2, 2, 4, 0, 0, 1]],
        classes: 3,
        labels: [-1, 2],
      },
    ],
  ];
  it.each(others.flatMap((term) => edges.map(([name, at]) => [term, name, at] as const)))(
    '%s is finite for %s',
    (term, _, at) => {
      for (const temperature of [0.1, 1, 100]) {
        const { value, gradient } = lossAt(term, hasTemperature(term) ? { temperature } : {}, { ...at, mixing: alone });
        expect(value).toSatisfy(Number.isFinite);
        expect(gradient.every(Number.isFinite)).toBe(true);
      }
    },
  );

  it.each(others)('%s is left out where no sample has what it needs', (term) => {
    const { sums, gradient_BC } = total(stepWith(term, {}), { ...setting, labels: reference.labels.map(() => -1) });
    expect(term in sums).toBe(lossOf(term).over === 'samples');
    if (lossOf(term).over === 'labelled') expect(gradient_BC.every((slope) => slope === 0)).toBe(true);
  });

  it.each(others)('%s takes from a sample what is its own, unless it relates samples', (term) => {
    const first = (values: ArrayLike<number>): number[] => Array.from(values).slice(0, classes);
    const one = {
      ...setting,
      z: first(setting.z),
      exits: setting.exits.map(first),
      teachers: setting.teachers.map(first),
      labels: setting.labels.slice(0, 1),
    };
    const [whole, own] = [lossAt(term, {}, setting).gradient, lossAt(term, {}, one).gradient];
    const isSame = isDeepEqual(whole.slice(0, classes), own.slice(0, classes));
    expect(isSame).toBe(!rowOf(term).relates);
  });

  it.each(lossNames)('%s has one weight and one divisor, which are plain factors', (term) => {
    if (lossOf(term).on === 'pairs') return;
    const [plain, scaled] = [lossAt(term, {}, setting), lossAt(term, {}, setting, { weight: 4, divisor: 8 })];
    expect(scaled.value).toBe(plain.value);
    expect(scaled.gradient).toEqual(plain.gradient.map((slope) => slope / 2));
  });
});

const isDeepEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

describe('over temperatures', () => {
  it.each(['response', 'exitResponse'] as const)('%s has the gradient T (q - p)', (term) => {
    for (const temperature of [0.5, 1, 4, 20]) {
      const { gradient } = lossAt(term, { temperature }, setting);
      const [x, target] = [
        studentOf(term, setting),
        lossOf(term).on === 'exits' ? [...reference.logits, ...reference.logits] : reference.teacher,
      ];
      for (let at = 0; at < x.length; at += classes) {
        const [q, p] = [
          softmax(x.slice(at, at + classes), temperature),
          softmax(target.slice(at, at + classes), temperature),
        ];
        for (let k = 0; k < classes; k++)
          expect(Math.abs((gradient[at + k] ?? NaN) - temperature * ((q[k] ?? 0) - (p[k] ?? 0)))).toBeLessThan(
            2e-6 * Math.max(1, temperature),
          );
      }
    }
  });

  const scaled = (factor: number): Setting => ({
    ...setting,
    z: reference.logits.map((value) => factor * value),
    exits: reference.exits.map((exit) => exit.map((value) => factor * value)),
    teachers: [reference.teacher.map((value) => factor * value)],
  });
  it.each(others.filter(hasTemperature))(
    '%s keeps the norm of its gradient, or the table says that it does not',
    (term) => {
      // As of a student and a teacher whose logits lie within 2 of each other.
      const norms = [2, 4, 8, 16].map((temperature) =>
        norm(lossAt(term, { temperature, ...(term === 'decoupled' ? { beta: 1 } : {}) }, scaled(0.4)).gradient),
      );
      expect(Math.max(...norms) / Math.min(...norms) < 1.5, norms.join()).toBe(rowOf(term).isSteady);
    },
  );
});

describe('over teachers', () => {
  const soft = others.filter((term) => stepWith(term, {})[0]?.soft !== null);
  const bothMixtures = soft.flatMap((term) =>
    (['logits', 'probabilities'] as const).map((combine) => [term, combine] as const),
  );

  it.each(bothMixtures)(
    '%s from %s takes one of weight w as the same one twice with weights of that sum',
    (term, combine) => {
      const [u, v] = [reference.teacher, reference.second];
      const of = (teachers: number[][], weights: number[]): Found =>
        lossAt(term, {}, { ...setting, teachers, mixing: { combine, weights, temperatures: weights.map(() => null) } });
      const [once, twice] = [of([u, v], [3, 1]), of([u, v, u], [1, 1, 2])];
      expect(Math.abs(once.value - twice.value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(once.value)));
      once.gradient.forEach((slope, i) =>
        expect(Math.abs(slope - (twice.gradient[i] ?? NaN))).toBeLessThan(1e-5 * Math.max(1, largest(once.gradient))),
      );
    },
  );

  it.each([
    [null, null],
    [2, 7],
  ])(
    'response from probabilities has the gradient of the weighted sum of a response to each, at temperatures %s and %s',
    (first, second) => {
      const of = (teachers: number[][], weights: number[], temperatures: (number | null)[]): Found =>
        lossAt(
          'response',
          { temperature: 4 },
          { ...setting, teachers, mixing: { combine: 'probabilities', weights, temperatures } },
        );
      const [both, a, b] = [
        of([reference.teacher, reference.second], [3, 1], [first, second]),
        of([reference.teacher], [1], [first]),
        of([reference.second], [1], [second]),
      ];
      both.gradient.forEach((slope, i) =>
        expect(slope).toBeCloseTo(0.75 * (a.gradient[i] ?? NaN) + 0.25 * (b.gradient[i] ?? NaN), 5),
      );
      // The values differ by how far the teachers are apart.
      expect(both.value).toBeLessThan(0.75 * a.value + 0.25 * b.value - 0.1);
    },
  );

  it('tempering and averaging do not commute: a mixture at 4 is not one at 1 that is tempered', () => {
    const at = (temperature: number): Float32Array =>
      new SoftLabels(
        new Map([
          ['teacher:a', Float32Array.from(reference.teacher)],
          ['teacher:b', Float32Array.from(reference.second)],
        ]),
        {
          combine: 'probabilities',
          classes,
          teachers: ['a', 'b'].map((name) => ({ name, weight: 1, temperature: null })),
        },
      ).at(temperature);
    const [at4, tempered] = [at(4), softmax([...at(1)].slice(0, classes), 4).map(Math.log)];
    expect(largest(tempered.map((value, k) => value - (at4[k] ?? NaN)))).toBeGreaterThan(0.01);
  });
});
