/**
 * What a student gives in training, in one order: its answer, its earlier exits, each pair's tap behind its adapter, and
 * the later taps that pairs take for their teacher. The losses are given these by their meaning, and their gradients
 * come back in the same order.
 */
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { must } from '../../../../shared/must.js';
import { isTensor, type TensorFlow } from '../../backends/backend.js';
import type { Targets } from '../../contract.js';
import type { PairActivations } from '../../losses/parts.js';
import type { LossOutputs, TotalLoss } from '../../losses/total.js';
import type { Adapters } from './adapters.js';
import { withTaps, type TappedModel } from './taps.js';

export interface TrainingOutputsOptions {
  readonly model: LayersModel;
  readonly spec: StudentSpec;
  readonly pairs: readonly TapPair[];
  readonly adapters: Adapters;
}

export class TrainingOutputs {
  readonly #tf: TensorFlow;
  readonly #options: TrainingOutputsOptions;
  /** Number of the exits before the answer. */
  readonly #exits: number;
  /** The student's own taps that others should be like. */
  readonly #laterTaps: readonly string[];
  /** The model with the taps that pairs compare as further outputs. */
  readonly #tapped: TappedModel;

  constructor(tf: TensorFlow, options: TrainingOutputsOptions) {
    const { model, spec, pairs } = options;
    this.#tf = tf;
    this.#options = options;
    this.#exits = spec.exits?.length ?? 0;
    this.#laterTaps = [...new Set(pairs.flatMap(({ to }) => to ?? []))];
    this.#tapped = withTaps(
      tf,
      model,
      pairs.flatMap(({ student, to }) => (to === null ? [student] : [student, to])),
    );
  }

  /** Runs the student in training mode. The tensors end with the tidy scope around it. */
  forward(samples: Tensor): Tensor[] {
    const { pairs, adapters } = this.#options;
    const tensors = tensorsIn(this.#tf, this.#tapped.model.apply(samples, { training: true }));
    const tapOf = (tap: string): Tensor => at(tensors, must(this.#tapped.outputOf, tap, 'output'));
    return [
      at(tensors, this.#exits),
      ...tensors.slice(0, this.#exits),
      ...pairs.map((pair) => adapters.apply(pair, tapOf(pair.student))),
      ...this.#laterTaps.map(tapOf),
    ];
  }

  /** What `forward` gave, as the losses take it. */
  read(outputs: readonly Activation[], targets: Targets): LossOutputs {
    const exits = outputs.slice(1, 1 + this.#exits).map(({ values }) => values);
    return {
      logits_BC: at(outputs, 0).values,
      classes: this.#options.spec.classes,
      exits,
      pairs: this.#pairs(outputs.slice(1 + this.#exits), targets),
    };
  }

  /** The loss's gradients in the order of the outputs; null for one that is a constant, as all behind them are. */
  gradientsOf({ gradient_BC, exitGradients, pairGradients }: TotalLoss): (Float32Array | null)[] {
    return [gradient_BC, ...exitGradients, ...this.#options.pairs.map(({ key }) => pairGradients.get(key) ?? null)];
  }

  /** @param taps of the pairs, then the later ones */
  #pairs(taps: readonly Activation[], targets: Targets): PairActivations {
    const { pairs, spec } = this.#options;
    const later = new Map(this.#laterTaps.map((tap, i) => [tap, at(taps, pairs.length + i)]));
    const constants = targets.activations ?? new Map<string, Activation>();
    return new Map(
      pairs.map(({ key, teacher: path, to }, i) => {
        const student = at(taps, i);
        const teacher = path === null ? must(later, to, 'later tap') : must(constants, path, "teacher's tap");
        return [
          key,
          spec.positions === undefined
            ? { student, teacher }
            : { student: atPosition(student), teacher: atPosition(teacher) },
        ];
      }),
    );
  }
}

/** Values of a model, of which tfjs gives one alone as it is. */
export function tensorsIn(tf: TensorFlow, values: unknown): Tensor[] {
  return [values].flat().filter((value) => isTensor(tf, value));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`the student gives ${items.length} values; number ${index} is wanted`);
  return item;
}

/** A sequence's values as rows of a position each. */
function atPosition({ values, shape }: Activation): Activation {
  return { values, shape: shape.slice(1) };
}
