/**
 * The student: the replica's weights in a tfjs model, its logits, and the gradient of a micro-batch. What it computes
 * depends on weights, samples, targets and keys alone. Shape suffixes: B rows of the micro-batch, C classes.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import { sizeOf, type StudentSpec } from '../shared/models/student-spec.js';
import type { ReplicaPlan } from '../shared/replica-plan.js';
import type { TensorFlow } from './backends/backend.js';
import type { GradientResult, StepContext, StudentCompute, Targets } from './compute.js';
import { seedDropout } from './dropout.js';
import { applicableTerms, totalLoss, type TotalLoss } from './losses/total.js';
import { takeMoments } from './moments.js';
import { buildStudentModel, type StudentModel } from './student-model.js';
import { zeroedTopology } from './student-topology.js';

/** A trained variable and where its gradient goes. */
interface Target {
  readonly variable: Variable;
  readonly offset: number;
}

interface Place extends Target {
  readonly region: 'weights' | 'frozen' | 'moving';
  readonly size: number;
}

export class Student implements StudentCompute {
  readonly classes: number;
  readonly #tf: TensorFlow;
  readonly #plan: ReplicaPlan;
  readonly #inputShape: readonly number[];
  readonly #built: StudentModel;
  readonly #places: readonly Place[];

  private constructor(tf: TensorFlow, options: { spec: StudentSpec; plan: ReplicaPlan; built: StudentModel }) {
    this.#tf = tf;
    this.#plan = options.plan;
    this.#built = options.built;
    this.#inputShape = options.spec.inputShape;
    this.classes = options.spec.classes;
    const variables = new Map(options.built.weights.map(({ spec, variable }) => [spec.name, variable]));
    this.#places = options.plan.tensors.map(({ spec, region, offset, size }) => {
      const variable = variables.get(spec.name);
      if (variable === undefined || variable.size !== size) throw new Error(`the student's topology has no weight ${spec.name} of ${size} values`);
      return { variable, region, offset, size };
    });
  }

  /** @throws UserError 65 when the topology cannot be built or trained */
  static async build(tf: TensorFlow, spec: StudentSpec, plan: ReplicaPlan): Promise<Student> {
    return new Student(tf, { spec, plan, built: await buildStudentModel(tf, zeroedTopology(spec.topology)) });
  }

  /** Copies the replica's regions into the model, at once. */
  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void {
    const regions = { weights, frozen, moving };
    this.#tf.tidy(() => {
      for (const { variable, region, offset, size } of this.#places) {
        // A tensor may keep the array that it is made of, so it gets one of its own.
        variable.assign(this.#tf.tensor(regions[region].slice(offset, offset + size), variable.shape));
      }
    });
  }

  /**
   * The gradient of the micro-batch's share of the total loss, written into `out` (gradientFloats floats, laid out as the
   * replica's weights, zero where tfjs returns none). Without a term that applies nothing is computed.
   */
  async gradients(inputs: Float32Array, rows: number, targets: Targets, step: StepContext, out: Float32Array): Promise<GradientResult> {
    if (applicableTerms(targets, step).size === 0) return { hasGradient: false, sums: { samples: rows }, moments: null };
    seedDropout(this.#built.dropouts, step.dropoutKey);
    let loss: TotalLoss | null = null;
    out.fill(0);
    this.#tf.tidy(() => {
      const gradients = this.#backward(this.#batch(inputs, rows), (logits_BC) => {
        loss = totalLoss(logits_BC, this.classes, targets, step);
        return loss.gradient_BC;
      });
      for (const { variable, offset } of this.#trained()) {
        const gradient = gradients[variable.name];
        if (gradient !== undefined) out.set(gradient.dataSync(), offset);
      }
    });
    return { hasGradient: true, sums: { samples: rows, ...sumsOf(loss) }, moments: takeMoments(this.#plan.norms, this.#built.norms) };
  }

  /** [rows x classes], in inference mode, by the moving values. */
  logits(inputs: Float32Array, rows: number): Float32Array {
    return this.#tf.tidy(() => asFloats(this.#forward(this.#batch(inputs, rows), false).dataSync()));
  }

  dispose(): void {
    this.#built.model.dispose();
  }

  #trained(): readonly Target[] {
    return this.#places.filter(({ region }) => region === 'weights');
  }

  #batch(inputs: Float32Array, rows: number): Tensor {
    const size = rows * sizeOf(this.#inputShape);
    return this.#tf.tensor(inputs.slice(0, size), [rows, ...this.#inputShape]);
  }

  #forward(inputs: Tensor, training: boolean): Tensor {
    const output = this.#built.model.apply(inputs, { training });
    if (!(output instanceof this.#tf.Tensor)) throw new Error('the student gives more than one output');
    return output;
  }

  /**
   * Gradients by variable, given those of the logits. The loss itself is no tfjs operation: labels are constants, and
   * its gradient enters as one.
   */
  #backward(inputs: Tensor, lossGradient: (logits_BC: Float32Array) => Float32Array): Record<string, Tensor> {
    const tf = this.#tf;
    const head = tf.customGrad((logits) => {
      if (!(logits instanceof tf.Tensor)) throw new Error('no logits');
      const gradient_BC = lossGradient(asFloats(logits.dataSync()));
      return { value: tf.scalar(0), gradFunc: () => tf.tensor(gradient_BC, logits.shape) };
    });
    const variables = this.#trained().map(({ variable }) => variable);
    return tf.variableGrads(() => head(this.#forward(inputs, true)).asScalar(), variables).grads;
  }
}

function sumsOf(loss: TotalLoss | null): Record<string, number> {
  if (loss === null) throw new Error('the forward gave no logits');
  return loss.sums;
}

function asFloats(values: ArrayLike<number>): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
