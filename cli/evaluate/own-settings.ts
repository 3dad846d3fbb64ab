/** What a student of this program tells of itself: what it is fed, and the order of its classes. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { factsIn } from '../../shared/models/layers-model.js';
import { factsFromTexts } from '../../shared/models/student-facts.js';
import { preprocessSchema } from '../../shared/recipe/data-schema.js';
import type { InputRecipe } from '../../shared/recipe/model-schema.js';
import type { Preprocess, Recipe, TeacherRecipe } from '../../shared/recipe/schema.js';
import { readOnnxMetadata } from '../../worker/compute/onnx/facts.js';

export interface OwnSettings {
  /** What differs from how the recipe's own samples and classes are. */
  readonly fields: Pick<TeacherRecipe, 'preprocess' | 'classes' | 'inputs'>;
  /** A line for the user; null where nothing differs. */
  readonly remark: string | null;
}

/** What a student is fed, and what its classes are called. */
interface Told {
  readonly preprocess: Preprocess | null;
  readonly classNames: readonly string[] | undefined;
  /** What each input of a model with several is given. */
  readonly inputs?: Record<string, InputRecipe>;
}

const raw: Preprocess = { scale: 1, mean: [0], std: [1] };

/**
 * Reads how a student is to be taken on the data of `recipe`: as the model itself says, else as its run does.
 * @param given the model as the user has it, for the remark
 * @param path the model's file
 * @returns null where neither says anything
 */
export async function ownSettings(given: string, path: string, recipe: Recipe): Promise<OwnSettings | null> {
  const told = (await toldByModel(path).catch(() => null)) ?? (await toldByRun(path));
  if (told === null) return null;
  const { preprocess, classNames, inputs } = told;
  const isOther = textOf(preprocess) !== textOf(recipe.data.preprocess ?? null);
  const own = recipe.data.classNames;
  const isReordered = classNames !== undefined && own !== undefined && classNames.join('\n') !== own.join('\n');
  const texts = [
    ...(isOther ? [`preprocess ${textOf(preprocess)} (the recipe has ${textOf(recipe.data.preprocess ?? null)})`] : []),
    ...(isReordered ? [`classNames ${classNames.join(', ')}`] : []),
  ];
  return {
    fields: {
      ...(isOther ? { preprocess: preprocess ?? raw } : {}),
      ...(isReordered ? { classes: [...classNames] } : {}),
      ...(inputs === undefined ? {} : { inputs }),
    },
    remark: texts.length === 0 ? null : `${given}: taken as its own run has it: ${texts.join('; ')}`,
  };
}

const textOf = (preprocess: Preprocess | null): string => JSON.stringify(preprocess ?? raw);

/** @throws what reading and parsing throw, of a model that is no student of this program */
async function toldByModel(path: string): Promise<Told | null> {
  if (!/\.(json|onnx)$/i.test(path)) return null;
  const bytes = await readFile(path);
  const facts = /\.onnx$/i.test(path) ? factsFromTexts(readOnnxMetadata(bytes)) : factsIn(JSON.parse(bytes.toString()));
  if (facts === null) return null;
  const { preprocess, inputs } = facts.input;
  return {
    preprocess,
    classNames: facts.output.classNames,
    ...(inputs === undefined ? {} : { inputs: Object.fromEntries(inputs.map(({ name, given }) => [name, given])) }),
  };
}

const storedSchema = z.looseObject({
  data: z.looseObject({ preprocess: preprocessSchema.optional(), classNames: z.array(z.string()).optional() }),
  digests: z.unknown(),
});

/** What the run's recipe tells of a student in its folder whose model says nothing, as in earlier versions. */
async function toldByRun(path: string): Promise<Told | null> {
  const text = await readFile(join(dirname(dirname(path)), 'recipe.yaml'), 'utf8').catch(() => null);
  const found = text === null ? null : storedSchema.safeParse(parse(text));
  if (found?.success !== true || found.data.digests === undefined) return null;
  const { preprocess = null, classNames } = found.data.data;
  return { preprocess, classNames };
}
