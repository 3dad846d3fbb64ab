/** Sums as expressions, so that their order can be seen, and states as text. Pure. */
import type { Unit } from '../../../coordinator/decide/types.js';
import { rootOf, type Block } from '../../../shared/replica/reduction/tree.js';

/** The hash of the state after so many steps. */
export function hashOf(step: number): string {
  return `state ${step}`;
}

/** The sum of a block: each micro-batch with the teachers that it was computed without. */
export function expressionOf({ level, index }: Block, unit: Unit, dropped: readonly string[]): string {
  if (level === 0) return [index, ...dropped].join('-');
  const right = 2 * index + 1;
  if (right * 2 ** (level - 1) >= unit.microBatches)
    return expressionOf({ level: level - 1, index: 2 * index }, unit, dropped);
  return `(${expressionOf({ level: level - 1, index: 2 * index }, unit, dropped)}+${expressionOf({ level: level - 1, index: right }, unit, dropped)})`;
}

/** The sum that a unit must have on the disk, whatever happened before. */
export function canonical(unit: Unit | undefined, dropped: readonly string[]): string {
  if (unit === undefined) throw new Error('no such unit');
  return expressionOf(rootOf(unit.microBatches), unit, dropped);
}
