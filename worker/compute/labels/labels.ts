/**
 * Soft labels by sample: read from memory, from this machine's disk or from the coordinator, and computed by the
 * teachers where nobody has them. A label is used as it is decoded from the bytes that are kept, new or old, so a run
 * has the same bits with a cold cache and with a warm one (see shared/labels/precision.ts; rows: ensemble.ts). Keyed by
 * sample and view, never by a row's place, which changes with shuffling. Computing ahead is micro-batches.ts's.
 */
import type { Batch } from '../../../shared/data/samples.js';
import { LabelBlock } from '../../../shared/labels/block.js';
import { widthOf, type RowCodec } from '../../../shared/labels/precision.js';
import { labelNames, type BlockPlan, type LabelKind } from '../../../shared/labels/sets.js';
import type { LabelShelf } from '../../../shared/labels/shelf.js';
import { pickRows } from '../teachers/fixed-rows.js';
import type { SampleView } from '../teachers/routing.js';
import type { SharedLabels } from './shared-labels.js';

/** Gives labels by name (`T=4`, `logits`, `teacher:NAME`), [samples x classes] each. */
export type ComputeLabels = (
  names: readonly string[],
  inputs: Float32Array,
  samples: readonly SampleView[],
) => Promise<ReadonlyMap<string, Float32Array>>;

export interface LabelsOptions {
  readonly compute: ComputeLabels;
  readonly teachers: readonly { readonly name: string }[];
  /** Where labels are kept, and in what form. */
  readonly shelf: LabelShelf;
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

/** Where the samples of one request lie. */
interface Places {
  readonly blocks: Uint32Array;
  readonly rows: Uint32Array;
}

/** One of the wanted names: its set on the shelf, and that set's blocks by number. */
interface Wanted {
  readonly name: string;
  readonly set: number;
  readonly blocks: Map<number, LabelBlock>;
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
   * Labels of these kinds by name (`T=4`, `logits`, `teacher:NAME`), [ids x classes]. Inputs are [ids x sample]; `view`
   * is the number of their augmentation. @throws UserError when a teacher cannot label
   */
  async get(
    ids: Uint32Array,
    batch: Pick<Batch, 'inputs' | 'labels'>,
    view: number,
    kinds: readonly LabelKind[],
  ): Promise<Map<string, Float32Array>> {
    const kept = this.#options.cache ? view : 0;
    const wanted = labelNames(kinds, this.#options.teachers).map((name) => ({
      name,
      set: this.#setOf(name, kept),
      blocks: new Map<number, LabelBlock>(),
    }));
    const request = { ids, ...batch, view };
    if (!this.#options.cache) return this.#live(request, wanted);
    const places = this.#locate(ids);
    for (const one of wanted) await this.#open(one, places.blocks);
    let missing = missingRows(places, wanted);
    if (missing.length > 0 && this.#options.shared) {
      for (const { set } of wanted) await this.#options.shared.ask(set, byBlock(places, missing));
      missing = missingRows(places, wanted);
    }
    const fresh = missing.length === 0 ? null : await this.#compute(missing, request, wanted);
    if (fresh !== null) await this.#keep(fresh, missing, places, wanted);
    this.#computed += missing.length;
    this.#read += ids.length - missing.length;
    return new Map(wanted.map((one) => [one.name, this.#gather(one, places, fresh?.get(one.name) ?? null, missing)]));
  }

  /** How the samples are cut into blocks. */
  get plan(): BlockPlan {
    return this.#options.shelf.plan;
  }

  /** Bytes that the labels of one sample take, of all kinds together, in one view. */
  get rowBytes(): number {
    return this.#options.shelf.sets
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
    await this.#options.shelf.save();
  }

  /** Keeps nothing, and gives what a cache would. */
  async #live(request: Request, wanted: readonly Wanted[]): Promise<Map<string, Float32Array>> {
    const rows = request.ids.length;
    const everyRow = Array.from({ length: rows }, (_, row) => row);
    const fresh = await this.#compute(everyRow, request, wanted);
    const places = { blocks: new Uint32Array(rows), rows: Uint32Array.from(everyRow) };
    this.#computed += rows;
    return new Map(
      wanted.map((one) => {
        const values = fresh.get(one.name) ?? new Float32Array(0);
        const block = new LabelBlock(this.#codecOf(one.set), rows);
        for (const row of everyRow) addRow(block, row, values, (row * values.length) / rows, values.length / rows);
        return [one.name, this.#gather({ ...one, blocks: new Map([[0, block]]) }, places, values, everyRow)];
      }),
    );
  }

  /** Numbers of a sample's label. */
  #widthOf(set: number): number {
    const form = this.#options.shelf.sets[set]?.form;
    return form === undefined ? 0 : widthOf(form);
  }

  #codecOf(set: number): RowCodec {
    const found = this.#options.shelf.sets[set];
    if (found === undefined) throw new RangeError(`label set ${set}`);
    return found.codec;
  }

  #locate(ids: Uint32Array): Places {
    const { plan } = this.#options.shelf;
    const blocks = ids.map((id) => plan.locate(id));
    return { blocks, rows: ids.map((id, i) => id - (plan.blocks[blocks[i] ?? 0]?.first ?? 0)) };
  }

  #setOf(name: string, view: number): number {
    const set = this.#options.shelf.sets.findIndex((candidate) => candidate.name === name && candidate.view === view);
    if (set < 0) throw new RangeError(`labels ${name} of view ${view} are not among this run's`);
    return set;
  }

