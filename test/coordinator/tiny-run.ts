/** A run with a student of a few weights, made by hand: for tests in which nothing real is computed. */
import { createHash } from 'node:crypto';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { recipeSchema } from '../../shared/recipe/schema.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { elementsIn } from '../../shared/shape.js';

export interface TinyOptions {
  readonly samples?: number;
  readonly evalSamples?: number;
  readonly epochs?: number;
  /** Units of the one dense layer: 20,000 make a contribution of more than a chunk. */
  readonly units?: number;
  readonly recipe?: Record<string, unknown>;
}

export function tinyRun({
  samples = 22,
  evalSamples = 6,
  epochs = 3,
  units = 3,
  recipe: overrides = {},
}: TinyOptions = {}): PreparedRun {
  const recipe = recipeSchema.parse({
    name: 'tiny',
    seed: 1,
    student: { builtin: 'mlp' },
    losses: { response: { weight: 1 } },
    data: { train: { format: 'idx', images: 'x' } },
    optimizer: { name: 'adam', learningRate: 0.05 },
    batch: { size: 8, micro: 2 },
    epochs,
    ...overrides,
  });
  const student: StudentSpec = {
    topology: {},
    inputShape: [16],
    classes: units,
    weights: [
      { name: 'dense/kernel', layer: 'dense', shape: [16, units], kind: 'trained' },
      { name: 'dense/bias', layer: 'dense', shape: [units], kind: 'trained' },
    ],
  };
  const initialWeights = new Map(
    student.weights.map(({ name, shape }, k) => [
      name,
      Float32Array.from({ length: elementsIn(shape) }, (_, i) => Math.fround(Math.sin(i + k))),
    ]),
  );
  const artifacts = new Map<string, { bytes: Uint8Array }>();
  const artifact = (value: unknown): { sha256: string; bytes: number } => {
    const bytes = Buffer.from(JSON.stringify(value));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    artifacts.set(sha256, { bytes });
    return { sha256, bytes: bytes.length };
  };
  const set = (count: number): { samples: number; shape: number[]; dtype: 'float32'; shards: [] } => ({
    samples: count,
    shape: [16],
    dtype: 'float32',
    shards: [],
  });
  const manifest = {
    train: set(samples),
    eval: evalSamples > 0 ? set(evalSamples) : null,
    classes: units,
    preprocess: null,
  };
  return {
    recipe,
    recipeFolder: '.',
    name: 'tiny',
    recipeDigest: 'e'.repeat(64),
    student,
    engines: { student: 'onnx' },
    initialWeights,
    teachers: [],
    artifacts,
    plugins: [],
    studentArtifact: artifact(student),
    manifestArtifact: artifact(manifest),
    manifest,
    trainLabels: new Int32Array(samples),
    sampleAt: (_epoch, position) => position,
  };
}
