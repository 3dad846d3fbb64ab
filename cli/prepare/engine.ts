/** Which engine computes a run's student: all workers compute it with the same one, so it is part of the student's spec. */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { planReplica } from '../../shared/replica/plan.js';

export interface ChosenEngine {
  readonly engine: 'tfjs' | 'onnx';
  /** Why the student is not compiled although the recipe leaves the choice open; null where nothing is to be said. */
  readonly reason: string | null;
}

/** @throws UserError 65 when the recipe wants the student compiled and it cannot be */
export async function chooseEngine(recipe: Recipe, spec: StudentSpec): Promise<ChosenEngine> {
  const { backend } = recipe.numerics;
  if ('graph' in spec && (backend === 'wasm' || backend === 'native'))
    throw new UserError(`numerics.backend: ${backend} given; the student is an ONNX graph, so auto or onnx wanted`);
  if (backend !== 'onnx' && !('graph' in spec)) return { engine: 'tfjs', reason: null };
  const { graphEngine } = await import('../../worker/compute/student/graph/engine.js');
  const plan = planReplica(spec, recipe.optimizer, recipe.compression);
  const objection = graphEngine.objectionTo({ spec, plan, losses: recipe.losses, plugins: new Map() });
  if (objection === null) return { engine: 'onnx', reason: null };
  throw new UserError(
    'graph' in spec
      ? `student: ${objection}`
      : `numerics.backend: onnx given, but ${objection}; auto, wasm or native wanted`,
    exitCodes.data,
  );
}
