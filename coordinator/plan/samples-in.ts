import { blockRange, microBatchRange, type Block } from '../../shared/replica/reduction/tree.js';
import type { Unit } from '../decide/types.js';

/** Samples that a block covers. */
export function samplesIn(unit: Unit, block: Block): number {
  const { from, to } = blockRange(block, unit.microBatches);
  const size = unit.to - unit.from;
  return microBatchRange(size, unit.microBatches, to - 1).to - microBatchRange(size, unit.microBatches, from).from;
}
