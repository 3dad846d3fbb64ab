/** What the folder of a run tells of its student: what it is fed, and the order of its classes. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { preprocessSchema } from '../../shared/recipe/data-schema.js';
import type { Preprocess, Recipe, TeacherRecipe } from '../../shared/recipe/schema.js';

const storedSchema = z.looseObject({
  data: z.looseObject({ preprocess: preprocessSchema.optional(), classNames: z.array(z.string()).optional() }),
});

export interface RunSettings {
  /** What differs from how the recipe's own samples and classes are. */
  readonly fields: Pick<TeacherRecipe, 'preprocess' | 'classes'>;
  /** A line for the user; null where nothing differs. */
  readonly remark: string | null;
}

const raw: Preprocess = { scale: 1, mean: [0], std: [1] };

/**
 * Reads how the student of a run is to be taken on the data of `recipe`.
 * @param given the run folder, its student folder, or a model in that
 * @returns null where no run is found around it
 */
export async function settingsOfRun(given: string, recipe: Recipe): Promise<RunSettings | null> {
  const stored = await storedRecipe(given);
  if (stored === null) return null;
  const { preprocess, classNames } = stored.data;
  const isOther = textOf(preprocess) !== textOf(recipe.data.preprocess);
  const own = recipe.data.classNames;
  const isReordered = classNames !== undefined && own !== undefined && classNames.join('\n') !== own.join('\n');
  const texts = [
    ...(isOther ? [`preprocess ${textOf(preprocess)} (the recipe has ${textOf(recipe.data.preprocess)})`] : []),
    ...(isReordered ? [`classNames ${classNames.join(', ')}`] : []),
  ];
  return {
    fields: { ...(isOther ? { preprocess: preprocess ?? raw } : {}), ...(isReordered ? { classes: classNames } : {}) },
    remark: texts.length === 0 ? null : `${given}: taken as its own run has it: ${texts.join('; ')}`,
  };
}

const textOf = (preprocess: Preprocess = raw): string => JSON.stringify(preprocess);

async function storedRecipe(given: string): Promise<z.infer<typeof storedSchema> | null> {
  const folders = [given, ...(basename(given) === 'student' ? [dirname(given)] : [dirname(dirname(given))])];
  for (const folder of folders) {
    const text = await readFile(join(folder, 'recipe.yaml'), 'utf8').catch(() => null);
    const found = text === null ? null : storedSchema.safeParse(parse(text));
    if (found?.success === true && 'digests' in found.data) return found.data;
  }
  return null;
}
