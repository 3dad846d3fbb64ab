/** The files that a recipe names as inputs: a file, a folder of them, a pattern, or a list of those. */
import { readdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { codeOf, exitCodes, UserError } from '../../../shared/errors.js';
import { expressionOf, inBraces } from '../../../shared/data/name-patterns.js';
import { ifThere } from '../../../shared/files.js';
import { damaged, fileError } from './file-errors.js';
import { entriesOf, isHidden, LeftOut } from './image-files.js';
import { concatenate } from './concatenate.js';
import type { Source } from './source.js';

export interface InputFiles {
  /** What the recipe says: one name or several. */
  readonly inputs: string | readonly string[];
  /** Endings, in small letters, of the files that are taken from a folder. */
  readonly endings: readonly string[];
  /** Makes a path of the recipe one of this machine. */
  readonly path: (name: string) => string;
}

/** Opens every file and joins their samples, in the order of the files. @throws what `inputFiles` and `open` do */
export async function openEach(inputs: InputFiles, open: (file: string) => Promise<Source>): Promise<Source> {
  const parts: Source[] = [];
  for (const file of await inputFiles(inputs)) parts.push(await open(file));
  return concatenate(parts);
}

/**
 * Lists the files, those of a folder or a pattern by name.
 * @throws UserError 2 where there is none, or one is named twice, 65 for a folder that holds none
 */
export async function inputFiles({ inputs, endings, path }: InputFiles): Promise<string[]> {
  const files: string[] = [];
  for (const name of [inputs].flat()) files.push(...(await filesAt(path(name), endings)));
  const twice = files.find((file, i) => files.indexOf(file) < i);
  if (twice !== undefined) throw new UserError(`${twice}: named twice among the inputs; once wanted`);
  return files;
}

async function filesAt(path: string, endings: readonly string[]): Promise<string[]> {
  const listed = inBraces(path);
  if (listed[0] !== path && (await ifThere(stat(path))) === null) {
    const found: string[] = [];
    for (const one of listed) found.push(...(await filesAt(one, endings)));
    return found;
  }
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw fileError(path, error);
    return null;
  });
  if (found?.isDirectory() === true) {
    const files = await filesBelow(path, endings);
    if (files.length > 0) return files;
    throw damaged(path, `a folder without files; some that end in ${endings.join(', ')} were wanted`);
  }
  const matching = found === null ? await filesMatching(path) : [path];
  if (matching.length > 0) return matching;
  throw new UserError(`${path}: no such file; one that is there was wanted`, exitCodes.usage);
}

async function filesBelow(path: string, endings: readonly string[]): Promise<string[]> {
  const entries = await entriesOf(path, new LeftOut());
  const found = await Promise.all(
    entries.map(async (entry) => {
      if (entry.isFolder) return filesBelow(entry.path, endings);
      return endings.some((ending) => entry.name.toLowerCase().endsWith(ending)) ? [entry.path] : [];
    }),
  );
  return found.flat();
}

/**
 * Files that match a pattern: `*` and `?` stand for letters of a name, `[...]` for one of them, `**` for folders, and
 * braces for a list of names.
 */
export async function filesMatching(pattern: string): Promise<string[]> {
  const listed = inBraces(pattern);
  if (listed[0] !== pattern) {
    const found = await Promise.all(
      listed.map(async (one) => ((await ifThere(stat(one))) === null ? filesMatching(one) : [one])),
    );
    return found.flat();
  }
  const parts = pattern.split(sep);
  const first = parts.findIndex((part) => /[*?[]/.test(part));
  if (first < 0) return [];
  return matchesIn(parts.slice(0, first).join(sep) || sep, parts.slice(first));
}

async function matchesIn(folder: string, [part = '', ...rest]: readonly string[]): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const shown = entries.filter(({ name }) => !isHidden(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (part === '**') {
    const here = await matchesIn(folder, rest);
    const below = shown.filter((entry) => entry.isDirectory());
    const deeper = await Promise.all(below.map(({ name }) => matchesIn(join(folder, name), [part, ...rest])));
    return [...here, ...deeper.flat()].sort();
  }
  const pattern = expressionOf(part);
  const matching = shown.filter(({ name }) => pattern.test(name));
  const found = await Promise.all(
    matching.map(async ({ name }) => {
      const path = join(folder, name);
      const isFolder = (await stat(path).catch(() => null))?.isDirectory() ?? false;
      if (rest.length > 0) return isFolder ? matchesIn(path, rest) : [];
      return isFolder ? [] : [path];
    }),
  );
  return found.flat();
}
