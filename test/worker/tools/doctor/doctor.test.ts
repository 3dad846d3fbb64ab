import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../../shared/errors.js';
import { nativeFolder, noteFile } from '../../../../worker/compute/backends/native/folder.js';
import { providerFolder, providerNoteFile } from '../../../../worker/compute/backends/onnxruntime/folder.js';
import type { Trial, Tried } from '../../../../worker/compute/open/backend-trial.js';
import { diagnose, formatChecks } from '../../../../worker/tools/doctor/doctor.js';
import type { MachineCheck } from '../../../../worker/tools/doctor/machine-check.js';
import { checkAddresses, checkGpus, checkNode } from '../../../../worker/tools/doctor/machine.js';

let cache = '';
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'stillhouse-doctor-'));
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

const gpu = { index: 0, uuid: 'GPU-1', name: 'NVIDIA H200' };
const works = (tried: Tried, gpuName: string | null = null): Trial => ({
  works: true,
  detail: `${tried} 1.0`,
  gpu: gpuName,
});
const named = (checks: readonly MachineCheck[], name: string): MachineCheck | undefined =>
  checks.find((check) => check.name === name);

function install(flavour: 'cpu' | 'cuda'): void {
  const folder = nativeFolder(cache, flavour);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, noteFile),
    JSON.stringify({ flavour, tensorflow: '2.21.0', binding: '4.22.0', node: 'v20', wheel: 'a.whl' }),
  );
}

