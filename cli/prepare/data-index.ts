/**
 * Remembers what was found when a source was read: while its files stay as they are, a later preparation takes shards and
 * annotations from the cache and reads no source again. An entry is named by what the recipe says of the source, and
 * holds a digest of its own and when the files were changed last.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, storageProblem } from '../../shared/errors.js';
import { ifThere, makeFolders } from '../../shared/files.js';
import { readInto } from '../../shared/read-into.js';
import type { SourceRecipe } from '../../shared/recipe/schema.js';
import { markUsed } from '../../shared/room.js';
import { sha256Of, sha256OfFile } from '../../shared/sha256.js';
import { decodeEntry, encodeEntry } from './index-entry.js';
import { RemoteFiles } from './remote/remote-files.js';
import { sourceFiles } from './source-files.js';
import { writeShards, type ReadData, type ShardOptions, type WrittenData } from './shards.js';
import type { Note } from './sources/source.js';

/** Counts up when the same files and recipe give other shards or annotations than before. */
const version = 1;

const monthMs = 30 * 24 * 60 * 60 * 1000;

/** What reads a source and writes its shards. */
export type WriteShards = typeof writeShards;

/**
 * Gives what `writeShards` gives, from the index where nothing has changed since.
 * @param folder the recipe's folder, which the source's paths are relative to
 * @param out where the shards are; the index is in a folder there
 * @throws what `writeShards` does
 */
export async function indexedShards(
  recipe: SourceRecipe,
  folder: string,
  out: string,
  { write = writeShards, remote = new RemoteFiles(), ...others }: ShardOptions & { readonly write?: WriteShards },
): Promise<WrittenData> {
  const options = { ...others, remote };
  const { unlabelled, classNames, task, routeColumn, shardSamples } = options;
  const sources = [recipe, ...(unlabelled === undefined ? [] : [unlabelled])];
  const chosenBy = routeColumn === undefined ? [] : [routeColumn];
  const said = [
    version,
    folder,
    recipe,
    unlabelled ?? null,
    classNames ?? null,
    task ?? null,
    shardSamples,
    ...chosenBy,
  ];
  const entries = join(out, 'index');
  const path = join(entries, sha256Of(JSON.stringify(said)));
  const files = await sourceFiles(sources, folder, remote);
  const found = files === null ? null : await kept(path, files, out);
  if (found !== null && 'data' in found) return found.data;
  const written = await write(recipe, folder, out, options);
  // Files that were changed while they were read are read again by the next run.
  const isKept = files !== null && written.isWhole && (await sourceFiles(sources, folder, remote)) === files;
  if (isKept && written.dataSet.samples > 0) await keep(entries, path, encodeEntry(written, files));
  return { ...written, notes: [...written.notes, ...(found?.notes ?? [])] };
}

/** What lies in the index; null for nothing, and notes for what cannot be taken any more. */
async function kept(
  path: string,
  files: string,
  out: string,
): Promise<{ readonly data: ReadData } | { readonly notes: readonly Note[] } | null> {
  const size = await ifThere(stat(path));
  if (size === null) return null;
  const bytes = Buffer.alloc(size.size);
  try {
    readInto(path, bytes);
  } catch (error) {
    // Another process may remove or replace it in between.
    if (!['', 'ENOENT'].includes(codeOf(error))) throw error;
    return null;
  }
  const entry = decodeEntry(bytes);
  if (entry === null) return { notes: [{ text: `${path} was damaged, and is made anew`, isOdd: true }] };
  const { data, files: before } = entry;
  if (before !== files)
    return { notes: [{ text: `${data.file}: changed since it was read last; read anew`, isOdd: false }] };
  for (const { sha256 } of data.dataSet.shards) {
    const shard = join(out, sha256);
    const digest = await ifThere(sha256OfFile(shard));
    // Which shard is damaged is told when it is written.
    if (digest?.sha256 !== sha256)
      return { notes: digest === null ? [{ text: `${shard} was missing, and is made anew`, isOdd: false }] : [] };
  }
  for (const used of [path, ...data.dataSet.shards.map(({ sha256 }) => join(out, sha256))]) await markUsed(used);
  return { data };
}

/** Writes an entry, and removes those that were not used for a month. A disk that takes no more costs the entry alone. */
async function keep(folder: string, path: string, bytes: readonly Uint8Array[]): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await makeFolders(folder);
    await writeFile(aside, bytes);
    await rename(aside, path);
    for (const name of await readdir(folder)) {
      const old = join(folder, name);
      const found = await ifThere(stat(old));
      if (found !== null && Date.now() - found.mtimeMs > monthMs) await rm(old, { force: true });
    }
  } catch (error) {
    await rm(aside, { force: true });
    if (storageProblem(error) === null) throw error;
  }
}
