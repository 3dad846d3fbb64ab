import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  findProvider,
  providerFolder,
  providerNoteFile,
} from '../../../../../worker/compute/backends/onnxruntime/folder.js';
import { onnxRuntime, openCuda, provider } from '../../../../../worker/compute/backends/onnxruntime/runtime.js';
import { tryProvider } from '../../../../../worker/compute/backends/onnxruntime/trial.js';

let cache = '';
beforeAll(async () => {
  (await onnxRuntime()).env.logLevel = 'fatal'; // what fails on purpose is not to be read in the tests' output
});
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'stillhouse-provider-'));
});
afterEach(() => rmSync(cache, { recursive: true }));

describe('ONNX Runtime', () => {
  it('computes on the CPU where nothing else was opened', async () => {
    expect(provider()).toEqual({ name: 'cpu', gpu: null });
    await tryProvider(await onnxRuntime(), 'cpu');
  });

  it('says in one line which library of an installation does not load, and goes on with the CPU', async () => {
    expect(findProvider(cache)).toBeNull();
    const folder = providerFolder(cache);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, providerNoteFile), JSON.stringify({ onnxruntime: '1.30.0', wheel: 'a.whl' }));
    const installed = findProvider(cache);
    if (installed === null) throw new Error('not found');
    await expect(
      openCuda(installed, { tell: () => undefined, tryOut: (runtime) => tryProvider(runtime, 'cuda') }),
    ).rejects.toMatchObject({
      exitCode: 69,
      message: `ONNX Runtime's CUDA provider does not work: ${join(folder, 'nvidia/cu13/lib/libcudart.so.13')}: cannot open shared object file: No such file or directory`,
    });
    expect(provider()).toEqual({ name: 'cpu', gpu: null });
  });

  it('whose package has no CUDA provider does not pass the trial on it', async () => {
    await expect(tryProvider(await onnxRuntime(), 'cuda')).rejects.toThrow(/Failed to load shared library/);
  });
});