  async #open({ set, blocks }: Wanted, numbers: Uint32Array): Promise<void> {
    const { shelf } = this.#options;
    for (const block of numbers)
      if (!blocks.has(block)) blocks.set(block, shelf.at(set, block) ?? (await shelf.open(set, block)));
  }

  #compute(
    missing: readonly number[],
    { ids, inputs, labels, view }: Request,
    wanted: readonly Wanted[],
  ): Promise<ReadonlyMap<string, Float32Array>> {
    const samples = missing.map((row) => this.#sampleOf(ids[row] ?? 0, view, labels[row] ?? -1));
    return this.#options.compute(
      wanted.map(({ name }) => name),
      pickRows(inputs, ids.length, missing),
      samples,
    );
  }

  #sampleOf(id: number, view: number, label: number): SampleView {
    const { blocks } = this.plan;
    const { shard = '', from = 0, first = 0 } = blocks[this.plan.locate(id)] ?? {};
    return { shard, row: from + id - first, view, label };
  }

  /** A row that is not finite is not kept: the loss meets it as it is. */
  async #keep(
    fresh: ReadonlyMap<string, Float32Array>,
    missing: readonly number[],
    places: Places,
    wanted: readonly Wanted[],
  ): Promise<void> {
    for (const { name, set, blocks } of wanted) {
      const values = fresh.get(name) ?? new Float32Array(0);
      const classes = this.#widthOf(set);
      for (const [number, at] of grouped(
        missing.map((_, i) => i),
        (i) => places.blocks[missing[i] ?? 0] ?? 0,
      )) {
        // Memory may have let it go while the teachers were at work.
        const block = await this.#options.shelf.open(set, number);
        blocks.set(number, block);
        const added = at.flatMap((i) => addRow(block, places.rows[missing[i] ?? 0] ?? 0, values, i * classes, classes));
        if (added.length > 0) this.#options.shared?.offer(set, number, added);
      }
    }
  }

  #gather(
    { set, blocks: open }: Wanted,
    { blocks, rows }: Places,
    fresh: Float32Array | null,
    missing: readonly number[],
  ): Float32Array {
    const classes = this.#widthOf(set);
    const out = new Float32Array(rows.length * classes);
    for (let i = 0; i < rows.length; i++) {
      const [block, row = 0] = [open.get(blocks[i] ?? 0), rows[i]];
      if (block?.has(row) === true) block.read(row, out, i * classes);
      else if (fresh !== null) {
        const at = missing.indexOf(i);
        out.set(fresh.subarray(at * classes, (at + 1) * classes), i * classes);
      }
    }
    return out;
  }
}

/** Samples of the request of which some wanted label is not there. */
function missingRows({ blocks, rows }: Places, wanted: readonly Wanted[]): number[] {
  const missing: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    for (const { blocks: open } of wanted) {
      if (open.get(blocks[i] ?? 0)?.has(rows[i] ?? 0) === true) continue;
      missing.push(i);
      break;
    }
  }
  return missing;
}

function byBlock({ blocks, rows }: Places, missing: readonly number[]): Map<number, number[]> {
  return new Map(
    [...grouped(missing, (i) => blocks[i] ?? 0)].map(([block, found]) => [block, found.map((i) => rows[i] ?? 0)]),
  );
}

function grouped(values: readonly number[], keyOf: (value: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}

/** @returns the row, unless it was there or is not finite */
function addRow(block: LabelBlock, row: number, values: Float32Array, at: number, classes: number): number[] {
  if (block.has(row)) return [];
  for (let k = 0; k < classes; k++) if (!Number.isFinite(values[at + k])) return [];
  block.add(row, values, at);
  return [row];
}
