/** Where a machine keeps label blocks, and how many bytes of them. */
import { join } from 'node:path';
import { UserError } from '../errors.js';

/** A folder for label blocks and its bound. */
export interface LabelStorage {
  readonly folder: string;
  /** About how many bytes all files in it may have together. */
  readonly maxBytes: number;
}

const defaultBytes = 16 * 1024 ** 3;

/**
 * The folder `labels` in the cache folder, with the bound that STILLHOUSE_LABELS_BYTES gives, 16 GiB without it.
 *
 * @throws UserError 2 when that is no number of bytes
 */
export function labelStorage(cacheFolder: string, env: NodeJS.ProcessEnv = process.env): LabelStorage {
  const given = env.STILLHOUSE_LABELS_BYTES;
  const maxBytes = given === undefined || given === '' ? defaultBytes : Number(given);
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 0)
    throw new UserError(`STILLHOUSE_LABELS_BYTES=${given}: a number of bytes was wanted`);
  return { folder: join(cacheFolder, 'labels'), maxBytes };
}
