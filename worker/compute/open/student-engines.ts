/** The engines that compute a student, a line each. The student's spec names the one that does; a run's preparation chose it. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import type { Backend } from '../backends/backend.js';
import type { Student, StudentDefinition, StudentEngine } from '../student/engine.js';
import { graphEngine } from '../student/graph/engine.js';
import { tfjsEngine } from '../student/tfjs/engine.js';

export const studentEngines: readonly StudentEngine[] = [graphEngine, tfjsEngine];

/** The engine that a student's spec names. */
export function engineOf({ engine }: Pick<StudentSpec, 'engine'>): StudentEngine {
  const wanted = engine ?? tfjsEngine.name;
  const found = studentEngines.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`no engine ${wanted}`);
  return found;
}

/**
 * Builds the student on its engine.
 *
 * @throws UserError 65 when that does not take it, with the reason
 */
export async function buildStudent(definition: StudentDefinition, backend: Backend): Promise<Student> {
  const engine = engineOf(definition.spec);
  const objection = engine.objectionTo(definition);
  if (objection !== null) throw new UserError(objection, exitCodes.data);
  return engine.build(definition, backend);
}
