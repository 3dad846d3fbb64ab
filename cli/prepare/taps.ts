/**
 * The taps that a run compares, settled before it starts: `pairs: auto` becomes pairs by name, every shape is checked,
 * and adapters become weights of the student's replica.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { PairRecipe } from '../../shared/losses/options.js';
import { lossTable } from '../../shared/losses/table.js';
import type { PairSides, TapPair } from '../../shared/losses/term.js';
import { lastOutputAlone } from '../../shared/models/exits.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { layersOf } from '../../shared/models/topology.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { splitTap, tapPairs, termsIn } from '../../shared/recipe/terms.js';
import { adapterWeights } from '../../worker/compute/student/tfjs/adapters.js';
import { studentTapShapes } from '../../worker/compute/student/tfjs/taps.js';
import type { TapShape } from '../../worker/compute/teachers/formats/taps.js';
import type { PreparedStudent } from './student.js';
import { openWasmTensorFlow } from './tensorflow.js';

export interface PlanTapsOptions {
  readonly recipe: Recipe;
  readonly student: PreparedStudent;
  /** The taps of each teacher by its name, in the order from input to output. */
  readonly teachers: ReadonlyMap<string, readonly TapShape[]>;
}

export interface PlannedTaps {
  /** The recipe with every pair by name. */
  readonly recipe: Recipe;
  /** The student with the adapters that the pairs need among its weights. */
  readonly student: PreparedStudent;
}

const hasAuto = ({ losses }: Recipe): boolean => termsIn(losses).some(({ pairs }) => pairs === 'auto');

/** The taps of one teacher whose shapes the plan needs. */
export function teacherTaps(recipe: Recipe, teacher: string): 'all' | string[] {
  if (hasAuto(recipe)) return 'all';
  const taps = tapPairs(recipe.losses).flatMap(({ teacher: path }) => {
    const found = path === null ? null : splitTap(path, recipe.teachers);
    return found?.teacher === teacher && found.tap !== 'logits' ? [found.tap] : [];
  });
  return [...new Set(taps)];
}

/**
 * Plans the pairs of taps that the losses compare. Nothing is loaded for a recipe that compares none.
 * @throws UserError 2 for a tap that is not there and for shapes that do not fit
 */
export async function planTaps({ recipe, student, teachers }: PlanTapsOptions): Promise<PlannedTaps> {
  if (!hasAuto(recipe) && tapPairs(recipe.losses).length === 0) return { recipe, student };
  const own = await studentTapShapes(await openWasmTensorFlow(), student.spec);
  const named = withPairs(recipe, answering(own, student.spec), teachers);
  const shapeOf = (pair: TapPair): { student: readonly number[]; teacher: readonly number[] } => ({
    student: studentShape(pair.student, own, pair.term),
    teacher:
      pair.teacher === null
        ? studentShape(pair.to ?? '', own, pair.term)
        : teacherShape(pair.teacher, {
            recipe,
            teachers,
            logits: [...(student.spec.positions === undefined ? [] : [student.spec.positions]), student.spec.classes],
          }),
  });
  const adapters = tapPairs(named.losses).flatMap((pair) => {
    const shapes = shapeOf(pair);
    checkPair(pair, shapes.student, shapes.teacher);
    if (student.spec.positions !== undefined) checkPositions(pair, shapes, student.spec.positions);
    return adapterWeights(pair, shapes, recipe.seed);
  });
  const spec = { ...student.spec, weights: [...student.spec.weights, ...adapters.map((adapter) => adapter.spec)] };
  return {
    recipe: named,
    student: {
      spec,
      weights: new Map([
        ...student.weights,
        ...adapters.map((adapter) => [adapter.spec.name, adapter.values] as const),
      ]),
    },
  };
}

/**
 * The taps of the layers that the student's answer needs. Layers that an earlier exit alone has are no part of the
 * student that is written down, so `auto` takes none of theirs.
 */
function answering(own: readonly TapShape[], { topology, exits }: StudentSpec): readonly TapShape[] {
  if (exits === undefined) return own;
  const needed = new Set(layersOf(lastOutputAlone(topology)).map(({ path }) => path[0]));
  return own.filter(({ name }) => needed.has(name));
}

function studentShape(tap: string, own: readonly TapShape[], term: string): readonly number[] {
  const found = own.find(({ name }) => name === tap);
  if (found !== undefined) return found.shape;
  throw new UserError(
    `losses.${term}: the student has no tap "${tap}"; it has ${own.map(({ name }) => name).join(', ')}`,
  );
}

function teacherShape(
  path: string,
  { recipe, teachers, logits }: { recipe: Recipe; teachers: PlanTapsOptions['teachers']; logits: readonly number[] },
): readonly number[] {
  const found = splitTap(path, recipe.teachers);
  if (found?.tap === 'logits') return logits;
  const shape = teachers.get(found?.teacher ?? '')?.find(({ name }) => name === found?.tap)?.shape;
  if (shape === undefined) throw new UserError(`losses: ${path}: no such tap of a teacher`);
  return shape;
}

/** @throws UserError 2 when the two sides have not in common what the term needs */
function checkPair(pair: TapPair, student: readonly number[], teacher: readonly number[]): void {
  const { sides, adapter } = pair;
  const where = `losses.${pair.term}: ${pair.student} [${student.join(', ')}] and ${pair.teacher ?? pair.to} [${teacher.join(', ')}]`;
  const areMaps = student.length >= 2 && student.length === teacher.length;
  if (sides === 'maps' && !areMaps)
    throw new UserError(`${where} are no maps of the same kind; [height, width, channels] wanted, or [time, features]`);
  if (adapter === 'conv1x1' && !areMaps)
    throw new UserError(`${where}: conv1x1 maps the channels of maps; adapter dense wanted`);
  if (sides === 'maps' && adapter === 'dense')
    throw new UserError(`${where}: dense makes no map; adapter conv1x1 or none wanted`);
  if (sides !== 'channels' || adapter === 'dense' || adapter === 'conv1x1') return;
  if (student.length !== teacher.length || student.at(-1) !== teacher.at(-1))
    throw new UserError(`${where} differ in their channels; adapter ${areMaps ? 'conv1x1' : 'dense'} wanted`);
}

/**
 * Both sides of a pair of sequences have a vector at each position, so that positions that do not count can be left
 * out.
 *
 * @throws UserError 2 when one has not
 */
function checkPositions(
  pair: TapPair,
  { student, teacher }: { readonly student: readonly number[]; readonly teacher: readonly number[] },
  positions: number,
): void {
  const sides = [
    { tap: pair.student, shape: student },
    { tap: pair.teacher ?? pair.to ?? '', shape: teacher },
  ];
  const other = sides.find(({ shape }) => shape.length !== 2 || shape[0] !== positions);
  if (other !== undefined)
    throw new UserError(
      `losses.${pair.term}: ${other.tap} is of [${other.shape.join(', ')}]; [${positions}, features] wanted, a vector at each position`,
    );
}

/**
 * The recipe with names in place of `auto`: for each spatial size of the student's maps its last one, with the last one
 * of that size of each teacher. With a teacher that has no map of such a size, by depth: the last sizes of both, those
 * before them, and so on.
 *
 * @throws UserError 2 where there are no maps to compare
 */
function withPairs(recipe: Recipe, own: readonly TapShape[], teachers: PlanTapsOptions['teachers']): Recipe {
  const propose = (term: string, sides: PairSides): PairRecipe[] => {
    const found = [...teachers].flatMap(([teacher, taps]) =>
      pairsOf(lastBySize(own), lastBySize(taps)).map(([s, t]): PairRecipe => ({
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
