/**
 * What the ensemble says of a micro-batch, as the losses ask for it: its mixture at a temperature, or the mean of its
 * raw logits. Where labels are kept by teacher they are mixed here, once for each label that is asked for.
 */
import { labelKey } from '../../../shared/labels/kinds.js';
import { mixed, type EnsembleLabel, type Mixing } from '../../../shared/ensemble/mixture.js';
import type { SoftTargets } from '../contract.js';

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
    const logitsOf = (teacher: string): Float32Array | undefined =>
      this.#labels.get(labelKey({ kind: 'teacher', teacher }));
    const found = this.#labels.get(key) ?? mixed(label, logitsOf, this.#mixing);
    this.#labels.set(key, found);
    return found;
  }
}
