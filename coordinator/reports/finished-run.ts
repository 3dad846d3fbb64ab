/** What others read of a finished run: its summary, and its files as the summary's digests say that they were written. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifReachable } from '../../shared/files.js';
import { digestOf } from '../store/contents.js';
import { parseStored } from '../store/durable-files.js';
import { runIdIn } from '../store/generations.js';
import { readSealed } from '../store/seal.js';
import { summarySchema, type Summary } from './summary.js';

/** The summary of the run in this folder; null where there is none. @throws UserError (65) when it is damaged */
export async function summaryIn(path: string): Promise<Summary | null> {
  const file = join(path, 'summary.json');
  const text = await ifReachable(readFile(file, 'utf8'));
  if (text === null) return null;
  const own = await runIdIn(path);
  return parseStored(file, summarySchema, () => readSealed(text, summarySchema, ({ run }) => own ?? run));
}

/**
 * Compares files of a finished run with the digests in its summary; a folder without a summary has nothing to compare.
 *
 * @param path the run's folder
 * @param isWanted says of a path in it whether it is to be read
 * @throws UserError (65) when one is missing or damaged, or the summary is
 */
export async function expectWhole(path: string, isWanted: (name: string) => boolean): Promise<void> {
  const { files = {} } = (await summaryIn(path)) ?? {};
  for (const [name, sha256] of Object.entries(files).filter(([one]) => isWanted(one))) {
    const found = await digestOf(join(path, name));
    if (found === sha256) continue;
    throw new UserError(
      `${join(path, name)} is ${found === null ? 'missing' : 'damaged: it is not what the run wrote there'}; put it back from a copy`,
      exitCodes.data,
    );
  }
}
