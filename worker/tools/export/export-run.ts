/** The student of a finished run, from its folder, written again in the forms that are wanted. */
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { decodeSafetensors } from '../../../shared/models/safetensors.js';
import { jsonSchema, layersOf } from '../../../shared/models/topology.js';
import type { ExportFormat } from './export-student.js';
import { studentOnnx } from '../../compute/onnx/layers/layers-model.js';

const filesOf: Readonly<Record<ExportFormat, readonly string[]>> = {
  tfjs: ['model.json', 'weights.bin'],
  safetensors: ['student.safetensors'],
  onnx: [],
};
const onnxFile = 'student.onnx';

/** @returns the files written. @throws UserError 65 when the folder holds no student, 2 when it is not there */
export async function exportRun(run: string, out: string, formats: readonly ExportFormat[]): Promise<string[]> {
  const student = join(run, 'student');
  if ((await stat(run).catch(() => null)) === null)
    throw new UserError(`${run}: no such folder; the folder of a run was wanted`);
  if ((await stat(student).catch(() => null)) === null)
    throw new UserError(`${run}: holds no student yet; a finished run was wanted`, exitCodes.data);
  const onnx = formats.includes('onnx') ? await onnxOf(student) : null;
  await mkdir(out, { recursive: true });
  if (onnx !== null) await writeFile(join(out, onnxFile), onnx);
  const names = formats.flatMap((format) => filesOf[format]);
  for (const name of names) await copyFile(join(student, name), join(out, name));
  return [...names, ...(onnx === null ? [] : [onnxFile])].map((name) => join(out, name));
}

/**
 * @throws UserError 65, naming layer and type, for what cannot be written, and for a student whose shapes are not told
 */
async function onnxOf(student: string): Promise<Uint8Array> {
  const file = join(student, 'model.json');
  const topology = jsonSchema.parse(jsonSchema.parse(JSON.parse(await readFile(file, 'utf8'))).modelTopology);
  const weights = decodeSafetensors(await readFile(join(student, 'student.safetensors')), 'student.safetensors');
  const batchShape = layersOf(topology)
    .map(({ config }) => config.batch_input_shape)
    .find((shape) => Array.isArray(shape));
  const inputShape = (batchShape ?? []).slice(1).filter((dim) => typeof dim === 'number');
  if (inputShape.length === 0 || inputShape.length !== (batchShape ?? []).length - 1)
    throw new UserError(`${file}: its input has no fixed shape; one was wanted for ONNX`, exitCodes.data);
  return studentOnnx({ topology, inputShape }, weights);
}
