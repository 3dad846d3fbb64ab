/**
 * The student: the replica's weights in a tfjs model, its logits, and the gradient of a micro-batch. What it computes
 * depends on weights, samples, targets and keys alone. Shape suffixes: B rows of the micro-batch, C classes.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import { joined, samplesSum } from '../../../../shared/figures/sum-names.js';
import { gradientNormSums } from '../../../../shared/figures/training-sums.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import type { ReplicaPlan } from '../../../../shared/replica/plan.js';
import type { Sums } from '../../../../shared/replica/reduction/contribution.js';
import { applyAdapter } from './adapters.js';
import { isTensor, type TensorFlow } from '../../backends/backend.js';
import type { GradientResult, StepContext, StudentCompute, StudentOutputs, Targets } from '../../contract.js';
import { seedDropout } from './dropout.js';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import { elementsIn } from '../../../../shared/shape.js';
import { norm } from '../../losses/diagnostics.js';
import type { PairActivations } from '../../losses/parts.js';
import type { PluginLosses } from '../../losses/plugin.js';
import { applicableTerms, totalLoss, type TotalLoss } from '../../losses/total.js';
import { takeMoments } from './moments.js';
import { buildStudentModel, type StudentModel } from './model.js';
import { withTaps, type TappedModel } from './taps.js';
import { zeroedTopology } from './topology.js';

/** A trained variable and where its gradient goes. */
interface Target {
  readonly variable: Variable;
  readonly offset: number;
}

interface Place extends Target {
  readonly region: 'weights' | 'frozen' | 'moving';
  readonly size: number;
}

/** What the recipe's losses take of a student, and those that are no part of this program. */
interface StudentLosses {
  readonly pairs: readonly TapPair[];
  readonly plugins: PluginLosses;
}

export class Student implements StudentCompute {
  readonly classes: number;
  readonly #tf: TensorFlow;
  readonly #plan: ReplicaPlan;
  readonly #inputShape: readonly number[];
  /** Of a sequence, each of which is a row for the losses. */
  readonly #positions: number | undefined;
  readonly #built: StudentModel;
  readonly #places: readonly Place[];
  readonly #pairs: readonly TapPair[];
  readonly #plugins: PluginLosses;
  /** Names of the outputs before the last one. */
  readonly #exits: readonly string[];
  /** Of the adapters, by their weights' names. */
  readonly #adapters: ReadonlyMap<string, Variable>;
  /** With the taps that pairs compare as further outputs. */
  readonly #tapped: TappedModel;

