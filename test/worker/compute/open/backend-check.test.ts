import { describe, expect, it } from 'vitest';
import { checkBackend } from '../../../../worker/compute/open/backend-check.js';

const saved = { name: 'big', format: 'saved-model' as const };
const onnx = { name: 'deep', format: 'onnx' as const };

describe('checkBackend', () => {
  it.each([
    ['wasm', 'auto', [onnx]],
    ['wasm', 'wasm', []],
    ['native', 'auto', [onnx, saved]],
    ['native', 'native', [saved]],
    ['wasm', 'onnx', [onnx]],
    ['native', 'onnx', [saved]],
  ] as const)('lets %s in where %s is wanted', (opened, wanted, teachers) => {
    expect(() => checkBackend({ name: opened, gpu: null }, { wanted, engine: 'tfjs', teachers })).not.toThrow();
  });

  it.each([
    [
      'native',
      'wasm',
      [],
      "this worker's backend is native, the recipe wants wasm: start the worker with --backend wasm",
    ],
    [
      'wasm',
      'native',
      [saved],
      "this worker's backend is wasm, the recipe wants native: start the worker with --backend native",
    ],
    [
      'wasm',
      'auto',
      [onnx, saved],
      "this worker's backend is wasm, teacher big is a SavedModel: start the worker with --backend native",
    ],
  ] as const)('refuses %s where %s is wanted of these teachers', (opened, wanted, teachers, message) => {
    expect(() => checkBackend({ name: opened, gpu: null }, { wanted, engine: 'tfjs', teachers })).toThrow(
      expect.objectContaining({ message, exitCode: 77 }),
    );
  });

  it('refuses a GPU that a compiled student would leave idle', () => {
    const gpu = { name: 'native', gpu: 'H200' } as const;
    expect(() => checkBackend(gpu, { wanted: 'auto', engine: 'tfjs', teachers: [] })).not.toThrow();
    expect(() => checkBackend(gpu, { wanted: 'onnx', engine: 'onnx', teachers: [] })).toThrow(
      expect.objectContaining({
        message:
          "this worker computes on H200, and the run's student is compiled for the CPU; numerics.backend: native was wanted",
        exitCode: 79,
      }),
    );
  });
});
