/** The engines that compute a student, a line each: the first that takes it computes it. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { Backend } from '../backends/backend.js';
import type { Student, StudentDefinition, StudentEngine } from '../student/engine.js';
import { graphEngine } from '../student/graph/engine.js';
import { tfjsEngine } from '../student/tfjs/engine.js';

export const studentEngines: readonly StudentEngine[] = [tfjsEngine, graphEngine];

/**
 * Builds the student on the first engine that takes it.
 *
 * @throws UserError 65 when none does, with the engines' reasons
 */
export async function buildStudent(definition: StudentDefinition, backend: Backend): Promise<Student> {
  const objections: string[] = [];
  for (const engine of studentEngines) {
    const objection = engine.objectionTo(definition, backend);
    if (objection === null) return engine.build(definition, backend);
    objections.push(objection);
  }
  throw new UserError([...new Set(objections)].join('; '), exitCodes.data);
}
