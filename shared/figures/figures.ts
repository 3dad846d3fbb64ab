/** The figures of a model's quality, whatever its task: what they are, how they read, which are better. Pure. */
import { z } from 'zod';

const figure = z.number().optional();

/** All figures that a model of some task may have. Those of another task are absent. */
export const figuresSchema = {
  /** Share of the labelled samples whose class is predicted; of sequences, of the labelled positions. */
  accuracy: figure,
  /**
   * Regression: share of the targets' variance about their means that is explained, all numbers of the vectors
   * together; mean squared and mean absolute error.
   */
  r2: figure,
  mse: figure,
  mae: figure,
  /**
   * Labels at a probability of a half: F1 over all of them; its mean over the labels; share of samples (of sequences)
   * with every label right; share of the labels that are right.
   */
  microF1: figure,
  macroF1: figure,
  exactMatch: figure,
  labelAccuracy: figure,
};
export type Figures = z.infer<z.ZodObject<typeof figuresSchema>>;

/** The student's figures, and beside them: */
export interface StudentEvaluation extends Readonly<Figures> {
  /** Mean cross entropy in nats, of classes, or of labels by themselves (their sum); absent for regression. */
  readonly loss?: number;
  /** A classifier's expected calibration error, over 15 bins (Guo et al. 2017). */
  readonly calibrationError?: number;
  /** Accuracy of each earlier exit; absent where the student has none. */
  readonly exits?: Readonly<Record<string, number>>;
}

/** The figure that a task is judged by: more is better. */
export interface MainFigure {
  readonly name: string;
  readonly value: number;
  readonly text: string;
}

export const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

export function mainFigure({ accuracy, exactMatch, r2, microF1 }: Figures): MainFigure | undefined {
  if (accuracy !== undefined)
    return { name: exactMatch === undefined ? 'accuracy' : 'token accuracy', value: accuracy, text: percent(accuracy) };
  if (microF1 !== undefined) return { name: 'micro F1', value: microF1, text: percent(microF1) };
  return r2 === undefined ? undefined : { name: 'R2', value: r2, text: r2.toFixed(4) };
}

/** All figures by the names that people read, the main one first. */
export function figureTexts(figures: Figures): [name: string, text: string][] {
  const { mse, mae, macroF1, exactMatch, labelAccuracy } = figures;
  const main = mainFigure(figures);
  const others: [string, number | undefined, (value: number) => string][] = [
    ['MSE', mse, (value) => value.toPrecision(4)],
    ['MAE', mae, (value) => value.toPrecision(4)],
    ['macro F1', macroF1, percent],
    ['exact match', exactMatch, percent],
    ['label accuracy', labelAccuracy, percent],
  ];
  return [
    ...(main === undefined ? [] : [[main.name, main.text] satisfies [string, string]]),
    ...others.flatMap(([name, value, write]): [string, string][] =>
      value === undefined ? [] : [[name, write(value)]],
    ),
  ];
}

/**
 * Whether `now` is better than `before`: by the task's main figure, and where that is equal, or absent because targets
 * do not vary, by the loss or error. An evaluation without figures is worse than any that has some.
 */
export function isBetter(now: StudentEvaluation, before: StudentEvaluation): boolean {
  const [mine, theirs] = [worthOf(now), worthOf(before)];
  return mine > theirs || (mine === theirs && lossOf(now) < lossOf(before));
}

function worthOf(figures: StudentEvaluation): number {
  return mainFigure(figures)?.value ?? -Infinity;
}

function lossOf({ loss, mse }: StudentEvaluation): number {
  return loss ?? mse ?? Infinity;
}
