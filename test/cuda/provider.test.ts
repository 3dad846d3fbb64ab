/**
 * ONNX Runtime's CUDA provider as `stillhouse backend install cuda --only onnx` has installed it. Runs with
 * STILLHOUSE_CUDA=1, on machines with a GPU and without: where there is none, all loads but the driver. With a driver
 * that is made here and has no GPU, the provider itself must be at work up to its first question to it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../shared/cache-folder.js';
import { runCommand } from '../../worker/compute/backends/command.js';
import { listGpus } from '../../worker/compute/backends/gpus.js';
import { tryBackend } from '../../worker/compute/open/backend-trial.js';

const hasGpu = listGpus().length > 0;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-driver-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A driver of CUDA 13.5 whose every other answer is CUDA_ERROR_NO_DEVICE. */
function makeDriver(): void {
  const names = ['cuInit', 'cuGetProcAddress_v2', 'cuDeviceGetCount', 'cuGetExportTable', 'cuTensorMapEncodeTiled'];
  const source = [
    'int cuDriverGetVersion(int *version) { *version = 13050; return 0; }',
    ...names.map((name) => `int ${name}() { return 100; }`),
  ];
  writeFileSync(join(folder, 'driver.cc'), `extern "C" {\n${source.join('\n')}\n}\n`);
  execFileSync('g++', [
    ...['-shared', '-fPIC', '-Wl,-soname,libcuda.so.1', '-o', join(folder, 'libcuda.so.1')],
    join(folder, 'driver.cc'),
  ]);
}

describe("ONNX Runtime's CUDA provider", () => {
  it('computes on the GPU, or loads up to the driver where there is none', async () => {
    const trial = await tryBackend('onnx-cuda', cacheFolder());
    expect(trial).toEqual(
      hasGpu
        ? { works: true, detail: 'onnxruntime 1.30.0, CUDA', gpu: listGpus()[0]?.name }
        : {
            works: false,
            detail:
              "ONNX Runtime's CUDA provider does not work: libcuda.so.1: cannot open shared object file: No such file or directory",
            gpu: null,
          },
    );
  });

  it('asks a driver for its GPU once there is one', async () => {
    makeDriver();
    const script = 'dist/worker/compute/open/backend-trial-process.js';
    const { stdout } = await runCommand(process.execPath, [script, 'onnx-cuda', cacheFolder()], {
      env: { ...process.env, LD_LIBRARY_PATH: folder },
    });
    expect(JSON.parse(stdout)).toMatchObject({
      works: false,
      detail: expect.stringMatching(/^ONNX Runtime's CUDA provider does not work: CUDA failure \d+: /),
    });
  });

  it('leaves ONNX Runtime able to compute on the CPU', async () => {
    expect(await tryBackend('onnx-cpu', cacheFolder())).toMatchObject({ works: true, gpu: null });
  });
});
