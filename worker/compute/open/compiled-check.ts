/**
 * A compiled student that checks itself: the first micro-batch of a run is also computed by TensorFlow.js, one operation
 * at a time, by the worker that begins with it, and a difference is said in one line. The check costs that worker the
 * start of TensorFlow.js and one eager micro-batch.
 */
import { layersOf, type Json } from '../../../shared/models/topology.js';
import type { ParameterRange } from '../../../shared/replica/plan.js';
import type { Backend } from '../backends/backend.js';
import type { GradientResult, MicroBatch, StepContext, StudentOutputs } from '../contract.js';
import { norm } from '../losses/diagnostics.js';
import type { Student, StudentDefinition } from '../student/engine.js';
import { tfjsEngine } from '../student/tfjs/engine.js';

/** What two engines may differ by, relative to the norm of a weight's gradient. */
const tolerance = 1e-4;
/**
 * The same where a rounding may put a number on the other side of a bend or make another one of several the largest:
 * whole gradients switch on and off then, between any two ways to compute in float32.
 */
const toleranceAtBends = 5e-2;
/** Weights of a student that is checked: TensorFlow.js holds four times as much and no more than 2 GiB. */
const mostWeights = 2 ** 25;
const withBends = /relu|maxpool|globalmax|maximum|minimum|hardsigmoid/i;

interface State {
  readonly weights: Float32Array;
  readonly frozen: Float32Array;
  readonly moving: Float32Array;
}

export class CheckedStudent implements Student {
  readonly classes: number;
  readonly #student: Student;
  readonly #definition: StudentDefinition;
  readonly #backend: Backend;
  readonly #warn: (line: string) => void;
  /** Memory for the weights that were loaded last; null where none were, and once the check is done. */
  #state: State | null = null;
  #isChecked: boolean;

  constructor(
    student: Student,
    { definition, backend, warn }: { definition: StudentDefinition; backend: Backend; warn: (line: string) => void },
  ) {
    this.classes = student.classes;
    this.#student = student;
    this.#definition = definition;
    this.#backend = backend;
    this.#warn = warn;
    // Masks are drawn otherwise by each engine, and TensorFlow.js computes no ONNX graph: nothing to be held against.
    const { spec, plan } = definition;
    this.#isChecked = 'graph' in spec || hasDropout(spec.topology);
    const weights = plan.gradientFloats + plan.frozenFloats + plan.movingFloats;
    if (this.#isChecked || weights <= mostWeights) return;
    this.#isChecked = true;
    warn(
      `note: the compiled student is not held against TensorFlow.js, which cannot hold its ${weights} weights with their gradients`,
    );
  }

  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void {
    this.#student.load(weights, frozen, moving);
    if (this.#isChecked) return;
    if (this.#state === null) {
      this.#state = { weights: weights.slice(), frozen: frozen.slice(), moving: moving.slice() };
      return;
    }
    this.#state.weights.set(weights);
    this.#state.frozen.set(frozen);
    this.#state.moving.set(moving);
  }

  async gradients(batch: MicroBatch, step: StepContext, out: Float32Array): Promise<GradientResult> {
    const result = await this.#student.gradients(batch, step, out);
    const state = this.#state;
    if (this.#isChecked || !result.hasGradient || state === null) return result;
    this.#isChecked = true;
    this.#state = null;
    // Another worker has, or has had, the run's first one.
    if (step.isProbed !== true) return result;
    await this.#check(state, { batch, step, compiled: out });
    return result;
  }

  outputs(inputs: Float32Array, rows: number): Promise<StudentOutputs> {
    return this.#student.outputs(inputs, rows);
  }

  tensors(): number {
    return this.#student.tensors();
  }

  dispose(): Promise<void> {
    return this.#student.dispose();
  }

  async #check(
    { weights, frozen, moving }: State,
    { batch, step, compiled }: { batch: MicroBatch; step: StepContext; compiled: Float32Array },
  ): Promise<void> {
    const eager = await tfjsEngine.build(this.#definition, this.#backend);
    try {
      eager.load(weights, frozen, moving);
      const expected = new Float32Array(compiled.length);
      await eager.gradients(batch, { ...step, isProbed: false }, expected);
      const { plan, spec } = this.#definition;
      const limit = withBends.test(JSON.stringify(spec)) ? toleranceAtBends : tolerance;
      const found = firstDifference(plan.trained, { expected, compiled, limit });
      if (found !== null)
        this.#warn(
          `warning: the compiled student differs from the one that TensorFlow.js computes: the gradient of ${found.name} by ${found.relative.toExponential(1)} of its norm; ${limit} at most was wanted (numerics.backend: wasm computes without compiling)`,
        );
    } finally {
      await eager.dispose();
    }
  }
}

interface Gradients {
  readonly expected: Float32Array;
  readonly compiled: Float32Array;
  readonly limit: number;
}

/** The first weight whose gradients differ by more than `limit` of its norm, or of a thousandth of the whole's. */
export function firstDifference(
  trained: readonly ParameterRange[],
  { expected, compiled, limit }: Gradients,
): { readonly name: string; readonly relative: number } | null {
  const least = norm([expected]) / 1000;
  for (const { spec, offset, size } of trained) {
    const own = expected.subarray(offset, offset + size);
    const off = own.map((value, i) => value - (compiled[offset + i] ?? 0));
    const difference = norm([off]);
    const relative = difference / Math.max(norm([own]), least);
    if (!(relative <= limit) && difference !== 0) return { name: spec.name, relative };
  }
  return null;
}

function hasDropout(topology: Json): boolean {
  return layersOf(topology).some(({ className, config }) => className === 'Dropout' && config.rate !== 0);
}
