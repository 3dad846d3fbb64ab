/**
 * Which samples a run wants the labels of in each of its label sets: of a mixture all, of a single teacher those that it
 * labels where a column chooses the teachers (`ensemble.route`). Pure.
 */
import type { Routes } from '../data/routes.js';
import { mustAt } from '../must.js';
import type { BlockPlan } from './block-plan.js';
import type { LabelSet } from './sets.js';

export class WantedRows {
  readonly #sets: readonly LabelSet[];
  readonly #plan: BlockPlan;
  readonly #routes: Routes | null;
  /** By teacher, the number of wanted rows of each block. */
  readonly #counts = new Map<string, readonly number[]>();

  /** @param routes null where all teachers label all samples */
  constructor(sets: readonly LabelSet[], plan: BlockPlan, routes: Routes | null) {
    [this.#sets, this.#plan, this.#routes] = [sets, plan, routes];
  }

  /** Names of the teachers that label a sample; undefined where all do. */
  teachersOf(id: number): readonly string[] | undefined {
    return this.#routes?.at(id);
  }

  /** Whether the run wants that sample's label in the set with that index. */
  has(set: number, id: number): boolean {
    const chosen = this.#chosen(set);
    return chosen === null || chosen.routes.at(id).includes(chosen.teacher);
  }

  /** A bit for each row of a block that is wanted; null: all are. */
  mask(set: number, block: number): Uint32Array | null {
    if (this.#chosen(set) === null) return null;
    const { first, rows } = this.#plan.at(block);
    const mask = new Uint32Array(Math.ceil(rows / 32));
    for (let row = 0; row < rows; row++)
      if (this.has(set, first + row)) mask[row >>> 5] = (mask[row >>> 5] ?? 0) | (1 << (row & 31));
    return mask;
  }

  /** Numbers of wanted rows of a set's blocks, in their order. */
  counts(set: number): readonly number[] {
    const chosen = this.#chosen(set);
    if (chosen === null) return this.#plan.blocks.map(({ rows }) => rows);
    const found =
      this.#counts.get(chosen.teacher) ??
      this.#plan.blocks.map(({ first, rows }) => {
        let wanted = 0;
        for (let id = first; id < first + rows; id++) if (this.has(set, id)) wanted++;
        return wanted;
      });
    this.#counts.set(chosen.teacher, found);
    return found;
  }

  /** Labels that the run wants of all sets together. */
  get total(): number {
    return [...this.#sets.keys()].flatMap((set) => this.counts(set)).reduce((sum, count) => sum + count, 0);
  }

  /** Null for a set of which every row is wanted. */
  #chosen(set: number): { readonly teacher: string; readonly routes: Routes } | null {
    const { label } = mustAt(this.#sets, set, 'label set');
    return this.#routes === null || label.kind !== 'teacher' ? null : { teacher: label.teacher, routes: this.#routes };
  }
}
