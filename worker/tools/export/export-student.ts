/**
 * Writes a student in the forms that others load: model.json with weights.bin (tfjs), or of an ONNX graph the same graph
 * with its new weights (student.onnx), and student.safetensors.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { weightsFile, writeLayersModel } from '../../../shared/models/layers-model.js';
import { withMetadata } from '../../compute/onnx/metadata.js';
import { withValues } from '../../compute/onnx/initialisers.js';
import { encodeSafetensors, type NamedTensor } from '../../../shared/models/safetensors.js';
import { factsAsTexts, type StudentFacts } from '../../../shared/models/student-facts.js';
import type { LayersSpec, StudentSpec } from '../../../shared/models/student-spec.js';

export const onnxFile = 'student.onnx';

export type ExportFormat = 'tfjs' | 'safetensors' | 'onnx';
export const exportFormats: readonly ExportFormat[] = ['tfjs', 'safetensors', 'onnx'];

/**
 * Writes what a finished run's student folder holds; other forms are made from these when asked for.
 * @param facts what goes with the student; absent: nothing is told
 * @returns the names of the files written into `folder`, which is made @throws UserError 69 when the disk refuses */
export async function exportStudent(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  folder: string,
  facts?: StudentFacts,
): Promise<string[]> {
  const files = [...modelFiles(spec, weights, facts), safetensorsFile(spec, weights, facts)];
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of files) await writeFile(join(folder, name), content);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`student: cannot be written to ${folder}: ${reason}`, exitCodes.unavailable, error);
  }
  return files.map(([name]) => name);
}

type File = readonly [name: string, content: string | Uint8Array];

function modelFiles(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  facts: StudentFacts | undefined,
): File[] {
  if (!('graph' in spec)) return tfjsFiles(spec, weights, facts);
  const file = withValues(Buffer.from(spec.graph.file, 'base64'), weights);
  return [[onnxFile, facts === undefined ? file : withMetadata(file, factsAsTexts(facts))]];
}

export function tfjsFiles(
  spec: Pick<LayersSpec, 'topology' | 'weights'>,
  weights: ReadonlyMap<string, Float32Array>,
  facts: StudentFacts | undefined,
): File[] {
  const model = writeLayersModel(spec, weights, facts);
  return [
    [weightsFile, model.weights],
    ['model.json', model.modelJson],
  ];
}

function safetensorsFile(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  facts: StudentFacts | undefined,
): File {
  const tensors = new Map<string, NamedTensor>();
  for (const { name, shape } of spec.weights) {
    const values = weights.get(name);
    if (values === undefined) throw new Error(`no values for ${name}`);
    tensors.set(name, { shape, values });
  }
  return ['student.safetensors', encodeSafetensors(tensors, facts === undefined ? {} : factsAsTexts(facts))];
}
