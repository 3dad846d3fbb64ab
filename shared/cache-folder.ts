/** Where this user's downloads live: artifacts, native backends. Shared by all checkouts and runs of the user. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** `STILLHOUSE_CACHE`, else `stillhouse` in `XDG_CACHE_HOME`, else in `~/.cache`. Not created here. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.STILLHOUSE_CACHE) return resolve(env.STILLHOUSE_CACHE);
  const { XDG_CACHE_HOME: caches = '' } = env;
  return join(caches === '' ? join(homedir(), '.cache') : caches, 'stillhouse');
}
