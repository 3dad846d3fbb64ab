/** A student's forward in training, which gives its values in the order of ../loss-outputs.ts. */
import { counted } from '../../../../shared/counted.js';
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import type { TapPair } from '../../../../shared/losses/term.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { must } from '../../../../shared/must.js';
import { isTensor, type TensorFlow } from '../../backends/backend.js';
import { laterTaps } from '../loss-outputs.js';
import type { Adapters } from './adapters.js';
import { withTaps, type TappedModel } from './taps.js';

/** The student's model, and the pairs of taps that its losses compare. */
export interface TrainingOutputsOptions {
  readonly model: LayersModel;
  readonly spec: StudentSpec;
  readonly pairs: readonly TapPair[];
  readonly adapters: Adapters;
}

/** Runs the student forward in training, with all outputs that its losses look at. */
export class TrainingOutputs {
  readonly #tf: TensorFlow;
  readonly #options: TrainingOutputsOptions;
  /** Number of the exits before the answer. */
  readonly #exits: number;
  /** The model with the taps that pairs compare as further outputs. */
  readonly #tapped: TappedModel;

  constructor(tf: TensorFlow, options: TrainingOutputsOptions) {
    const { model, spec, pairs } = options;
    this.#tf = tf;
    this.#options = options;
    this.#exits = spec.exits?.length ?? 0;
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
      ...laterTaps(pairs).map(tapOf),
    ];
  }
}

/** Values of a model, of which tfjs gives one alone as it is. */
export function tensorsIn(tf: TensorFlow, values: unknown): Tensor[] {
  return [values].flat().filter((value) => isTensor(tf, value));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined)
    throw new Error(`the student gives ${counted(items.length, 'value')}; number ${index} is wanted`);
  return item;
}
