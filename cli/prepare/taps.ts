/**
 * The taps that a run compares, settled before it starts: `pairs: auto` becomes pairs by name, every shape is checked,
 * and adapters become weights of the student's replica.
 */
import { UserError } from '../../shared/errors.js';
import type { TapPair } from '../../shared/losses/term.js';
import { lastOutputAlone } from '../../shared/models/exits.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { layersOf } from '../../shared/models/topology.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { splitTap, tapPairs, termsIn } from '../../shared/recipe/terms.js';
import { adapterWeights } from '../../worker/compute/student/adapter-weights.js';
import { graphTapShapes } from '../../worker/compute/student/graph/onnx-taps.js';
import { studentTapShapes } from '../../worker/compute/student/tfjs/taps.js';
import type { TapShape } from '../../worker/compute/teachers/formats/taps.js';
import { withPairs } from './auto-pairs.js';
import type { PreparedStudent } from './inspected-student.js';
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

/** Names the taps of one teacher whose shapes `planTaps` needs. */
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
export async function planTaps(options: PlanTapsOptions): Promise<PlannedTaps> {
  const { recipe, student, teachers } = options;
  if (!hasAuto(recipe) && tapPairs(recipe.losses).length === 0) return { recipe, student };
  const own = await tapShapesOf(student.spec);
  const named = withPairs(recipe, { student: answering(own, student.spec), teachers });
  const adapters = tapPairs(named.losses).flatMap((pair) => {
    const ends = endsOf(pair, own, options);
    checkPair(pair, ends);
    if (student.spec.positions !== undefined) checkPositions(pair, ends, student.spec.positions);
    return adapterWeights(pair, { student: ends.student.shape, teacher: ends.other.shape }, recipe.seed);
  });
  const spec = { ...student.spec, weights: [...student.spec.weights, ...adapters.map((adapter) => adapter.spec)] };
  const added = adapters.map((adapter) => [adapter.spec.name, adapter.values] as const);
  return { recipe: named, student: { spec, weights: new Map([...student.weights, ...added]) } };
}

async function tapShapesOf(spec: StudentSpec): Promise<readonly TapShape[]> {
  return 'graph' in spec ? graphTapShapes(spec) : studentTapShapes(await openWasmTensorFlow(), spec);
}

/**
 * The taps of the layers that the student's answer needs. Layers that an earlier exit alone has are no part of the
 * student that is written down, so `auto` takes none of theirs.
 */
function answering(own: readonly TapShape[], spec: StudentSpec): readonly TapShape[] {
  // A graph is written down with all of its outputs.
  if (spec.exits === undefined || 'graph' in spec) return own;
  const needed = new Set(layersOf(lastOutputAlone(spec.topology)).map(({ path }) => path[0]));
  return own.filter(({ name }) => needed.has(name));
}

/** The two taps of a pair. */
interface Ends {
  readonly student: TapShape;
  /** A teacher's tap, or a later one of the student. */
  readonly other: TapShape;
}

/** @throws UserError 2 for a tap that is not there */
function endsOf(pair: TapPair, own: readonly TapShape[], options: PlanTapsOptions): Ends {
  const student = studentTap(pair.student, own, pair.term);
  if (pair.teacher !== null) return { student, other: teacherTap(pair.teacher, options) };
  if (pair.to === null) throw new Error(`${pair.key}: a pair without its other side`);
  return { student, other: studentTap(pair.to, own, pair.term) };
}

function studentTap(tap: string, own: readonly TapShape[], term: string): TapShape {
  const found = own.find(({ name }) => name === tap);
  if (found !== undefined) return found;
  throw new UserError(
    `losses.${term}: the student has no tap "${tap}"; it has ${own.map(({ name }) => name).join(', ')}`,
  );
}

/** @param path `TEACHER/TAP`, which stays the tap's name */
function teacherTap(path: string, { recipe, student, teachers }: PlanTapsOptions): TapShape {
  const found = splitTap(path, recipe.teachers);
  const { positions, classes } = student.spec;
  if (found?.tap === 'logits') return { name: path, shape: positions === undefined ? [classes] : [positions, classes] };
  const tap = found === null ? undefined : teachers.get(found.teacher)?.find(({ name }) => name === found.tap);
  if (tap === undefined) throw new UserError(`losses: ${path}: no such tap of a teacher`);
  return { name: path, shape: tap.shape };
}

/** @throws UserError 2 when the two sides have not in common what the term needs */
function checkPair({ term, sides, adapter }: TapPair, { student, other }: Ends): void {
  const [own, wanted] = [student.shape, other.shape];
  const where = `losses.${term}: ${student.name} [${own.join(', ')}] and ${other.name} [${wanted.join(', ')}]`;
  const areMaps = own.length >= 2 && own.length === wanted.length;
  if (sides === 'maps' && !areMaps)
    throw new UserError(`${where} are no maps of the same kind; [height, width, channels] wanted, or [time, features]`);
  if (adapter === 'conv1x1' && !areMaps)
    throw new UserError(`${where}: conv1x1 maps the channels of maps; adapter dense wanted`);
  if (sides === 'maps' && adapter === 'dense')
    throw new UserError(`${where}: dense makes no map; adapter conv1x1 or none wanted`);
  if (sides !== 'channels' || adapter === 'dense' || adapter === 'conv1x1') return;
  if (own.length !== wanted.length || own.at(-1) !== wanted.at(-1))
    throw new UserError(`${where} differ in their channels; adapter ${areMaps ? 'conv1x1' : 'dense'} wanted`);
}

/**
 * Both sides of a pair of sequences have a vector at each position, so that positions that do not count can be left
 * out.
 *
 * @throws UserError 2 when one has not
 */
function checkPositions({ term }: TapPair, { student, other }: Ends, positions: number): void {
  const odd = [student, other].find(({ shape }) => shape.length !== 2 || shape[0] !== positions);
  if (odd !== undefined)
    throw new UserError(
      `losses.${term}: ${odd.name} is of [${odd.shape.join(', ')}]; [${positions}, features] wanted, a vector at each position`,
    );
}
