/**
 * What the ensemble says of a micro-batch, as the losses ask for it: its mixture at a temperature, or the mean of its
 * raw logits. A temperature that changes in the run is mixed here, at its value in the step, from each teacher's
 * logits.
 */
import type { SoftTargets } from '../contract.js';
import { meanLogits, mix, normaliseWeights, type Combine } from '../teachers/mixture.js';

export interface Mixing {
  readonly combine: Combine;
  readonly classes: number;
  /** Temperature null: the term's; a teacher's own is kept. In the recipe's order. */
  readonly teachers: readonly { readonly name: string; readonly weight: number; readonly temperature: number | null }[];
}

export class SoftLabels implements SoftTargets {
  readonly #named: Map<string, Float32Array>;
  readonly #mixing: Mixing;

  /** @param named by label name: `T=4`, `logits`, `teacher:NAME`, [rows x classes] each */
  constructor(named: ReadonlyMap<string, Float32Array>, mixing: Mixing) {
    this.#named = new Map(named);
    this.#mixing = mixing;
  }

  /** Log-probabilities at the temperature, [rows x classes]. */
  at(temperature: number): Float32Array {
    return this.#get(`T=${temperature}`, () =>
      mix(this.#mixing.combine, this.#outputs(temperature), this.#mixing.classes),
    );
  }

  /** The weighted mean of the raw logits, [rows x classes]. */
  logits(): Float32Array {
    return this.#get('logits', () => meanLogits(this.#outputs(1)));
  }

  #get(name: string, make: () => Float32Array): Float32Array {
    const found = this.#named.get(name) ?? make();
    this.#named.set(name, found);
    return found;
  }

  #outputs(temperature: number): { logits_BC: Float32Array; weight: number; temperature: number }[] {
    const { teachers } = this.#mixing;
    const weights = normaliseWeights(teachers.map(({ weight }) => weight)) ?? [];
    return teachers.flatMap(({ name, temperature: own }, i) => {
      const weight = weights[i] ?? 0;
      const logits_BC = this.#named.get(`teacher:${name}`);
      if (logits_BC === undefined && weight > 0) throw new Error(`no logits of teacher ${name}`);
      return logits_BC === undefined ? [] : [{ logits_BC, weight, temperature: own ?? temperature }];
    });
  }
}
