/** A data set of two shards, a recipe with teachers, and label blocks of it. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { labelSets, type LabelSet, type LabelSource } from '../../../shared/labels/sets.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';

export const classes = 3;
export const shards = ['a', 'b'].map((letter, i) => ({
  sha256: letter.repeat(64),
  bytes: 100,
  samples: i === 0 ? 1500 : 40,
}));

export function teacherOf(overrides: Partial<TeacherSpec> = {}): TeacherSpec {
  return {
    name: 'wide',
    format: 'onnx',
    weight: 1,
    temperature: 4,
    output: 'logits',
    layout: 'nchw',
    classes,
    parameters: 10,
    files: [{ name: 'wide.onnx', sha256: 'c'.repeat(64), bytes: 9 }],
    ...overrides,
  };
}

/** One whose mixtures are kept. @param overrides of the recipe */
export function sourceOf(
  overrides: Record<string, unknown> = {},
  manifest: Partial<LabelSource['manifest']> = {},
  teachers = [teacherOf()],
): LabelSource {
  const recipe = recipeSchema.parse({
    student: { builtin: 'mlp' },
    losses: { response: { weight: 1, temperature: 4 } },
    data: { train: { format: 'npy', inputs: 'x.npy' } },
    optimizer: { name: 'sgd', learningRate: 0.5 },
    batch: { size: 8, micro: 4 },
    epochs: 1,
    ...overrides,
    labels: { keep: 'mixture', ...(overrides.labels as object | undefined) },
  });
  const train = { samples: 1540, shape: [2], dtype: 'float32' as const, shards };
  return { recipe, teachers, manifest: { train, preprocess: null, classes, ...manifest } };
}

export function firstSet(source = sourceOf()): LabelSet {
  const [set] = labelSets(source);
  if (set === undefined) throw new Error('no label set');
  return set;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'stillhouse-labels-'));
}

/** Log-probabilities of sample `id`. */
export function labelOf(id: number): Float32Array {
  const logits = [Math.sin(id), Math.cos(3 * id), Math.sin(7 * id + 1)];
  const log = Math.log(logits.reduce((sum, u) => sum + Math.exp(u), 0));
  return Float32Array.from(logits, (u) => u - log);
}
