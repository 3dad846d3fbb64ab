/** Where backends are installed that do not come with the package. */
import { join, resolve } from 'node:path';

/**
 * `STILLHOUSE_BACKENDS`, else `native` in the cache folder. An image that brings them has them in a folder of its own: its
 * cache is a volume, which hides what the image has in its place.
 */
export function backendsFolder(cache: string, env: NodeJS.ProcessEnv = process.env): string {
  return env.STILLHOUSE_BACKENDS ? resolve(env.STILLHOUSE_BACKENDS) : join(cache, 'native');
}
