import { describe, expect, it } from 'vitest';
import { checkBackend, remarksOnBackend } from '../../../../worker/compute/open/backend-check.js';

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
  ] as const)('lets %s in where %s is wanted', (name, wanted, teachers) => {
    const commandLine = { threads: 4 };
    expect(() => checkBackend({ name, commandLine }, { wanted, engine: 'tfjs', teachers })).not.toThrow();
    expect(() => checkBackend({ name }, { wanted, engine: 'onnx', teachers })).not.toThrow();
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
    expect(() => checkBackend({ name: opened }, { wanted, engine: 'tfjs', teachers })).toThrow(
      expect.objectContaining({ message, exitCode: 77 }),
    );
  });

  it.each([
    [
      { threads: 2 },
      "this worker has --threads 2, and the run's student is compiled, for one thread of each worker: 1 and more workers were wanted",
      77,
    ],
  ])('refuses %j where the student is compiled', (commandLine, message, exitCode) => {
    const backend = { name: 'native', commandLine } as const;
    expect(() => checkBackend(backend, { wanted: 'auto', engine: 'onnx', teachers: [] })).toThrow(
      expect.objectContaining({ message, exitCode }),
    );
  });
});

describe('remarksOnBackend', () => {
  const compiled = { engine: 'onnx' } as const;
  const eager = { engine: 'tfjs' } as const;

  it.each(['wasm', 'native'] as const)('tells that %s computes no compiled student', (name) => {
    const worker = { name, commandLine: { backend: name } };
    expect(remarksOnBackend(worker, compiled)).toEqual([
      `--backend ${name}: the run's student is compiled, so onnxruntime computes it, and ${name} only what has no form in ONNX`,
    ]);
    expect(remarksOnBackend(worker, eager)).toEqual([]);
  });

  it('tells that onnx computes no student that is not compiled', () => {
    const worker = { name: 'wasm', commandLine: { backend: 'onnx' } } as const;
    expect(remarksOnBackend(worker, eager)).toEqual([
      "--backend onnx: the run's student is not compiled; TensorFlow.js on wasm computes it",
    ]);
    expect(remarksOnBackend(worker, compiled)).toEqual([]);
  });
});
