/**
 * Finds the images below a folder, through links, and keeps count of what is left out: hidden names, which programs
 * leave behind, and files that are no images that can be read.
 */
import { counted } from '../../../shared/counted.js';
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { codeOf, exitCodes, UserError } from '../../../shared/errors.js';
import { damaged, fileError } from './file-errors.js';
import { imageEndings } from './image-decoder.js';
import type { Note } from './source.js';

/** Folders without a dot before their names that are hidden all the same: of macOS archives, Synology, Windows. */
const hiddenNames = new Set(['__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information', 'Thumbs.db']);

export function isHidden(name: string): boolean {
  return name.startsWith('.') || hiddenNames.has(name);
}

/** What was left out of a folder. */
export class LeftOut {
  readonly #hidden = new Set<string>();
  readonly #endings = new Map<string, number>();
  #beside = 0;

  hidden(name: string): void {
    this.#hidden.add(name);
  }

  /** A file that is no image that can be read. */
  unread(name: string): void {
    const ending = extname(name).toLowerCase() || 'without an ending';
    this.#endings.set(ending, (this.#endings.get(ending) ?? 0) + 1);
  }

  /** An image that lies in no folder of a class. */
  beside(): void {
    this.#beside++;
  }

  /** @param path the folder's @returns one note, or none where nothing was left out */
  notes(path: string): Note[] {
    const endings = [...this.#endings].sort(([, a], [, b]) => b - a);
    const unread = endings.reduce((sum, [, count]) => sum + count, 0);
    const parts = [
      ...(unread === 0
        ? []
        : [
            `${unread === 1 ? '1 file that is no image' : `${unread} files that are no images`} which can be read (${endings.map(([e, n]) => `${n} ${e}`).join(', ')})`,
          ]),
      ...(this.#beside === 0
        ? []
        : [`${counted(this.#beside, 'image')} that ${this.#beside === 1 ? 'lies' : 'lie'} in no folder of a class`]),
      ...(this.#hidden.size === 0 ? [] : [`what has the hidden names ${[...this.#hidden].sort().join(', ')}`]),
    ];
    if (parts.length === 0) return [];
    return [{ text: `${path}: left out: ${parts.join('; ')}`, isOdd: unread + this.#beside > 0 }];
  }
}

/** What lies in a folder, by name. A link is what it leads to. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Lists a folder, sorted by name, hidden names left out.
 * @param kept hidden names that count all the same
 * @throws UserError 2 for no such folder, 65 for a file in its place or a link that leads nowhere
 */
export async function entriesOf(path: string, leftOut: LeftOut, kept: readonly string[] = []): Promise<Entry[]> {
  const found = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOTDIR')
      throw new UserError(`${path}: it is a file; a folder of images was wanted`, exitCodes.data);
    throw fileError(path, error);
  });
  const shown = found.filter(({ name }) => {
    if (!isHidden(name) || kept.includes(name)) return true;
    leftOut.hidden(name);
    return false;
  });
  const entries = await Promise.all(shown.map((entry) => entryOf(path, entry)));
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function entryOf(folder: string, entry: Dirent): Promise<Entry> {
  const { name } = entry;
  const path = join(folder, name);
  if (!entry.isSymbolicLink()) return { name, path, isFolder: entry.isDirectory() };
  const target = await stat(path).catch((error: unknown) => {
    throw damaged(path, 'a link that leads nowhere; one to a file or a folder was wanted', error);
  });
  return { name, path, isFolder: target.isDirectory() };
}

/**
 * All images in a folder and the folders in it, by name.
 * @param above the folders that it lies in, without links
 * @throws UserError 2 for no such folder, 65 for a link that leads nowhere, or back to a folder that it lies in
 */
export async function imagesBelow(path: string, leftOut: LeftOut, above: readonly string[] = []): Promise<string[]> {
  const entries = await entriesOf(path, leftOut);
  const own = await realpath(path);
  if (above.includes(own))
    throw damaged(path, `a link to ${own}, which it lies in; a folder that ends somewhere was wanted`);
  const found = await Promise.all(
    entries.map(async (entry) => {
      if (entry.isFolder) return imagesBelow(entry.path, leftOut, [...above, own]);
      if (imageEndings.has(extname(entry.name).toLowerCase())) return [entry.path];
      leftOut.unread(entry.name);
      return [];
    }),
  );
  return found.flat();
}
