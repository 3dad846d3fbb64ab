/** Which engine computes a run's student: all workers compute it with the same one, so it is part of the student's spec. */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { planReplica } from '../../shared/replica/plan.js';
import type { StudentDefinition } from '../../worker/compute/student/engine.js';

export interface ChosenEngine {
  readonly engine: 'tfjs' | 'onnx';
  /** Why the student is not compiled; null where it is. */
  readonly reason: string | null;
}

/**
 * The compiled engine, wherever the recipe leaves the choice and the student can be compiled.
 *
 * @throws UserError 65 when the recipe or the student wants it compiled and it cannot be, 2 when the recipe contradicts
 * itself
 */
export async function chooseEngine(recipe: Recipe, spec: StudentSpec): Promise<ChosenEngine> {
  const { backend, threads } = recipe.numerics;
  if (backend === 'wasm' || backend === 'native') {
    if ('graph' in spec)
      throw new UserError(`numerics.backend: ${backend} given; the student is an ONNX graph, so auto or onnx wanted`);
    return { engine: 'tfjs', reason: `numerics.backend is ${backend}` };
  }
  const objection = await objectionToCompiling(recipe, spec);
  if (objection === null) {
    if (threads !== 1) throw severalThreads(threads);
    return { engine: 'onnx', reason: null };
  }
  if ('graph' in spec) throw new UserError(`student: ${objection}`, exitCodes.data);
  if (backend === 'auto') return { engine: 'tfjs', reason: objection };
  throw new UserError(`numerics.backend: onnx given, but ${objection}; auto, wasm or native wanted`, exitCodes.data);
}

function severalThreads(threads: number): UserError {
  return new UserError(
    `numerics.threads: ${threads} given; a compiled student is computed by one thread of each worker: 1 and more workers wanted, or numerics.backend: native`,
  );
}

/** No export is likely to have fixed so many. */
const trialRows = 3;

/** What stands against compiling the student, in words for the user; null for nothing. Its gradient is written once. */
async function objectionToCompiling(recipe: Recipe, spec: StudentSpec): Promise<string | null> {
  const { graphEngine } = await import('../../worker/compute/student/graph/engine.js');
  const plan = planReplica(spec, recipe.optimizer, recipe.compression);
  const definition = { spec, plan, losses: recipe.losses, plugins: new Map() };
  return graphEngine.objectionTo(definition) ?? (await triedToCompile(definition));
}

async function triedToCompile(definition: StudentDefinition): Promise<string | null> {
  const { compileStudent } = await import('../../worker/compute/student/graph/compile.js');
  const { NoGradient, plainForms } = await import('../../worker/compute/student/graph/gradient/operator.js');
  try {
    // Blocks of channels depend on a worker's processor, and no objection depends on them.
    await compileStudent(definition, trialRows, plainForms);
    return null;
  } catch (error) {
    if (error instanceof NoGradient || (error instanceof UserError && error.exitCode === exitCodes.data))
      return error.message;
    throw error;
  }
}
