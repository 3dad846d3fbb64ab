/** Students for tests, on any engine: built-in ones and those of layers that tfjs made, with a replica behind each. */
import { expect } from 'vitest';
import type { LayersModel } from '@tensorflow/tfjs';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { randomStream } from '../../../../shared/random.js';
import type { Losses } from '../../../../shared/recipe/loss-schema.js';
import { recipeSchema } from '../../../../shared/recipe/schema.js';
import { planReplica, type ReplicaPlan } from '../../../../shared/replica/plan.js';
import { Replica } from '../../../../shared/replica/replica.js';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import type { GradientResult, StepContext, Targets } from '../../../../worker/compute/contract.js';
import { builtinStudent, type BuiltinStudent } from '../../../../worker/compute/student/builtin-students.js';
import type { Student, StudentEngine } from '../../../../worker/compute/student/engine.js';
import { tfjsEngine } from '../../../../worker/compute/student/tfjs/engine.js';
import { buildStudentModel } from '../../../../worker/compute/student/tfjs/model.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';

export const classes = 3;
export const rows = 4;
export const labels = Int32Array.of(0, 2, 1, -1);
export const targets: Targets = { labels, soft: null };
const crossEntropy: Losses = { crossEntropy: { weight: 1, labelSmoothing: 0 } };
export const step: StepContext = {
  losses: lossesAtStep(crossEntropy),
  divisors: { crossEntropy: 4 },
  dropoutKey: [7, 'dropout', 0, 0, 0],
};
const optimizer = recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 0.1 });

export interface Made {
  readonly spec: StudentSpec;
  readonly replica: Replica;
  readonly student: Student;
}

/** Builds a student on wasm, of which only the tfjs engine is asked unless another is named. */
export async function studentOf(
  spec: StudentSpec,
  plan: ReplicaPlan,
  { engine = tfjsEngine, losses = crossEntropy }: { readonly engine?: StudentEngine; readonly losses?: Losses } = {},
): Promise<Student> {
  const definition = { spec, plan, losses, plugins: new Map() };
  const backend = await openWasm();
  expect(engine.objectionTo(definition)).toBeNull();
  return engine.build(definition, backend);
}

/** A student with these weights in it, and a replica that keeps them. */
export async function make(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  options: { readonly engine?: StudentEngine; readonly losses?: Losses } = {},
): Promise<Made> {
  const replica = new Replica(planReplica(spec, optimizer), { slots: 1 });
  replica.loadWeights(weights);
  const student = await studentOf(spec, replica.plan, options);
  student.load(replica.weights, replica.frozen, replica.moving);
  return { spec, replica, student };
}

export function makeBuiltin(
  options: BuiltinStudent,
  shape: number[] = [6, 6, 2],
  engine: StudentEngine = tfjsEngine,
): Promise<Made> {
  const { spec, weights } = builtinStudent(options, shape, classes, 3);
  return make(spec, weights, { engine });
}

/** A student from layers that tfjs made, all weights drawn. */
export async function makeModel(
  model: LayersModel,
  inputShape: number[],
  engine: StudentEngine = tfjsEngine,
): Promise<Made> {
  const { tf } = await openWasm();
  const topology = JSON.parse(JSON.stringify(model.toJSON(undefined, false))) as Record<string, unknown>;
  const built = await buildStudentModel(tf, topology);
  const specs = built.weights.map(({ spec }) => spec);
  const weights = new Map(
    specs.map(({ name, shape }) => [
      name,
      noise(shape, name).map((value) => (name.endsWith('/moving_variance') ? Math.abs(value) + 0.5 : 0.5 * value)),
    ]),
  );
  built.model.dispose();
  model.dispose();
  return make({ topology, weights: specs, inputShape, classes }, weights, { engine });
}

/** Numbers in [-1, 1) from a key. */
export function noise(shape: readonly number[], key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * stream.float() - 1);
}

export async function gradientOf(
  { spec, replica, student }: Made,
  options: { step?: StepContext; inputs?: Float32Array; targets?: Targets } = {},
): Promise<GradientResult & { gradient: Float32Array }> {
  const inputs = options.inputs ?? noise([rows, ...spec.inputShape], 'inputs');
  const batch = { inputs, rows, targets: options.targets ?? targets };
  const result = await student.gradients(batch, options.step ?? step, replica.slot(0));
  return { ...result, gradient: Float32Array.from(replica.slot(0)) };
}

/** Holds first, middle and last value of each weight's gradient against the slope of the loss. */
export async function checkSlopes(made: Made): Promise<void> {
  const { gradient } = await gradientOf(made);
  const { replica, student } = made;
  const lossAt = async (i: number, value: number): Promise<number> => {
    const weights = Float32Array.from(replica.weights);
    weights[i] = value;
    student.load(weights, replica.frozen, replica.moving);
    return ((await gradientOf(made)).sums.crossEntropy ?? NaN) / 4;
  };
  for (const { spec, offset, size } of replica.plan.trained) {
    for (const i of new Set([offset, offset + Math.floor(size / 2), offset + size - 1])) {
      const at = replica.weights[i] ?? 0;
      const slope = ((await lossAt(i, at + 0.01)) - (await lossAt(i, at - 0.01))) / 0.02;
      expect(Math.abs((gradient[i] ?? NaN) - slope), spec.name).toBeLessThan(5e-3);
    }
  }
}