describe('the doctor', () => {
  it('looks at all that a worker needs, and finds no fault here', async () => {
    const checks = await diagnose({ cache, gpus: [], tryOne: async (tried) => works(tried) });
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'wasm simd',
      'cores',
      'memory',
      'address space',
      'gpus',
      'backend wasm',
      'backend native cpu',
      'backend native cuda',
      'onnxruntime cpu',
      'onnxruntime cuda',
      'c++ compiler',
      'npm packages',
      'cache folder',
      'free disk',
      'open files',
    ]);
    expect(checks.filter(({ state }) => state === 'fail')).toEqual([]);
  });

  it('tries each backend that is there, and tells why one does not work', async () => {
    install('cpu');
    const tried: Tried[] = [];
    const checks = await diagnose({
      cache,
      gpus: [],
      tryOne: async (one) => {
        tried.push(one);
        return one === 'cpu' ? { works: false, detail: 'libstdc++ is too old', gpu: null } : works(one);
      },
    });
    expect(tried).toEqual(['wasm', 'cpu', 'onnx-cpu']);
    expect(named(checks, 'backend native cpu')).toEqual({
      name: 'backend native cpu',
      state: 'fail',
      finding: 'libstdc++ is too old',
      wish: 'run stillhouse backend install cpu --force',
    });
    expect(named(checks, 'backend native cuda')).toMatchObject({ state: 'ok', finding: 'not installed' });
  });

  it('misses the CUDA build where there is a GPU', async () => {
    const checks = await diagnose({ cache, gpus: [gpu], tryOne: async (tried) => works(tried) });
    expect(named(checks, 'backend native cuda')).toMatchObject({ state: 'warn', finding: 'not installed' });
  });

  it('does not call a CUDA build sound that gets no GPU where there is one', async () => {
    install('cuda');
    const blind = await diagnose({ cache, gpus: [gpu], tryOne: async (tried) => works(tried) });
    expect(named(blind, 'backend native cuda')).toMatchObject({
      state: 'fail',
      finding: 'loads (cuda 1.0) and gets no GPU',
    });
    const sound = await diagnose({ cache, gpus: [gpu], tryOne: async (tried) => works(tried, 'NVIDIA H200') });
    expect(named(sound, 'backend native cuda')).toMatchObject({
      state: 'ok',
      finding: 'works (cuda 1.0, on NVIDIA H200)',
    });
  });

  it("tries ONNX Runtime's CUDA provider, which only a machine with a GPU needs", async () => {
    const failing = async (tried: Tried): Promise<Trial> =>
      tried === 'onnx-cuda' ? { works: false, detail: 'libcuda.so.1: cannot open', gpu: null } : works(tried);
    const found = async (gpus: (typeof gpu)[]): Promise<MachineCheck | undefined> =>
      named(await diagnose({ cache, gpus, tryOne: failing }), 'onnxruntime cuda');
    expect(await found([])).toEqual({ name: 'onnxruntime cuda', state: 'ok', finding: 'not installed' });
    expect(await found([gpu])).toMatchObject({
      state: 'warn',
      finding: 'not installed',
      wish: 'run stillhouse backend install cuda --only onnx',
    });
    mkdirSync(providerFolder(cache), { recursive: true });
    writeFileSync(
      join(providerFolder(cache), providerNoteFile),
      JSON.stringify({ onnxruntime: '1.30.0', wheel: 'a.whl' }),
    );
    expect(await found([])).toMatchObject({ state: 'warn', finding: 'libcuda.so.1: cannot open' });
    expect(await found([gpu])).toMatchObject({
      state: 'fail',
      finding: 'libcuda.so.1: cannot open',
      wish: 'check the driver: it must know CUDA 13',
    });
    const broken = async (tried: Tried): Promise<Trial> => ({ ...(await failing(tried)), detail: 'no cuDNN' });
    expect(named(await diagnose({ cache, gpus: [gpu], tryOne: broken }), 'onnxruntime cuda')).toMatchObject({
      wish: 'run stillhouse backend install cuda --only onnx --force',
    });
    const sound = await diagnose({ cache, gpus: [gpu], tryOne: async (tried) => works(tried, 'NVIDIA H200') });
    expect(named(sound, 'onnxruntime cuda')).toMatchObject({ finding: 'works (onnx-cuda 1.0, on NVIDIA H200)' });
  });

  it('fails where no cache folder can be told, and goes on', async () => {
    const checks = await diagnose({
      cache: () => {
        throw new UserError('cache folder: HOME is not set; STILLHOUSE_CACHE=FOLDER wanted');
      },
      gpus: [],
      tryOne: async (tried) => works(tried),
    });
    expect(named(checks, 'cache folder')).toEqual({
      name: 'cache folder',
      state: 'fail',
      finding: 'HOME is not set',
      wish: 'set STILLHOUSE_CACHE=FOLDER',
    });
    expect(named(checks, 'backend wasm')).toMatchObject({ state: 'ok' });
    expect(named(checks, 'onnxruntime cpu')).toMatchObject({ state: 'ok' });
  });

  it('fails a process without addresses for WebAssembly', () => {
    expect(checkAddresses(4_000_000 * 1024, new UserError('memory: none'))).toEqual({
      name: 'address space',
      state: 'fail',
      finding: 'at most 3.8 GiB: too little for WebAssembly',
      wish: expect.stringMatching(/^ulimit -v unlimited was wanted \(now 4000000\), or NODE_OPTIONS=/),
    });
    expect(checkAddresses(null, null)).toMatchObject({ state: 'ok', finding: 'unlimited' });
  });

  it('fails a cache folder that cannot be written', async () => {
    const file = join(cache, 'file');
    writeFileSync(file, '');
    const checks = await diagnose({ cache: join(file, 'below'), gpus: [], tryOne: async (tried) => works(tried) });
    expect(named(checks, 'cache folder')).toMatchObject({ state: 'fail', finding: expect.stringContaining('ENOTDIR') });
  });

  it.each([
    ['20.18.9', 'fail'],
    ['20.19.0', 'ok'],
    ['19.9.0', 'fail'],
    ['22.0.0', 'ok'],
  ])('holds Node %s for %s', (version, state) => {
    expect(checkNode(version).state).toBe(state);
  });

  it('warns when CUDA_VISIBLE_DEVICES hides every GPU', () => {
    expect(checkGpus([gpu], '7')).toMatchObject({
      state: 'warn',
      finding: expect.stringContaining('CUDA_VISIBLE_DEVICES=7'),
    });
    expect(checkGpus([gpu], '0')).toEqual({ name: 'gpus', state: 'ok', finding: '1 of 1 visible: 0 NVIDIA H200' });
  });

  it('writes a line a check, finding and wish', () => {
    const text = formatChecks([
      { name: 'node', state: 'ok', finding: '20.19.0' },
      { name: 'free disk', state: 'warn', finding: '1.0 GiB', wish: 'more' },
    ]);
    expect(text).toBe('ok    node       20.19.0\nwarn  free disk  1.0 GiB; more');
  });
});
