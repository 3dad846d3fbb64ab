/**
 * The micro-batches of a unit that nobody has leased, as a buddy allocator over the reduction tree: what is free is
 * kept as the widest aligned blocks; a lease splits one, a lease that comes back joins its neighbours again.
 *
 * A block that M cuts short is known by its narrowest name, the lowest node that covers the same micro-batches.
 */
import {
  blockRange,
  childrenOf,
  isEmpty,
  parentOf,
  rootOf,
  siblingOf,
  type Block,
} from '../../shared/replica/reduction/tree.js';
import { mustAt } from '../../shared/must.js';
import { countAtMost, lastAtMost } from '../../shared/search.js';

/** The free blocks of one unit. Blocks that are taken or given back must not overlap free ones. */
export class FreeBlocks {
  readonly #microBatchesInAll: number;
  /** Indices of the free blocks in ascending order, for each level of the tree. */
  readonly #levels: number[][];
  #microBatches = 0;

  /** All of the `m` micro-batches are free. */
  constructor(m: number) {
    this.#microBatchesInAll = m;
    this.#levels = Array.from({ length: rootOf(m).level + 1 }, () => []);
    this.give(rootOf(m));
  }

  /** How many micro-batches are free. */
  get microBatches(): number {
    return this.#microBatches;
  }

  /** The leftmost of the best fitting blocks, with at most `wanted` micro-batches; null when nothing is free. */
  take(wanted: number): Block | null {
    const level = this.#bestLevel(Math.floor(Math.log2(wanted)));
    const index = this.#levels[level]?.shift();
    if (index === undefined) return null;
    let block: Block = { level, index };
    while (this.#sizeOf(block) > wanted) block = this.#split(block);
    this.#microBatches -= this.#sizeOf(block);
    return block;
  }

  /** Makes the block free again, and joins it with its neighbours as far as they are free. */
  give(block: Block): void {
    this.#microBatches += this.#sizeOf(block);
    let widest = this.#narrow(block);
    for (;;) {
      const sibling = siblingOf(widest);
      const isWhole =
        widest.level < this.#levels.length - 1 &&
        (isEmpty(sibling, this.#microBatchesInAll) || this.#remove(this.#narrow(sibling)));
      if (!isWhole) break;
      widest = parentOf(widest);
    }
    this.#insert(this.#narrow(widest));
  }

  /** Lowest level from `wanted` up that has a free block, else the highest below it; -1 for none. */
  #bestLevel(wanted: number): number {
    for (let level = wanted; level < this.#levels.length; level++) if (this.#has(level)) return level;
    for (let level = Math.min(wanted, this.#levels.length) - 1; level >= 0; level--) if (this.#has(level)) return level;
    return -1;
  }

  #has(level: number): boolean {
    return mustAt(this.#levels, level, 'level').length > 0;
  }

  /** Keeps the right half free and gives the left one. */
  #split(block: Block): Block {
    const [left, right] = childrenOf(block);
    if (!isEmpty(right, this.#microBatchesInAll)) this.#insert(this.#narrow(right));
    return left;
  }

  #sizeOf(block: Block): number {
    const { from, to } = blockRange(block, this.#microBatchesInAll);
    return to - from;
  }

  #narrow(block: Block): Block {
    let narrow = block;
    while (narrow.level > 0 && isEmpty(childrenOf(narrow)[1], this.#microBatchesInAll)) [narrow] = childrenOf(narrow);
    return narrow;
  }

  #insert({ level, index }: Block): void {
    const indices = mustAt(this.#levels, level, 'level');
    indices.splice(countAtMost(indices, index), 0, index);
  }

  #remove({ level, index }: Block): boolean {
    const indices = mustAt(this.#levels, level, 'level');
    const place = lastAtMost(indices, index);
    if (indices[place] !== index) return false;
    indices.splice(place, 1);
    return true;
  }
}
