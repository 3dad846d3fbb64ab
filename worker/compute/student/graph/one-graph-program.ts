/** A student's forward, losses and backward as one graph: one call a micro-batch. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { must } from '../../../../shared/must.js';
import type { MicroBatch, StepContext, Targets } from '../../contract.js';
import type { ScaledTerm } from '../../losses/parts.js';
import { comparisonSums } from '../../losses/total.js';
import { compileWhole, type WholeStudent } from './compile.js';
import type { FormedTerm } from './losses/forms.js';
import { LossFeeds } from './losses/loss-feeds.js';
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
import { doublesOf, openSession } from './session.js';

export class OneGraphProgram implements Program {
  readonly #workspace: Workspace;
  readonly #session: InferenceSession;
  readonly #inputs: ProgramInputs;
  readonly #losses: LossFeeds;
  readonly #feeds: Record<string, Tensor>;
  readonly #results: Record<string, Tensor>;
  readonly #answer: Float32Array;
  readonly #moments: MomentsReader;

  private constructor(
    workspace: Workspace,
    parts: {
      readonly session: InferenceSession;
      readonly inputs: ProgramInputs;
      readonly losses: LossFeeds;
      readonly feeds: Record<string, Tensor>;
      readonly results: Record<string, Tensor>;
      readonly compiled: WholeStudent;
    },
  ) {
    this.#workspace = workspace;
    this.#session = parts.session;
    this.#inputs = parts.inputs;
    this.#losses = parts.losses;
    this.#feeds = parts.feeds;
    this.#results = parts.results;
    this.#answer = memoryOf(parts.results, parts.compiled.answer);
    this.#moments = new MomentsReader(workspace, parts.compiled, parts.results);
  }

  /**
   * @param taps of each teacher's tap, by `TEACHER/TAP`, the shape of one row
   * @throws NoGradient, or UserError 65, when it has no graph
   */
  static async open(
    workspace: Workspace,
    rows: number,
    { formed, taps }: { readonly formed: readonly FormedTerm[]; readonly taps: ReadonlyMap<string, readonly number[]> },
  ): Promise<OneGraphProgram> {
    const { definition, make, weights, device } = workspace;
    const compiled = await compileWhole(definition, rows, { terms: formed, taps, device });
    const session = await openSession(compiled.model);
    const inputs = new ProgramInputs(workspace, rows, compiled.masks);
    const lossTensors = tensorsOf(make, compiled.lossInputs);
    const results = {
      ...tensorsOf(make, compiled.reported),
      ...gradientTensors(workspace, compiled),
    };
    const memory = {
      inputs: new Map(
        [...compiled.lossInputs].map(([name, { type }]) => {
          const tensor = must(new Map(Object.entries(lossTensors)), name);
          return [name, type === 'float64' ? doublesOf(tensor) : memoryOf(lossTensors, name)] as const;
        }),
      ),
      values: new Map(
        compiled.terms.flatMap(({ name, values }) => {
          const tensor = values === null ? undefined : new Map(Object.entries(results)).get(values);
          return tensor === undefined ? [] : [[name, doublesOf(tensor)] as const];
        }),
      ),
    };
    const { classes, positions = 1 } = definition.spec;
    const losses = new LossFeeds({ formed, terms: compiled.terms }, memory, { rows: rows * positions, classes });
    const feeds = takenBy(session, weights, { ...inputs.tensors, ...lossTensors });
    return new OneGraphProgram(workspace, { session, inputs, losses, feeds, results, compiled });
  }

  async gradients(batch: MicroBatch, step: StepContext, applicable: readonly ScaledTerm[]): Promise<ProgramResult> {
    const { targets } = batch;
    this.#inputs.fill(batch, step);
    const norms: [string, number][] = [];
    if (step.isProbed === true)
      for (const one of applicable) {
        await this.#run(targets, [one]);
        norms.push([one.term.name, ownNorm(this.#workspace)]);
      }
    await this.#run(targets, applicable);
    const { classes } = this.#workspace.definition.spec;
    const sums = {
      ...this.#losses.sums(targets, applicable),
      ...comparisonSums({ logits_BC: this.#answer, classes }, targets, step.losses),
    };
    return { sums, norms, moments: this.#moments.read() };
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  async #run(targets: Targets, applicable: readonly ScaledTerm[]): Promise<void> {
    this.#losses.give(targets, applicable);
    this.#workspace.gradient.fill(0);
    await runInto(this.#session, this.#feeds, this.#results);
  }
}
