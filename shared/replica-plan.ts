/**
 * Where everything of a replica lies in its one shared WebAssembly.Memory, derived from the student's weights and the
 * optimizer alone, so that coordinator and workers agree without talking.
 *
 *   state (one contiguous region, hashed and snapshot as a whole)            scratch
 *   [ weights | moment 1 | moment 2 | ema | frozen | moving ]                [ gradient slot 0 | slot 1 | ... ]
 *
 * All are float32; every region starts on a 16-byte boundary. Trained weights come in the order of the topology;
 * moving values per batch-norm layer: mean then variance.
 */
import type { StudentSpec, WeightSpec } from './models/student-spec.js';
import type { OptimizerRecipe } from './recipe/schema.js';

export interface ParameterRange {
  readonly spec: WeightSpec;
  /** In floats, from the start of its region. */
  readonly offset: number;
  readonly size: number;
  /** Index of its parameter group (optimizer.groups; equal factors share a group). */
  readonly group: number;
}

export interface NormLayer {
  readonly layer: string;
  readonly momentum: number;
  readonly channels: number;
  /** In floats, from the start of the moving region. */
  readonly meanOffset: number;
  readonly varianceOffset: number;
}

export interface GroupPlan {
  readonly learningRateScale: number;
  readonly weightDecay: number;
  readonly frozen: boolean;
}

export interface ReplicaPlan {
  readonly optimizer: OptimizerRecipe;
  readonly trained: readonly ParameterRange[];
  readonly frozen: readonly ParameterRange[];
  readonly norms: readonly NormLayer[];
  readonly groups: readonly GroupPlan[];
  /** Floats in the weights region (= in one gradient), padding included. */
  readonly gradientFloats: number;
  readonly frozenFloats: number;
  readonly movingFloats: number;
  /** Optimizer moments: 0, 1 or 2 regions of gradientFloats. */
  readonly moments: number;
  readonly hasEma: boolean;
  /** Bytes of the state region. */
  readonly stateBytes: number;
}

export type PlanReplica = (student: StudentSpec, optimizer: OptimizerRecipe) => ReplicaPlan;
