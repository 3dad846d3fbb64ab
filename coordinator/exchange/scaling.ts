/** The numbers of a step that every lease of it carries: divisors and scheduled scalars, counted once a step. */
import type { Down } from '../../shared/protocol/messages.js';
import { scalarsAt } from '../../shared/recipe/schedules.js';
import type { Unit } from '../decide/types.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import { divisorsOf } from '../plan/units.js';

type Scaling = Pick<Down<'lease'>['lease'], 'divisors' | 'scalars'>;

export class Scalings {
  readonly #run: PreparedRun;
  readonly #totalSteps: number;
  readonly #bySteps = new Map<number, Scaling>();

  constructor(run: PreparedRun, totalSteps: number) {
    [this.#run, this.#totalSteps] = [run, totalSteps];
  }

  of(unit: Unit): Scaling {
    if (unit.kind === 'evaluate') return { divisors: {}, scalars: {} };
    const { trainLabels, trainWeights, sampleAt, recipe, manifest } = this.#run;
    const scaling = this.#bySteps.get(unit.step) ?? {
      divisors: divisorsOf(unit, {
        losses: recipe.losses,
        labels: trainLabels,
        weights: trainWeights,
        positions: manifest.train.positions,
        sampleAt,
      }),
      scalars: scalarsAt(recipe.losses, unit.step, this.#totalSteps),
    };
    this.#bySteps.set(unit.step, scaling);
    // This step's and the tentative next one's are asked for.
    for (const step of this.#bySteps.keys()) if (step < unit.step - 1) this.#bySteps.delete(step);
    return scaling;
  }
}
