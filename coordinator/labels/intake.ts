/**
 * Takes rows of labels into the run's blocks: at once, or where the recipe has audits, once they are known to be right
 * (audits.ts). Rows that wait are in memory alone, and nobody is given them.
 */
import type { LabelBlocks } from '../../shared/labels/label-blocks.js';
import type { RowsMessage } from '../../shared/protocol/label-messages.js';
import type { LabelAudits, LabelEffect } from './audits.js';
import type { RowBytes } from './audited-unit.js';
import { Makers } from './makers.js';
import type { Sender } from './senders.js';

export interface IntakeOptions {
  readonly labelBlocks: LabelBlocks;
  /** Null: rows are kept as they come. */
  readonly audits: LabelAudits | null;
  /** A block of a set has all of its rows. */
  readonly onComplete: (set: number, block: number) => void;
  /** What an audit has found, beyond rows to keep. */
  readonly onFinding: (finding: Exclude<LabelEffect, { type: 'keep' }>) => void;
}

/** Samples that a message had other rows of than those that are kept. */
export interface Conflict {
  readonly samples: readonly number[];
  /** Whether it is held against the sender: some row's maker was of the same numerics. */
  readonly isHeld: boolean;
}

/** The most rows that may wait. */
const mostWaiting = 4 * 1024 * 1024;
const mostWaitingBytes = 512 * 1024 * 1024;

export class LabelIntake {
  readonly #options: IntakeOptions;
  readonly #makers = new Makers();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Whether so much waits for audits that no more is taken than what may end the waiting: rows of units that wait. */
  isFullFor(set: number, { ids }: RowsMessage, rowBytes: number): boolean {
    const { audits, labelBlocks } = this.#options;
    if (audits === null || audits.waiting <= Math.min(mostWaiting, mostWaitingBytes / rowBytes)) return false;
    return ids.some((id) => !audits.isOpen(this.#unitOf(set, labelBlocks.plan.locate(id))));
  }

  /** Takes the rows of a message. @returns the samples that have other rows already; null for none */
  async take(set: number, { ids, row }: RowsMessage, sender: Sender): Promise<Conflict | null> {
    const { plan } = this.#options.labelBlocks;
    const samples: number[] = [];
    const waiting = new Map<number, RowBytes[]>();
    let isHeld = false;
    for (const [i, id] of ids.entries()) {
      const number = plan.locate(id);
      const place = plan.rowOf(id);
      const block = await this.#open(set, number);
      if (this.#options.audits !== null && !block.has(place)) {
        const rows = waiting.get(number) ?? [];
        rows.push({ row: `${set}.${place}`, bytes: row(i).slice() });
        waiting.set(number, rows);
      } else if ((await this.#add({ set, number, place }, row(i), sender)) === 'other') {
        samples.push(id);
        isHeld ||= this.#isComparable({ set, number, place }, sender);
      }
    }
    for (const [number, rows] of waiting) await this.#audit(set, number, { rows, sender });
    return samples.length === 0 ? null : { samples, isHeld };
  }

  /** Does what the audits want. */
  async carryOut(effects: readonly LabelEffect[]): Promise<void> {
    const { blocks } = this.#options.labelBlocks.plan;
    for (const effect of effects) {
      if (effect.type !== 'keep') this.#options.onFinding(effect);
      else {
        const [set = 0, place = 0] = effect.row.split('.').map(Number);
        await this.#add({ set, number: effect.unit % blocks.length, place }, effect.bytes, effect.maker);
      }
    }
  }

  async #audit(
    set: number,
    number: number,
    { rows, sender }: { readonly rows: readonly RowBytes[]; readonly sender: Sender },
  ): Promise<void> {
    const { audits, labelBlocks } = this.#options;
    if (audits === null) return;
    const unit = this.#unitOf(set, number);
    if (!audits.isOpen(unit)) audits.open(unit, await this.#missing(labelBlocks.sets[set]?.view ?? 0, number));
    await this.carryOut(audits.offer(unit, sender, rows));
  }

  /** What is audited as a whole: a block of a view, in all of its sets. */
  #unitOf(set: number, number: number): number {
    const { sets, plan } = this.#options.labelBlocks;
    return (sets[set]?.view ?? 0) * plan.blocks.length + number;
  }

  /** Names of the rows of one block of a view that are not kept, of all of its sets. */
  async #missing(view: number, number: number): Promise<string[]> {
    const { sets } = this.#options.labelBlocks;
    const missing: string[] = [];
    for (const [set, found] of sets.entries()) {
      if (found.view !== view) continue;
      const block = await this.#open(set, number);
      for (let place = 0; place < block.rows; place++)
        if (block.wants(place) && !block.has(place)) missing.push(`${set}.${place}`);
    }
    return missing;
  }

  async #add(at: Place, bytes: Uint8Array, { numerics }: Sender): Promise<'added' | 'there' | 'other'> {
    const { set, number, place } = at;
    const block = await this.#open(set, number);
    const wasComplete = block.isComplete;
    const addition = block.addBytes(place, bytes);
    if (addition === 'impossible') throw new Error(`row ${place} of block ${number} was to be checked before`);
    if (addition === 'added') this.#makers.mark(`${set}:${number}`, { row: place, rows: block.rows }, numerics);
    if (block.isComplete && !wasComplete) this.#options.onComplete(set, number);
    return addition;
  }

  #isComparable({ set, number, place }: Place, { numerics }: Sender): boolean {
    return numerics !== null && this.#makers.numericsOf(`${set}:${number}`, place) === numerics;
  }

  async #open(set: number, number: number): ReturnType<LabelBlocks['open']> {
    const { labelBlocks } = this.#options;
    return labelBlocks.at(set, number) ?? labelBlocks.open(set, number);
  }
}

interface Place {
  readonly set: number;
  /** Number of the block. */
  readonly number: number;
  /** Row in the block. */
  readonly place: number;
}
