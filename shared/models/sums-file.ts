/**
 * SHA256SUMS beside the files of an export: a line `DIGEST  NAME` for each of them, as sha256sum writes and checks it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ifReachable } from '../files.js';
import { sha256OfFile } from '../sha256.js';

export const sumsFile = 'SHA256SUMS';

/** Writes the digests of these files, which lie in the folder. @param paths their paths */
export async function writeSums(folder: string, paths: readonly string[]): Promise<void> {
  const lines: string[] = [];
  for (const path of [...paths].sort()) lines.push(`${(await sha256OfFile(path)).sha256}  ${basename(path)}\n`);
  await writeFile(join(folder, sumsFile), lines.join(''));
}

/**
 * Compares the files of a folder with the digests beside them.
 *
 * @param names the files to compare; absent: all that have a digest
 * @returns in words what is not as it was written; null where the folder has no digests
 */
export async function wrongFiles(folder: string, names?: readonly string[]): Promise<string[] | null> {
  const text = await ifReachable(readFile(join(folder, sumsFile), 'utf8'));
  if (text === null) return null;
  const wrong: string[] = [];
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, sha256, name] = /^([0-9a-f]{64}) [ *]([^/]+)$/.exec(line) ?? [];
    if (sha256 === undefined || name === undefined) return [`${sumsFile} is damaged`];
    if (names !== undefined && !names.includes(name)) continue;
    const found = await ifReachable(sha256OfFile(join(folder, name)));
    if (found?.sha256 !== sha256) wrong.push(`${name} is ${found === null ? 'missing' : 'damaged'}`);
  }
  return text.endsWith('\n') ? wrong : [`${sumsFile} is damaged`];
}
