/** Writes a student in the forms that others load: model.json with weights.bin (tfjs), and student.safetensors. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { weightsFile, writeLayersModel } from '../../../shared/models/layers-model.js';
import { encodeSafetensors, type NamedTensor } from '../../../shared/models/safetensors.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';

type StoredFormat = 'tfjs' | 'safetensors';
export type ExportFormat = StoredFormat | 'onnx';
export const exportFormats: readonly ExportFormat[] = ['tfjs', 'safetensors', 'onnx'];
/** What a finished run's student folder holds; the others are made from these when asked for. */
const storedFormats: readonly StoredFormat[] = ['tfjs', 'safetensors'];

/** @returns the names of the files written into `folder`, which is made @throws UserError 69 when the disk refuses */
export async function exportStudent(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  folder: string,
  formats: readonly StoredFormat[] = storedFormats,
): Promise<string[]> {
  const files = formats.flatMap((format) =>
    format === 'tfjs' ? tfjsFiles(spec, weights) : [safetensorsFile(spec, weights)],
  );
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

function tfjsFiles(spec: StudentSpec, weights: ReadonlyMap<string, Float32Array>): File[] {
  const model = writeLayersModel(spec, weights);
  return [
    [weightsFile, model.weights],
    ['model.json', model.modelJson],
  ];
}

function safetensorsFile(spec: StudentSpec, weights: ReadonlyMap<string, Float32Array>): File {
  const tensors = new Map<string, NamedTensor>();
  for (const { name, shape } of spec.weights) {
    const values = weights.get(name);
    if (values === undefined) throw new Error(`no values for ${name}`);
    tensors.set(name, { shape, values });
  }
  return ['student.safetensors', encodeSafetensors(tensors)];
}
