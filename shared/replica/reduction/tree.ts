/**
 * The reduction tree over micro-batches 0..M-1 of one step. Node (level, index) covers micro-batches
 * [index * 2^level, min(M, (index + 1) * 2^level)). A parent is its left child plus its right child; where the right
 * child covers nothing, the left one passes through (zero is never added). Shape and order depend on M alone.
 */

/** A node of the tree, by its place in it. A leaf, level 0, is one micro-batch. */
export interface Block {
  readonly level: number;
  /** The node's place among the nodes of its level, from 0. */
  readonly index: number;
}

/** Micro-batches in a global batch of `size` samples: ceil(size / micro). */
export function microBatchCount(size: number, micro: number): number {
  return Math.ceil(size / micro);
}

/** Half-open sample range of micro-batch `j` of `m` in a batch of `size` samples: sizes differ by at most one. */
export function microBatchRange(size: number, m: number, j: number): { from: number; to: number } {
  return { from: Math.floor((j * size) / m), to: Math.floor(((j + 1) * size) / m) };
}

/** The node that covers all `m` micro-batches. */
export function rootOf(m: number): Block {
  return { level: m <= 1 ? 0 : 32 - Math.clz32(m - 1), index: 0 };
}

/** Half-open range of the micro-batches that a block covers; empty for one beyond the last of `m`. */
export function blockRange(block: Block, m: number): { from: number; to: number } {
  const width = 2 ** block.level;
  return { from: Math.min(m, block.index * width), to: Math.min(m, (block.index + 1) * width) };
}

/** The node of which a block is one half. */
export function parentOf(block: Block): Block {
  return { level: block.level + 1, index: block.index >>> 1 };
}

/** The other half of a block's parent. */
export function siblingOf(block: Block): Block {
  return { level: block.level, index: block.index ^ 1 };
}

/** The two halves of a block of level 1 or more, the left one first. */
export function childrenOf(block: Block): readonly [Block, Block] {
  return [
    { level: block.level - 1, index: block.index * 2 },
    { level: block.level - 1, index: block.index * 2 + 1 },
  ];
}

/** Whether `outer` is `inner` or one of its ancestors. */
export function covers(outer: Block, inner: Block): boolean {
  return outer.level >= inner.level && inner.index >>> (outer.level - inner.level) === outer.index;
}

/** Whether a block covers none of `m` micro-batches. */
export function isEmpty(block: Block, m: number): boolean {
  const { from, to } = blockRange(block, m);
  return from >= to;
}

/** A block as the key of a map. */
export function blockKey(block: Block): string {
  return `${block.level}:${block.index}`;
}
