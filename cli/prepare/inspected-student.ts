/** A run's student as its preparation has found it. Types alone. */
import type { StudentSpec } from '../../shared/models/student-spec.js';

/** A student as a run starts with it. */
export interface PreparedStudent {
  readonly spec: StudentSpec;
  /** Initial values by name, in the spec's order. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface InspectedStudent extends PreparedStudent {
  /** Lines for the user about what was changed or looks odd; the run can go on. */
  readonly warnings: readonly string[];
}
