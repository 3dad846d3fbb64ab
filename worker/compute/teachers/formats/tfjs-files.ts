/**
 * The files of a tfjs model on disk (a model.json and its weight files) as the artifacts that tfjs loads from memory.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { problemIn } from '../../../../shared/models/json-problem.js';
import type { io, Tensor } from '@tensorflow/tfjs';
import { nameText } from '../../../../shared/models/file-names.js';
import { elementsIn } from '../../../../shared/shape.js';
import { badModel } from './model-errors.js';
import { filesBeside, pathExists } from './model-files.js';
import type { GivenModel, TeacherFormat, TeacherSource } from './teacher.js';

const entryFields = z.object({ name: z.string(), shape: z.array(z.number().int().nonnegative()), dtype: z.string() });
const weightEntry = z.custom<io.WeightsManifestEntry>(
  (value) => entryFields.safeParse(value).success,
  'wanted a name, a shape and a dtype',
);

/** The parts of a model.json that we read; all others are passed on to tfjs as they are. */
const modelJsonSchema = z
  .object({
    format: z.string().optional(),
    modelTopology: z.record(z.string(), z.unknown()),
    weightsManifest: z.array(z.object({ paths: z.array(z.string()), weights: z.array(weightEntry) })).min(1),
  })
  .loose();

/** The parts of a tfjs model's model.json that are read here. */
export type ModelJson = z.infer<typeof modelJsonSchema>;

/** @throws UserError 65 when it is not the model.json of a tfjs model with weights */
function parseModelJson(name: string, text: string): ModelJson {
  try {
    return modelJsonSchema.parse(JSON.parse(text));
  } catch (error) {
    const cause = error instanceof z.ZodError ? new Error(problemIn(error)) : error;
    throw badModel(name, 'its model.json is not one of a tfjs model with weights', cause);
  }
}

/** What the formats of tfjs have in common. */
export const tfjsFormat = {
  wanted: { file: 'the model.json of a tfjs model', folder: 'a folder with the model.json of a tfjs model' },
  layouts: ['nhwc', 'nchw'],
  needsNative: false,
  hasSignatures: false,
} as const satisfies Partial<TeacherFormat>;

/**
 * The files of a tfjs model of that format: a model.json, or a folder with one, and its weights beside it. Null for
 * anything else.
 *
 * @throws UserError 65 when it is a .json file and none of a tfjs model
 */
export async function findTfjsFiles(
  { teacher, path, isFolder }: GivenModel,
  format: TfjsFormatName,
): Promise<Map<string, string> | null> {
  const main = isFolder ? join(path, 'model.json') : path;
  if (!/\.json$/i.test(main) || !(await pathExists(main))) return null;
  const model = parseModelJson(teacher, await readFile(main, 'utf8'));
  return formatOf(model) === format
    ? filesBeside({ owner: `teacher ${teacher}`, path: main, isFolder }, weightFiles(model))
    : null;
}

/** Names of the weight files, relative to the model.json's folder, each once. */
function weightFiles(model: ModelJson): string[] {
  return [...new Set(model.weightsManifest.flatMap((group) => group.paths))];
}

type TfjsFormatName = 'layers-model' | 'graph-model';

/** A tfjs model's format, by its own word or else by what its topology looks like. */
function formatOf(model: ModelJson): TfjsFormatName {
  if (model.format === 'graph-model' || model.format === 'layers-model') return model.format;
  return 'node' in model.modelTopology ? 'graph-model' : 'layers-model';
}

/** Floating-point numbers in its weights. */
export function countParameters(model: ModelJson): number {
  const floats = model.weightsManifest.flatMap((group) => group.weights).filter((weight) => weight.dtype === 'float32');
  return floats.reduce((sum, weight) => sum + elementsIn(weight.shape), 0);
}

/** @throws UserError 65 when a file is missing or its bytes are too few */
export async function readTfjsFiles(
  source: TeacherSource,
): Promise<{ model: ModelJson; artifacts: io.ModelArtifacts }> {
  const [main, ...others] = source.paths;
  if (main === undefined) throw badModel(source.name, 'it has no file');
  const model = parseModelJson(source.name, await readFile(main[1], 'utf8'));
  const held = new Map(
    await Promise.all(others.map(async ([name, path]) => [name, await readWeights(source, name, path)] as const)),
  );
  const parts = model.weightsManifest
    .flatMap((group) => group.paths)
    .map((path) => {
      const part = held.get(path);
      if (part === undefined) throw badModel(source.name, `its weight file ${path} is missing`);
      return part;
    });
  const weights = Buffer.concat(parts);
  const weightData = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength);
  const weightSpecs = model.weightsManifest.flatMap((group) => group.weights);
  return { model, artifacts: { ...model, format: formatOf(model), weightSpecs, weightData } };
}

async function readWeights({ name: teacher }: TeacherSource, name: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw badModel(teacher, `its weight file ${nameText(name)} cannot be read`, error);
  });
}

/** SHA-256 over their bytes, one after the other; they stay as they are. */
export async function digestOfTensors(tensors: readonly Tensor[]): Promise<string> {
  const hash = createHash('sha256');
  for (const tensor of tensors) {
    const { buffer, byteOffset, byteLength } = await tensor.data();
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}
