import { blockRange, microBatchRange } from '../shared/reduction/tree.js';
/** Samples that a block covers. */
export function samplesIn(unit, block) {
    const { from, to } = blockRange(block, unit.microBatches);
    const size = unit.to - unit.from;
    return microBatchRange(size, unit.microBatches, to - 1).to - microBatchRange(size, unit.microBatches, from).from;
}
//# sourceMappingURL=samples-in.js.map