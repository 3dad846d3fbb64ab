/** The numbers of a step and of an epoch, by the names that trackers of experiments show them under. Pure. */
import { mainFigure } from '../../shared/figures/figures.js';
import type { MetricsLine } from './metrics.js';
import type { StepReport } from './steps.js';

export type Scalar = [tag: string, value: number];

/** A model that the student is compared with, and its main figure. */
export interface NamedFigure {
  readonly name: string;
  readonly value: number;
}

/** Loss, terms, learning rate and pace of a step. */
export function stepScalars({ loss, terms, learningRate, samplesPerSecond }: StepReport): Scalar[] {
  return [
    ['loss/total', loss],
    ...Object.entries(terms).map(([term, mean]): Scalar => [`loss/${term}`, mean]),
    ['optimizer/learningRate', learningRate],
    ...(samplesPerSecond > 0 ? [['speed/samplesPerSecond', samplesPerSecond] satisfies Scalar] : []),
  ];
}

/** The student's figures of an epoch, and beside its main figure those of the models that it is compared with. */
export function epochScalars(line: MetricsLine, references: readonly NamedFigure[]): Scalar[] {
  const { loss, accuracy, eval: evaluation = {}, ensemble, gradientShares = {} } = line;
  const main = mainFigure(evaluation);
  const compared = references.map(({ name, value }): Scalar => [`${main?.name ?? ''}/${name}`, value]);
  return [
    ['epoch/loss', loss],
    ...(accuracy === undefined ? [] : [['epoch/trainingAccuracy', accuracy] satisfies Scalar]),
    ...Object.entries(evaluation).flatMap(([name, value]): Scalar[] =>
      typeof value === 'number' ? [[`evaluation/${name}`, value]] : [],
    ),
    ...(main === undefined ? [] : [[`${main.name}/student`, main.value] satisfies Scalar, ...compared]),
    ...Object.entries(evaluation.exits ?? {}).map(([exit, value]): Scalar => [`exits/${exit}`, value]),
    ...Object.entries(ensemble ?? {}).map(([name, value]): Scalar => [`ensemble/${name}`, value]),
    ...Object.entries(gradientShares).map(([term, share]): Scalar => [`gradientShare/${term}`, share]),
  ];
}
