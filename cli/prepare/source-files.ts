/** The files that sources are read from, with what tells that one has changed. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { codeOf } from '../../shared/errors.js';
import type { SourceRecipe } from '../../shared/recipe/schema.js';
import { bareOf } from './remote/addresses.js';
import { isRemote } from './remote/list.js';
import type { RemoteFiles } from './remote/remote-files.js';
import { filesMatching } from './sources/input-files.js';
import { filesOf } from './sources/list.js';

/**
 * A digest of the names, the lengths and the times of change of all files that the sources name or that lie in the
 * folders that they name, of the content of those of other machines, and of the version of what decodes images.
 * @returns null where one of them is not there or cannot be looked at, which whoever reads it says
 */
export async function sourceFiles(
  sources: readonly SourceRecipe[],
  folder: string,
  remote: RemoteFiles,
): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    hash.update(await decoderVersion(sources));
    for (const source of sources)
      for (const name of Object.values(filesOf(source.format, source)).flatMap((file) => file ?? [])) {
        if (isRemote(name)) {
          await remote.local(name);
          hash.update(JSON.stringify([name, remote.identities.get(bareOf(name))?.sha256]));
          continue;
        }
        const path = isAbsolute(name) ? name : join(folder, name);
        const found = await stat(path).catch(() => null);
        const paths = found === null ? await filesMatching(path) : [path];
        if (paths.length === 0) return null;
        for (const one of paths) await addTo(hash, one, []);
      }
  } catch (error) {
    if (codeOf(error) === '' && !(error instanceof EndlessError)) throw error;
    return null;
  }
  return hash.digest('hex');
}

/** A folder that lies in itself. */
class EndlessError extends Error {}

type Hash = ReturnType<typeof createHash>;

/** @param above the folders that it lies in, by device and number */
async function addTo(hash: Hash, path: string, above: readonly string[]): Promise<void> {
  const found = await stat(path, { bigint: true });
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  if (!found.isDirectory()) return void hash.update(JSON.stringify([path, [ino, size, mtimeNs, ctimeNs].map(String)]));
  const own = `${dev}:${ino}`;
  if (above.includes(own)) throw new EndlessError(`${path}: a link to a folder that it lies in`);
  hash.update(JSON.stringify([path]));
  for (const name of (await readdir(path)).sort()) await addTo(hash, join(path, name), [...above, own]);
}

/** Formats without images. */
const plain: ReadonlySet<SourceRecipe['format']> = new Set(['idx', 'npy', 'csv', 'jsonl']);

/** Other versions of the library may give other pixels. */
async function decoderVersion(sources: readonly SourceRecipe[]): Promise<string> {
  if (sources.every(({ format }) => plain.has(format))) return '';
  const { default: sharp } = await import('sharp');
  return JSON.stringify(sharp.versions);
}
