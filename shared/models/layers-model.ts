/**
 * The tfjs LayersModel format: a model.json (topology and a manifest of weights) and raw weight bytes beside it.
 * Writing takes a student; reading gives topology and manifest, and leaves decoding of weights to tfjs.
 */
import { wayOutOf } from './foreign-formats.js';
import { problemIn } from './json-problem.js';
import { z } from 'zod';
import { exitCodes, UserError } from '../errors.js';
import { asTfjsReads, type TfjsModel } from './keras-forms.js';
import { studentFactsSchema, type StudentFacts } from './student-facts.js';
import type { LayersSpec } from './student-spec.js';

/** How the tfjs converter packs weights: value = stored x scale + min, or a half float. */
const quantization = z.object({
  dtype: z.enum(['uint16', 'uint8', 'float16']),
  scale: z.number().exactOptional(),
  min: z.number().exactOptional(),
  original_dtype: z.enum(['float32', 'int32']).exactOptional(),
});

const manifestGroup = z.object({
  paths: z.array(z.string().min(1)),
  weights: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.number().int().nonnegative()),
      dtype: z.enum(['float32', 'int32', 'bool']),
      quantization: quantization.exactOptional(),
    }),
  ),
});

const modelJsonSchema = z
  .object({
    format: z.string().optional(),
    modelTopology: z.record(z.string(), z.unknown()),
    /** Absent in a file without weights. */
    weightsManifest: z.array(manifestGroup).optional(),
  })
  .loose();

/** A model.json as tfjs reads it, and where its weights are. */
export interface LayersModelJson extends TfjsModel {
  /** Absent in a file without weights. */
  readonly weightsManifest?: z.infer<typeof modelJsonSchema>['weightsManifest'];
}

/** The contents of a model's two files. */
export interface LayersModelFiles {
  readonly modelJson: string;
  readonly weights: Uint8Array;
}

export const weightsFile = 'weights.bin';

/**
 * @param weights by name, in the order of the spec; float32, little-endian in the file
 * @param facts for the model's `userDefinedMetadata`, which tfjs gives back; absent: it has none
 */
export function writeLayersModel(
  spec: Pick<LayersSpec, 'topology' | 'weights'>,
  weights: ReadonlyMap<string, Float32Array>,
  facts?: StudentFacts,
): LayersModelFiles {
  const parts = spec.weights.map(({ name }) => {
    const values = weights.get(name);
    if (values === undefined) throw new Error(`no values for ${name}`);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  });
  const manifest = spec.weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const model = {
    format: 'layers-model',
    generatedBy: 'stillhouse',
    convertedBy: null,
    ...(facts === undefined ? {} : { userDefinedMetadata: { stillhouse: facts } }),
    modelTopology: spec.topology,
    weightsManifest: [{ paths: [weightsFile], weights: manifest }],
  };
  return { modelJson: `${JSON.stringify(model)}\n`, weights: concat(parts) };
}

/** What a model.json says of its student; null where it says nothing. */
export function factsIn(modelJson: unknown): StudentFacts | null {
  const told = z.object({ userDefinedMetadata: z.object({ stillhouse: studentFactsSchema }) }).safeParse(modelJson);
  return told.success ? told.data.userDefinedMetadata.stillhouse : null;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Reads a student's model.json.
 *
 * @param file its name, for messages
 * @throws UserError 65 when it is no model.json of a LayersModel, or has a layer that tfjs cannot compute
 */
export function readLayersModel(text: string, file: string): LayersModelJson {
  const wish = 'the model.json of a tfjs LayersModel, or an .onnx file, was wanted';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: it is no JSON; ${wish}${wayOutOf(file)}`, exitCodes.data, error);
  }
  const model = modelJsonSchema.safeParse(json);
  if (!model.success) {
    throw new UserError(`${file}: ${problemIn(model.error)}; ${wish}`, exitCodes.data, model.error);
  }
  if (model.data.format === 'graph-model' || 'node' in model.data.modelTopology) {
    throw new UserError(`${file}: it is a frozen GraphModel, which cannot be trained; ${wish}`, exitCodes.data);
  }
  const { modelTopology, weightsManifest } = model.data;
  return { ...asTfjsReads(modelTopology, { owner: `student ${file}`, isTrained: true }), weightsManifest };
}
