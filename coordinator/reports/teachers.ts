/**
 * What the evaluation before step 1 says of the teachers. One that cannot be told from guessing has its classes in
 * another order, or wants other inputs: a run that imitates it is lost, so it does not begin.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { EvaluationLine } from '../journal.js';
import type { PreparedRun } from '../run-data.js';
import type { Reporter } from './progress.js';
import { accuracyOf } from './summary.js';

/** Standard deviations of a guesser's accuracy that a teacher must be above chance. */
const sigmas = 2;

/** One line: each teacher's accuracy, how often it agrees with the ensemble, and the ensemble's accuracy; null without labels. */
export function describeTeachers(line: EvaluationLine, teachers: readonly { readonly name: string }[]): string | null {
  const percent = (share: number | undefined): string => `${((share ?? 0) * 100).toFixed(2)} %`;
  const samples = line.sums.samples ?? 0;
  if (samples === 0) return null;
  const each = teachers.map(({ name }) => `${name} ${percent(accuracyOf(line, `teacher.${name}`))}${ofItsOwn(line, name)}${teachers.length === 1 ? '' : ` (agrees with the ensemble on ${percent((line.sums[`teacher.${name}.agree`] ?? 0) / line.samples)})`}`);
  const together = teachers.length === 1 ? [] : [`ensemble ${percent(accuracyOf(line, 'ensemble'))}`];
  return `teachers, accuracy on ${samples} evaluation samples: ${[...each, ...together].join(', ')}`;
}

/** Specialists are tried on the samples of their classes alone. */
function ofItsOwn({ sums }: EvaluationLine, name: string): string {
  const samples = sums[`teacher.${name}.samples`];
  return samples === undefined ? '' : ` of the ${samples} of its classes`;
}

/** The teachers at chance level, in a line; null for none. Too few samples to tell: none. */
export function atChance(line: EvaluationLine, teachers: readonly { readonly name: string }[], classes: number): string | null {
  const samples = line.sums.samples ?? 0;
  const bound = (tried: number): number => 1 / classes + sigmas * Math.sqrt((1 / classes) * (1 - 1 / classes) / tried);
  const guessing = teachers.filter(({ name }) => {
    const tried = line.sums[`teacher.${name}.samples`] ?? samples;
    return tried > 0 && bound(tried) < 1 && (accuracyOf(line, `teacher.${name}`) ?? 1) <= bound(tried);
  });
  if (guessing.length === 0) return null;
  const named = guessing.map(({ name }) => `${name} (${((accuracyOf(line, `teacher.${name}`) ?? 0) * 100).toFixed(2)} %)`).join(', ');
  return `${guessing.length === 1 ? 'teacher' : 'teachers'} ${named}: no better than chance on ${samples} samples of ${classes} classes; other classes (teachers[].classes), preprocessing or output wanted, or ensemble.allowChance: true`;
}

/** Says what they are worth. @throws UserError (65) when one is no better than chance and the recipe does not allow it */
export function checkTeachers(line: EvaluationLine, { teachers, manifest, recipe }: Pick<PreparedRun, 'teachers' | 'manifest' | 'recipe'>, reporter: Pick<Reporter, 'say'>): void {
  const text = describeTeachers(line, teachers);
  if (text !== null) reporter.say('info', text);
  const problem = atChance(line, teachers, manifest.classes);
  if (problem === null) return;
  if (!recipe.ensemble.allowChance) throw new UserError(problem, exitCodes.data);
  reporter.say('warn', problem);
}
