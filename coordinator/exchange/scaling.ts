/** The numbers that every lease of a step carries: divisors and scheduled scalars, worked out once a step. */
import type { Lease } from '../../shared/protocol/messages.js';
import { scalarsAt } from '../../shared/recipe/schedules.js';
import type { Unit } from '../decide/types.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import { divisorsOf } from '../plan/units.js';

/** Divisors by loss term, and the loss weights and temperatures that change in the run, as they are in one step. */
export type StepNumbers = Pick<Lease, 'divisors' | 'scalars'>;

/** Works out the divisors and scheduled scalars of a run's steps, and keeps those of the newest ones. */
export class Scaling {
  readonly #run: PreparedRun;
  readonly #totalSteps: number;
  readonly #byStep = new Map<number, StepNumbers>();

  constructor(run: PreparedRun, totalSteps: number) {
    [this.#run, this.#totalSteps] = [run, totalSteps];
  }

  /** The divisors and scalars of a unit's leases; none for an evaluation. */
  of(unit: Unit): StepNumbers {
    if (unit.kind === 'evaluate') return { divisors: {}, scalars: {} };
    const { trainLabels, trainWeights, sampleAt, recipe, manifest } = this.#run;
    const scaling = this.#byStep.get(unit.step) ?? {
      divisors: divisorsOf(unit, {
        losses: recipe.losses,
        labels: trainLabels,
        weights: trainWeights,
        positions: manifest.train.positions,
        sampleAt,
      }),
      scalars: scalarsAt(recipe.losses, unit.step, this.#totalSteps),
    };
    this.#byStep.set(unit.step, scaling);
    // Leases are granted for the open step and, tentatively, for the one after it.
    for (const step of this.#byStep.keys()) if (step < unit.step - 1) this.#byStep.delete(step);
    return scaling;
  }
}
