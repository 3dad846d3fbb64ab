/** What an ensemble's labels depend on, as one digest: labels with another digest are other labels. Pure. */
import type { TeacherSpec } from '../protocol/messages.js';
import type { Recipe } from '../recipe/schema.js';
import { sha256Of } from '../sha256.js';
import type { WeightRule } from '../ensemble/weighting.js';

/** How teachers are combined into an ensemble. */
export interface EnsembleForm {
  readonly combine: 'logits' | 'probabilities';
  /** Rows of every forward: libraries choose other kernels, with other bits, for other numbers of rows. */
  readonly rows: number;
  /** One sample's shape, channels last. */
  readonly inputShape: readonly number[];
  /** The number of teachers that label each sample, drawn by the seed; absent: all of them. */
  readonly subset?: { readonly size: number; readonly seed: number };
  /** What the weights are for each sample, beside what they are for all; absent: the same for all. */
  readonly by?: WeightRule;
}

/** Whether some teacher labels some of the samples only: a specialist, or one that is drawn for each sample. */
export function isRouted(
  teachers: readonly { readonly weight: number; readonly specialist?: readonly number[] | undefined }[],
  subset: unknown,
): boolean {
  return subset !== undefined || teachers.some(({ specialist }) => specialist !== undefined);
}

/**
 * The ensemble's form as the recipe wants it. Teachers that label some of the samples only are given a quarter of a micro-batch at a time:
 * with more rows to a forward, most of them would be padding.
 */
export function ensembleFormOf(
  { ensemble, batch, seed }: Pick<Recipe, 'ensemble' | 'batch' | 'seed'>,
  teachers: readonly Pick<TeacherSpec, 'weight' | 'specialist'>[],
  inputShape: readonly number[],
): EnsembleForm {
  const { combine, subset, weights, route } = ensemble;
  const micro = batch.micro ?? batch.size;
  return {
    combine,
    rows: isRouted(teachers, subset) || route !== undefined ? Math.ceil(micro / 4) : micro,
    inputShape,
    ...(subset === undefined ? {} : { subset: { size: subset, seed } }),
    ...(weights === undefined ? {} : { by: weights.by }),
  };
}

/**
 * Digests the teachers' models, weights and temperatures, everything else that the recipe says of a teacher, and the
 * form of the mixture. The number of parameters, the canary and where a model is served say nothing about labels and are
 * left out; but of a served model, whose weights nobody sees, the canary stands for them.
 */
export function ensembleDigest(
  teachers: readonly TeacherSpec[],
  { combine, rows, inputShape, subset, by }: EnsembleForm,
): string {
  const described = teachers.map(describedTeacher);
  const rules = [subset, by].filter((rule) => rule !== undefined);
  return sha256Of(JSON.stringify([combine, rows, inputShape, described, ...rules]));
}

/** Digests what a teacher's own logits depend on: neither its name nor what a mixture makes of it. */
export function teacherDigest(teacher: TeacherSpec, { rows, inputShape }: EnsembleForm): string {
  const { name: _name, weight: _weight, temperature: _temperature, specialist: _specialist, ...alone } = teacher;
  return sha256Of(JSON.stringify([rows, inputShape, describedTeacher(alone)]));
}

function describedTeacher({
  files,
  parameters: _parameters,
  canary,
  served,
  ...others
}: Pick<TeacherSpec, 'files' | 'parameters' | 'canary' | 'served'>): unknown {
  const rest = served === undefined ? others : { ...others, canary };
  return [Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)), files.map((file) => file.sha256)];
}
