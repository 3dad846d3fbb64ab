/** Finds the files of a teacher, tells their format, and digests them. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import { sha256Of, sha256OfFile, type FileDigest } from '../../shared/sha256.js';
import { readOnnxFacts } from '../../worker/compute/teachers/formats/onnx-file.js';
import { savedModelFile, savedModelPaths } from '../../worker/compute/teachers/formats/saved-model-files.js';
import { badModel } from '../../worker/compute/teachers/formats/teacher.js';
import { parseModelJson, tfjsFormat, weightFiles } from '../../worker/compute/teachers/formats/tfjs-files.js';

export interface TeacherFile extends FileDigest {
  /** Relative to the folder of the model file. */
  readonly name: string;
  readonly path: string;
}

export interface TeacherFiles {
  readonly format: TeacherSpec['format'];
  /** The model file first. */
  readonly files: readonly TeacherFile[];
}

/**
 * Finds and digests the files of a teacher.
 * @param folder the recipe's folder, which the model's path is relative to
 * @throws UserError 2 for a missing file or an unknown format, 65 for a damaged file or another digest than the
 * recipe's
 */
export async function readTeacherFiles(recipe: TeacherRecipe, folder: string): Promise<TeacherFiles> {
  const { format, paths } = await findFiles(recipe, folder);
  const files = await Promise.all(
    [...paths].map(async ([name, path]) => ({ name, path, ...(await sha256OfFile(path)) })),
  );
  checkDigest(recipe, files);
  return { format, files };
}

interface FoundFiles {
  readonly format: TeacherSpec['format'];
  /** By name relative to the folder of the model file; the model file first. */
  readonly paths: ReadonlyMap<string, string>;
}

async function findFiles(recipe: TeacherRecipe, folder: string): Promise<FoundFiles> {
  const given = resolve(folder, recipe.model);
  const isIn = await isFolder(recipe, given);
  if (isIn && (await exists(join(given, savedModelFile))))
    return { format: 'saved-model', paths: await savedModelPaths(given) };
  if (recipe.signature !== undefined)
    throw new UserError(
      `teacher ${recipe.name}: signature "${recipe.signature}" given for ${recipe.model}, which is no SavedModel; none wanted`,
    );
  const path = isIn ? join(given, 'model.json') : given;
  const [main, place] = [basename(path), dirname(path)];
  const bytes = await readModel(recipe, path, given);
  const isOnnx = /\.onnx$/i.test(main);
  if (!isOnnx && !/\.json$/i.test(main))
    throw new UserError(
      `teacher ${recipe.name}: model "${recipe.model}" is of an unknown format; wanted an .onnx file or the model.json of a tfjs model`,
    );
  const json = isOnnx ? null : parseModelJson(recipe.name, bytes.toString('utf8'));
  const others = json === null ? externalFiles(recipe, bytes) : weightFiles(json);
  const paths = new Map([[main, path]]);
  for (const other of others) {
    const where = join(place, other);
    if (!(await exists(where)))
      throw new UserError(`teacher ${recipe.name}: file ${where} is missing; ${main} keeps weights in it`);
    paths.set(other, where);
  }
  return { format: json === null ? 'onnx' : tfjsFormat(json), paths };
}

async function isFolder(recipe: TeacherRecipe, path: string): Promise<boolean> {
  if (!(await exists(path))) throw new UserError(`teacher ${recipe.name}: model ${path} does not exist`);
  return (await stat(path)).isDirectory();
}

async function readModel(recipe: TeacherRecipe, path: string, given: string): Promise<Buffer> {
  if (await exists(path)) return readFile(path);
  throw new UserError(
    `teacher ${recipe.name}: the folder ${given} has no model.json; wanted an .onnx file, a folder with the model.json of a tfjs model, or a SavedModel's`,
  );
}

function externalFiles(recipe: TeacherRecipe, bytes: Uint8Array): readonly string[] {
  try {
    return readOnnxFacts(bytes).externalFiles;
  } catch (error) {
    throw badModel(recipe.name, `${recipe.model} is damaged or no ONNX model`, error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/**
 * Gives the digest that a recipe may name a model by. Of one file it is the file's SHA-256; of several it is that of
 * their lines as sha256sum prints them (`sha256sum model.json ... | sha256sum`).
 */
function modelDigest(files: readonly Pick<TeacherFile, 'name' | 'sha256'>[]): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only.sha256;
  return sha256Of(files.map((file) => `${file.sha256}  ${file.name}\n`).join(''));
}

function checkDigest(recipe: TeacherRecipe, files: readonly TeacherFile[]): void {
  const actual = modelDigest(files);
  if (recipe.sha256 === undefined || recipe.sha256 === actual) return;
  throw new UserError(
    `teacher ${recipe.name}: the SHA-256 of ${recipe.model} is ${actual}; the recipe wants ${recipe.sha256}`,
    exitCodes.data,
  );
}