  private constructor(
    tf: TensorFlow,
    options: { spec: StudentSpec; plan: ReplicaPlan; built: StudentModel } & StudentLosses,
  ) {
    this.#tf = tf;
    this.#plan = options.plan;
    this.#built = options.built;
    this.#inputShape = options.spec.inputShape;
    this.classes = options.spec.classes;
    this.#positions = options.spec.positions;
    this.#exits = options.spec.exits ?? [];
    this.#pairs = options.pairs;
    this.#plugins = options.plugins;
    this.#tapped = withTaps(
      tf,
      options.built.model,
      options.pairs.flatMap(({ student, to }) => (to === null ? [student] : [student, to])),
    );
    this.#adapters = new Map(
      options.spec.weights
        .filter(({ adapter }) => adapter === true)
        .map(({ name, shape }) => [name, tf.variable(tf.zeros([...shape]))]),
    );
    const variables = new Map([
      ...options.built.weights.map(({ spec, variable }) => [spec.name, variable] as const),
      ...this.#adapters,
    ]);
    this.#places = options.plan.tensors.map(({ spec, region, offset, size }) => {
      const variable = variables.get(spec.name);
      if (variable?.size !== size)
        throw new Error(`the student's topology has no weight ${spec.name} of ${size} values`);
      return { variable, region, offset, size };
    });
  }

  /** @throws UserError 65 when the topology cannot be built or trained */
  static async build(
    tf: TensorFlow,
    spec: StudentSpec,
    plan: ReplicaPlan,
    { pairs = [], plugins = new Map() }: Partial<StudentLosses> = {},
  ): Promise<Student> {
    return new Student(tf, {
      spec,
      plan,
      built: await buildStudentModel(tf, zeroedTopology(spec.topology)),
      pairs,
      plugins,
    });
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
   * The gradient of the micro-batch's share of the total loss, written into `out` (gradientFloats floats, laid out as
   * the replica's weights, zero where tfjs returns none). Without a term that applies nothing is computed.
   */
  async gradients(
    inputs: Float32Array,
    rows: number,
    targets: Targets,
    step: StepContext,
    out: Float32Array,
  ): Promise<GradientResult> {
    if (applicableTerms(targets, step).length === 0)
      return { hasGradient: false, sums: samplesSum(rows), moments: null };
    const norms = step.isProbed === true ? this.#norms(inputs, rows, targets, step) : {};
    let loss: TotalLoss | null = null;
    out.fill(0);
    this.#tf.tidy(() => {
      const gradients = this.#backward(this.#batch(inputs, rows), step, (outputs) => {
        const own = this.#loss(outputs, targets, step);
        loss = own;
        return this.#gradientsOf(own);
      });
      for (const { variable, offset } of this.#trained()) {
        const gradient = gradients[variable.name];
        if (gradient !== undefined) out.set(gradient.dataSync(), offset);
      }
    });
    return {
      hasGradient: true,
      sums: joined(samplesSum(rows), sumsOf(loss), norms),
      moments: takeMoments(this.#plan.norms, this.#built.norms),
    };
  }

  /** The norm of each weighted term's gradient with respect to the student's own weights, as sums. */
  #norms(inputs: Float32Array, rows: number, targets: Targets, step: StepContext): Sums {
    const own = this.#trained().filter(({ variable }) => ![...this.#adapters.values()].includes(variable));
    return gradientNormSums(
      applicableTerms(targets, step).map(({ term }) => {
        const alone = { ...step, losses: [term] };
        const found = this.#tf.tidy(() => {
          const gradients = this.#backward(this.#batch(inputs, rows), step, (outputs) =>
            this.#gradientsOf(this.#loss(outputs, targets, alone)),
          );
          return norm(own.flatMap(({ variable }) => gradients[variable.name]?.dataSync() ?? []));
        });
        takeMoments(this.#plan.norms, this.#built.norms);
        return [term.name, found];
      }),
    );
  }

  #loss([logits, ...others]: readonly Activation[], targets: Targets, step: StepContext): TotalLoss {
    if (logits === undefined) throw new Error('the student gives no logits');
    const exits = others.slice(0, this.#exits.length).map(({ values }) => values);
    const pairs = this.#activations(others.slice(exits.length), targets);
    const outputs = { logits_BC: logits.values, classes: this.classes, exits, pairs };
    return totalLoss(outputs, targets, { ...step, plugins: this.#plugins });
  }

  /** Of the logits, the earlier exits, and each pair's tap. */
  #gradientsOf({ gradient_BC, exitGradients, pairGradients }: TotalLoss): (Float32Array | null)[] {
    return [gradient_BC, ...exitGradients, ...this.#pairs.map(({ key }) => pairGradients.get(key) ?? null)];
  }

  /** [rows x classes], in inference mode, by the moving values; of every exit. */
  outputs(inputs: Float32Array, rows: number): StudentOutputs {
    const values = this.#tf.tidy(() =>
      tensorsIn(this.#tf, this.#built.model.apply(this.#batch(inputs, rows), { training: false })).map((tensor) =>
        asFloats(tensor.dataSync()),
      ),
    );
    const logits = values.at(-1);
    if (logits === undefined) throw new Error('the student gives no logits');
    return { logits, exits: new Map(this.#exits.map((name, i) => [name, values[i] ?? new Float32Array(0)])) };
  }

  /** What the student answers: [rows x classes]. */
  logits(inputs: Float32Array, rows: number): Float32Array {
    return this.outputs(inputs, rows).logits;
  }

  dispose(): void {
    this.#built.model.dispose();
    for (const variable of this.#adapters.values()) variable.dispose();
  }

  #trained(): readonly Target[] {
    return this.#places.filter(({ region }) => region === 'weights');
  }

  #batch(inputs: Float32Array, rows: number): Tensor {
    const size = rows * elementsIn(this.#inputShape);
    return this.#tf.tensor(inputs.slice(0, size), [rows, ...this.#inputShape]);
  }

  /**
   * In training: the logits, the earlier exits, each pair's tap behind its adapter, and the later taps that pairs take
   * for their teacher.
   */
  #outputs(inputs: Tensor): Tensor[] {
    const tensors = tensorsIn(this.#tf, this.#tapped.model.apply(inputs, { training: true }));
    const tapOf = (tap: string): Tensor => {
      const tensor = tensors[this.#tapped.outputOf.get(tap) ?? -1];
      if (tensor === undefined) throw new Error(`the student gives no tap ${tap}`);
      return tensor;
    };
    const exits = this.#exits.length;
    return [
      ...tensors.slice(exits, exits + 1),
      ...tensors.slice(0, exits),
      ...this.#pairs.map((pair) =>
        applyAdapter(this.#tf, pair, tapOf(pair.student), (name) => this.#adapter(pair, name)),
      ),
      ...this.#later().map(tapOf),
    ];
  }

  #adapter({ key }: TapPair, name: string): Variable {
    const variable = this.#adapters.get(`adapter/${key}/${name}`);
    if (variable === undefined) throw new Error(`the replica has no weight adapter/${key}/${name}`);
    return variable;
  }

  /** The student's own taps that others should be like. */
  #later(): string[] {
    return [...new Set(this.#pairs.flatMap(({ to }) => (to === null ? [] : [to])))];
  }

  /** @param taps as `#outputs` gives them behind the exits */
  #activations(taps: readonly Activation[], targets: Targets): PairActivations {
    const later = new Map(this.#later().map((tap, i) => [tap, taps[this.#pairs.length + i]]));
    return new Map(
      this.#pairs.map((pair, i) => {
        const [student, teacher] = [
          taps[i],
          pair.teacher === null ? later.get(pair.to ?? '') : targets.activations?.get(pair.teacher),
        ];
        if (student === undefined || teacher === undefined)
          throw new Error(`no values for ${pair.teacher ?? pair.to ?? ''}`);
        return [
          pair.key,
          this.#positions === undefined
            ? { student, teacher }
            : { student: atPosition(student), teacher: atPosition(teacher) },
        ];
      }),
    );
  }

  /**
   * Gradients by variable, given those of the outputs; null: none, a constant. The loss itself is no tfjs operation:
   * labels are constants, and its gradients enter as such.
   */
  #backward(
    inputs: Tensor,
    { dropoutKey }: StepContext,
    lossGradients: (outputs: readonly Activation[]) => (Float32Array | null)[],
  ): Record<string, Tensor> {
    const tf = this.#tf;
    seedDropout(this.#built.dropouts, dropoutKey);
    const head = tf.customGrad((...given) => {
      const outputs = given.filter((output) => output instanceof tf.Tensor);
      const gradients = lossGradients(
        outputs.map((output) => ({ values: asFloats(output.dataSync()), shape: output.shape.slice(1) })),
      );
      const gradientOf = (output: Tensor, i: number): Tensor => {
        const values = gradients[i] ?? null;
        return values === null ? tf.zerosLike(output) : tf.tensor(values, output.shape);
      };
      return { value: tf.scalar(0), gradFunc: () => outputs.map(gradientOf) };
    });
    const variables = this.#trained().map(({ variable }) => variable);
    return tf.variableGrads(() => head(...this.#outputs(inputs)).asScalar(), variables).grads;
  }
}

function tensorsIn(tf: TensorFlow, given: unknown): Tensor[] {
  return [given].flat().filter((output) => isTensor(tf, output));
}

function sumsOf(loss: TotalLoss | null): Sums {
  if (loss === null) throw new Error('the forward gave no logits');
  return loss.sums;
}

/** A sequence's values as rows of a position each. */
function atPosition({ values, shape }: Activation): Activation {
  return { values, shape: shape.slice(1) };
}

function asFloats(values: ArrayLike<number>): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
