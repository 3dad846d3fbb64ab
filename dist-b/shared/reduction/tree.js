/**
 * The reduction tree over micro-batches 0..M-1 of one step. Node (level, index) covers micro-batches
 * [index * 2^level, min(M, (index + 1) * 2^level)). A parent is its left child plus its right child; where the right
 * child covers nothing, the left one passes through (zero is never added). Shape and order depend on M alone.
 */
/** Micro-batches in a global batch of `size` samples: ceil(size / micro). */
export function microBatchCount(size, micro) {
    return Math.ceil(size / micro);
}
/** Half-open sample range of micro-batch `j` of `m` in a batch of `size` samples: sizes differ by at most one. */
export function microBatchRange(size, m, j) {
    return { from: Math.floor((j * size) / m), to: Math.floor(((j + 1) * size) / m) };
}
export function rootOf(m) {
    return { level: m <= 1 ? 0 : 32 - Math.clz32(m - 1), index: 0 };
}
export function blockRange(block, m) {
    const width = 2 ** block.level;
    return { from: Math.min(m, block.index * width), to: Math.min(m, (block.index + 1) * width) };
}
export function parentOf(block) {
    return { level: block.level + 1, index: block.index >>> 1 };
}
export function siblingOf(block) {
    return { level: block.level, index: block.index ^ 1 };
}
export function childrenOf(block) {
    return [
        { level: block.level - 1, index: block.index * 2 },
        { level: block.level - 1, index: block.index * 2 + 1 },
    ];
}
/** Whether `outer` is `inner` or one of its ancestors. */
export function covers(outer, inner) {
    return outer.level >= inner.level && inner.index >>> (outer.level - inner.level) === outer.index;
}
export function isEmpty(block, m) {
    const { from, to } = blockRange(block, m);
    return from >= to;
}
export function blockKey(block) {
    return `${block.level}:${block.index}`;
}
//# sourceMappingURL=tree.js.map