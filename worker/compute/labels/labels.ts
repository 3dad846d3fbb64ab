/**
 * Soft labels by sample: read from memory, from this machine's disk or from others, and computed by the teachers where
 * nobody has them. A label is used as it is decoded from the bytes that are kept, new or old, so a run has the same bits
 * with a cold cache and with a warm one (shared/labels/precision.ts says how a row is kept, ../teachers/fixed-rows.ts
 * why it does not depend on its neighbours). A label is keyed by sample and view, never by a row's place, which changes
 * with shuffling. Labels of the next micro-batch are asked for ahead by the trainer, not here.
 */
import type { Batch } from '../../../shared/data/samples.js';
import { LabelBlock } from '../../../shared/labels/block.js';
import type { BlockPlan } from '../../../shared/labels/block-plan.js';
import type { Label } from '../../../shared/labels/kinds.js';
import { widthOf } from '../../../shared/labels/precision.js';
import type { LabelSet } from '../../../shared/labels/sets.js';
import type { LabelBlocks } from '../../../shared/labels/label-blocks.js';
import { must } from '../../../shared/must.js';
import { pickRows } from '../teachers/fixed-rows.js';
import type { SampleView } from '../teachers/routing.js';
import { addRow, byBlock, locate, missingRows, type Places } from './rows.js';
import type { SharedLabels } from './shared-labels.js';

/** Computes labels of samples: by their keys (`labelKey`), [samples x classes] each. */
export type ComputeLabels = (
  labels: readonly Label[],
  inputs: Float32Array,
  samples: readonly SampleView[],
) => Promise<ReadonlyMap<string, Float32Array>>;

export interface LabelsOptions {
  readonly compute: ComputeLabels;
  /** Where labels are kept, which of them, and in what form. */
  readonly labelBlocks: LabelBlocks;
  /** `labels.cache` of the recipe. False: nothing is kept, and every label is rounded all the same. */
  readonly cache: boolean;
  /** Labels that others made; null or absent: nobody is asked or told. */
  readonly shared?: SharedLabels | null;
}

/** Samples whose labels are asked for. */
interface Request {
  readonly ids: Uint32Array;
  readonly inputs: Float32Array;
  readonly labels: Int32Array;
  readonly view: number;
}

/** A label set that is asked for, its index among the run's, and its blocks by number as far as they are open. */
interface Wanted {
  readonly set: LabelSet;
  readonly index: number;
  readonly blocks: Map<number, LabelBlock>;
}

/** Label sets that lack the labels of the same samples: one forward of the teachers gives them. */
interface Lacking {
  readonly wanted: readonly Wanted[];
  /** Indices of the request's samples, ascending. */
  readonly missing: readonly number[];
}

/** What was computed for a request: values by the label's key, [missing x classes] each, and of which samples. */
interface Fresh extends Lacking {
  readonly values: ReadonlyMap<string, Float32Array>;
}

export class Labels {
  readonly #options: LabelsOptions;
  #read = 0;
  #computed = 0;

  constructor(options: LabelsOptions) {
    this.#options = options;
  }

  /** How many samples were given from what was kept, and how many were computed. */
  get counts(): { readonly read: number; readonly computed: number } {
    return { read: this.#read, computed: this.#computed };
  }

  /**
   * The run's labels of these samples by their keys (`labelKey`), [ids x classes] each; zeros for samples that a single
   * teacher does not label.
   *
   * @param batch inputs, [ids x sample], and class labels of the samples
   * @param view number of the augmentation that the inputs were made by
   * @throws TeacherFailure when a teacher cannot label
   */
  async get(
    ids: Uint32Array,
    batch: Pick<Batch, 'inputs' | 'labels'>,
    view: number,
  ): Promise<Map<string, Float32Array>> {
    const request = { ids, ...batch, view };
    if (!this.#options.cache) return this.#live(request);
    const wanted = this.#wantedOf(view);
    const places = locate(this.plan, ids);
    for (const one of wanted) await this.#open(one, places.blocks);
    const lacking = await this.#lacking(places, wanted, this.#options.shared ?? null);
    const fresh = new Map<Wanted, Fresh>();
    for (const one of lacking) {
      const computed = await this.#compute(one, request);
      await this.#keep(computed, places);
      for (const set of one.wanted) fresh.set(set, computed);
    }
    const computed = new Set(lacking.flatMap(({ missing }) => missing)).size;
    this.#computed += computed;
    this.#read += ids.length - computed;
    return new Map(wanted.map((one) => [one.set.name, gather(one, places, fresh.get(one) ?? null)]));
  }

  /** How the samples are cut into blocks. */
  get plan(): BlockPlan {
    return this.#options.labelBlocks.plan;
  }

  /** Bytes that the labels of one sample take, of all kinds together, in one view. */
  get rowBytes(): number {
    return this.#options.labelBlocks.sets
      .filter(({ view }) => view === 0)
      .reduce((sum, { codec }) => sum + codec.rowBytes, 0);
  }

  /** Waits until the others have what was made here. */
  async sent(): Promise<void> {
    await this.#options.shared?.sent();
  }

  /** Writes what is new to the disk and sends it to the others. */
  async close(): Promise<void> {
    await this.#options.shared?.close();
    await this.#options.labelBlocks.save();
  }

  /** Computes every label, keeps nothing, and gives what a cache would: the rows as they are decoded. */
  async #live(request: Request): Promise<Map<string, Float32Array>> {
    const rows = request.ids.length;
    const places = { blocks: new Uint32Array(rows), rows: Uint32Array.from(request.ids.keys()) };
    const wanted = this.#wantedOf(0);
    for (const { set, index, blocks } of wanted) {
      const block = new LabelBlock(set.codec, rows);
      block.want(this.#maskOf(index, request.ids));
      blocks.set(0, block);
    }
    const fresh = new Map<Wanted, Fresh>();
    for (const lacking of await this.#lacking(places, wanted, null)) {
      const computed = await this.#compute(lacking, request);
      for (const one of lacking.wanted) {
        const { set, blocks } = one;
        const [block, width] = [must(blocks, 0, 'label block'), widthOf(set.form)];
        const values = must(computed.values, set.name, 'label');
        lacking.missing.forEach((row, at) => addRow(block, row, values, at * width, width));
        fresh.set(one, computed);
      }
    }
    this.#computed += rows;
    return new Map(wanted.map((one) => [one.set.name, gather(one, places, fresh.get(one) ?? null)]));
  }

  /** A bit for each of these samples of which the run wants that set's label. */
  #maskOf(set: number, ids: Uint32Array): Uint32Array {
    const { wanted } = this.#options.labelBlocks;
    const mask = new Uint32Array(Math.ceil(ids.length / 32));
    ids.forEach((id, row) => {
      if (wanted.has(set, id)) mask[row >>> 5] = (mask[row >>> 5] ?? 0) | (1 << (row & 31));
    });
    return mask;
  }

  /** The run's label sets of that view. */
  #wantedOf(view: number): Wanted[] {
    const { sets } = this.#options.labelBlocks;
    const found = sets.flatMap((set, index) => (set.view === view ? [{ set, index, blocks: new Map() }] : []));
    if (found.length === 0) throw new RangeError(`labels of view ${view} are not among this run's`);
    return found;
  }

