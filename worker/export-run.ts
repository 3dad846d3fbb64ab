/** The student of a finished run, from its folder, written again in the forms that are wanted. */
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import type { ExportFormat } from './export.js';

const filesOf: Readonly<Record<ExportFormat, readonly string[]>> = { tfjs: ['model.json', 'weights.bin'], safetensors: ['student.safetensors'] };

/** @returns the files written. @throws UserError 65 when the folder holds no student, 2 when it is not there */
export async function exportRun(run: string, out: string, formats: readonly ExportFormat[]): Promise<string[]> {
  const student = join(run, 'student');
  if ((await stat(run).catch(() => null)) === null) throw new UserError(`${run}: no such folder; the folder of a run was wanted`);
  if ((await stat(student).catch(() => null)) === null) throw new UserError(`${run}: holds no student yet; a finished run was wanted`, exitCodes.data);
  await mkdir(out, { recursive: true });
  const names = formats.flatMap((format) => filesOf[format]);
  for (const name of names) await copyFile(join(student, name), join(out, name));
  return names.map((name) => join(out, name));
}
