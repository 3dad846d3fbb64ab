/** Files that are named by the SHA-256 of their content, in a folder that runs share. */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, storageProblem, UserError } from '../../shared/errors.js';

/**
 * Writes `folder/<sha256>`, so that no reader ever sees a part of it.
 * @param bytes the content, or its parts one after the other
 * @throws UserError 69 when the disk takes no more
 */
export async function writeContent(
  folder: string,
  sha256: string,
  bytes: Uint8Array | readonly Uint8Array[],
): Promise<void> {
  const aside = join(folder, `.${sha256}.${randomUUID()}`);
  try {
    await writeFile(aside, bytes);
    await rename(aside, join(folder, sha256));
  } catch (error) {
    await rm(aside, { force: true });
    const problem = storageProblem(error);
    if (problem === null) throw error;
    throw new UserError(
      `${folder}: ${problem}; room for the data was wanted there, or another STILLHOUSE_CACHE`,
      exitCodes.unavailable,
      error,
    );
  }
}
