/**
 * What the evaluation before step 1 says of the teachers. One that does no better than a guesser has its classes in
 * another order, or wants other inputs: a run that imitates it is lost, so it does not begin.
 */
import { counted } from '../../shared/counted.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { mainFigure, percent, type MainFigure } from '../../shared/figures/figures.js';
import { sequencesIn } from '../../shared/figures/sequences.js';
import { ownSamplesIn, samplesIn } from '../../shared/figures/sum-names.js';
import { guessSigmas } from '../../shared/figures/task-figures.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { hasVectors, taskOf, type Task } from '../../shared/task.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { EvaluationLine } from '../store/journal.js';

/** The teachers' evaluation, and what is needed to judge it. */
export interface TeachersEvaluation {
  readonly line: Pick<EvaluationLine, 'sums' | 'samples'>;
  readonly task: Task;
  /** Names of the teachers that were evaluated. */
  readonly teachers: readonly string[];
  /** Number of classes, or length of the target vectors. */
  readonly width: number;
  /** Whose samples they are, for messages. Default: the evaluation set's. */
  readonly of?: 'evaluation' | 'training';
  /** Whether a column of the data chooses the teachers of each sample. */
  readonly isByRoute?: boolean;
}

/**
 * One line: each teacher's main figure, how often it agrees with the ensemble, and the ensemble's figure; null where no
 * teacher has a figure.
 */
export function describeTeachers(evaluation: TeachersEvaluation): string | null {
  const { line, task, teachers, of = 'evaluation', isByRoute = false } = evaluation;
  const figures = figuresByTask[task];
  const figureOf = (teacher: string): MainFigure | undefined => mainFigure(figures.figuresOf(line.sums, { teacher }));
  const [first] = teachers.flatMap((teacher) => figureOf(teacher) ?? []);
  if (first === undefined) return null;
  const each = teachers.map((teacher) => {
    const agreement = teachers.length === 1 ? undefined : figures.agreementOf(line.sums, teacher, line.samples);
    const agrees = agreement === undefined ? '' : ` (agrees with the ensemble on ${percent(agreement)})`;
    return `${teacher} ${textOf(figureOf(teacher))}${ofItsOwn(line, teacher, isByRoute ? 'that it labels' : 'of its classes')}${agrees}`;
  });
  const ensemble = mainFigure(figures.figuresOf(line.sums, 'ensemble'));
  const together = teachers.length === 1 ? [] : [`ensemble ${textOf(ensemble)}`];
  const sequences = sequencesIn(line.sums);
  const judged = task === 'sequence' ? `positions of ${sequences} ${of} samples` : `${of} samples`;
  return `teachers, ${first.name} on ${samplesIn(line.sums)} ${judged}: ${[...each, ...together].join(', ')}`;
}

function textOf(figure: MainFigure | undefined): string {
  return figure?.text ?? '-';
}

/** Teachers are tried on the samples that they label alone. */
function ofItsOwn({ sums }: TeachersEvaluation['line'], teacher: string, which: string): string {
  const samples = ownSamplesIn(sums, { teacher });
  return samples === undefined ? '' : ` of the ${samples} ${which}`;
}

/** What a recipe may say of models that are to be no better than a guesser; said of those that end a run. */
export const orAllowed = ', or ensemble.allowChance: true';

/** The teachers that do no better than a guesser, in a line; null for none, and where too few samples tell. */
export function guessersIn(evaluation: TeachersEvaluation): string | null {
  const found = guessing(evaluation);
  if (found === null) return null;
  const { names, figures, guesser, wish } = found;
  const named = names.map((name, i) => `${name} (${figures[i] ?? '-'})`).join(', ');
  return `${names.length === 1 ? 'teacher' : 'teachers'} ${named}: no better than ${guesser}; ${wish} wanted`;
}

/** Models that do no better than a guesser. */
export interface Guessing {
  readonly names: readonly string[];
  /** The main figure of each, as a text. */
  readonly figures: readonly string[];
  /** The guesser that does as well as they do: `chance on 100 samples of 10 classes`. */
  readonly guesser: string;
  /** What their user should look at. */
  readonly wish: string;
}

