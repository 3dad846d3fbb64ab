/**
 * A student on compiled graphs: the replica's weights in memory of its own, which onnxruntime reads; a forward and a
 * backward for each number of rows that comes, and an inference for any.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { joined, samplesSum } from '../../../../shared/figures/sum-names.js';
import { gradientNormSums } from '../../../../shared/figures/training-sums.js';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import { must, mustAt } from '../../../../shared/must.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import type { TensorPlace } from '../../../../shared/replica/places.js';
import type { Sums } from '../../../../shared/replica/reduction/contribution.js';
import { momentValues, type PooledMoments } from '../../../../shared/replica/reduction/moments.js';
import { elementsIn } from '../../../../shared/shape.js';
import type { KnownValue } from '../../onnx/graph.js';
import type { GradientResult, MicroBatch, StepContext, StudentOutputs } from '../../contract.js';
import { norm } from '../../losses/diagnostics.js';
import { applicableTerms, totalLoss, type TotalLoss } from '../../losses/total.js';
import type { Student, StudentDefinition } from '../engine.js';
import { LossOutputsOrder } from '../loss-outputs.js';
import { compileInference, compileStudent, type CompiledStudent } from './compile.js';
import { drawMask, type Mask } from './dropout.js';
import { floatsOf, openSession, tensorMaker } from './session.js';
import { samplesName } from './forward.js';
import { runInto } from './run-into.js';

type MakeTensor = Awaited<ReturnType<typeof tensorMaker>>;

/** A micro-batch's graphs for one number of rows, with all the memory that they need: a step makes no tensors. */
interface Program {
  readonly forward: InferenceSession;
  readonly backward: InferenceSession;
  /** What both are given, and what they fill. */
  readonly feeds: Record<string, Tensor>;
  readonly results: Record<string, Tensor>;
  readonly seeds: Record<string, Tensor>;
  readonly gradients: Record<string, Tensor>;
  /** Null for a graph that does not look at its samples. */
  readonly samples: Float32Array | null;
  readonly masks: readonly { readonly mask: Mask; readonly memory: Float32Array }[];
  /** What the losses are given, in their order. */
  readonly values: readonly Activation[];
  /** In the same order, where the loss's gradients go; null for a value that no trained weight is behind. */
  readonly seedMemory: readonly (Float32Array | null)[];
  /** Of each batch-norm layer of the plan; null for one that the forward does not reach. */
  readonly moments: readonly (LayerMoments | null)[];
}

interface LayerMoments {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  /** How many numbers each is taken over. */
  readonly count: number;
}

/** The student in inference mode for one number of rows: its earlier exits, then its answer. */
interface Inference {
  readonly session: InferenceSession;
  readonly values: readonly string[];
}

/** A student that onnxruntime computes as two graphs. Its weights are undefined until the first `load`. */
export class GraphStudent implements Student {
  readonly classes: number;
  readonly #definition: StudentDefinition;
  readonly #make: MakeTensor;
  readonly #order: LossOutputsOrder;
  /** The replica's regions, laid out as there. */
  readonly #regions: Readonly<Record<TensorPlace['region'], Float32Array>>;
  readonly #weights: ReadonlyMap<string, Tensor>;
  /** A gradient as the replica lays it out. */
  readonly #gradient: Float32Array;
  readonly #programs = new Map<number, Promise<Program>>();
  readonly #inferences = new Map<number, Promise<Inference>>();

