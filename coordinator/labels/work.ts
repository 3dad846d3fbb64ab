/** Label blocks for workers that only label: what they are told of the run, and the plan that hands blocks out. */
import type { LabelShelf } from '../../shared/labels/shelf.js';
import type { LabelLease, LabelRun } from '../../shared/protocol/label-messages.js';
import { LabelPlan } from './plan.js';
import type { PreparedRun } from '../plan/prepared-run.js';

const patience = { firstMs: 120_000, leastMs: 10_000 };

export function labelRun({ recipe, teachers, manifestArtifact, recipeDigest }: PreparedRun): LabelRun {
  return { recipe, recipeDigest, teachers: [...teachers], manifest: manifestArtifact };
}

export class LabelWork {
  readonly #plan: LabelPlan;
  readonly #shelf: LabelShelf;
  /** Blocks of each set that are complete. */
  readonly #complete: Set<number>[];

  private constructor(plan: LabelPlan, shelf: LabelShelf, complete: Set<number>[]) {
    this.#plan = plan;
    this.#shelf = shelf;
    this.#complete = complete;
  }

  /** @param sampleAt the order of epoch 0: what it wants first is made first, view after view */
  static async open(shelf: LabelShelf, sampleAt: (position: number) => number): Promise<LabelWork> {
    const { blocks } = shelf.plan;
    const counts = await Promise.all(shelf.sets.map((_, set) => shelf.counts(set)));
    const complete = counts.map(
      (rows) => new Set([...blocks.keys()].filter((block) => rows[block] === blocks[block]?.rows)),
    );
    const wanted = blocksInOrder(shelf, sampleAt);
    const views = Math.max(...shelf.sets.map(({ view }) => view)) + 1;
    const units = Array.from({ length: views }, (_, view) =>
      wanted.map((block) => view * blocks.length + block),
    ).flat();
    const work = new LabelWork(new LabelPlan(units, patience), shelf, complete);
    for (const unit of units) work.#judge(unit);
    return work;
  }

  get isDone(): boolean {
    return this.#plan.missing === 0;
  }

  lease(worker: string, nowMs: number): LabelLease {
    const unit = this.#plan.lease(worker, nowMs);
    if (typeof unit === 'string') return { type: unit };
    const { blocks } = this.#shelf.plan;
    return { type: 'lease', view: Math.floor(unit / blocks.length), block: unit % blocks.length };
  }

  heard(worker: string, nowMs: number): void {
    this.#plan.heard(worker, nowMs);
  }

  /** A block of a set has become complete. */
  completed(set: number, block: number): void {
    this.#complete[set]?.add(block);
    this.#judge((this.#shelf.sets[set]?.view ?? 0) * this.#shelf.plan.blocks.length + block);
  }

  /** A unit is complete when every kind of label of its view is. */
  #judge(unit: number): void {
    const { blocks } = this.#shelf.plan;
    const view = Math.floor(unit / blocks.length);
    const isComplete = this.#shelf.sets.every(
      (set, i) => set.view !== view || this.#complete[i]?.has(unit % blocks.length) === true,
    );
    if (isComplete) this.#plan.complete(unit);
  }
}

/** By the first of their samples in the epoch, about: every so many positions are looked at, about 16 of each block. */
function blocksInOrder({ plan }: LabelShelf, sampleAt: (position: number) => number): number[] {
  const step = Math.max(1, Math.floor(plan.samples / (16 * plan.blocks.length)));
  const found = new Set<number>();
  for (let position = 0; position < plan.samples && found.size < plan.blocks.length; position += step)
    found.add(plan.locate(sampleAt(position)));
  for (const block of plan.blocks.keys()) found.add(block);
  return [...found];
}
