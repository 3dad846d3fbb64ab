/** Where this user's downloads live: artifacts, native backends. Shared by all checkouts and runs of the user. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, exitCodes, UserError } from './errors.js';
import { makeFolders } from './files.js';

/**
 * `STILLHOUSE_CACHE`, else `stillhouse` in `XDG_CACHE_HOME`, else in `~/.cache`. Not created here.
 * @param home gives the user's home folder
 * @throws UserError 2 where there is none: no HOME, and no entry of the user in the system's list
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, home: () => string = homedir): string {
  if (env.STILLHOUSE_CACHE) return resolve(env.STILLHOUSE_CACHE);
  const { XDG_CACHE_HOME: caches = '' } = env;
  return join(caches === '' ? join(homeOf(home), '.cache') : caches, 'stillhouse');
}

function homeOf(home: () => string): string {
  try {
    return home();
  } catch (error) {
    throw new UserError(
      'cache folder: HOME is not set, and the system knows no home of this user; STILLHOUSE_CACHE=FOLDER wanted',
      exitCodes.usage,
      error,
    );
  }
}

/**
 * The same folder, made where it was missing.
 * @throws UserError 69 when it cannot be made or written to
 */
export async function usableCache(): Promise<string> {
  const folder = cacheFolder();
  try {
    await makeFolders(folder);
    await access(folder, constants.W_OK);
    return folder;
  } catch (error) {
    if (codeOf(error) === '') throw error;
    throw new UserError(
      `cache folder ${folder}: cannot be made or written to (${codeOf(error)}); STILLHOUSE_CACHE=FOLDER wanted, a folder that can`,
      exitCodes.unavailable,
      error,
    );
  }
}
