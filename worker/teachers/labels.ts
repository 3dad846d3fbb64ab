/**
 * Soft labels by sample: kept in memory once computed, since teachers are frozen, and computed by the ensemble for
 * the samples that are not there. Kept or computed, a sample's label is the same bits (see ensemble.ts).
 * Keyed by sample id and view, never by a row's place, which changes with shuffling. Computing ahead is micro-batches.ts's.
 */
import type { Ensemble } from './ensemble.js';

export interface LabelsOptions {
  readonly ensemble: Pick<Ensemble, 'softLabels' | 'classes'>;
  /** `labels.cache` of the recipe; false computes always. */
  readonly cache: boolean;
  /** No more labels are kept beyond so many bytes. */
  readonly maxBytes?: number;
}

const blockRows = 1024;

export class Labels {
  readonly #options: LabelsOptions;
  readonly #maxRows: number;
  readonly #rowOf = new Map<number, number>();
  /** The kept rows, blockRows in each. */
  readonly #blocks: Float32Array[] = [];

  constructor(options: LabelsOptions) {
    this.#options = options;
    this.#maxRows = options.cache ? Math.floor((options.maxBytes ?? 2 ** 30) / (4 * options.ensemble.classes)) : 0;
  }

  /** How many labels are kept. */
  get kept(): number {
    return this.#rowOf.size;
  }

  /** Log-probabilities of the mixture, [ids x classes]. `inputs` is [ids x sample]; `view` names its augmentation. */
  async softLabels(ids: Uint32Array, inputs: Float32Array, view = 0): Promise<Float32Array> {
    const { classes } = this.#options.ensemble;
    const out = new Float32Array(ids.length * classes);
    const missing: number[] = [];
    ids.forEach((id, i) => {
      const kept = this.#read(id, view);
      if (kept === null) missing.push(i);
      else out.set(kept, i * classes);
    });
    if (missing.length === 0) return out;
    const computed = await this.#options.ensemble.softLabels(gather(inputs, ids.length, missing), missing.length);
    missing.forEach((i, row) => {
      const label = computed.subarray(row * classes, (row + 1) * classes);
      out.set(label, i * classes);
      this.#keep(ids[i] ?? 0, view, label);
    });
    return out;
  }

  #read(id: number, view: number): Float32Array | null {
    const row = this.#rowOf.get(keyOf(id, view));
    return row === undefined ? null : this.#slot(row);
  }

  #keep(id: number, view: number, label: Float32Array): void {
    const key = keyOf(id, view);
    if (this.#rowOf.has(key) || this.#rowOf.size >= this.#maxRows) return;
    const row = this.#rowOf.size;
    if (row % blockRows === 0) this.#blocks.push(new Float32Array(blockRows * label.length));
    this.#slot(row).set(label);
    this.#rowOf.set(key, row);
  }

  #slot(row: number): Float32Array {
    const { classes } = this.#options.ensemble;
    const block = this.#blocks[Math.floor(row / blockRows)];
    if (block === undefined) throw new Error(`label row ${row} has no block`);
    return block.subarray((row % blockRows) * classes, ((row % blockRows) + 1) * classes);
  }
}

/** Ids are below 2^32, so view and id share one exact number. */
function keyOf(id: number, view: number): number {
  return view * 2 ** 32 + id;
}

function gather(inputs: Float32Array, rows: number, wanted: readonly number[]): Float32Array {
  if (wanted.length === rows) return inputs;
  const size = inputs.length / rows;
  const out = new Float32Array(wanted.length * size);
  wanted.forEach((row, i) => out.set(inputs.subarray(row * size, (row + 1) * size), i * size));
  return out;
}