  async #open({ index, blocks }: Wanted, numbers: Uint32Array): Promise<void> {
    const { labelBlocks } = this.#options;
    for (const block of numbers)
      if (!blocks.has(block)) blocks.set(block, labelBlocks.at(index, block) ?? (await labelBlocks.open(index, block)));
  }

  /** What neither this machine nor others have and the run wants, the sets together that lack the same samples. */
  async #lacking(places: Places, wanted: readonly Wanted[], shared: SharedLabels | null): Promise<Lacking[]> {
    const together = new Map<string, { wanted: Wanted[]; missing: readonly number[] }>();
    for (const one of wanted) {
      let missing = missingRows(places, one.blocks);
      if (missing.length > 0 && shared !== null) {
        await shared.ask(one.index, rowsByBlock(places, missing));
        missing = missingRows(places, one.blocks);
      }
      if (missing.length === 0) continue;
      const group = together.get(missing.join()) ?? { wanted: [], missing };
      group.wanted.push(one);
      together.set(missing.join(), group);
    }
    return [...together.values()];
  }

  async #compute({ wanted, missing }: Lacking, { ids, inputs, labels, view }: Request): Promise<Fresh> {
    const samples = missing.map((i) => this.#sampleOf(ids[i] ?? 0, view, labels[i] ?? -1));
    const values = await this.#options.compute(
      wanted.map(({ set }) => set.label),
      pickRows(inputs, ids.length, missing),
      samples,
    );
    return { values, wanted, missing };
  }

  #sampleOf(id: number, view: number, label: number): SampleView {
    const { shard, from, first } = this.plan.at(this.plan.locate(id));
    const teachers = this.#options.labelBlocks.wanted.teachersOf(id);
    return { shard, row: from + id - first, view, label, ...(teachers === undefined ? {} : { teachers }) };
  }

  /** A row that is not finite is not kept: the loss meets it as it is. */
  async #keep({ values, wanted, missing }: Fresh, places: Places): Promise<void> {
    const { labelBlocks, shared } = this.#options;
    const at = new Map(missing.map((sample, i) => [sample, i]));
    for (const { set, index, blocks } of wanted) {
      const [own, width] = [must(values, set.name, 'label'), widthOf(set.form)];
      for (const [number, samples] of byBlock(places, missing)) {
        // Memory may have let it go while the teachers were at work.
        const block = await labelBlocks.open(index, number);
        blocks.set(number, block);
        const added = samples.flatMap((i) => {
          const row = places.rows[i] ?? 0;
          return addRow(block, row, own, must(at, i, 'fresh label') * width, width) ? [row] : [];
        });
        if (added.length > 0) shared?.offer(index, number, added);
      }
    }
  }
}

/**
 * The samples' labels of one set, [samples x classes]: as the blocks have them, else as they were computed; zeros where
 * the run wants none.
 */
function gather({ set, blocks: open }: Wanted, { blocks, rows }: Places, fresh: Fresh | null): Float32Array {
  const width = widthOf(set.form);
  const out = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const [block, row = 0] = [must(open, blocks[i] ?? 0, 'label block'), rows[i]];
    if (block.has(row)) block.read(row, out, i * width);
    else if (block.wants(row)) out.set(freshRow(set, fresh, i, width), i * width);
  }
  return out;
}

function freshRow({ name }: LabelSet, fresh: Fresh | null, sample: number, width: number): Float32Array {
  const at = fresh?.missing.indexOf(sample) ?? -1;
  if (fresh === null || at < 0) throw new Error(`label ${name} of sample ${sample} of a request is nowhere`);
  return must(fresh.values, name, 'label').subarray(at * width, (at + 1) * width);
}

/** The rows of these samples of the request by the numbers of their blocks. */
function rowsByBlock(places: Places, samples: readonly number[]): Map<number, number[]> {
  return new Map([...byBlock(places, samples)].map(([block, own]) => [block, own.map((i) => places.rows[i] ?? 0)]));
}
