/** Where a machine keeps label blocks, and how many bytes of them. */
import { join } from 'node:path';
import { UserError } from '../errors.js';

export interface LabelHome {
  readonly folder: string;
  /** Of all files, about. */
  readonly maxBytes: number;
}

const defaultBytes = 16 * 1024 ** 3;

/**
 * `labels` in the cache folder, with the bound of STILLHOUSE_LABELS_BYTES, 16 GiB without it. @throws UserError 2 when
 * that is no number
 */
export function labelHome(cacheFolder: string, env: NodeJS.ProcessEnv = process.env): LabelHome {
  const given = env.STILLHOUSE_LABELS_BYTES;
  const maxBytes = given === undefined || given === '' ? defaultBytes : Number(given);
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 0)
    throw new UserError(`STILLHOUSE_LABELS_BYTES=${given}: a number of bytes was wanted`);
  return { folder: join(cacheFolder, 'labels'), maxBytes };
}
