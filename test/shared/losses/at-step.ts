/** The losses of a recipe, as a user writes them, in a step: with every schedule at its beginning. */
import { lossSchema } from '../../../shared/recipe/loss-schema.js';
import { lossesAt, type LossesAtStep } from '../../../shared/recipe/schedules.js';

export function lossesAtStep(losses: unknown): LossesAtStep {
  return lossesAt(lossSchema.parse(losses));
}
