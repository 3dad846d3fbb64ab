/**
 * The run's labels at the coordinator: rows that workers made are put into their blocks and kept on the disk, and
 * whoever lacks a block gets it. How they are asked for is in requests.ts. No row changes once it is there.
 */
import { counted } from '../../shared/counted.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProtocolError } from '../../shared/errors.js';
import type { LabelStorage } from '../../shared/labels/storage.js';
import { errorBound, widthOf } from '../../shared/labels/precision.js';
import { areKept, labelSets, precisionOf, type LabelSet, type LabelSource } from '../../shared/labels/sets.js';
import { openLabelBlocks, type LabelBlocks } from '../../shared/labels/label-blocks.js';
import { decodeRows, type LabelLease, type LabelRun } from '../../shared/protocol/label-messages.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import { LabelWork } from './work.js';

export interface LabelServiceOptions {
  readonly run: PreparedRun;
  readonly storage: LabelStorage;
  readonly warn: (line: string) => void;
  /** Gets a failure of the disk, or a bug, that comes up while blocks are written behind the answers. */
  readonly onError: (error: unknown) => void;
}

/** How far the run's labels have come. A sample counts once for each view. */
export interface KeptLabels {
  /** Samples of which every kind of label is there; an estimate: for each view the fewest rows of any of its sets. */
  readonly kept: number;
  readonly samples: number;
  readonly views: number;
}

/** Bytes of label blocks in the coordinator's memory, about. */
const memoryBytes = 512 * 1024 * 1024;
/** How long workers that only label are given to ask again and hear that the run is over. */
const goodbyeMs = 1000;
/** Labels that were made just now may still be on their way for so long: longer than workers gather new rows. */
const settleMs = 300;
const pollMs = 20;

