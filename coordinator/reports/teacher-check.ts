/**
 * What the evaluation before step 1 says of the teachers. One that cannot be told from guessing has its classes in
 * another order, or wants other inputs: a run that imitates it is lost, so it does not begin.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { EvaluationLine } from '../store/journal.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import type { Reporter } from './outputs/terminal.js';
import { figuresOf, mainFigure, percent, type MainFigure } from '../../shared/figures/figures.js';

/** Standard deviations of a guesser's accuracy that a teacher must be above chance. */
const sigmas = 2;

/**
 * One line: each teacher's main figure, how often it agrees with the ensemble, and the ensemble's; null where nothing
 * tells.
 */
export function describeTeachers(line: EvaluationLine, teachers: readonly { readonly name: string }[]): string | null {
  const samples = line.sums.samples ?? 0;
  const figure = (who: string): MainFigure | undefined => mainFigure(figuresOf(line.sums, who));
  const [first] = teachers.flatMap(({ name }) => figure(`teacher.${name}`) ?? []);
  if (first === undefined) return null;
  const each = teachers.map(({ name }) => {
    const agree = line.sums[`teacher.${name}.agree`];
    return `${name} ${figure(`teacher.${name}`)?.text ?? '-'}${ofItsOwn(line, name)}${teachers.length === 1 || agree === undefined ? '' : ` (agrees with the ensemble on ${percent(agree / (line.sums.sequences === undefined ? line.samples : samples))})`}`;
  });
  const together = teachers.length === 1 ? [] : [`ensemble ${figure('ensemble')?.text ?? '-'}`];
  return `teachers, ${first.name} on ${samples} ${line.sums.sequences === undefined ? 'evaluation samples' : `positions of ${line.sums.sequences} evaluation samples`}: ${[...each, ...together].join(', ')}`;
}

/** Specialists are tried on the samples of their classes alone. */
function ofItsOwn({ sums }: EvaluationLine, name: string): string {
  const samples = sums[`teacher.${name}.samples`];
  return samples === undefined ? '' : ` of the ${samples} of its classes`;
}

/** The teachers at chance level, in a line; null for none. Too few samples to tell: none. */
export function atChance(
  line: EvaluationLine,
  teachers: readonly { readonly name: string }[],
  classes: number,
): string | null {
  const samples = line.sums.samples ?? 0;
  if (samples === 0) return null;
  for (const rule of [atClassChance, atMean, atFrequencies]) {
    const { guessing, than, wish } = rule(
      line.sums,
      teachers.map(({ name }) => name),
      classes,
    );
    if (guessing.length === 0) continue;
    const named = guessing
      .map((name) => `${name} (${mainFigure(figuresOf(line.sums, `teacher.${name}`))?.text ?? '-'})`)
      .join(', ');
    return `${guessing.length === 1 ? 'teacher' : 'teachers'} ${named}: no better than ${than}; ${wish} wanted, or ensemble.allowChance: true`;
  }
  return null;
}

interface Guessing {
  readonly guessing: readonly string[];
  readonly than: string;
  readonly wish: string;
}

type Sums = EvaluationLine['sums'];

/** A class told rightly no more often than by a guesser, and so many standard deviations. */
function atClassChance(sums: Sums, names: readonly string[], classes: number): Guessing {
  const samples = sums.samples ?? 0;
  const bound = (tried: number): number =>
    1 / classes + sigmas * Math.sqrt(((1 / classes) * (1 - 1 / classes)) / tried);
  const guessing = names.filter((name) => {
    const tried = sums[`teacher.${name}.samples`] ?? samples;
    return tried > 0 && bound(tried) < 1 && (figuresOf(sums, `teacher.${name}`).accuracy ?? 1) <= bound(tried);
  });
  return {
    guessing,
    than: `chance on ${samples} ${sums.sequences === undefined ? 'samples' : 'positions'} of ${classes} classes`,
    wish: 'other classes (teachers[].classes), preprocessing or output',
  };
}

/** Errors as large as those of whoever always gives the targets' mean. */
function atMean(sums: Sums, names: readonly string[]): Guessing {
  const guessing = names.filter((name) => (figuresOf(sums, `teacher.${name}`).r2 ?? 1) <= 0);
  return {
    guessing,
    than: `the mean of the targets of ${sums.samples ?? 0} samples`,
    wish: 'other preprocessing, output or units',
  };
}

/** Labels told where they apply no more often than by their frequencies, and so many standard deviations. */
function atFrequencies(sums: Sums, names: readonly string[]): Guessing {
  const guessing = names.filter((name) => {
    const [skill, squares] = [sums[`teacher.${name}.skill`], sums[`teacher.${name}.skillSquares`] ?? 0];
    return skill !== undefined && skill <= sigmas * Math.sqrt(squares);
  });
  return {
    guessing,
    than: `the labels' frequencies on ${sums.samples ?? 0} samples`,
    wish: 'labels in another order (teachers[].classes), other preprocessing or output',
  };
}

/**
 * Says what they are worth. @throws UserError (65) when one is no better than chance and the recipe does not allow it
 */
export function checkTeachers(
  line: EvaluationLine,
  { teachers: all, manifest, recipe }: Pick<PreparedRun, 'teachers' | 'manifest' | 'recipe'>,
  reporter: Pick<Reporter, 'say'>,
): void {
  const teachers = all.filter(({ name }) => line.dropped?.includes(name) !== true);
  const text = describeTeachers(line, teachers);
  if (text !== null) reporter.say('info', text);
  const problem = atChance(line, teachers, manifest.classes);
  if (problem === null) return;
  if (!recipe.ensemble.allowChance) throw new UserError(problem, exitCodes.data);
  reporter.say('warn', problem);
}
