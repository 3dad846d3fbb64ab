/**
 * Gives the losses in a student's graph what changes from micro-batch to micro-batch, in memory that onnxruntime reads,
 * and takes the terms' sums out of what it fills.
 */
import { termSums } from '../../../../../shared/figures/training-sums.js';
import { must } from '../../../../../shared/must.js';
import type { Sums } from '../../../../../shared/replica/reduction/contribution.js';
import type { Targets } from '../../../contract.js';
import type { ScaledTerm } from '../../../losses/parts.js';
import { countOfRows, rowWeights, weightedLabels } from '../../../losses/row-weights.js';
import type { FormedTerm } from './forms.js';
import { lossInputs, type GraphTerm } from './loss-graph.js';

export interface LossMemory {
  /** Of the graph's inputs that the losses have. */
  readonly inputs: ReadonlyMap<string, Float32Array | Float64Array>;
  /** By term, what it gives: [rows x 1]; absent of a term that compares nothing. */
  readonly values: ReadonlyMap<string, Float64Array>;
}

/** One compiled graph's losses. Legend: R rows of the losses, C classes. */
export class LossFeeds {
  readonly #terms: readonly (GraphTerm & Pick<FormedTerm, 'term'> & { readonly weights: Float64Array })[];
  readonly #memory: LossMemory;
  readonly #classes: number;

  constructor(
    { formed, terms }: { readonly formed: readonly FormedTerm[]; readonly terms: readonly GraphTerm[] },
    memory: LossMemory,
    { rows, classes }: { readonly rows: number; readonly classes: number },
  ) {
    const own = new Map(formed.map(({ term }) => [term.name, term]));
    this.#terms = terms.map((one) => ({ ...one, term: must(own, one.name), weights: new Float64Array(rows) }));
    this.#memory = memory;
    this.#classes = classes;
  }

  /** Fills all inputs, those of terms that do not apply with zeros: what ran before is not seen. */
  give(targets: Targets, applicable: readonly ScaledTerm[]): void {
    const now = new Map(applicable.map((scaled) => [scaled.term.name, scaled]));
    this.#labels(targets);
    this.#into(lossInputs.target('vectors', ''), (memory) => {
      this.#vectors(targets, memory);
    });
    let wantsLogits = false;
    for (const { name, term, weights, labels, scale, temperature } of this.#terms) {
      const scaled = now.get(name);
      wantsLogits ||= scaled?.term.soft === 'logits';
      rowWeights(term, targets, weights);
      this.#into(scale, (memory) => {
        const factor = scaled?.scale ?? 0;
        weights.forEach((weight, row) => (memory[row] = labels === 'weighted' ? factor : factor * weight));
      });
      this.#into(temperature, (memory) => memory.fill(scaled?.term.temperature ?? 1));
      this.#into(lossInputs.target('mixture', name), (memory) => {
        if (scaled?.term.soft === 'mixture') memory.set(softOf(targets).at(scaled.term.temperature));
        else memory.fill(0);
      });
    }
    this.#into(lossInputs.target('logits', ''), (memory) => {
      if (wantsLogits) memory.set(softOf(targets).logits());
      else memory.fill(0);
    });
    for (const [path, { values }] of targets.activations ?? [])
      this.#into(lossInputs.tap(path), (memory) => {
        memory.set(values.subarray(0, memory.length));
      });
  }

  /** The sums of the terms that apply, after the graph ran. */
  sums(targets: Targets, applicable: readonly ScaledTerm[]): Sums {
    const now = new Set(applicable.map(({ term }) => term.name));
    const found: Record<string, number> = {};
    for (const { name, term, labels, weights } of this.#terms) {
      if (!now.has(name)) continue;
      const values = this.#memory.values.get(name);
      const value = values?.reduce((sum, one, row) => sum + weighted(one, labels === 'weighted' ? 1 : weights[row]), 0);
      Object.assign(found, termSums(name, value ?? 0, values === undefined ? 0 : countOfRows(term, targets)));
    }
    return found;
  }

  #labels(targets: Targets): void {
    this.#into(lossInputs.labels('weighted'), (memory) => {
      if (memory instanceof Float64Array) weightedLabels(targets, this.#classes, memory);
    });
    this.#into(lossInputs.labels('plain'), (memory) => {
      memory.fill(0);
      targets.labels.forEach((label, row) => {
        if (label >= 0) memory[row * this.#classes + label] = 1;
      });
    });
  }

  /** Those of rows that have one: what stands in the others means nothing. */
  #vectors({ labels, mixed, vectors }: Targets, memory: Float32Array | Float64Array): void {
    memory.fill(0);
    if (vectors === undefined) return;
    labels.forEach((label, row) => {
      if (label < 0 && (mixed?.labels[row] ?? -1) < 0) return;
      memory.set(vectors.subarray(row * this.#classes, (row + 1) * this.#classes), row * this.#classes);
    });
  }

  #into(input: string | null, fill: (memory: Float32Array | Float64Array) => void): void {
    const memory = input === null ? undefined : this.#memory.inputs.get(input);
    if (memory !== undefined) fill(memory);
  }
}

/** A row that does not count adds nothing, whatever its value. */
function weighted(value: number, weight = 0): number {
  return weight === 0 ? 0 : value * weight;
}

function softOf({ soft }: Targets): NonNullable<Targets['soft']> {
  if (soft === null) throw new Error('the samples have no soft labels');
  return soft;
}
