/**
 * How far the reduction of the open unit is, and who may have a buffer for it.
 *
 *   micro-batches   0 1 2 3 | 4 5 | 6 | . . . . | 12 13 | . .
 *                   \_______/ \__/  |             \___/
 *                        the prefix: at most one    an early one,
 *                        node a level, wide first   merged as soon as its sibling is there
 *
 * The prefix and its next contribution need one slot a level and one more; those are never given to early ones, so the
 * leftmost contribution that is missing can always be taken, and the unit always moves on.
 */
import { counted } from '../../shared/counted.js';
import { blockRange, isEmpty, parentOf, rootOf, siblingOf, type Block } from '../../shared/replica/reduction/tree.js';
import type { Slot } from './types.js';

interface Node {
  readonly block: Block;
  readonly slot: Slot;
}

/**
 * Adds the sum in slot `from` to the one in slot `into`, which lies to its left in the tree; `from` is free
 * afterwards.
 */
export interface Merge {
  readonly into: Slot;
  readonly from: Slot;
}

/** Slots that a unit of `m` micro-batches needs to come to its end, however the work falls. */
export function slotsNeeded(m: number): number {
  return rootOf(m).level + 1;
}

/** The reduction of one unit: the complete nodes of its tree, and the slots in which they lie. */
export class UnitProgress {
  readonly #m: number;
  readonly #slots: number;
  readonly #free: Slot[];
  /** Complete nodes, merged as far as they go, by their first micro-batch. */
  readonly #complete = new Map<number, Node>();
  /** First micro-batches of what is being pulled. */
  readonly #pulled = new Set<number>();
  #prefixEnd = 0;
  #prefixNodes = 0;

  /** @throws Error when the slots cannot hold the prefix */
  constructor(m: number, slots: number) {
    if (slots < slotsNeeded(m))
      throw new Error(`${counted(m, 'micro-batch')} need ${slotsNeeded(m)} slots, there are ${slots}`);
    this.#m = m;
    this.#slots = slots;
    this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** The first micro-batch that is missing. */
  get prefixEnd(): number {
    return this.#prefixEnd;
  }

  /** The number of micro-batches whose contributions have arrived. */
  get microBatches(): number {
    let sum = 0;
    for (const { block } of this.#complete.values()) sum += this.#sizeOf(block);
    return sum;
  }

  /** The slot in which the sum of all micro-batches lies; null before it is complete. */
  get root(): Slot | null {
    const first = this.#complete.get(0);
    return first !== undefined && this.#prefixEnd === this.#m ? first.slot : null;
  }

  /** The slots that hold complete sums. */
  get slotsInUse(): Slot[] {
    return [...this.#complete.values()].map(({ slot }) => slot);
  }

  /** Whether a contribution that is not the leftmost missing one may have a slot now. */
  get hasRoomForEarly(): boolean {
    const used = this.#slots - this.#free.length;
    const early = used - this.#prefixNodes - (this.#pulled.has(this.#prefixEnd) ? 1 : 0);
    return early < this.#slots - slotsNeeded(this.#m);
  }

  /** A slot for the contribution that begins at micro-batch `from`. */
  take(from: number): Slot {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error('no slot is free');
    this.#pulled.add(from);
    return slot;
  }

  /** Frees a slot into which a contribution was being pulled that will not come. */
  giveBack(from: number, slot: Slot): void {
    this.#pulled.delete(from);
    this.#free.push(slot);
  }

  /** The block's contribution lies in the slot. Gives the additions that it makes possible, in order. */
  complete(block: Block, slot: Slot): Merge[] {
    this.#pulled.delete(blockRange(block, this.#m).from);
    const merges: Merge[] = [];
    let node: Node = { block, slot };
    while (node.block.level < rootOf(this.#m).level) {
      const sibling = siblingOf(node.block);
      const held = this.#heldAt(sibling);
      if (held !== undefined) node = this.#merge(node, held, merges);
      else if (isEmpty(sibling, this.#m)) node = { block: parentOf(node.block), slot: node.slot };
      else break;
    }
    this.#complete.set(blockRange(node.block, this.#m).from, node);
    this.#advance();
    return merges;
  }

  #heldAt(block: Block): Node | undefined {
    const node = this.#complete.get(blockRange(block, this.#m).from);
    return node?.block.level === block.level && node.block.index === block.index ? node : undefined;
  }

  #merge(node: Node, held: Node, merges: Merge[]): Node {
    this.#complete.delete(blockRange(held.block, this.#m).from);
    const [left, right] = node.block.index < held.block.index ? [node, held] : [held, node];
    merges.push({ into: left.slot, from: right.slot });
    this.#free.push(right.slot);
    return { block: parentOf(node.block), slot: left.slot };
  }

  #advance(): void {
    [this.#prefixEnd, this.#prefixNodes] = [0, 0];
    for (let node = this.#complete.get(0); node !== undefined; node = this.#complete.get(this.#prefixEnd)) {
      this.#prefixEnd += this.#sizeOf(node.block);
      this.#prefixNodes++;
    }
  }

  #sizeOf(block: Block): number {
    const { from, to } = blockRange(block, this.#m);
    return to - from;
  }
}
