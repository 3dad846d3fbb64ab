/** Finds the files of a teacher, tells their format, and digests them. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { wayOutOf } from '../../shared/models/foreign-formats.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import { sha256Of, sha256OfFile, type FileDigest } from '../../shared/sha256.js';
import { pathExists } from '../../worker/compute/teachers/formats/model-files.js';
import { recogniseModel, teacherFormats } from '../../worker/compute/teachers/teacher-formats.js';

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
  const { name, model } = recipe;
  if (model === undefined) throw new Error(`teacher ${name} without a model`);
  const { format, paths } = await findFiles({ ...recipe, model }, folder);
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

/** A teacher in files. */
type FileTeacher = TeacherRecipe & { readonly model: string };

async function findFiles(recipe: FileTeacher, folder: string): Promise<FoundFiles> {
  const path = resolve(folder, recipe.model);
  if (!(await pathExists(path))) throw new UserError(`teacher ${recipe.name}: model ${path} does not exist`);
  const isFolder = (await stat(path)).isDirectory();
  const found = await recogniseModel({ teacher: recipe.name, model: recipe.model, path, isFolder });
  if (recipe.signature !== undefined && found?.format.hasSignatures !== true)
    throw new UserError(
      `teacher ${recipe.name}: signature "${recipe.signature}" given for ${recipe.model}, which is no SavedModel; none wanted`,
    );
  if (found === null) throw isFolder ? noModelIn(recipe, path) : unknownFormat(recipe);
  const [main = recipe.model] = found.paths.keys();
  for (const file of found.paths.values())
    if (!(await pathExists(file)))
      throw new NoModel(`teacher ${recipe.name}: file ${file} is missing; ${main} keeps weights in it`);
  return { format: found.format.name, paths: found.paths };
}

/** Files that are no model, or not a whole one: nothing that is said of how to take it helps. */
export class NoModel extends UserError {}

function noModelIn({ name }: TeacherRecipe, folder: string): NoModel {
  const wanted = new Set(teacherFormats.flatMap(({ wanted: { file, folder: holds } }) => holds ?? file ?? []));
  return new NoModel(
    `teacher ${name}: the folder ${folder} has no model.json; wanted ${inWords([...wanted], ', or ')}`,
  );
}

function unknownFormat({ name, model }: FileTeacher): NoModel {
  const wanted = new Set(teacherFormats.flatMap(({ wanted: { file, folder: holds } }) => file ?? holds ?? []));
  return new NoModel(
    `teacher ${name}: model "${model}" is of an unknown format; wanted ${inWords([...wanted], ', or ')}${wayOutOf(model)}`,
  );
}

/** A list in words, its last one behind `last`. */
function inWords(items: readonly string[], last: string): string {
  return [items.slice(0, -1).join(', '), ...items.slice(-1)].filter((part) => part !== '').join(last);
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
