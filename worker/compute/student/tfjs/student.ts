/**
 * A student on tfjs: the replica's weights in a model of layers, its answers, and the gradient of a micro-batch.
 *
 * Legend: B rows of the micro-batch, C classes.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import { joined, samplesSum } from '../../../../shared/figures/sum-names.js';
import { gradientNormSums } from '../../../../shared/figures/training-sums.js';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import { elementsIn } from '../../../../shared/shape.js';
import { must, mustAt } from '../../../../shared/must.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import type { TensorPlace } from '../../../../shared/replica/places.js';
import type { Sums } from '../../../../shared/replica/reduction/contribution.js';
import type { TensorFlow } from '../../backends/backend.js';
import type { GradientResult, MicroBatch, StepContext, StudentOutputs } from '../../contract.js';
import { norm } from '../../losses/diagnostics.js';
import { applicableTerms, totalLoss, type TotalLoss } from '../../losses/total.js';
import type { Student, StudentDefinition } from '../engine.js';
import { LossOutputsOrder } from '../loss-outputs.js';
import { Adapters } from './adapters.js';
import { seedDropout } from './dropout.js';
import type { StudentModel } from './model.js';
import { takeMoments } from './moments.js';
import { TrainingOutputs, tensorsIn } from './training-outputs.js';

/** A weight as a variable, and where the replica keeps it. */
interface LivePlace extends TensorPlace {
  readonly variable: Variable;
}

/** A student that tfjs computes. Its weights are undefined until the first `load`. */
export class TfjsStudent implements Student {
  readonly classes: number;
  readonly #tf: TensorFlow;
  readonly #definition: StudentDefinition;
  readonly #built: StudentModel;
  readonly #adapters: Adapters;
  readonly #places: readonly LivePlace[];
  /** The places of the weights that have a gradient. */
  readonly #trained: readonly LivePlace[];
  readonly #training: TrainingOutputs;
  readonly #order: LossOutputsOrder;

