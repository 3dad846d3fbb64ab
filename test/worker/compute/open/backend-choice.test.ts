import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { gpusFor, openBackend, openProvider, pickInstalled } from '../../../../worker/compute/open/backend-choice.js';
import { providerFolder, providerNoteFile } from '../../../../worker/compute/backends/onnxruntime/folder.js';
import type { Flavour } from '../../../../worker/compute/backends/native/pins.js';
import { findInstalled, nativeFolder, noteFile } from '../../../../worker/compute/backends/native/folder.js';
import { cacheFolder } from '../../../../shared/cache-folder.js';

let cache = '';
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'stillhouse-choose-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

/** What an install leaves last, without the install. */
function note(flavour: Flavour, binding = '4.22.0'): void {
  const folder = nativeFolder(cache, flavour);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, noteFile),
    JSON.stringify({ flavour, tensorflow: '2.21.0', binding, node: 'v20', wheel: 'a.whl' }),
  );
}

/** What an install of ONNX Runtime's CUDA provider leaves last. */
function noteProvider(): void {
  mkdirSync(providerFolder(cache), { recursive: true });
  writeFileSync(
    join(providerFolder(cache), providerNoteFile),
    JSON.stringify({ onnxruntime: '1.30.0', wheel: 'a.whl' }),
  );
}

/** A driver that lists GPUs with these numbers, in place of the machine's. */
function drive(gpus: readonly string[]): void {
  const lines = gpus.map((index) => `GPU ${index}: Test GPU (UUID: GPU-${index})`).join('\n');
  writeFileSync(join(cache, 'nvidia-smi'), `#!/bin/sh\necho '${lines}'\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${cache}:${process.env.PATH ?? ''}`);
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
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

  it.each([
    ['none', [], 'the driver lists none', false],
    [
      'one and no provider',
      ['0'],
      "ONNX Runtime's CUDA provider is not installed: run stillhouse backend install cuda --only onnx",
      true,
    ],
  ] as const)('says why ONNX Runtime computes on no GPU: of %s', async (_what, gpus, objection, hasGpu) => {
    drive(gpus);
    const wishes = { threads: 1, cache };
    expect(await openProvider('auto', { ...wishes, gpuDemanded: false })).toEqual({
      hasGpu,
      isDemanded: false,
      objection,
    });
    for (const wanted of ['onnx', 'auto'] as const)
      await expect(openProvider(wanted, { ...wishes, gpuDemanded: true })).rejects.toMatchObject({
        exitCode: 79,
        message: `a GPU was demanded and this worker gets none: ${objection}`,
      });
    note('cuda'); // TensorFlow may compute on it: the backend's opening tells
    expect(await openProvider('auto', { ...wishes, gpuDemanded: true })).toMatchObject({ objection });
  });

  it('asks for no GPU for wasm', async () => {
    drive(['0']);
    expect(await openProvider('wasm', { threads: 1, gpuDemanded: false, cache })).toMatchObject({ hasGpu: false });
  });

  it('says what does not load of a provider that is broken', async () => {
    drive(['0']);
    noteProvider();
    expect(await openProvider('onnx', { threads: 1, gpuDemanded: false, cache })).toEqual({
      hasGpu: true,
      isDemanded: false,
      objection: expect.stringMatching(/^ONNX Runtime's CUDA provider does not work: .*libcudart\.so\.13: cannot open/),
    });
  });

  it('starts a worker for each GPU that what is wanted can use', () => {
    drive(['0', '1']);
    const counts = (): number[] =>
      (['auto', 'native', 'onnx', 'wasm'] as const).map((one) => gpusFor(one, cache).length);
    expect(counts()).toEqual([2, 2, 0, 0]);
    noteProvider();
    expect(counts()).toEqual([2, 2, 2, 0]);
  });

  it('ends with 69 when native is wanted and not installed', async () => {
    await expect(openBackend('native', { threads: 1, gpuDemanded: false, cache })).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('backend install'),
    });
  });

  it('takes wasm under auto where nothing else is installed', async () => {
    const { name, gpu, version, openTensorFlow } = await openBackend('auto', { threads: 1, gpuDemanded: false, cache });
    const tf = await openTensorFlow();
    expect(version).toBe(`tfjs ${tf.version.tfjs}, wasm ${tf.version['tfjs-core']}`);
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
