/** Which labels a run's losses want of every sample, as values, and the one name that each has in maps and on the disk. */
import { isDeepStrictEqual } from 'node:util';
import type { EnsembleLabel } from '../ensemble/mixture.js';
import type { Recipe } from '../recipe/schema.js';
import { termsIn } from '../recipe/terms.js';
import { isRouted } from './ensemble-digest.js';

/** What a loss wants of the ensemble: the two labels that it gives as a whole, or the logits of each teacher. */
export type LabelKind = EnsembleLabel | { readonly kind: 'teachers' };

/** A label of a sample: what the ensemble gives, or the logits of one teacher. [classes] each. */
export type Label = EnsembleLabel | { readonly kind: 'teacher'; readonly teacher: string };

/**
 * The label's name, `T=4`, `logits` or `teacher:NAME`: its key in maps, and a part of the digest that its files on the
 * disk lie under. It is never read back: what a label is, its value says.
 */
export function labelKey(label: Label): string {
  switch (label.kind) {
    case 'mixture':
      return `T=${label.temperature}`;
    case 'logits':
      return 'logits';
    case 'teacher':
      return `teacher:${label.teacher}`;
    default:
      return label satisfies never;
  }
}

/** The labels of these kinds, each once, in the kinds' order and the teachers': of those that a mixture counts. */
export function labelsOf(
  kinds: readonly LabelKind[],
  teachers: readonly { readonly name: string; readonly weight: number }[],
): Label[] {
  const counting = teachers.filter(({ weight }) => weight > 0);
  const labels = kinds.flatMap((kind): readonly Label[] =>
    kind.kind === 'teachers' ? counting.map(({ name }) => ({ kind: 'teacher', teacher: name })) : [kind],
  );
  return [...new Map(labels.map((label) => [labelKey(label), label])).values()];
}

/** The kinds that a recipe's losses want, each once; none where no loss is on soft labels. */
export function labelKinds({ losses }: Pick<Recipe, 'losses'>): LabelKind[] {
  const kinds = termsIn(losses).flatMap(({ soft, temperature }): LabelKind[] => {
    if (soft !== 'mixture') return soft === null ? [] : [{ kind: soft }];
    // A mixture is made at its final temperature only, so one that changes needs each teacher's logits.
    return typeof temperature === 'number' ? [{ kind: 'mixture', temperature }] : [{ kind: 'teachers' }];
  });
  return kinds.filter((kind, i) => kinds.findIndex((other) => isDeepStrictEqual(other, kind)) === i);
}

/** Numbers of a row up to which labels are kept by teacher unless the recipe says how: mixing takes an exponential each. */
export const mixedAtMost = 256;

/**
 * The kinds of labels that are kept for what the losses want: the logits of each teacher, of which every mixture is made
 * when they are read, so that another weight, temperature or teacher makes none of them anew; or what is wanted itself,
 * where rows are long, teachers label some samples only, or top-k is kept, whose lists do not mix.
 *
 * @param width numbers of a row: classes, at each position of a sequence
 */
export function keptKinds(
  recipe: Pick<Recipe, 'losses' | 'labels' | 'ensemble'>,
  teachers: Parameters<typeof isRouted>[0],
  width: number,
): LabelKind[] {
  const wanted = labelKinds(recipe);
  const { keep, precision } = recipe.labels;
  const isMixable = precision !== 'top-k' && !isRouted(teachers, recipe.ensemble.subset);
  // Weights for each sample are what its teachers say of it.
  const isByTeacher =
    keep === 'teachers' || recipe.ensemble.weights !== undefined || (keep === 'auto' && width <= mixedAtMost);
  return wanted.length > 0 && isMixable && isByTeacher ? [{ kind: 'teachers' }] : wanted;
}
