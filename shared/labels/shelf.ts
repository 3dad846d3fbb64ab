/**
 * A run's label blocks in memory, over those on the disk. A block is read once; rows are added to it as they become
 * known; what is new is written at `save`, and when memory must be given back.
 */
import { LabelBlock } from './block.js';
import type { LabelHome } from './home.js';
import { BlockPlan } from './block-plan.js';
import { labelSets, type LabelSet, type LabelSource } from './sets.js';
import { LabelStore } from './store.js';

export interface ShelfOptions {
  readonly sets: readonly LabelSet[];
  readonly plan: BlockPlan;
  /** Null: memory alone. */
  readonly store: LabelStore | null;
  /** Bytes of blocks in memory, about. */
  readonly maxBytes: number;
}

interface Held {
  readonly block: LabelBlock;
  /** Rows that are on the disk. */
  saved: number;
  usedAt: number;
}

export class LabelShelf {
  readonly sets: readonly LabelSet[];
  readonly plan: BlockPlan;
  readonly #options: ShelfOptions;
  readonly #held: Map<number, Held>[];
  readonly #opening = new Map<string, Promise<LabelBlock>>();
  #bytes = 0;
  #clock = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.sets = options.sets;
    this.plan = options.plan;
    this.#held = options.sets.map(() => new Map<number, Held>());
  }

  /** The block if it is in memory. */
  at(set: number, block: number): LabelBlock | null {
    const held = this.#held[set]?.get(block);
    if (held === undefined) return null;
    held.usedAt = ++this.#clock;
    return held.block;
  }

  /** The block, from the disk where it is not in memory. */
  async open(set: number, block: number): Promise<LabelBlock> {
    const held = this.at(set, block);
    if (held !== null) return held;
    const name = `${set}:${block}`;
    const opening = this.#opening.get(name) ?? this.#load(set, block).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  /** Rows that each block of a set has, in memory or on the disk. */
  async counts(set: number): Promise<number[]> {
    const { store, plan } = this.#options;
    const spec = this.#set(set);
    const kept = store === null ? plan.blocks.map(() => 0) : await store.counts(spec, plan.blocks);
    return kept.map((count, block) => Math.max(count, this.#held[set]?.get(block)?.block.count ?? 0));
  }

  /** Writes what is new. */
  async save(): Promise<void> {
    for (const [set, blocks] of this.#held.entries())
      for (const [block, held] of blocks) await this.#save(set, block, held);
  }

  async saveBlock(set: number, block: number): Promise<void> {
    const held = this.#held[set]?.get(block);
    if (held !== undefined) await this.#save(set, block, held);
  }

  async #load(set: number, block: number): Promise<LabelBlock> {
    const { store, plan } = this.#options;
    const place = plan.blocks[block];
    if (place === undefined) throw new RangeError(`label block ${block} of ${plan.blocks.length}`);
    const spec = this.#set(set);
    const loaded = store === null ? new LabelBlock(spec.codec, place.rows) : await store.load(spec, place);
    this.#held[set]?.set(block, { block: loaded, saved: loaded.count, usedAt: ++this.#clock });
    this.#bytes += loaded.bytes.length;
    await this.#makeRoom(loaded);
    return loaded;
  }

  async #save(set: number, block: number, held: Held): Promise<void> {
    const { store, plan } = this.#options;
    const place = plan.blocks[block];
    if (store === null || place === undefined || held.saved >= held.block.count) return;
    const { count } = held.block;
    await store.save(this.#set(set), place, held.block);
    held.saved = Math.max(count, held.saved);
  }

  /** Lets the blocks go that were used longest ago, but not `loaded`. What no disk holds is computed again. */
  async #makeRoom(loaded: LabelBlock): Promise<void> {
    const { maxBytes } = this.#options;
    if (this.#bytes <= maxBytes) return;
    const all = this.#held.flatMap((blocks, set) => [...blocks].map(([block, held]) => ({ set, block, held })));
    all.sort((a, b) => a.held.usedAt - b.held.usedAt);
    for (const { set, block, held } of all) {
      if (this.#bytes <= maxBytes * 0.75) return;
      if (held.block === loaded) continue;
      await this.#save(set, block, held);
      if (this.#held[set]?.delete(block) === true) this.#bytes -= held.block.bytes.length;
    }
  }

  #set(index: number): LabelSet {
    const set = this.#options.sets[index];
    if (set === undefined) throw new RangeError(`label set ${index} of ${this.#options.sets.length}`);
    return set;
  }
}

export interface OpenShelf {
  /** Null: memory alone. */
  readonly home: LabelHome | null;
  readonly memoryBytes: number;
  readonly warn: (line: string) => void;
}

/** A run's labels as they lie on this machine; null where no loss of the run wants any. */
export function openShelf(source: LabelSource, { home, memoryBytes, warn }: OpenShelf): LabelShelf | null {
  const sets = labelSets(source);
  if (sets.length === 0) return null;
  const plan = new BlockPlan(source.manifest.train, Math.max(...sets.map(({ codec }) => codec.rowBytes)));
  return new LabelShelf({
    sets,
    plan,
    store: home === null ? null : new LabelStore({ ...home, warn }),
    maxBytes: memoryBytes,
  });
}
