/**
 * The seam between a run and what computes its student: an engine builds a live student from the run's description. It
 * has a folder for each engine beside this file; ../open/student-engines.ts lists them, and test/worker/compute/student/every-engine.test.ts holds all of them to the same behaviour.
 *
 * What a student computes depends on weights, samples, targets and keys alone, to the bit: not on what ran before, nor
 * on who asks.
 */
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import type { Losses } from '../../../shared/recipe/loss-schema.js';
import type { ReplicaPlan } from '../../../shared/replica/plan.js';
import type { Backend } from '../backends/backend.js';
import type { StudentCompute } from '../contract.js';
import type { PluginLosses } from '../losses/plugin.js';

/** All that a student is built from. */
export interface StudentDefinition {
  readonly spec: StudentSpec;
  /** Where the replica keeps each weight: `load` reads them there, and `gradients` writes in the same places. */
  readonly plan: ReplicaPlan;
  /** The recipe's losses, which say which taps are compared. Weights and temperatures come with each step. */
  readonly losses: Losses;
  /** The loss plug-ins that the recipe names. */
  readonly plugins: PluginLosses;
}

/** A student that an engine has built, ready to compute. */
export interface Student extends StudentCompute {
  readonly classes: number;
  /**
   * Live tensors of the library that it computes with, a teacher's included that computes with the same one: it stays
   * level from one micro-batch to the next.
   */
  tensors(): number;
  /** Frees what it holds in the library's memory. It is not used again. */
  dispose(): Promise<void>;
}

/** One way to compute students. */
export interface StudentEngine {
  readonly name: string;
  /** Why it cannot compute this student, in words for the user; null when it can. It builds nothing. */
  objectionTo(definition: StudentDefinition): string | null;
  /**
   * Builds the student; its weights are undefined until the first `load`.
   *
   * @throws UserError 65 when the student's topology cannot be built
   */
  build(definition: StudentDefinition, backend: Backend): Promise<Student>;
}
