/** Proposes the pairs of taps that a loss compares where the recipe leaves them to us (`pairs: auto`). Pure. */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { PairRecipe } from '../../shared/losses/options.js';
import { lossTable } from '../../shared/losses/table.js';
import type { PairSides } from '../../shared/losses/term.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { TapShape } from '../../worker/compute/teachers/formats/taps.js';

/** The taps of a run's models, each list in the order from input to output. */
export interface ModelTaps {
  /** The student's taps that its answer needs. */
  readonly student: readonly TapShape[];
  /** The teachers' taps, by teacher. */
  readonly teachers: ReadonlyMap<string, readonly TapShape[]>;
}

/**
 * Puts names in the place of `auto`. For each spatial size of the student's maps its last one is paired with the last
 * one of that size of each teacher. With a teacher that has no map of such a size they are paired by depth: the last
 * sizes of both, those before them, and so on.
 * @throws UserError 2 where there are no maps to compare
 */
export function withPairs(recipe: Recipe, { student, teachers }: ModelTaps): Recipe {
  const propose = (term: string, sides: PairSides): PairRecipe[] => {
    const found = [...teachers].flatMap(([teacher, taps]) =>
      pairsOf(lastBySize(student), lastBySize(taps)).map(([s, t]): PairRecipe => ({
        student: s.name,
        teacher: `${teacher}/${t.name}`,
        batchNorm: false,
        activation: 'linear',
        ...(sides === 'channels' && s.shape.at(-1) !== t.shape.at(-1) ? { adapter: 'conv1x1' } : {}),
      })),
    );
    if (found.length === 0)
      throw new UserError(
        `losses.${term}.pairs: auto finds no maps [height, width, channels] in student and teachers; pairs by name wanted`,
        exitCodes.usage,
      );
    return found;
  };
  let { losses } = recipe;
  for (const loss of lossTable) {
    if (loss.on !== 'pairs') continue;
    const options = losses[loss.name];
    if (options === undefined || !('pairs' in options) || options.pairs !== 'auto') continue;
    losses = { ...losses, [loss.name]: { ...options, pairs: propose(loss.name, loss.sides) } };
  }
  return { ...recipe, losses };
}

/** The last map of each spatial size, in the order of the sizes' first maps. */
function lastBySize(taps: readonly TapShape[]): TapShape[] {
  const bySize = new Map<string, TapShape>();
  for (const tap of taps)
    if (tap.shape.length === 3 && (tap.shape[0] ?? 1) > 1) bySize.set(tap.shape.slice(0, 2).join('x'), tap);
  return [...bySize.values()];
}

/** @param student the last maps of the student's sizes, from the input to the output; `teacher`: the teacher's */
function pairsOf(student: readonly TapShape[], teacher: readonly TapShape[]): [TapShape, TapShape][] {
  const bySize = student.flatMap((own): [TapShape, TapShape][] => {
    const other = teacher.find(({ shape }) => shape[0] === own.shape[0] && shape[1] === own.shape[1]);
    return other === undefined ? [] : [[own, other]];
  });
  if (bySize.length > 0) return bySize;
  const depth = Math.min(student.length, teacher.length);
  const [late, others] = [student.slice(student.length - depth), teacher.slice(teacher.length - depth)];
  return late.flatMap((own, i): [TapShape, TapShape][] => others.slice(i, i + 1).map((other) => [own, other]));
}