/** The models that do no better than a guesser; null for none, and where too few samples tell. */
export function guessing({ line, task, teachers, width }: TeachersEvaluation): Guessing | null {
  const figures = figuresByTask[task];
  const names = teachers.filter((teacher) => figures.isGuessing(line.sums, teacher, width));
  if (names.length === 0) return null;
  return {
    names,
    figures: names.map((teacher) => textOf(mainFigure(figures.figuresOf(line.sums, { teacher })))),
    ...guesses(samplesIn(line.sums), width)[task],
  };
}

/** For each task, whom its guessing teachers do no better than, and what its user should look at. */
function guesses(samples: number, width: number): Record<Task, { guesser: string; wish: string }> {
  const classes = 'other classes (teachers[].classes), preprocessing or output';
  return {
    classes: { guesser: `chance on ${counted(samples, 'sample')} of ${counted(width, 'class')}`, wish: classes },
    sequence: { guesser: `chance on ${counted(samples, 'position')} of ${counted(width, 'class')}`, wish: classes },
    regression: {
      guesser: `the mean of the targets of ${counted(samples, 'sample')}`,
      wish: 'other preprocessing, output or units',
    },
    multiLabel: {
      guesser: `the labels' frequencies on ${counted(samples, 'sample')}`,
      wish: 'labels in another order (teachers[].classes), other preprocessing or output',
    },
  };
}

/** What an ensemble must be worse by for it to be said, beside two standard deviations of the difference. */
const leastLoss = 0.01;

/**
 * Says that the ensemble is worse than its best teacher of all samples; null where it is not, or by no more than a point
 * or than chance allows.
 */
export function weakEnsemble(
  { line: { sums }, task, teachers }: TeachersEvaluation,
  combine: Recipe['ensemble']['combine'],
): string | null {
  const { figuresOf } = figuresByTask[task];
  const together = mainFigure(figuresOf(sums, 'ensemble'));
  const [best] = teachers
    .filter((teacher) => ownSamplesIn(sums, { teacher }) === undefined)
    .flatMap((teacher) => {
      const figure = mainFigure(figuresOf(sums, { teacher }));
      return figure === undefined ? [] : [{ teacher, figure }];
    })
    .sort((a, b) => b.figure.value - a.figure.value);
  if (together === undefined || best === undefined || teachers.length < 2) return null;
  const [high, low] = [best.figure.value, together.value];
  const spread = task === 'regression' ? 0 : Math.sqrt((high * (1 - high) + low * (1 - low)) / samplesIn(sums));
  if (high - low <= Math.max(leastLoss, guessSigmas * spread)) return null;
  const other = combine === 'logits' && !hasVectors(task) ? 'ensemble.combine: probabilities, or ' : '';
  return `the ensemble (${together.text}) is worse than its best teacher ${best.teacher} (${best.figure.text}); ${other}other teachers[].weight wanted`;
}

/** A run's teachers, as far as their check needs them. */
export interface CheckedTeachers {
  readonly teachers: readonly { readonly name: string }[];
  readonly manifest: { readonly classes: number };
  readonly recipe: Recipe;
}

/**
 * Reports what the teachers are worth.
 * @throws UserError 65 when one does no better than a guesser and the recipe does not allow it
 */
export function checkTeachers(
  line: EvaluationLine,
  { teachers, manifest, recipe }: CheckedTeachers,
  output: { readonly say: (level: 'info' | 'warn', text: string) => void },
): void {
  const evaluation: TeachersEvaluation = {
    line,
    task: taskOf(recipe),
    teachers: teachers.map(({ name }) => name).filter((name) => line.dropped?.includes(name) !== true),
    width: manifest.classes,
    isByRoute: recipe.ensemble.route !== undefined,
  };
  const text = describeTeachers(evaluation);
  if (text !== null) output.say('info', text);
  const weak = weakEnsemble(evaluation, recipe.ensemble.combine);
  if (weak !== null) output.say('warn', weak);
  const problem = guessersIn(evaluation);
  if (problem === null) return;
  if (!recipe.ensemble.allowChance) throw new UserError(`${problem}${orAllowed}`, exitCodes.data);
  output.say('warn', problem);
}
