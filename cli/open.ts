/** Opens what a verb is given by name: a recipe, the plug-ins of this machine, the data and models of a recipe. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { usableCache } from '../shared/cache-folder.js';
import { encodingOf } from '../shared/text-encoding.js';
import { exitCodes, readProblem, UserError } from '../shared/errors.js';
import type { InstalledPlugins } from '../shared/recipe/plugins.js';
import type { ReadRecipe } from '../shared/recipe/read.js';
import type { Recipe } from '../shared/recipe/schema.js';
import type { BackendName, PluginFlags, RecipeFlags } from './options.js';
import { say, warn } from './output.js';
import type { PreparationOptions } from './prepare/prepare.js';
import type { RemoteFiles } from './prepare/remote/remote-files.js';

/**
 * Reads and checks a recipe, but none of the files that it names.
 * @throws UserError 2 when it cannot be read or something in it is wrong
 */
export async function readRecipeFile(file: string, flags: RecipeFlags): Promise<ReadRecipe> {
  const { readRecipe } = await import('../shared/recipe/read.js');
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UserError(`${file}: ${readProblem(error)}; a recipe was wanted`, exitCodes.usage, error);
  }
  const { maskedText } = await import('./prepare/remote/addresses.js');
  const { hideSecrets } = await import('./prepare/remote-recipe.js');
  const remote = await remoteFiles();
  try {
    const read = readRecipe(recipeText(bytes, file), { file, set: flags.set, seed: flags.seed });
    return { ...read, recipe: hideSecrets(read.recipe, remote) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(maskedText(error.message), error.exitCode, error);
  }
}

let isQuiet = false;
let opened: RemoteFiles | null = null;

/** The files of other machines, the same for all that this process reads. */
export async function remoteFiles(): Promise<RemoteFiles> {
  const { RemoteFiles } = await import('./prepare/remote/remote-files.js');
  opened ??= new RemoteFiles({ say: (text) => void (isQuiet || say(text)), warn });
  return opened;
}

/** @throws UserError 2 for what is no text, such as a model or an archive */
function recipeText(bytes: Uint8Array, file: string): string {
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes);
  if (text.includes('\0')) throw new UserError(`${file}: it is no text; a recipe, which is one in YAML, was wanted`);
  return text;
}

/**
 * Reads and checks a recipe, and checks that the files which it names exist.
 * @param onRead called before any other file is looked for
 * @throws UserError 2 with a line for each thing that is wrong or missing, 69 when servers of files do not answer
 */
export async function openRecipe(
  file: string,
  flags: RecipeFlags & BackendFlag & { readonly quiet?: boolean },
  onRead?: (recipe: ReadRecipe['recipe']) => Promise<void>,
): Promise<ReadRecipe> {
  const { checkFiles } = await import('./prepare/missing-files.js');
  isQuiet = flags.quiet === true;
  const read = await readRecipeFile(file, flags);
  await onRead?.(read.recipe);
  await checkFiles(read, resolve(dirname(file)), await remoteFiles());
  return { ...read, recipe: withBackend(read.recipe, flags.backend) };
}

/** The flag of a verb that starts workers. */
interface BackendFlag {
  readonly backend?: BackendName;
}

/**
 * The recipe with the backend that the flag names: it decides what computes student and teachers, on every worker.
 * @throws UserError 2 when the recipe names another
 */
export function withBackend<R extends Pick<Recipe, 'numerics'>>(recipe: R, backend: BackendName | undefined): R {
  const { backend: own } = recipe.numerics;
  if (backend === undefined || backend === 'auto' || backend === own) return recipe;
  if (own !== 'auto')
    throw new UserError(
      `--backend ${backend}: the recipe has numerics.backend: ${own}; the same was wanted, or no flag`,
    );
  return { ...recipe, numerics: { ...recipe.numerics, backend } };
}

/**
 * Finds the loss plug-ins of this machine: those that `--plugin` names and those in the folder that the environment
 * variable STILLHOUSE_PLUGINS names.
 */
export async function openPlugins({ plugin = [] }: PluginFlags): Promise<InstalledPlugins> {
  const { installedPlugins } = await import('../shared/recipe/plugins.js');
  return installedPlugins(
    plugin.map((file) => resolve(file)),
    process.env.STILLHOUSE_PLUGINS,
  );
}

/**
 * Reads the data and the models of the recipe in `file` and checks that they fit it.
 * @throws UserError 2 when something does not fit, 65 when a file is damaged
 */
export async function openRun(
  recipe: ReadRecipe['recipe'],
  file: string,
  flags: PluginFlags & Pick<PreparationOptions, 'servedBefore'> & { readonly quiet?: boolean },
): Promise<PreparedRun> {
  const { name } = recipe;
  const note = flags.quiet === true ? (): void => undefined : say;
  const { servedBefore } = flags;
  const plugins = await openPlugins(flags);
  const options = { recipe, name, recipeFolder: resolve(dirname(file)), plugins, servedBefore };
  return prepare(options, { warn, note });
}

/**
 * Looks at the teachers of a run on some of its training samples, and says what is odd.
 * @param isJudged whether they are judged by labels here; default: where the run itself does not, before step 1
 * @throws UserError 65 for a teacher at chance level, unless the recipe allows it
 */
export async function lookAt(
  run: PreparedRun,
  { tell, isJudged }: { readonly tell: (line: string) => void; readonly isJudged?: boolean },
): Promise<void> {
  const { judgesTeachers, lookAtTeachers } = await import('./prepare/teacher-look.js');
  await lookAtTeachers(run, { isJudged: isJudged ?? !judgesTeachers(run), warn, say: tell });
}

/**
 * Prepares a run with the shards in this user's cache.
 * @param tell where lines about what looks odd and what was chosen go
 */
export async function prepare(
  options: Pick<PreparationOptions, 'recipe' | 'name' | 'recipeFolder' | 'plugins' | 'servedBefore'>,
  tell: Pick<PreparationOptions, 'warn' | 'note'>,
): Promise<PreparedRun> {
  const { prepareRun } = await import('./prepare/prepare.js');
  const remote = await remoteFiles();
  const shardFolder = join(await usableCache(), 'artifacts');
  try {
    return await prepareRun({
      ...options,
      remote,
      shardFolder,
      warn: (text) => tell.warn(remote.text(text)),
      note: (text) => tell.note(remote.text(text)),
    });
  } catch (error) {
    throw remote.error(error);
  }
}
