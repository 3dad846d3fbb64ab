import { mkdirSync, mkdtempSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cacheFolder, usableCache } from '../../shared/cache-folder.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-cache-'));
afterEach(() => vi.unstubAllEnvs());

describe('the cache folder', () => {
  it.each([
    [{ STILLHOUSE_CACHE: '/c' }, '/c'],
    [{ STILLHOUSE_CACHE: '', XDG_CACHE_HOME: '/x' }, '/x/stillhouse'],
    [{}, '/home/u/.cache/stillhouse'],
  ])('is found by %j', (env, wanted) => {
    expect(cacheFolder(env, () => '/home/u')).toBe(wanted);
  });

  it('has to be named where the user has no home', () => {
    const nobody = (): string => {
      throw Object.assign(new Error('uv_os_homedir returned ENOENT'), { code: 'ERR_SYSTEM_ERROR' });
    };
    expect(cacheFolder({ STILLHOUSE_CACHE: '/c' }, nobody)).toBe('/c');
    expect(() => cacheFolder({}, nobody)).toThrow(
      expect.objectContaining({
        exitCode: 2,
        message:
          'cache folder: HOME is not set, and the system knows no home of this user; STILLHOUSE_CACHE=FOLDER wanted',
      }),
    );
  });

  it('is made with the folders around it', async () => {
    vi.stubEnv('STILLHOUSE_CACHE', join(folder, 'some/where'));
    expect(await usableCache()).toBe(join(folder, 'some/where'));
    mkdirSync(join(folder, 'some/where/artifacts'));
    expect(await usableCache()).toBe(join(folder, 'some/where'));
  });

  it.each(['file', 'file/below', 'link'])(
    'is refused where it cannot be made, by the name of its variable: %s',
    async (name) => {
      writeFileSync(join(folder, 'file'), '');
      symlinkSync(join(folder, 'no/where'), join(folder, 'link'), 'dir');
      vi.stubEnv('STILLHOUSE_CACHE', join(folder, name));
      await expect(usableCache().finally(() => unlinkSync(join(folder, 'link')))).rejects.toMatchObject({
        exitCode: 69,
        message: `cache folder ${join(folder, name)}: cannot be made or written to (ENOTDIR); STILLHOUSE_CACHE=FOLDER wanted, a folder that can`,
      });
    },
  );
});
