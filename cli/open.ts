/** Opens what a verb is given by name: a recipe, the plug-ins of this machine, the data and models of a recipe. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { cacheFolder } from '../shared/cache-folder.js';
import { exitCodes, UserError } from '../shared/errors.js';
import type { InstalledPlugins } from '../shared/recipe/plugins.js';
import type { ReadRecipe } from '../shared/recipe/read.js';
import type { Recipe } from '../shared/recipe/schema.js';
import type { TensorFlow } from '../worker/compute/backends/backend.js';
import type { PluginFlags, RecipeFlags } from './options.js';
import { warn } from './output.js';

/**
 * Reads and checks a recipe, but none of the files that it names.
 * @throws UserError 2 when it cannot be read or something in it is wrong
 */
export async function readRecipeFile(file: string, flags: RecipeFlags): Promise<ReadRecipe> {
  const { readRecipe } = await import('../shared/recipe/read.js');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`${file}: cannot be read; a recipe was wanted`, exitCodes.usage, error);
  }
  return readRecipe(text, { file, set: flags.set, seed: flags.seed });
}

/**
 * Reads and checks a recipe, and checks that the files which it names exist.
 * @throws UserError 2 with a line for each thing that is wrong or missing
 */
export async function openRecipe(file: string, flags: RecipeFlags): Promise<ReadRecipe> {
  const { checkFiles } = await import('../shared/recipe/missing-files.js');
  const read = await readRecipeFile(file, flags);
  await checkFiles(read, resolve(dirname(file)));
  return read;
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
export async function openRun(recipe: ReadRecipe['recipe'], file: string, flags: PluginFlags): Promise<PreparedRun> {
  return prepare(recipe, recipe.name, resolve(dirname(file)), await openPlugins(flags));
}

/** Reads data and models, and checks that they fit the recipe. */
export async function prepare(
  recipe: Recipe,
  name: string,
  recipeFolder: string,
  plugins: InstalledPlugins,
): Promise<PreparedRun> {
  const { prepareRun } = await import('./prepare/prepare.js');
  const { inspectStudent } = await import('./prepare/student.js');
  const { inspectTeacher } = await import('./prepare/teacher.js');
  const { planTaps, teacherTaps } = await import('./prepare/taps.js');
  const { writeShards } = await import('./prepare/shards.js');
  const { epochOrder } = await import('../shared/data/sampler.js');
  const openTensorFlow = async (): Promise<TensorFlow> =>
    (await (await import('../worker/compute/backends/wasm/wasm.js')).openWasm()).tf;
  const openNative = async (teacher: string): Promise<TensorFlow> => {
    if (recipe.numerics.backend === 'wasm')
      throw new UserError(`numerics.backend: wasm given; teacher ${teacher} is a SavedModel, so auto or native wanted`);
    return (
      await (
        await import('../worker/compute/open/backend-choice.js')
      ).openBackend('native', { threads: recipe.numerics.threads, gpuDemanded: false })
    ).tf;
  };
  return prepareRun({
    recipe,
    recipeFolder,
    name,
    shardFolder: join(cacheFolder(), 'artifacts'),
    plugins,
    warn,
    tools: {
      inspectStudent: async (student, folder, expected) => {
        const inspected = await inspectStudent(student, folder, { ...expected, openTensorFlow });
        inspected.warnings.forEach(warn);
        return inspected;
      },
      inspectTeacher: (teacher, folder, expected, whole) =>
        inspectTeacher(teacher, folder, {
          ...expected,
          openTensorFlow,
          openNative: () => openNative(teacher.name),
          taps: teacherTaps(whole, teacher.name),
        }),
      planTaps: (whole, student, teachers) => planTaps({ recipe: whole, student, teachers, openTensorFlow }),
      writeShards,
      epochOrder,
    },
  });
}
