/** Checks of the cache folder and of the disk that it lies on. */
import { randomBytes } from 'node:crypto';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from '../../../shared/errors.js';
import { makeFolders } from '../../../shared/files.js';
import { gibibytes, type MachineCheck } from './machine-check.js';

/** Writes a file there and removes it, and looks at the disk. */
export async function checkCache(cache: string): Promise<MachineCheck[]> {
  const name = 'cache folder';
  try {
    await makeFolders(cache);
    const probe = join(cache, `.doctor-${randomBytes(6).toString('hex')}`);
    await writeFile(probe, 'a');
    await rm(probe);
  } catch (error) {
    const finding = `${cache} cannot be written (${codeOf(error) === '' ? String(error) : codeOf(error)})`;
    return [
      { name, state: 'fail', finding, wish: 'set STILLHOUSE_CACHE to a folder that can' },
      await checkDisk(dirname(cache)),
    ];
  }
  return [{ name, state: 'ok', finding: cache }, await checkDisk(cache)];
}

const leastDiskBytes = 2 * 2 ** 30;

async function checkDisk(folder: string): Promise<MachineCheck> {
  const name = 'free disk';
  const freeBytes = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
  if (freeBytes === null) return { name, state: 'warn', finding: `unknown for ${folder}` };
  const isShort = freeBytes < leastDiskBytes;
  return {
    name,
    state: isShort ? 'warn' : 'ok',
    finding: `${gibibytes(freeBytes)} at ${folder}`,
    ...(isShort ? { wish: 'a native backend needs 2 GiB, one with CUDA 8' } : {}),
  };
}
