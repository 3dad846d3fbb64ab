/**
 * The files of a SavedModel: which of a folder's belong to the model, and a folder of that form out of files that are
 * kept by content. Names come from the coordinator: none may lead out of the folder.
 */
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { namesOwnFile } from '../../../../shared/models/file-names.js';
import { badModel } from './model-errors.js';
import { ownFiles } from './model-files.js';
import type { TeacherSource } from './teacher.js';

export const savedModelFile = 'saved_model.pb';

/**
 * Paths by name relative to the folder, the graph first, then by name; notes of other tools are left out.
 *
 * @throws UserError 65 for a link that leads out of the folder
 */
export async function savedModelPaths(teacher: string, folder: string): Promise<Map<string, string>> {
  const names: string[] = [];
  for (const part of ['assets', 'variables']) {
    const entries = await readdir(join(folder, part), { recursive: true, withFileTypes: true }).catch(() => []);
    names.push(
      ...entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(resolve(folder).length + 1)),
    );
  }
  return ownFiles({ owner: `teacher ${teacher}`, path: folder, isFolder: true }, [savedModelFile, ...names.sort()]);
}

/**
 * Lends a folder with the model's files under their names. @throws UserError 65 when a name is none of a SavedModel's
 */
export async function withSavedModelFolder<T>(
  { name, paths }: TeacherSource,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const odd = [...paths.keys()].find(
    (file) => file !== savedModelFile && (!/^(assets|variables)\//.test(file) || !namesOwnFile(file)),
  );
  if (odd !== undefined)
    throw badModel(name, `its file "${odd}" is none of a SavedModel; ${savedModelFile}, variables/ and assets/ wanted`);
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-saved-model-'));
  try {
    for (const [file, path] of paths) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await symlink(resolve(path), join(folder, file));
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
