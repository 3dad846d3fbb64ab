/**
 * What the ensemble says of a micro-batch, as the losses ask for it: its mixture at a temperature, or the mean of its
 * raw logits. A temperature that changes in the run is mixed here, at its value in the step, from each teacher's
 * logits.
 */
import { labelKey, type EnsembleLabel } from '../../../shared/labels/kinds.js';
import type { SoftTargets } from '../contract.js';
import { blend, normalisedOrZero, type Combine, type WeightedLogits } from '../teachers/mixture.js';
import { mustAt } from '../../../shared/must.js';

export interface Mixing {
  readonly combine: Combine;
  readonly classes: number;
  /** In the recipe's order. Temperature null: the loss term's is taken; a teacher's own stays what it is. */
  readonly teachers: readonly { readonly name: string; readonly weight: number; readonly temperature: number | null }[];
}

export class SoftLabels implements SoftTargets {
  readonly #labels: Map<string, Float32Array>;
  readonly #mixing: Mixing;

  /** @param labels by their keys (`labelKey`), [rows x classes] each */
  constructor(labels: ReadonlyMap<string, Float32Array>, mixing: Mixing) {
    this.#labels = new Map(labels);
    this.#mixing = mixing;
  }

  at(temperature: number): Float32Array {
    return this.#get({ kind: 'mixture', temperature });
  }

  logits(): Float32Array {
    return this.#get({ kind: 'logits' });
  }

  #get(label: EnsembleLabel): Float32Array {
    const key = labelKey(label);
    const found = this.#labels.get(key) ?? blend(label, this.#outputs(), this.#mixing);
    this.#labels.set(key, found);
    return found;
  }

  #outputs(): WeightedLogits[] {
    const { teachers } = this.#mixing;
    const weights = normalisedOrZero(teachers.map(({ weight }) => weight));
    return teachers.flatMap(({ name, temperature }, i) => {
      const weight = mustAt(weights, i, 'weight');
      const logits_BC = this.#labels.get(labelKey({ kind: 'teacher', teacher: name }));
      if (logits_BC === undefined && weight > 0) throw new Error(`no logits of teacher ${name}`);
      return logits_BC === undefined ? [] : [{ logits_BC, weight, temperature }];
    });
  }
}
