/** Models that lie on other machines: fetched with the files of their weights, and named by their paths on this one. */
import type { Recipe } from '../../shared/recipe/schema.js';
import { stat } from 'node:fs/promises';
import { recogniseModel } from '../../worker/compute/teachers/teacher-formats.js';
import { isRemote } from './remote/list.js';
import type { RemoteFiles } from './remote/remote-files.js';

/**
 * The recipe with files of this machine in place of remote student, teachers, weights and names of classes.
 * @throws as `RemoteFiles.local`, and UserError 65 for a model that is damaged
 */
export async function withLocalModels<R extends Pick<Recipe, 'student' | 'teachers'>>(
  recipe: R,
  remote: RemoteFiles,
): Promise<R> {
  const { student, teachers } = recipe;
  if ('builtin' in student) return { ...recipe, teachers: await withLocalTeachers(teachers, remote) };
  const model = await localModel('student', student.model, remote);
  const weights = student.weights === undefined ? {} : { weights: await localFile(student.weights, remote) };
  return {
    ...recipe,
    student: { ...student, model, ...weights },
    teachers: await withLocalTeachers(teachers, remote),
  };
}

/**
 * The same of teachers.
 * @param names of those that are wanted; default: all
 */
export async function withLocalTeachers(
  teachers: Recipe['teachers'],
  remote: RemoteFiles,
  names?: readonly string[],
): Promise<Recipe['teachers']> {
  return Promise.all(
    teachers.map(async (teacher) => {
      if (names?.includes(teacher.name) === false) return teacher;
      const { name, classes, model } = teacher;
      return {
        ...teacher,
        ...(model === undefined ? {} : { model: await localModel(`teacher ${name}`, model, remote) }),
        ...(typeof classes === 'string' ? { classes: await localFile(classes, remote) } : {}),
      };
    }),
  );
}

async function localFile(name: string, remote: RemoteFiles): Promise<string> {
  return isRemote(name) ? remote.local(name) : name;
}

/** A model's file, with those beside it that it keeps weights in; or its folder. */
async function localModel(owner: string, model: string, remote: RemoteFiles): Promise<string> {
  if (!isRemote(model)) return model;
  const path = await remote.local(model);
  if ((await stat(path)).isDirectory()) return path;
  const found = await recogniseModel({ teacher: owner, model, path, isFolder: false });
  const [, ...beside] = found?.paths.keys() ?? [];
  return beside.length === 0 ? path : remote.together(model, beside);
}
