/**
 * The formats that a teacher's model may have, a line each. tfjs and onnxruntime are loaded only when a teacher wants
 * them.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { graphModelFormat } from './formats/graph-model.js';
import { servedFormat } from './formats/kserve-v2.js';
import { layersModelFormat } from './formats/layers-model.js';
import { onnxFormat } from './formats/onnx.js';
import { savedModelFormat } from './formats/saved-model.js';
import type { GivenModel, OpenTensorFlow, Teacher, TeacherFormat, TeacherSource } from './formats/teacher.js';

export const teacherFormats: readonly TeacherFormat[] = [
  onnxFormat,
  layersModelFormat,
  graphModelFormat,
  savedModelFormat,
  servedFormat,
];

/** A model of a known format, and its files by name, the model file first. */
export interface RecognisedModel {
  readonly format: TeacherFormat;
  readonly paths: ReadonlyMap<string, string>;
}

/**
 * Tells a model's format by its files; null for one that is of no known format.
 *
 * @throws UserError 65 when it is of a known format and damaged
 */
export async function recogniseModel(given: GivenModel): Promise<RecognisedModel | null> {
  for (const format of foldersFirst(teacherFormats)) {
    const paths = await format.findFiles(given);
    if (paths !== null) return { format, paths };
  }
  return null;
}

/** A model that is a whole folder may hold files that alone would be a model of another format. */
function foldersFirst(formats: readonly TeacherFormat[]): TeacherFormat[] {
  return [...formats].sort((a, b) => Number(a.wanted.file !== null) - Number(b.wanted.file !== null));
}

/**
 * The format with that name, of which `teacher` is said to be.
 *
 * @throws UserError 77 for a name that this version does not know
 */
export function formatNamed(name: string, teacher: string): TeacherFormat {
  const found = teacherFormats.find((format) => format.name === name);
  if (found !== undefined) return found;
  const known = teacherFormats.map((format) => format.name).join(', ');
  throw new UserError(`teacher ${teacher}: format "${name}" is unknown here; ${known} wanted`, exitCodes.refused);
}

/**
 * Opens a teacher by its format.
 *
 * @throws UserError 65 when its files are wrong, 69 when they need another backend, 2 when the recipe names an input or
 * output that it lacks, 77 when this version does not know its format
 */
export async function openTeacher(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher> {
  return formatNamed(source.format, source.name).open(source, openTensorFlow);
}
