/** Brings a teacher's classes together with the data's: by number, or by name where both have names. */
import { counted } from '../../shared/counted.js';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readProblem, UserError } from '../../shared/errors.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import { widthText } from '../../shared/task.js';
import { classOrder } from '../../worker/compute/teachers/class-order.js';
import type { Expected } from './expected.js';

export interface TeacherClasses {
  /** The recipe's folder, which a file of names is relative to. */
  readonly folder: string;
  /** How many classes the model gives. */
  readonly outputs: number;
}

/**
 * Maps a teacher's classes to the data's.
 * @returns an empty object where they have the same numbers
 * @throws UserError 2 when they are not the data's, by number or by name
 */
export async function mapClasses(
  recipe: TeacherRecipe,
  { task, classes, classNames }: Expected,
  { folder, outputs }: TeacherClasses,
): Promise<Pick<TeacherSpec, 'classMap'>> {
  const names = typeof recipe.classes === 'string' ? await readNames(resolve(folder, recipe.classes)) : recipe.classes;
  if (names === undefined || classNames === undefined) {
    if (outputs !== classes)
      throw new UserError(
        `teacher ${recipe.name}: it gives ${task === 'classes' ? `${counted(outputs, 'class')}; the data has ${classes}` : `${outputs}; the data has ${widthText(task, classes)}`}`,
      );
    return {};
  }
  if (classNames.length !== classes)
    throw new UserError(
      `data.classNames: ${counted(classNames.length, 'name')} given; the data has ${counted(classes, 'class')}`,
    );
  if (names.length !== outputs)
    throw new UserError(
      `teacher ${recipe.name}: classes: ${counted(names.length, 'name')} given; it gives ${counted(outputs, 'class')}`,
    );
  return { classMap: { outputs, order: classOrder(recipe.name, names, classNames) } };
}

/** Reads a file of names, one a line. */
async function readNames(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError(`classes: ${path}: ${readProblem(error)}; the names of the classes, one a line, were wanted`);
  });
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/**
 * Gives the numbers of the classes that a specialist knows about.
 * @returns an empty object for a teacher that is no specialist
 * @throws UserError 2 for a class that the data does not have
 */
export function specialtyOf(
  { name, specialist }: TeacherRecipe,
  { classes, classNames }: Expected,
): Pick<TeacherSpec, 'specialist'> {
  if (specialist === undefined) return {};
  return {
    specialist: specialist.map((one) => {
      const number = typeof one === 'number' ? one : (classNames?.indexOf(one) ?? -1);
      if (number >= 0 && number < classes) return number;
      const known =
        typeof one === 'number' ? `0 to ${classes - 1}` : (classNames?.join(', ') ?? 'a number, or data.classNames');
      throw new UserError(
        `teacher ${name}: specialist: ${JSON.stringify(one)} is no class of the data; ${known} wanted`,
      );
    }),
  };
}
