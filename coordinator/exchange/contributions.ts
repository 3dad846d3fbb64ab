/**
 * What lies in the core's slots: the sums of accepted contributions, and the buffer that holds each one's gradient. A
 * slot without a buffer holds a contribution without gradient; adding passes the other's through.
 */
import { mergeContributions, type Sums } from '../../shared/replica/reduction/contribution.js';
import type { PooledMoments } from '../../shared/replica/reduction/moments.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { SlotFacts } from '../../shared/replica/slot-facts.js';
import type { Slot } from '../decide/types.js';
import type { BufferPool } from './buffers.js';

/** What lies in one slot. */
export interface Content {
  /** Buffer of the pool; null without gradient, or before the pool had one to give. */
  buffer: number | null;
  sums: Sums;
  moments: PooledMoments | null;
  /** What was taken of the bytes in the buffer when they came there; null for what is to be taken when it is needed. */
  facts: SlotFacts | null;
  /** The core needs this slot no longer; whoever fills it stops. */
  isFreed: boolean;
}

/** The contents of all slots that are in use. */
export class Contributions {
  readonly #replica: Replica;
  readonly #pool: BufferPool;
  readonly #contents = new Map<Slot, Content>();

  constructor(replica: Replica, pool: BufferPool) {
    this.#replica = replica;
    this.#pool = pool;
  }

  /**
   * Begins to fill a slot that will have a gradient; `use` runs once there is a buffer, unless the slot is freed
   * before.
   */
  begin(slot: Slot, use: (content: Content, buffer: number) => void): Content {
    const content = this.#open(slot, {});
    this.#pool.take((buffer) => {
      if (content.isFreed) return this.#pool.give(buffer);
      content.buffer = buffer;
      use(content, buffer);
    });
    return content;
  }

  /** Fills a slot with a contribution that has no gradient. */
  put(slot: Slot, sums: Sums): void {
    this.#open(slot, sums);
  }

  /** into = into + from; `from` is free afterwards. */
  merge(into: Slot, from: Slot): void {
    const left = this.#get(into);
    const right = this.#get(from);
    const merged = mergeContributions(
      { ...left, hasGradient: left.buffer !== null },
      { ...right, hasGradient: right.buffer !== null },
      this.#replica.plan.norms,
    );
    if (left.buffer !== null && right.buffer !== null) left.facts = this.#add(left.buffer, right.buffer);
    else if (left.buffer === null) [left.buffer, right.buffer, left.facts] = [right.buffer, null, right.facts];
    [left.sums, left.moments] = [merged.sums, merged.moments];
    this.free(from);
  }

  /** Where nothing else is here or on its way, the sum is most likely the root's, which goes out next. */
  #add(into: number, from: number): SlotFacts | null {
    if (this.#contents.size === 2) return this.#replica.addSlotsHashed(into, from);
    this.#replica.addSlots(into, from);
    return null;
  }

  /** Takes the content out; its buffer is the caller's to give back. */
  take(slot: Slot): Content {
    const content = this.#get(slot);
    this.#contents.delete(slot);
    return content;
  }

  /** Does nothing for a slot that was taken. */
  free(slot: Slot): void {
    const content = this.#contents.get(slot);
    if (content === undefined) return;
    this.#contents.delete(slot);
    content.isFreed = true;
    if (content.buffer !== null) this.#pool.give(content.buffer);
  }

  #open(slot: Slot, sums: Sums): Content {
    if (this.#contents.has(slot)) throw new Error(`slot ${slot} is in use`);
    const content: Content = { buffer: null, sums, moments: null, facts: null, isFreed: false };
    this.#contents.set(slot, content);
    return content;
  }

  #get(slot: Slot): Content {
    const content = this.#contents.get(slot);
    if (content === undefined) throw new Error(`slot ${slot} is empty`);
    return content;
  }
}
