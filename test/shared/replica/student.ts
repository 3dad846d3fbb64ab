/** Small students and optimizers for tests of plan, replica and optimizers. */
import { recipeSchema, type OptimizerRecipe } from '../../../shared/recipe/schema.js';
import type { StudentSpec, WeightSpec } from '../../../shared/models/student-spec.js';

export function optimizerOf(fields: Record<string, unknown>): OptimizerRecipe {
  return recipeSchema.shape.optimizer.parse(fields);
}

export function weightOf(
  name: string,
  shape: number[],
  kind: WeightSpec['kind'] = 'trained',
  momentum?: number,
): WeightSpec {
  const layer = name.slice(0, name.lastIndexOf('/'));
  return { name, layer, shape, kind, ...(momentum === undefined ? {} : { momentum }) };
}

export function studentOf(weights: WeightSpec[]): StudentSpec {
  return { topology: {}, weights, inputShape: [4], classes: 2 };
}

/** Two norm layers, an odd-sized dense layer, and a constant: every kind of weight, every kind of padding. */
export const normStudent = studentOf([
  weightOf('conv/kernel', [3, 3, 1, 3]),
  weightOf('norm/gamma', [3]),
  weightOf('norm/beta', [3]),
  weightOf('norm/moving_mean', [3], 'mean', 0.9),
  weightOf('norm/moving_variance', [3], 'variance', 0.9),
  weightOf('table/embeddings', [5, 2], 'frozen'),
  weightOf('dense/kernel', [3, 5]),
  weightOf('dense/bias', [5]),
  weightOf('last/moving_variance', [5], 'variance', 0.5),
  weightOf('last/moving_mean', [5], 'mean', 0.5),
]);
