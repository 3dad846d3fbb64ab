/**
 * A student on compiled graphs: the replica's weights in memory of its own, which onnxruntime reads; a program for each
 * number of rows that comes, and an inference for any.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { joined, samplesSum } from '../../../../shared/figures/sum-names.js';
import { gradientNormSums } from '../../../../shared/figures/training-sums.js';
import { must, mustAt } from '../../../../shared/must.js';
import type { TensorPlace } from '../../../../shared/replica/places.js';
import { elementsIn } from '../../../../shared/shape.js';
import type { GradientResult, MicroBatch, StepContext, StudentOutputs, Targets } from '../../contract.js';
import type { ScaledTerm } from '../../losses/parts.js';
import { applicableTerms } from '../../losses/total.js';
import type { Student, StudentDefinition } from '../engine.js';
import { deviceForms } from './device-forms.js';
import { compileInference } from './compile.js';
import { samplesName } from './forward.js';
import { formedTerms, type FormedTerm } from './losses/forms.js';
import { OneGraphProgram } from './one-graph-program.js';
import { takenBy, type Program, type Workspace } from './program.js';
import { floatsOf, openSession, tensorMaker } from './session.js';
import { TwoPartProgram } from './two-part-program.js';

/** The student in inference mode for one number of rows: its earlier exits, then its answer. */
interface Inference {
  readonly session: InferenceSession;
  readonly values: readonly string[];
}

/**
 * A student that onnxruntime computes. Its weights are undefined until the first `load`.
 *
 * A micro-batch is one graph, losses included, where each of its terms has a form in the graph, and else two: by the
 * recipe, the step and the micro-batch's targets alone, so that every worker takes the same.
 */
export class GraphStudent implements Student {
  readonly classes: number;
  readonly #workspace: Workspace;
  /** The recipe's terms with their forms; null where one has none. */
  readonly #formed: readonly FormedTerm[] | null;
  /** The replica's regions, laid out as there. */
  readonly #regions: Readonly<Record<TensorPlace['region'], Float32Array>>;
  readonly #programs = new Map<string, Promise<Program>>();
  readonly #inferences = new Map<number, Promise<Inference>>();

  private constructor(definition: StudentDefinition, { make, device }: Pick<Workspace, 'make' | 'device'>) {
    const { spec, plan, losses } = definition;
    this.classes = spec.classes;
    this.#formed = formedTerms(losses, spec.classes);
    this.#regions = {
      weights: new Float32Array(plan.gradientFloats),
      frozen: new Float32Array(plan.frozenFloats),
      moving: new Float32Array(plan.movingFloats),
    };
    const weights = new Map(
      plan.tensors.map(({ spec: { name, shape }, region, offset, size }) => [
        name,
        make({ type: 'float32', shape }, this.#regions[region].subarray(offset, offset + size)),
      ]),
    );
    this.#workspace = { definition, make, weights, gradient: new Float32Array(plan.gradientFloats), device };
  }

  /** @throws NoGradient, or UserError 65, when it has no graph */
  static async open(definition: StudentDefinition): Promise<GraphStudent> {
    return new GraphStudent(definition, { make: await tensorMaker(), device: await deviceForms() });
  }

  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void {
    this.#regions.weights.set(weights.subarray(0, this.#regions.weights.length));
    this.#regions.frozen.set(frozen.subarray(0, this.#regions.frozen.length));
    this.#regions.moving.set(moving.subarray(0, this.#regions.moving.length));
  }

  async gradients(batch: MicroBatch, step: StepContext, out: Float32Array): Promise<GradientResult> {
    const { rows, targets } = batch;
    const applicable = applicableTerms(targets, step);
    if (applicable.length === 0) return { hasGradient: false, sums: samplesSum(rows), moments: null };
    const program = await this.#program(batch, applicable);
    const { sums, norms, moments } = await program.gradients(batch, step, applicable);
    out.set(this.#workspace.gradient);
    return { hasGradient: true, sums: joined(samplesSum(rows), sums, gradientNormSums(norms)), moments };
  }

  async outputs(inputs: Float32Array, rows: number): Promise<StudentOutputs> {
    const { spec } = this.#workspace.definition;
    const { session, values } = await this.#inference(rows);
    const shape = [rows, ...spec.inputShape];
    const samples = this.#workspace.make(
      { type: 'float32', shape },
      Float32Array.from(inputs.subarray(0, elementsIn(shape))),
    );
    const results = await session.run(takenBy(session, this.#workspace.weights, { [samplesName]: samples }));
    const outputs = values.map((name) => floatsOf(must(new Map(Object.entries(results)), name, 'output')));
    const exits = spec.exits ?? [];
    return {
      logits: mustAt(outputs, exits.length, 'output'),
      exits: new Map(exits.map((exit, i) => [exit, mustAt(outputs, i, 'output')])),
    };
  }

  tensors(): number {
    return this.#workspace.weights.size + this.#programs.size + this.#inferences.size;
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    for (const one of programs) if (one.status === 'fulfilled') await one.value.release();
    const inferences = await Promise.allSettled(this.#inferences.values());
    this.#inferences.clear();
    for (const one of inferences) if (one.status === 'fulfilled') await one.value.session.release();
  }

  #inference(rows: number): Promise<Inference> {
    const found = this.#inferences.get(rows);
    if (found !== undefined) return found;
    const made = compileInference(this.#workspace.definition.spec, rows).then(async ({ model, values }) => ({
      session: await openSession(model),
      values,
    }));
    this.#inferences.set(rows, made);
    return made;
  }

  #program({ rows, targets }: MicroBatch, applicable: readonly ScaledTerm[]): Promise<Program> {
    const formed = this.#formedFor(applicable, targets);
    const key = `${rows} ${formed === null ? 'two' : 'one'}`;
    const found = this.#programs.get(key);
    if (found !== undefined) return found;
    const taps = new Map([...(targets.activations ?? [])].map(([path, { shape }]) => [path, this.#ofRow(shape)]));
    const made: Promise<Program> =
      formed === null
        ? TwoPartProgram.open(this.#workspace, rows)
        : OneGraphProgram.open(this.#workspace, rows, { formed, taps });
    this.#programs.set(key, made);
    return made;
  }

  /** The recipe's terms with their forms; null where one of these terms has none, or none for rows that are mixed. */
  #formedFor(applicable: readonly ScaledTerm[], { mixed }: Targets): readonly FormedTerm[] | null {
    const own = new Map(this.#formed?.map(({ term, form }) => [term.name, form]));
    const isFormed = applicable.every(({ term: { name } }) => {
      const form = own.get(name);
      return form !== undefined && !(mixed !== undefined && form.on === 'outputs' && form.labels === 'plain');
    });
    return isFormed ? this.#formed : null;
  }

  /** Of an activation of a sample, that of a row of the losses: a sequence's position is one. */
  #ofRow(shape: readonly number[]): readonly number[] {
    return this.#workspace.definition.spec.positions === undefined ? shape : shape.slice(1);
  }
}
