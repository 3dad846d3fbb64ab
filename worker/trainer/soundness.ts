/**
 * Whether a micro-batch may enter the sum of its block. What a broken device or a broken number made never does: the
 * micro-batch is named to the coordinator, which has it computed elsewhere.
 */
import type { Replica } from '../../shared/replica/replica.js';
import type { GradientResult } from '../compute/contract.js';

/**
 * The norm of a gradient that no training comes to, but a broken device or a broken number does. It is judged for each
 * micro-batch alone, so that the verdict does not depend on who computes what.
 */
const absurdNorm = 1e15;

/**
 * Why a micro-batch must not enter the sum; null where it may.
 *
 * @param slot gives the replica's slot whose leaf holds the gradient; asked only where there is a gradient, whose
 * moments are then written beside it
 */
export function objectionTo(result: GradientResult, replica: Replica, slot: () => number): string | null {
  return badSum(result) ?? (result.hasGradient ? badGradient(result, replica, slot()) : null);
}

function badSum({ sums }: GradientResult): string | null {
  const bad = Object.entries(sums).find(([, value]) => !Number.isFinite(value));
  return bad === undefined ? null : `${bad[0]} is ${bad[1]}`;
}

function badGradient({ moments }: GradientResult, replica: Replica, slot: number): string | null {
  replica.writeMoments(slot, moments);
  const squares = replica.finiteLeafSquares(slot);
  if (squares === null) return 'the gradient is not finite';
  const norm = Math.sqrt(squares);
  return norm > absurdNorm ? `the gradient's norm is ${norm.toPrecision(3)}, beyond ${absurdNorm}` : null;
}