  /** @param built the model, which is the student's from now on */
  constructor(tf: TensorFlow, definition: StudentDefinition, built: StudentModel) {
    const { spec, plan, losses } = definition;
    this.classes = spec.classes;
    this.#tf = tf;
    this.#definition = definition;
    this.#built = built;
    this.#adapters = new Adapters(tf, spec);
    const variables = new Map<string, Variable>([
      ...built.weights.map(({ spec: { name }, variable }) => [name, variable] as const),
      ...this.#adapters.variables,
    ]);
    this.#places = plan.tensors.map((place) => {
      const variable = must(variables, place.spec.name, 'weight of the topology');
      if (variable.size !== place.size)
        throw new Error(`${place.spec.name} has ${variable.size} values; the replica keeps ${place.size}`);
      return { ...place, variable };
    });
    this.#trained = this.#places.filter(({ region }) => region === 'weights');
    this.#order = new LossOutputsOrder(spec, tapPairs(losses));
    this.#training = new TrainingOutputs(tf, {
      model: built.model,
      spec,
      pairs: tapPairs(losses),
      adapters: this.#adapters,
    });
  }

  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void {
    const regions = { weights, frozen, moving };
    this.#tf.tidy(() => {
      for (const { variable, region, offset, size } of this.#places) {
        // A tensor may keep the array that it is made of, so it gets one of its own.
        variable.assign(this.#tf.tensor(regions[region].slice(offset, offset + size), variable.shape));
      }
    });
  }

  async gradients(batch: MicroBatch, step: StepContext, out: Float32Array): Promise<GradientResult> {
    const { rows, targets } = batch;
    if (applicableTerms(targets, step).length === 0)
      return { hasGradient: false, sums: samplesSum(rows), moments: null };
    const norms = step.isProbed === true ? this.#norms(batch, step) : {};
    out.fill(0);
    const sums = this.#tf.tidy(() => {
      const { loss, gradients } = this.#backward(batch, step);
      for (const { variable, offset } of this.#trained) {
        const gradient = gradients[variable.name];
        // tfjs gives none for a weight that the outputs do not depend on.
        if (gradient !== undefined) out.set(gradient.dataSync(), offset);
      }
      return loss.sums;
    });
    return {
      hasGradient: true,
      sums: joined(samplesSum(rows), sums, norms),
      moments: takeMoments(this.#definition.plan.norms, this.#built.norms),
    };
  }

  async outputs(inputs: Float32Array, rows: number): Promise<StudentOutputs> {
    const values_BC = this.#tf.tidy(() =>
      tensorsIn(this.#tf, this.#built.model.apply(this.#samples(inputs, rows), { training: false })).map((output) =>
        asFloats(output.dataSync()),
      ),
    );
    const { exits = [] } = this.#definition.spec;
    const logits = values_BC.at(-1);
    if (logits === undefined || values_BC.length !== exits.length + 1)
      throw new Error(`the student gives ${values_BC.length} outputs; ${exits.length + 1} wanted`);
    return { logits, exits: new Map(values_BC.slice(0, -1).map((values, i) => [mustAt(exits, i, 'exit'), values])) };
  }

  tensors(): number {
    return this.#tf.memory().numTensors;
  }

  async dispose(): Promise<void> {
    this.#built.model.dispose();
    this.#adapters.dispose();
  }

  /** The norm of each weighted term's gradient with respect to the student's own weights, as sums. */
  #norms(batch: MicroBatch, step: StepContext): Sums {
    const own = this.#trained.filter(({ spec }) => spec.adapter !== true);
    return gradientNormSums(
      applicableTerms(batch.targets, step).map(({ term }) => {
        const found = this.#tf.tidy(() => {
          const { gradients } = this.#backward(batch, { ...step, losses: [term] });
          return norm(own.flatMap(({ variable }) => gradients[variable.name]?.dataSync() ?? []));
        });
        // The statistics of this forward are no part of the step.
        takeMoments(this.#definition.plan.norms, this.#built.norms);
        return [term.name, found];
      }),
    );
  }

  #samples(inputs: Float32Array, rows: number): Tensor {
    const { inputShape } = this.#definition.spec;
    return this.#tf.tensor(inputs.slice(0, rows * elementsIn(inputShape)), [rows, ...inputShape]);
  }

  /**
   * The total loss and the gradients by the variables' names. The loss itself is no tfjs operation: labels are
   * constants, and its gradients with respect to the outputs enter as such.
   */
  #backward(
    { inputs, rows, targets }: MicroBatch,
    step: StepContext,
  ): { readonly loss: TotalLoss; readonly gradients: Readonly<Record<string, Tensor | undefined>> } {
    const tf = this.#tf;
    const { plugins } = this.#definition;
    seedDropout(this.#built.dropouts, step.dropoutKey);
    let loss: TotalLoss | null = null;
    const head = tf.customGrad((...given) => {
      const outputs = given.filter((output) => output instanceof tf.Tensor);
      const total = totalLoss(this.#order.read(outputs.map(activationOf), targets), targets, { ...step, plugins });
      loss = total;
      const gradients = this.#order.gradientsOf(total);
      const gradientOf = (output: Tensor, i: number): Tensor => {
        const values = gradients[i] ?? null;
        return values === null ? tf.zerosLike(output) : tf.tensor(values, output.shape);
      };
      return { value: tf.scalar(0), gradFunc: () => outputs.map(gradientOf) };
    });
    const variables = this.#trained.map(({ variable }) => variable);
    const samples = this.#samples(inputs, rows);
    const { grads: gradients } = tf.variableGrads(() => head(...this.#training.forward(samples)).asScalar(), variables);
    return { loss: given(loss), gradients };
  }
}

function given(loss: TotalLoss | null): TotalLoss {
  if (loss === null) throw new Error('the forward gave no outputs');
  return loss;
}

function activationOf(output: Tensor): Activation {
  return { values: asFloats(output.dataSync()), shape: output.shape.slice(1) };
}

function asFloats(values: ArrayLike<number>): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
