/**
 * Which model `eval` is asked about, and how it is to be taken: as the recipe takes it where the recipe names it, with
 * what flags say over that.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { expectWhole } from '../../coordinator/reports/finished-run.js';
import { runIdIn } from '../../coordinator/store/generations.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { sumsFile, wrongFiles } from '../../shared/models/sums-file.js';
import type { Recipe, TeacherRecipe } from '../../shared/recipe/schema.js';
import { ownSettings } from './own-settings.js';

/** What flags may say of a model, with the words of a recipe's teacher. */
export type ModelFields = Partial<
  Pick<
    TeacherRecipe,
    | 'output'
    | 'outputName'
    | 'input'
    | 'inputs'
    | 'layout'
    | 'signature'
    | 'classes'
    | 'preprocess'
    | 'resize'
    | 'channels'
  >
>;

export interface AskedModel {
  /** A run folder (its student is taken), the path of a model, or the name of one of the recipe's teachers. */
  readonly given: string;
  /** The name of the recipe's teacher as which it is taken; absent: of the one that is this model, if there is one. */
  readonly as?: string | undefined;
  readonly fields?: ModelFields;
}

export interface TakenModel {
  /** Its model is an absolute path. Its weight and temperature say nothing here: it answers alone. */
  readonly teacher: TeacherRecipe;
  /** Whether it is taken as one of the recipe's teachers, or as its run says. */
  readonly isKnown: boolean;
  /** A line for the user about how it is taken; null for none. */
  readonly remark: string | null;
}

/** The recipe in which a model may be named, and what its paths are relative to. */
export interface NamingRecipe {
  readonly recipe: Recipe;
  readonly recipeFolder: string;
}

/**
 * Finds a model and what is known of it.
 * @throws UserError 2 when there is none, or the recipe names it twice, or has no teacher of that name; 65 for a run
 * without a student
 */
export async function takeModel({ given, as, fields = {} }: AskedModel, naming: NamingRecipe): Promise<TakenModel> {
  const path = await modelPath(given, naming);
  const named = as === undefined ? await teacherOfPath(given, path, naming) : asTeacher(as, path, naming);
  const own = named === null ? await ownSettings(given, path, naming.recipe) : null;
  // Whoever names a model on the command line trusts it, if `--trust-models` stands there as well.
  const bare: TeacherRecipe = { name: basename(given), model: path, weight: 1, output: 'logits', trust: true };
  const said: TeacherRecipe = { ...bare, ...own?.fields, ...named, ...fields, model: path, weight: 1 };
  const taken = fields.inputs === undefined ? said : { ...said, input: fields.input };
  return {
    teacher: fields.preprocess === undefined ? taken : { ...taken, preprocess: fields.preprocess },
    isKnown: named !== null || own !== null,
    remark: fields.preprocess === undefined ? (own?.remark ?? null) : null,
  };
}

async function modelPath(given: string, { recipe: { teachers }, recipeFolder }: NamingRecipe): Promise<string> {
  const found = await stat(given).catch(() => null);
  if (found !== null) {
    const path = found.isDirectory() ? await inFolder(resolve(given)) : resolve(given);
    await expectAsWritten(path);
    return path;
  }
  const named = teachers.find(({ name }) => name === given);
  if (named?.model !== undefined) return resolve(recipeFolder, named.model);
  if (named !== undefined)
    throw new UserError(`${given}: a teacher on a server (${named.url}), which label workers alone ask; a file wanted`);
  const names = teachers.map(({ name }) => name);
  throw new UserError(
    `${given}: no such file; a run folder or a model was wanted${names.length === 0 ? '' : `, or a teacher of the recipe (${names.join(', ')})`}`,
  );
}

/**
 * A model of a run's folder, or of an export, is compared with the digest that was written of it.
 * @throws UserError 65 when it is not what was written there
 */
async function expectAsWritten(path: string): Promise<void> {
  const folder = dirname(path);
  const run = dirname(folder);
  if (basename(folder).startsWith('student') && (await runIdIn(run)) !== null)
    await expectWhole(run, (name) => dirname(name) === basename(folder));
  const [wrong] = (await wrongFiles(folder)) ?? [];
  if (wrong !== undefined)
    throw new UserError(`${folder}: ${wrong}, by its ${sumsFile}; export it again`, exitCodes.data);
}

/** The student of a run, or the folder itself, which may be a SavedModel. */
async function inFolder(path: string): Promise<string> {
  const isThere = async (...names: string[]): Promise<boolean> =>
    (await stat(join(path, ...names)).catch(() => null)) !== null;
  if (await isThere('student', 'model.json')) return join(path, 'student', 'model.json');
  if (await isThere('model.json')) return join(path, 'model.json');
  if (await isThere('student', 'student.onnx')) return join(path, 'student', 'student.onnx');
  if (await isThere('generations'))
    throw new UserError(
      `${path}: holds an unfinished run, which has no student yet; a finished run was wanted (run the same command again to continue it)`,
      exitCodes.data,
    );
  return path;
}

function asTeacher(as: string, path: string, { recipe: { teachers }, recipeFolder }: NamingRecipe): TeacherRecipe {
  const found = teachers.find(({ name }) => name === as);
  if (found === undefined)
    throw new UserError(
      `--as ${as}: the recipe has no such teacher; ${teachers.length === 0 ? 'a recipe with one' : `one of ${teachers.map(({ name }) => name).join(', ')}`} was wanted`,
    );
  const { sha256: _sha256, ...rest } = found;
  return inRecipeFolder(resolve(recipeFolder, found.model ?? '') === path ? found : rest, recipeFolder);
}

async function teacherOfPath(
  given: string,
  path: string,
  { recipe: { teachers }, recipeFolder }: NamingRecipe,
): Promise<TeacherRecipe | null> {
  const wanted = await placeOf(path);
  const places = await Promise.all(
    teachers.map(async ({ model }) => (model === undefined ? null : placeOf(resolve(recipeFolder, model)))),
  );
  const found = teachers.filter(({ name }, i) => name === given || places[i] === wanted);
  const [first] = found.filter(({ name }) => name === given).concat(found);
  if (first === undefined) return null;
  const isOne = first.name === given || found.every((other) => settingsText(other) === settingsText(first));
  if (!isOne)
    throw new UserError(
      `${given}: the recipe names it as ${found.map(({ name }) => name).join(' and ')}; one of them was wanted (--as ${first.name})`,
    );
  return inRecipeFolder(first, recipeFolder);
}

/** Where a model really lies: a folder stands for the model.json in it. */
async function placeOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => path);
  return basename(real) === 'model.json' ? dirname(real) : real;
}

function settingsText({ name: _name, weight: _weight, temperature: _temperature, ...rest }: TeacherRecipe): string {
  return JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A file of class names is relative to the recipe. */
function inRecipeFolder(teacher: TeacherRecipe, recipeFolder: string): TeacherRecipe {
  return typeof teacher.classes === 'string'
    ? { ...teacher, classes: resolve(recipeFolder, teacher.classes) }
    : teacher;
}
