/**
 * The figures of a model's quality, from an evaluation's sums: a classifier's accuracy, or what fits target vectors.
 * Which sums there are says which they are. Pure.
 */
import { z } from 'zod';
import { f1 } from './statistics.js';

const figure = z.number().optional();

/** All that a model of some task may have. */
export const figuresSchema = {
  /**
   * Share of samples whose class is told rightly; of sequences, of positions, with the share of whole sequences as
   * exactMatch.
   */
  accuracy: figure,
  /**
   * Regression: share of the targets' variance about their means that is explained, all numbers of the vectors
   * together; mean squared and mean absolute error.
   */
  r2: figure,
  mse: figure,
  mae: figure,
  /**
   * Labels at a probability of a half: F1 over all of them; its mean over the labels; share of samples with every label
   * right; of labels that are right.
   */
  microF1: figure,
  macroF1: figure,
  exactMatch: figure,
  labelAccuracy: figure,
};
export type Figures = z.infer<z.ZodObject<typeof figuresSchema>>;

type Sums = Readonly<Record<string, number>>;

/**
 * Of `student`, `ensemble` or `teacher.NAME`, over its own samples where it has some; none without a sample that tells,
 * or without its sums.
 */
export function figuresOf(sums: Sums | undefined, who: string): Figures {
  const samples = sums?.[`${who}.samples`] ?? sums?.samples ?? 0;
  if (sums === undefined || samples === 0) return {};
  const own = (name: string): number => sums[`${who}.${name}`] ?? 0;
  if (`${who}.squares` in sums)
    return {
      ...explained(own('squares'), sums.spread ?? 0),
      mse: own('squares') / samples,
      mae: own('absolutes') / samples,
    };
  if (`${who}.told` in sums) {
    const macro = who === 'student' ? macroF1(sums) : null;
    return {
      microF1: f1({ hits: own('hits'), told: own('told'), actual: own('actual') }),
      ...(macro === null ? {} : { macroF1: macro }),
      exactMatch: own('exact') / samples,
      labelAccuracy: own('right') / samples,
    };
  }
  if (!(`${who}.correct` in sums)) return {};
  const { sequences } = sums;
  return {
    accuracy: own('correct') / samples,
    ...(sequences === undefined || sequences === 0 ? {} : { exactMatch: own('exact') / sequences }),
  };
}

/** Nothing to explain where all targets are alike. */
function explained(squares: number, spread: number): Pick<Figures, 'r2'> {
  return spread > 0 ? { r2: 1 - squares / spread } : {};
}

/** Null where the labels' own counts are missing. */
function macroF1(sums: Sums): number | null {
  const of = (k: number, name: string): number | undefined => sums[`label.${k}.${name}`];
  let labels = 0;
  let sum = 0;
  for (; of(labels, 'told') !== undefined; labels++)
    sum += f1({ hits: of(labels, 'hits') ?? 0, told: of(labels, 'told') ?? 0, actual: of(labels, 'actual') ?? 0 });
  return labels === 0 ? null : sum / labels;
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
export function figureTexts(figures: Figures): [string, string][] {
  const { mse, mae, macroF1: macro, exactMatch, labelAccuracy } = figures;
  const main = mainFigure(figures);
  const others: [string, number | undefined, (value: number) => string][] = [
    ['MSE', mse, (value) => value.toPrecision(4)],
    ['MAE', mae, (value) => value.toPrecision(4)],
    ['macro F1', macro, percent],
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

/** By the task's main figure; at equality, or where targets do not vary, by the error. */
export function isBetter(now: Figures & { readonly loss?: number | undefined }, before: typeof now): boolean {
  const [mine, theirs] = [mainFigure(now)?.value ?? 0, mainFigure(before)?.value ?? 0];
  return mine > theirs || (mine === theirs && (now.loss ?? now.mse ?? 0) < (before.loss ?? before.mse ?? 0));
}
