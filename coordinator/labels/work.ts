/**
 * The blocks that workers which only label are to make: the label plan over the blocks of every view, kept true to what
 * the blocks hold. A unit of the plan is one block of one view, with every kind of label of that view.
 */
import type { LabelBlocks } from '../../shared/labels/label-blocks.js';
import type { LabelLease } from '../../shared/protocol/label-messages.js';
import { LabelPlan } from './plan.js';

const patience = { firstMs: 120_000, leastMs: 10_000 };

/** A block's samples that are looked up in the epoch's order, about, to find out when training wants the block. */
const samplesOfABlock = 16;

export class LabelWork {
  readonly #plan: LabelPlan;
  readonly #labelBlocks: LabelBlocks;
  /** The complete blocks of each set, by the set's number. */
  readonly #complete: readonly Set<number>[];

  private constructor(plan: LabelPlan, labelBlocks: LabelBlocks, complete: readonly Set<number>[]) {
    this.#plan = plan;
    this.#labelBlocks = labelBlocks;
    this.#complete = complete;
  }

  /** @param sampleAt the order of epoch 0: what it wants first is made first, view after view */
  static async open(labelBlocks: LabelBlocks, sampleAt: (position: number) => number): Promise<LabelWork> {
    const { blocks } = labelBlocks.plan;
    const counts = await Promise.all(labelBlocks.sets.map((_, set) => labelBlocks.counts(set)));
    const complete = counts.map((rows, set) => {
      const wanted = labelBlocks.wanted.counts(set);
      return new Set([...blocks.keys()].filter((block) => rows[block] === wanted[block]));
    });
    const wanted = blocksInOrder(labelBlocks, sampleAt);
    const views = Math.max(...labelBlocks.sets.map(({ view }) => view)) + 1;
    const units = Array.from({ length: views }, (_, view) =>
      wanted.map((block) => view * blocks.length + block),
    ).flat();
    const work = new LabelWork(new LabelPlan(units, patience), labelBlocks, complete);
    for (const unit of units) work.#completeIfAllThere(unit);
    return work;
  }

  /** Whether every label of the run is there. */
  get isDone(): boolean {
    return this.#plan.missing === 0;
  }

  /** The block that this worker labels next. @param mayHave whether a unit, a block of a view, may be leased to it */
  lease(worker: string, nowMs: number, mayHave?: (unit: number) => boolean): LabelLease {
    const unit = this.#plan.lease(worker, nowMs, mayHave);
    if (typeof unit === 'string') return { type: unit };
    const { blocks } = this.#labelBlocks.plan;
    return { type: 'lease', view: Math.floor(unit / blocks.length), block: unit % blocks.length };
  }

  /** The worker has given a sign of life. */
  heard(worker: string, nowMs: number): void {
    this.#plan.heard(worker, nowMs);
  }

  /** A block of a set has become complete. */
  completed(set: number, block: number): void {
    const [found, complete] = [this.#labelBlocks.sets[set], this.#complete[set]];
    if (found === undefined || complete === undefined) throw new RangeError(`label set ${set}`);
    complete.add(block);
    this.#completeIfAllThere(found.view * this.#labelBlocks.plan.blocks.length + block);
  }

  /** A block of a set that was believed to be complete is not. */
  lacks(set: number, block: number): void {
    const found = this.#labelBlocks.sets[set];
    if (found === undefined || this.#complete[set]?.delete(block) !== true) return;
    this.#plan.reopen(found.view * this.#labelBlocks.plan.blocks.length + block);
  }

  #completeIfAllThere(unit: number): void {
    const { blocks } = this.#labelBlocks.plan;
    const view = Math.floor(unit / blocks.length);
    const isComplete = this.#labelBlocks.sets.every(
      (set, i) => set.view !== view || this.#complete[i]?.has(unit % blocks.length) === true,
    );
    if (isComplete) this.#plan.complete(unit);
  }
}

/** The blocks by the first of their samples in the epoch, about: not every sample is looked up. */
function blocksInOrder({ plan }: LabelBlocks, sampleAt: (position: number) => number): number[] {
  const step = Math.max(1, Math.floor(plan.samples / (samplesOfABlock * plan.blocks.length)));
  const found = new Set<number>();
  for (let position = 0; position < plan.samples && found.size < plan.blocks.length; position += step)
    found.add(plan.locate(sampleAt(position)));
  for (const block of plan.blocks.keys()) found.add(block);
  return [...found];
}
