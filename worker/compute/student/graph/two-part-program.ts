/**
 * A student's forward and backward as two graphs, with the losses between them in JavaScript: for terms that have no
 * form in the graph.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import type { MicroBatch, StepContext } from '../../contract.js';
import type { ScaledTerm } from '../../losses/parts.js';
import { totalLoss, type TotalLoss } from '../../losses/total.js';
import { LossOutputsOrder } from '../loss-outputs.js';
import { compileStudent } from './compile.js';
import {
  gradientTensors,
  ProgramInputs,
  memoryOf,
  MomentsReader,
  ownNorm,
  takenBy,
  tensorsOf,
  type Program,
  type ProgramResult,
  type Workspace,
} from './program.js';
import { runInto } from './run-into.js';
import { floatsOf, openSession } from './session.js';

interface Part {
  readonly session: InferenceSession;
  readonly feeds: Record<string, Tensor>;
  readonly results: Record<string, Tensor>;
}

export class TwoPartProgram implements Program {
  readonly #workspace: Workspace;
  readonly #order: LossOutputsOrder;
  readonly #inputs: ProgramInputs;
  readonly #forward: Part;
  readonly #backward: Part;
  /** What the losses are given, in their order. */
  readonly #values: readonly Activation[];
  /** In the same order, where the loss's gradients go; null for a value that no trained weight is behind. */
  readonly #seeds: readonly (Float32Array | null)[];
  readonly #moments: MomentsReader;

  private constructor(
    workspace: Workspace,
    parts: {
      readonly inputs: ProgramInputs;
      readonly forward: Part;
      readonly backward: Part;
      readonly values: readonly Activation[];
      readonly seeds: readonly (Float32Array | null)[];
      readonly moments: MomentsReader;
    },
  ) {
    const { spec, losses } = workspace.definition;
    this.#workspace = workspace;
    this.#order = new LossOutputsOrder(spec, tapPairs(losses));
    this.#inputs = parts.inputs;
    this.#forward = parts.forward;
    this.#backward = parts.backward;
    this.#values = parts.values;
    this.#seeds = parts.seeds;
    this.#moments = parts.moments;
  }

  /** @throws NoGradient, or UserError 65, when it has no graph */
  static async open(workspace: Workspace, rows: number): Promise<TwoPartProgram> {
    const { definition, make, weights, device } = workspace;
    const compiled = await compileStudent(definition, rows, device);
    const [forward, backward] = [await openSession(compiled.forward), await openSession(compiled.backward)];
    const inputs = new ProgramInputs(workspace, rows, compiled.masks);
    const results = tensorsOf(
      make,
      compiled.forward.graph.outputs.map(
        ({ name, type = 'float32', shape = [] }) => [name, { type, shape: shape.map(Number) }] as const,
      ),
    );
    const seeds = takenBy(backward, weights, {
      ...inputs.tensors,
      ...results,
      ...tensorsOf(
        make,
        compiled.values.map(({ seed, type, shape }) => [seed, { type, shape }] as const),
      ),
    });
    const seedTensors: Readonly<Record<string, Tensor | undefined>> = seeds;
    return new TwoPartProgram(workspace, {
      inputs,
      forward: { session: forward, feeds: takenBy(forward, weights, inputs.tensors), results },
      backward: { session: backward, feeds: seeds, results: gradientTensors(workspace, compiled) },
      values: compiled.values.map(({ name, shape }) => ({ values: memoryOf(results, name), shape: shape.slice(1) })),
      seeds: compiled.values.map(({ seed }) => {
        const tensor = seedTensors[seed];
        return tensor === undefined ? null : floatsOf(tensor);
      }),
      moments: new MomentsReader(workspace, compiled, results),
    });
  }

  async gradients(batch: MicroBatch, step: StepContext, applicable: readonly ScaledTerm[]): Promise<ProgramResult> {
    this.#inputs.fill(batch, step);
    const { session, feeds, results } = this.#forward;
    await runInto(session, feeds, results);
    const moments = this.#moments.read();
    const loss = this.#loss(batch, step);
    const norms: [string, number][] = [];
    if (step.isProbed === true)
      for (const { term } of applicable) {
        await this.#differentiate(this.#loss(batch, { ...step, losses: [term] }));
        norms.push([term.name, ownNorm(this.#workspace)]);
      }
    await this.#differentiate(loss);
    return { sums: loss.sums, norms, moments };
  }

  async release(): Promise<void> {
    await this.#forward.session.release();
    await this.#backward.session.release();
  }

  #loss({ targets }: MicroBatch, step: StepContext): TotalLoss {
    const { plugins } = this.#workspace.definition;
    return totalLoss(this.#order.read(this.#values, targets), targets, { ...step, plugins });
  }

  /** Leaves the gradient in the workspace. */
  async #differentiate(loss: TotalLoss): Promise<void> {
    const given = this.#order.gradientsOf(loss);
    this.#seeds.forEach((memory, i) => {
      const values = given[i] ?? null;
      if (values === null) memory?.fill(0);
      else memory?.set(values);
    });
    this.#workspace.gradient.fill(0);
    const { session, feeds, results } = this.#backward;
    if (session.outputNames.length > 0) await runInto(session, feeds, results);
  }
}