  private constructor(definition: StudentDefinition, make: MakeTensor) {
    const { spec, plan, losses } = definition;
    this.classes = spec.classes;
    this.#definition = definition;
    this.#make = make;
    this.#order = new LossOutputsOrder(spec, tapPairs(losses));
    this.#regions = {
      weights: new Float32Array(plan.gradientFloats),
      frozen: new Float32Array(plan.frozenFloats),
      moving: new Float32Array(plan.movingFloats),
    };
    this.#weights = new Map(
      plan.tensors.map(({ spec: { name, shape }, region, offset, size }) => [
        name,
        make({ type: 'float32', shape }, this.#regions[region].subarray(offset, offset + size)),
      ]),
    );
    this.#gradient = new Float32Array(plan.gradientFloats);
  }

  /** @throws NoGradient, or UserError 65, when it has no graph */
  static async open(definition: StudentDefinition): Promise<GraphStudent> {
    return new GraphStudent(definition, await tensorMaker());
  }

  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void {
    this.#regions.weights.set(weights.subarray(0, this.#regions.weights.length));
    this.#regions.frozen.set(frozen.subarray(0, this.#regions.frozen.length));
    this.#regions.moving.set(moving.subarray(0, this.#regions.moving.length));
  }

  async gradients(batch: MicroBatch, step: StepContext, out: Float32Array): Promise<GradientResult> {
    const { rows, targets } = batch;
    const terms = applicableTerms(targets, step);
    if (terms.length === 0) return { hasGradient: false, sums: samplesSum(rows), moments: null };
    const program = await this.#program(rows);
    await this.#forward(program, batch, step);
    const moments = this.#moments(program);
    const loss = this.#loss(program, batch, step);
    const norms = step.isProbed === true ? await this.#norms(program, batch, step) : {};
    await this.#backward(program, loss);
    out.set(this.#gradient);
    return { hasGradient: true, sums: joined(samplesSum(rows), loss.sums, norms), moments };
  }

  async outputs(inputs: Float32Array, rows: number): Promise<StudentOutputs> {
    const { spec } = this.#definition;
    const { session, values } = await this.#inference(rows);
    const shape = [rows, ...spec.inputShape];
    const samples = this.#make({ type: 'float32', shape }, Float32Array.from(inputs.subarray(0, elementsIn(shape))));
    const results = await session.run(this.#taken(session, { [samplesName]: samples }));
    const outputs = values.map((name) => floatsOf(must(new Map(Object.entries(results)), name, 'output')));
    const exits = spec.exits ?? [];
    return {
      logits: mustAt(outputs, exits.length, 'output'),
      exits: new Map(exits.map((exit, i) => [exit, mustAt(outputs, i, 'output')])),
    };
  }

  tensors(): number {
    return this.#weights.size + this.#programs.size + this.#inferences.size;
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    for (const one of programs) {
      if (one.status === 'rejected') continue;
      await one.value.forward.release();
      await one.value.backward.release();
    }
    const inferences = await Promise.allSettled(this.#inferences.values());
    this.#inferences.clear();
    for (const one of inferences) if (one.status === 'fulfilled') await one.value.session.release();
  }

  #inference(rows: number): Promise<Inference> {
    const found = this.#inferences.get(rows);
    if (found !== undefined) return found;
    const made = compileInference(this.#definition.spec, rows).then(async ({ model, values }) => ({
      session: await openSession(model),
      values,
    }));
    this.#inferences.set(rows, made);
    return made;
  }

  /** What the session is fed: weights, and what is given besides. */
  #taken(session: InferenceSession, given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    return Object.fromEntries(
      session.inputNames.map((name) => [name, given[name] ?? must(this.#weights, name, 'input of the graph')]),
    );
  }

  #program(rows: number): Promise<Program> {
    const found = this.#programs.get(rows);
    if (found !== undefined) return found;
    const made = this.#compile(rows);
    this.#programs.set(rows, made);
    return made;
  }

  async #compile(rows: number): Promise<Program> {
    const compiled = await compileStudent(this.#definition, rows);
    const [forward, backward] = [await openSession(compiled.forward), await openSession(compiled.backward)];
    const { inputShape } = this.#definition.spec;
    const tensors = (values: Iterable<readonly [string, KnownValue]>): Record<string, Tensor> =>
      Object.fromEntries([...values].map(([name, value]) => [name, this.#make(value)]));
    const results = tensors(
      compiled.forward.graph.outputs.map(({ name, type = 'float32', shape = [] }) => [
        name,
        { type, shape: shape.map(Number) },
      ]),
    );
    const given = {
      ...tensors([[samplesName, { type: 'float32', shape: [rows, ...inputShape] }]]),
      ...tensors(compiled.masks.map(({ input, shape }) => [input, { type: 'float32', shape }])),
    };
    const feeds = this.#taken(forward, given);
    const seeds = this.#taken(backward, {
      ...given,
      ...results,
      ...tensors(compiled.values.map(({ seed, type, shape }) => [seed, { type, shape }])),
    });
    const memoryIn = (
      tensorsByName: Readonly<Record<string, Tensor | undefined>>,
      name: string,
    ): Float32Array | null => {
      const tensor = tensorsByName[name];
      return tensor === undefined ? null : floatsOf(tensor);
    };
    const memory = (name: string): Float32Array => there(memoryIn(results, name), name);
    return {
      forward,
      backward,
      feeds,
      results,
      seeds,
      gradients: this.#gradientTensors(compiled),
      samples: memoryIn(feeds, samplesName),
      masks: compiled.masks.map((mask) => ({ mask, memory: there(memoryIn(given, mask.input), mask.input) })),
      values: compiled.values.map(({ name, shape }) => ({ values: memory(name), shape: shape.slice(1) })),
      seedMemory: compiled.values.map(({ seed }) => memoryIn(seeds, seed)),
      moments: this.#definition.plan.norms.map(({ layer }) => {
        const names = compiled.moments.get(layer);
        if (names === undefined) return null;
        return { mean: memory(names.mean), variance: memory(names.variance), count: compiled.countOf(layer) };
      }),
    };
  }

  /** By the names of the backward's outputs, tensors over `#gradient`, each where the replica has its weight. */
  #gradientTensors({ gradients }: CompiledStudent): Record<string, Tensor> {
    const places = new Map(this.#definition.plan.trained.map((place) => [place.spec.name, place]));
    return Object.fromEntries(
      [...gradients].map(([weight, name]) => {
        const { offset, size, spec } = must(places, weight, 'weight');
        const own = this.#gradient.subarray(offset, offset + size);
        return [name, this.#make({ type: 'float32', shape: spec.shape }, own)] as const;
      }),
    );
  }

  async #forward(
    { forward, feeds, results, samples, masks }: Program,
    batch: MicroBatch,
    step: StepContext,
  ): Promise<void> {
    if (samples !== null) samples.set(batch.inputs.subarray(0, samples.length));
    for (const { mask, memory } of masks) drawMask(mask, step.dropoutKey, memory);
    await runInto(forward, feeds, results);
  }

  #loss({ values }: Program, { targets }: MicroBatch, step: StepContext): TotalLoss {
    const { plugins } = this.#definition;
    return totalLoss(this.#order.read(values, targets), targets, { ...step, plugins });
  }

  /** Leaves the gradient in `#gradient`. */
  async #backward({ backward, seeds, seedMemory, gradients }: Program, loss: TotalLoss): Promise<void> {
    const given = this.#order.gradientsOf(loss);
    seedMemory.forEach((memory, i) => {
      const values = given[i] ?? null;
      if (values === null) memory?.fill(0);
      else memory?.set(values);
    });
    this.#gradient.fill(0);
    if (backward.outputNames.length > 0) await runInto(backward, seeds, gradients);
  }

  /** The norm of each weighted term's gradient with respect to the student's own weights, as sums. */
  async #norms(program: Program, batch: MicroBatch, step: StepContext): Promise<Sums> {
    const own = this.#definition.plan.trained.filter(({ spec }) => spec.adapter !== true);
    const found: [string, number][] = [];
    for (const { term } of applicableTerms(batch.targets, step)) {
      await this.#backward(program, this.#loss(program, batch, { ...step, losses: [term] }));
      const gradients = own.map(({ offset, size }) => this.#gradient.subarray(offset, offset + size));
      found.push([term.name, norm(gradients)]);
    }
    return gradientNormSums(found);
  }

  /** By batch-norm layer in the plan's order: count, mean, and biased variance times count. */
  #moments({ moments }: Program): PooledMoments | null {
    const { norms } = this.#definition.plan;
    if (norms.length === 0) return null;
    const values = new Float64Array(momentValues(norms));
    let at = 0;
    const counts = norms.map(({ channels }, i) => {
      const found = moments[i] ?? null;
      if (found !== null) {
        values.set(found.mean, at);
        found.variance.forEach((value, channel) => (values[at + channels + channel] = value * found.count));
      }
      at += 2 * channels;
      return found?.count ?? 0;
    });
    return { counts, values };
  }
}

function there<T>(value: T | null, name: string): T {
  if (value === null) throw new Error(`the graph has no ${name}`);
  return value;
}
