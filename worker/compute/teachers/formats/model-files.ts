/**
 * Where a model's files lie. A model names the files that it keeps weights in, and its folder may hold links: neither
 * may lead out of the folder, since what a run finds there goes to every worker.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { ifReachable } from '../../../../shared/files.js';
import { namesOwnFile, nameText } from '../../../../shared/models/file-names.js';

/** A model as messages call it, and where it is. */
export interface ModelPlace {
  /** `teacher wide`, `student net.onnx` */
  readonly owner: string;
  /** The model file, or the folder that is the model. */
  readonly path: string;
  /** Whether the model was named by its folder, so that no link in it is the user's own word. */
  readonly isFolder: boolean;
}

/**
 * Paths of a model file and of those that it names, by their names relative to its folder; the model file first. Files
 * that are not there are among them.
 *
 * @throws UserError 65 for a name or a link that leads out of the model's folder, and for what is no file
 */
export async function filesBeside(
  { owner, path, isFolder }: ModelPlace,
  others: readonly string[],
): Promise<Map<string, string>> {
  const folder = dirname(path);
  const found = await ownFiles(
    { owner, path: folder, isFolder },
    isFolder ? [basename(path), ...others] : others,
    path,
  );
  return new Map([[basename(path), path], ...found]);
}

/**
 * Paths of files in a model's folder by their names.
 *
 * @param main the model file that a user named, and that may be a link: files beside what it leads to are its own too
 * @throws UserError as `filesBeside` does
 */
export async function ownFiles(
  { owner, path: folder, isFolder }: ModelPlace,
  names: readonly string[],
  main?: string,
): Promise<Map<string, string>> {
  const places = [folder, ...(isFolder || main === undefined ? [] : [await linked(main)])];
  const roots = await Promise.all(places.map(async (place) => (await ifReachable(realpath(place))) ?? place));
  const found = new Map<string, string>();
  for (const name of names) {
    if (!namesOwnFile(name))
      throw foreign(owner, `it keeps weights in ${nameText(name)}; a file of its own folder was wanted`);
    const path = join(folder, name);
    await expectOwn(owner, { name, path, roots });
    found.set(name, path);
  }
  return found;
}

/** The folder that the file really lies in. */
async function linked(path: string): Promise<string> {
  return dirname((await ifReachable(realpath(path))) ?? path);
}

interface NamedFile {
  readonly name: string;
  readonly path: string;
  /** Without links. */
  readonly roots: readonly string[];
}

/** What is not there is for others to miss. */
async function expectOwn(owner: string, { name, path, roots }: NamedFile): Promise<void> {
  const real = await ifReachable(realpath(path));
  if (real === null) return;
  if (!roots.some((root) => real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)))
    throw foreign(
      owner,
      `its file ${name} is a link to ${real}, out of its folder; a file in it was wanted (cp -rL makes a copy without links)`,
    );
  if (!(await stat(real)).isFile()) throw foreign(owner, `its file ${name} is no ordinary file; one was wanted`);
}

function foreign(owner: string, text: string): UserError {
  return new UserError(`${owner}: ${text}`, exitCodes.data);
}

/** Whether a file or a folder has this path. */
export async function pathExists(path: string): Promise<boolean> {
  return (await ifReachable(stat(path))) !== null;
}
