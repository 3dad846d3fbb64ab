/**
 * The sums and figures of samples whose target is a vector of numbers. Pure.
 *
 *   samples         samples with a target
 *   spread          sum over them of the squared distance to the targets' means, a mean over the vector
 *   WHO.squares     sum of the squared error, a mean over the vector
 *   teacher.NAME.samples, teacher.NAME.spread   the same of the samples that a teacher labels, where it labels some only
 *   WHO.absolutes   sum of the absolute error, a mean over the vector
 *
 *   MSE = squares / samples          MAE = absolutes / samples          R2 = 1 - squares / spread
 */
import type { Sums } from '../replica/reduction/contribution.js';
import { SumGroup, joined, ownSamplesIn, ownSamplesSum, samplesIn, samplesSum, type JudgedModel } from './sum-names.js';
import type { GroundTruth, TaskFigures, TeacherAnswers } from './task-figures.js';
import {
  eachRow,
  judgedBy,
  meanAt,
  ownOf,
  rowsWithTarget,
  targetsOf,
  type JudgedVectors,
  type KnownVectors,
} from './vectors.js';

export interface RegressionSums {
  readonly squares: number;
  readonly absolutes: number;
}

export function regressionSums(judged: JudgedVectors): RegressionSums {
  let [squares, absolutes] = [0, 0];
  eachRow(judged, (at) => {
    let [square, absolute] = [0, 0];
    for (let k = at; k < at + judged.width; k++) {
      const off = (judged.outputs[k] ?? 0) - (judged.vectors[k] ?? 0);
      square += off * off;
      absolute += Math.abs(off);
    }
    squares += square / judged.width;
    absolutes += absolute / judged.width;
  });
  return { squares, absolutes };
}

/** What `squares` would be for a model that always gives the means. @param means of each number, [width] */
export function spreadAbout(targets: KnownVectors, means: readonly number[]): number {
  let spread = 0;
  eachRow(targets, (at) => {
    let square = 0;
    for (let k = 0; k < targets.width; k++) square += ((targets.vectors[at + k] ?? 0) - meanAt(means, k)) ** 2;
    spread += square / targets.width;
  });
  return spread;
}

const errors = new SumGroup({ squares: 'squares', absolutes: 'absolutes' });
const spreads = new SumGroup({ spread: 'spread' });

function sumsOf(truth: GroundTruth, models: readonly (readonly [JudgedModel, Float32Array])[]): Sums {
  const targets = targetsOf(truth);
  return joined(
    samplesSum(rowsWithTarget(targets)),
    spreads.write(null, { spread: spreadAbout(targets, truth.means) }),
    ...models.map(([model, outputs]) => errors.write(model, regressionSums(judgedBy(truth, outputs)))),
  );
}

function teacherRegressionSums(
  truth: GroundTruth,
  outputs: Float32Array,
  { teacher, routes }: Pick<TeacherAnswers, 'routes'> & { readonly teacher: string },
): Sums {
  const judged = judgedBy(ownOf(truth, teacher, routes), outputs);
  const own = errors.write({ teacher }, regressionSums(judged));
  if (routes === undefined) return own;
  const spread = spreadAbout(judged, truth.means);
  return joined(own, ownSamplesSum(teacher, rowsWithTarget(judged)), spreads.write({ teacher }, { spread }));
}

const figuresOf: TaskFigures['figuresOf'] = (sums, model) => {
  const own = errors.read(sums, model);
  const samples = ownSamplesIn(sums, model) ?? samplesIn(sums);
  if (own === null || samples === 0) return {};
  const { spread } = spreads.read(sums, model) ?? spreads.need(sums, null);
  return {
    // There is nothing to explain where all targets are alike.
    ...(spread > 0 ? { r2: 1 - own.squares / spread } : {}),
    mse: own.squares / samples,
    mae: own.absolutes / samples,
  };
};

export const regressionFigures: TaskFigures = {
  studentSums: (truth, outputs) => sumsOf(truth, [['student', outputs]]),
  teacherSums: (truth, { teachers, ensemble, routes }) =>
    joined(
      sumsOf(truth, []),
      ...[...teachers].map(([teacher, outputs]) => teacherRegressionSums(truth, outputs, { teacher, routes })),
      errors.write('ensemble', regressionSums(judgedBy(truth, ensemble))),
    ),
  figuresOf,
  studentFigures: (sums) => figuresOf(sums, 'student'),
  details: () => undefined,
  agreementOf: () => undefined,
  /** Its errors are as large as those of a model that always gives the targets' means. */
  isGuessing: (sums, teacher) => {
    const { r2 } = figuresOf(sums, { teacher });
    return r2 !== undefined && r2 <= 0;
  },
};
