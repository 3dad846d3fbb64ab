/**
 * What a student gives to the losses in training, in one order: its answer, its earlier exits, each pair's tap behind
 * its adapter, and the later taps that pairs take for their teacher. The losses are given these by their meaning, and
 * their gradients come back in the same order. Pure: arrays in, arrays out.
 */
import type { Activation } from '../../../shared/losses/math/activation.js';
import type { TapPair } from '../../../shared/losses/term.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import { must, mustAt } from '../../../shared/must.js';
import type { Targets } from '../contract.js';
import type { PairActivations } from '../losses/parts.js';
import type { LossOutputs, TotalLoss } from '../losses/total.js';

/** The student's own taps that others should be like, each once. */
export function laterTaps(pairs: readonly TapPair[]): string[] {
  return [...new Set(pairs.flatMap(({ to }) => to ?? []))];
}

/** The order of one student's outputs, and both ways through it: values to the losses, gradients back. */
export class LossOutputsOrder {
  readonly #spec: Pick<StudentSpec, 'classes' | 'positions'>;
  readonly #pairs: readonly TapPair[];
  readonly #exits: number;
  readonly #laterTaps: readonly string[];

  constructor(spec: Pick<StudentSpec, 'classes' | 'positions' | 'exits'>, pairs: readonly TapPair[]) {
    this.#spec = spec;
    this.#pairs = pairs;
    this.#exits = spec.exits?.length ?? 0;
    this.#laterTaps = laterTaps(pairs);
  }

  /** What the student gave, as the losses take it. */
  read(outputs: readonly Activation[], targets: Targets): LossOutputs {
    return {
      logits_BC: mustAt(outputs, 0, 'output').values,
      classes: this.#spec.classes,
      exits: outputs.slice(1, 1 + this.#exits).map(({ values }) => values),
      pairs: this.#pairActivations(outputs.slice(1 + this.#exits), targets),
    };
  }

  /** The loss's gradients in the order of the outputs; null for one that is a constant, as all behind them are. */
  gradientsOf({ gradient_BC, exitGradients, pairGradients }: TotalLoss): (Float32Array | null)[] {
    return [gradient_BC, ...exitGradients, ...this.#pairs.map(({ key }) => pairGradients.get(key) ?? null)];
  }

  /** @param taps of the pairs, then the later ones */
  #pairActivations(taps: readonly Activation[], targets: Targets): PairActivations {
    const later = new Map(this.#laterTaps.map((tap, i) => [tap, mustAt(taps, this.#pairs.length + i, 'tap')]));
    const constants = targets.activations ?? new Map<string, Activation>();
    return new Map(
      this.#pairs.map(({ key, teacher: path, to }, i) => {
        const student = mustAt(taps, i, 'tap');
        const teacher = path === null ? must(later, to, 'later tap') : must(constants, path, "teacher's tap");
        return [
          key,
          this.#spec.positions === undefined
            ? { student, teacher }
            : { student: atPosition(student), teacher: atPosition(teacher) },
        ];
      }),
    );
  }
}

/** A sequence's values as rows of a position each. */
function atPosition({ values, shape }: Activation): Activation {
  return { values, shape: shape.slice(1) };
}
