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

/** The most free blocks of one size that are looked at for the most liked one. */
const mostLookedAt = 64;

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

  /**
   * One of the best fitting blocks, with at most `wanted` micro-batches; null when nothing is free, whatever is liked.
   *
   * @param liking how much a block is liked: the most liked is taken, and of equals the one that is taken without it.
   * Of each size the first free blocks alone are looked at, and of those the half that is liked better.
   */
  take(wanted: number, liking?: (block: Block) => number): Block | null {
    const level = this.#bestLevel(Math.floor(Math.log2(wanted)));
    const indices = this.#levels[level];
    if (indices === undefined || indices.length === 0) return null;
    let block = liking === undefined ? { level, index: indices[0] ?? 0 } : this.#mostLiked(level, wanted, liking);
    this.#remove(block);
    while (this.#sizeOf(block) > wanted) block = this.#split(block, liking);
    this.#microBatches -= this.#sizeOf(block);
    return block;
  }

  /** The free block of this level or a higher one in which the most liked block of that size lies. */
  #mostLiked(lowest: number, wanted: number, liking: (block: Block) => number): Block {
    let [best, most]: [Block | null, number] = [null, -Infinity];
    for (let level = lowest; level < this.#levels.length; level++)
      for (const index of mustAt(this.#levels, level, 'level').slice(0, mostLookedAt)) {
        let inner: Block = { level, index };
        while (this.#sizeOf(inner) > wanted) inner = this.#halves(inner, liking)[0];
        const liked = liking(inner);
        if (best === null || liked > most) [best, most] = [{ level, index }, liked];
      }
    return best ?? { level: lowest, index: 0 };
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

  /** Keeps one half free and gives the other: the left one, or the right one where that is liked better. */
  #split(block: Block, liking?: (block: Block) => number): Block {
    const [taken, left] = this.#halves(block, liking);
    if (left !== null) this.#insert(left);
    return taken;
  }

  /** The half of a block that is taken, and the one that stays free; null where the end cuts it off. */
  #halves(block: Block, liking?: (block: Block) => number): readonly [Block, Block | null] {
    const [left, wide] = childrenOf(block);
    if (isEmpty(wide, this.#microBatchesInAll)) return [left, null];
    const right = this.#narrow(wide);
    // A half that the end cuts short is left for last, as without a liking: it is less work than was wanted.
    const isRight = liking !== undefined && this.#sizeOf(right) === this.#sizeOf(left) && liking(right) > liking(left);
    return isRight ? [right, left] : [left, right];
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
