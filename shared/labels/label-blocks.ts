/**
 * A run's label blocks in memory, over those on the disk. A block is read once; rows are added to it as they become
 * known; what is new is written at `save`, and when memory must be given back.
 */
import type { Routes } from '../data/routes.js';
import { LabelBlock } from './block.js';
import type { LabelStorage } from './storage.js';
import { BlockPlan } from './block-plan.js';
import { labelSets, type LabelSet, type LabelSource } from './sets.js';
import { LabelStore } from './store.js';
import { WantedRows } from './wanted-rows.js';

export interface LabelBlocksOptions {
  readonly sets: readonly LabelSet[];
  readonly plan: BlockPlan;
  /** Who labels each sample; null or absent where all teachers do. */
  readonly routes?: Routes | null | undefined;
  /** The blocks on this machine's disk; null: blocks are in memory alone. */
  readonly store: LabelStore | null;
  /** About how many bytes of blocks may be in memory. */
  readonly maxBytes: number;
}

interface Held {
  readonly block: LabelBlock;
  /** Number of its rows that are on the disk. */
  saved: number;
  /** When it was last used, by a count of uses. */
  usedAt: number;
}

export class LabelBlocks {
  readonly sets: readonly LabelSet[];
  readonly plan: BlockPlan;
  /** Which rows of the sets the run wants. */
  readonly wanted: WantedRows;
  readonly #options: LabelBlocksOptions;
  readonly #held: Map<number, Held>[];
  readonly #opening = new Map<string, Promise<LabelBlock>>();
  /** Wanted rows of blocks on the disk, by set, block and the number of rows that there were. */
  readonly #counted = new Map<string, number>();
  #bytes = 0;
  #clock = 0;

  constructor(options: LabelBlocksOptions) {
    this.#options = options;
    this.sets = options.sets;
    this.plan = options.plan;
    this.wanted = new WantedRows(options.sets, options.plan, options.routes ?? null);
    this.#held = options.sets.map(() => new Map<number, Held>());
  }

  /** The block with that number of a set, if it is in memory. */
  at(set: number, block: number): LabelBlock | null {
    const held = this.#heldOf(set).get(block);
    if (held === undefined) return null;
    held.usedAt = ++this.#clock;
    return held.block;
  }

  /**
   * The block with that number of a set, from the disk where it is not in memory; an empty one where nothing is kept.
   *
   * @throws RangeError when the run has no such set or block
   */
  async open(set: number, block: number): Promise<LabelBlock> {
    const held = this.at(set, block);
    if (held !== null) return held;
    const name = `${set}:${block}`;
    const opening = this.#opening.get(name) ?? this.#load(set, block).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  /** Numbers of rows that the blocks of a set have and the run wants, in memory or on the disk. */
  async counts(set: number): Promise<number[]> {
    const { store, plan } = this.#options;
    const spec = this.#set(set);
    const kept = store === null ? plan.blocks.map(() => 0) : await store.counts(spec, plan.blocks);
    const wanted = this.wanted.counts(set);
    const counts: number[] = [];
    for (const [block, { rows }] of plan.blocks.entries()) {
      const [onDisk = 0, most = rows] = [kept[block], wanted[block]];
      // A block that is not in memory has no more rows than on the disk.
      const inMemory = this.#heldOf(set).get(block)?.block.wantedCount ?? 0;
      const isPlain = most === rows || most === 0 || onDisk === 0 || onDisk === rows || inMemory === most;
      counts.push(Math.max(inMemory, isPlain ? Math.min(onDisk, most) : await this.#wantedOnDisk(set, block, onDisk)));
    }
    return counts;
  }

  /** Wanted rows of a block of which some rows are on the disk: which ones, its file alone says. */
  async #wantedOnDisk(set: number, block: number, onDisk: number): Promise<number> {
    const name = `${set}:${block}:${onDisk}`;
    const found = this.#counted.get(name) ?? (await this.open(set, block)).wantedCount;
    this.#counted.set(name, found);
    return found;
  }

  /** Writes all rows to the disk that are not there yet. */
  async save(): Promise<void> {
    for (const [set, blocks] of this.#held.entries())
      for (const [block, held] of blocks) await this.#save(set, block, held);
  }

  /** The same for one block. */
  async saveBlock(set: number, block: number): Promise<void> {
    const held = this.#heldOf(set).get(block);
    if (held !== undefined) await this.#save(set, block, held);
  }

  async #load(set: number, block: number): Promise<LabelBlock> {
    const { store, plan } = this.#options;
    const place = plan.blocks[block];
    if (place === undefined) throw new RangeError(`label block ${block} of ${plan.blocks.length}`);
    const spec = this.#set(set);
    const loaded = store === null ? new LabelBlock(spec.codec, place.rows) : await store.load(spec, place);
    loaded.want(this.wanted.mask(set, block));
    this.#heldOf(set).set(block, { block: loaded, saved: loaded.count, usedAt: ++this.#clock });
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

  /**
   * Saves and forgets the blocks that were used longest ago, but not `loaded`. Rows that no disk takes are computed
   * again when they are wanted.
   */
  async #makeRoom(loaded: LabelBlock): Promise<void> {
    const { maxBytes } = this.#options;
    if (this.#bytes <= maxBytes) return;
    const all = this.#held.flatMap((blocks, set) => [...blocks].map(([block, held]) => ({ set, block, held })));
    all.sort((a, b) => a.held.usedAt - b.held.usedAt);
    for (const { set, block, held } of all) {
      if (this.#bytes <= maxBytes * 0.75) return;
      if (held.block === loaded) continue;
      const { usedAt } = held;
      await this.#save(set, block, held);
      // Who has asked for it meanwhile may add rows, which would be lost with it.
      if (held.usedAt === usedAt && this.#heldOf(set).delete(block)) this.#bytes -= held.block.bytes.length;
    }
  }

  #heldOf(set: number): Map<number, Held> {
    const held = this.#held[set];
    if (held === undefined) throw new RangeError(`label set ${set} of ${this.#held.length}`);
    return held;
  }

  #set(index: number): LabelSet {
    const set = this.#options.sets[index];
    if (set === undefined) throw new RangeError(`label set ${index} of ${this.#options.sets.length}`);
    return set;
  }
}

export interface OpenLabelBlocks {
  /** Where blocks lie on this machine's disk; null: they are in memory alone. */
  readonly storage: LabelStorage | null;
  /** About how many bytes of blocks may be in memory. */
  readonly memoryBytes: number;
  /** Gets one line for a damaged block, or for a disk that takes no more. */
  readonly warn: (line: string) => void;
}

/** Opens a run's label blocks on this machine; null where no loss of the run wants soft labels. */
export function openLabelBlocks(
  source: LabelSource,
  { storage, memoryBytes, warn }: OpenLabelBlocks,
): LabelBlocks | null {
  const sets = labelSets(source);
  if (sets.length === 0) return null;
  const plan = new BlockPlan(source.manifest.train, Math.max(...sets.map(({ codec }) => codec.rowBytes)));
  return new LabelBlocks({
    sets,
    plan,
    routes: source.routes,
    store: storage === null ? null : new LabelStore({ ...storage, warn }),
    maxBytes: memoryBytes,
  });
}
