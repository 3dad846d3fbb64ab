import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBackend, pickInstalled } from '../../../../worker/compute/open/backend-choice.js';
import type { Flavour } from '../../../../worker/compute/backends/native/pins.js';
import { findInstalled, nativeFolder, noteFile } from '../../../../worker/compute/backends/native/folder.js';
import { cacheFolder } from '../../../../shared/cache-folder.js';

let cache = '';
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'stillhouse-choose-'));
});
afterEach(() => rmSync(cache, { recursive: true }));

/** What an install leaves last, without the install. */
function note(flavour: Flavour, binding = '4.22.0'): void {
  const folder = nativeFolder(cache, flavour);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, noteFile),
    JSON.stringify({ flavour, tensorflow: '2.21.0', binding, node: 'v20', wheel: 'a.whl' }),
  );
}

describe('the choice of a backend', () => {
  it('takes the CUDA build where there is a GPU, the CPU build where there is none, and either rather than none', () => {
    expect(pickInstalled(cache, false, true)).toBeNull();
    note('cpu');
    expect([pickInstalled(cache, false, true)?.flavour, pickInstalled(cache, false, false)?.flavour]).toEqual([
      'cpu',
      'cpu',
    ]);
    note('cuda');
    expect([pickInstalled(cache, false, true)?.flavour, pickInstalled(cache, false, false)?.flavour]).toEqual([
      'cuda',
      'cpu',
    ]);
  });

  it('takes the CUDA build alone for a GPU that is demanded', () => {
    note('cpu');
    expect(pickInstalled(cache, true, true)).toBeNull();
  });

  it('does not count an install without its note', () => {
    mkdirSync(join(nativeFolder(cache, 'cpu'), 'tensorflow'), { recursive: true });
    expect(findInstalled(cache, 'cpu')).toBeNull();
  });

  it.each(['auto', 'native', 'wasm'] as const)(
    'ends with 79 when a GPU is demanded of %s and there is none',
    async (wanted) => {
      await expect(openBackend(wanted, { threads: 1, gpuDemanded: true, cache })).rejects.toMatchObject({
        exitCode: 79,
        message: expect.stringContaining('GPU'),
      });
    },
  );

  it('ends with 69 when native is wanted and not installed', async () => {
    await expect(openBackend('native', { threads: 1, gpuDemanded: false, cache })).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('backend install'),
    });
  });

  it('takes wasm under auto where nothing else is installed', async () => {
    const { name, gpu, tf } = await openBackend('auto', { threads: 1, gpuDemanded: false, cache });
    expect([name, gpu, tf.getBackend()]).toEqual(['wasm', null, 'wasm']);
  });

  it('refuses bindings of another tfjs under native, and says so before it takes wasm under auto', async () => {
    note('cpu', '4.21.0');
    note('cuda', '4.21.0');
    const warnings: string[] = [];
    const wishes = { threads: 1, gpuDemanded: false, cache, warn: (line: string) => void warnings.push(line) };
    expect((await openBackend('auto', wishes)).name).toBe('wasm');
    expect(warnings).toEqual([expect.stringMatching(/tfjs 4\.21\.0.*--force; taking wasm$/)]);
    await expect(openBackend('native', wishes)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('4.21.0'),
    });
  });
});

describe('the cache folder', () => {
  it.each([
    [{ STILLHOUSE_CACHE: '/a/b', XDG_CACHE_HOME: '/x' }, '/a/b'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/stillhouse'],
  ])('of %j is %s', (env, wanted) => {
    expect(cacheFolder(env)).toBe(wanted);
  });

  it('lies in the home folder otherwise', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '' })).toMatch(/\/\.cache\/stillhouse$/);
  });
});