export class LabelService {
  readonly #labelBlocks: LabelBlocks;
  readonly #options: LabelServiceOptions;
  /** When rows came last, by performance.now(). */
  #heardMs = -Infinity;
  #work: Promise<LabelWork> | null = null;
  /** Names of the workers that only label and have not heard yet that all is done. */
  readonly #labellers = new Set<string>();
  #isOver = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(labelBlocks: LabelBlocks, options: LabelServiceOptions) {
    this.#labelBlocks = labelBlocks;
    this.#options = options;
  }

  /** Null where the run keeps no labels. */
  static open(options: LabelServiceOptions): LabelService | null {
    if (!areKept(options.run.recipe)) return null;
    const labelBlocks = openLabelBlocks(options.run, { storage: options.storage, memoryBytes, warn: options.warn });
    return labelBlocks === null ? null : new LabelService(labelBlocks, options);
  }

  get sets(): readonly LabelSet[] {
    return this.#labelBlocks.sets;
  }

  /** @throws RangeError for a number that is none of this run's sets */
  setAt(set: number): LabelSet {
    const found = this.#labelBlocks.sets[set];
    if (found === undefined) throw new RangeError(`label set ${set}`);
    return found;
  }

  async kept(): Promise<KeptLabels> {
    const byView = new Map<number, number>();
    for (const [set, { view }] of this.#labelBlocks.sets.entries()) {
      const rows = (await this.#labelBlocks.counts(set)).reduce((total, count) => total + count, 0);
      byView.set(view, Math.min(byView.get(view) ?? Infinity, rows));
    }
    return {
      kept: [...byView.values()].reduce((total, rows) => total + rows, 0),
      samples: byView.size * this.#labelBlocks.plan.samples,
      views: byView.size,
    };
  }

  /** What a run says of its labels at its start: what rounding may do, and what need not be computed. */
  async lines(): Promise<string[]> {
    const { kept, samples, views } = await this.kept();
    const ofViews = views === 1 ? '' : ` (${views} views of ${counted(samples / views, 'sample')})`;
    return [
      ...roundingLines(this.#options.run),
      ...(kept === 0 ? [] : [`labels: ${kept} of ${samples}${ofViews} read from the cache`]),
    ];
  }

  /** What a worker that only labels needs to know of the run. */
  describeRun(): LabelRun {
    const { recipe, teachers, manifestArtifact, recipeDigest } = this.#options.run;
    return { recipe, recipeDigest, teachers: [...teachers], manifest: manifestArtifact };
  }

  /** The block that this worker labels next. */
  async lease(worker: string): Promise<LabelLease> {
    this.#labellers.add(worker);
    const lease: LabelLease = this.#isOver
      ? { type: 'done' }
      : (await this.#openWork()).lease(worker, performance.now());
    if (lease.type === 'done') this.#labellers.delete(worker);
    return lease;
  }

  /** Rows that each block of a set has, in the blocks' order. */
  counts(set: number): Promise<number[]> {
    return this.#labelBlocks.counts(set);
  }

  /** A copy of a block's bytes, since rows may be added while they are on their way; null for no such block. */
  async blockBytes(set: number, block: number): Promise<Uint8Array | null> {
    if (block >= this.#labelBlocks.plan.blocks.length) return null;
    return (await this.#labelBlocks.open(set, block)).bytes.slice();
  }

  /**
   * Puts the rows of a message into their blocks. Complete blocks go to the disk at once, the others at the end.
   *
   * @param worker name of the labelling worker that sent them, where it gave one
   * @throws ProtocolError for bytes that are no rows of this set, or hold values that are not finite
   */
  async addRows(set: number, bytes: Uint8Array, worker: string | null): Promise<void> {
    const { plan } = this.#labelBlocks;
    const { ids, row } = decodeRows(bytes, this.setAt(set).codec.rowBytes, plan.samples);
    for (const [i, id] of ids.entries()) {
      const number = plan.locate(id);
      const block = this.#labelBlocks.at(set, number) ?? (await this.#labelBlocks.open(set, number));
      const wasComplete = block.isComplete;
      if (!block.addBytes(plan.rowOf(id), row(i))) throw new ProtocolError(`the label of sample ${id} is not a number`);
      if (block.isComplete && !wasComplete) this.#onComplete(set, number);
    }
    this.#heardMs = performance.now();
    if (worker !== null) (await this.#openWork()).heard(worker, this.#heardMs);
  }

  /**
   * Nothing more is wanted of workers that only label: the run goes on without one of these teachers, or is at its end.
   */
  endLeases(): void {
    this.#isOver = true;
  }

  /**
   * Waits a moment for the labels that workers have made and not sent yet: a run may be over before its first ones come.
   */
  async settle(): Promise<void> {
    this.endLeases();
    const beganMs = performance.now();
    const deadlineMs = performance.now() + goodbyeMs;
    while (this.#labellers.size > 0 && performance.now() < deadlineMs) await sleep(pollMs);
    while (performance.now() - Math.max(this.#heardMs, beganMs) < settleMs) {
      const { kept, samples } = await this.kept();
      if (kept === samples) return;
      await sleep(pollMs);
    }
  }

  /** Writes what is new. */
  async close(): Promise<void> {
    await this.#saving;
    await this.#labelBlocks.save();
  }

  /** Whether every label of the run is there. */
  async isDone(): Promise<boolean> {
    return (await this.#openWork()).isDone;
  }

  /**
   * All labels of a set, block after block in the order of the samples: [rows x width] values each, null for a block
   * with missing rows.
   */
  async *values(set: number): AsyncGenerator<Float32Array | null> {
    const width = widthOf(this.setAt(set).form);
    for (const number of this.#labelBlocks.plan.blocks.keys()) {
      const block = await this.#labelBlocks.open(set, number);
      const out = new Float32Array(block.rows * width);
      if (block.isComplete) for (let row = 0; row < block.rows; row++) block.read(row, out, row * width);
      yield block.isComplete ? out : null;
    }
  }

  #openWork(): Promise<LabelWork> {
    this.#work ??= LabelWork.open(this.#labelBlocks, (position) => this.#options.run.sampleAt(0, position));
    return this.#work;
  }

  #onComplete(set: number, block: number): void {
    const completed = async (): Promise<void> => (await this.#openWork()).completed(set, block);
    completed().catch((error: unknown) => this.#options.onError(error));
    this.#saving = this.#saving
      .then(() => this.#labelBlocks.saveBlock(set, block))
      .catch((error: unknown) => this.#options.onError(error));
  }
}

function roundingLines(source: LabelSource): string[] {
  const [set] = labelSets(source);
  const precision = precisionOf(source.recipe.labels);
  return set === undefined || precision.name === 'float32' ? [] : [`labels: ${errorBound(precision, set.form)}`];
}
