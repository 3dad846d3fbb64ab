import { describe, expect, it } from 'vitest';
import { withBackend } from '../../cli/open.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';

function recipeOf(backend: string): Recipe {
  return recipeSchema.parse({
    name: 'r',
    student: { builtin: 'mlp' },
    losses: { crossEntropy: { weight: 1 } },
    data: { train: { format: 'npy', inputs: 'a.npy', labels: 'b.npy' } },
    optimizer: { name: 'sgd', learningRate: 0.1 },
    batch: { size: 8 },
    epochs: 1,
    numerics: { backend },
  });
}

describe('a backend that a flag names', () => {
  it('decides about the engine of a recipe that leaves it open', () => {
    expect(withBackend(recipeOf('auto'), 'onnx').numerics.backend).toBe('onnx');
  });

  it('is for the workers alone between wasm and native', () => {
    for (const backend of ['wasm', 'native', 'auto', undefined] as const)
      expect(withBackend(recipeOf('auto'), backend).numerics.backend).toBe('auto');
    expect(withBackend(recipeOf('wasm'), 'native').numerics.backend).toBe('wasm');
    expect(withBackend(recipeOf('onnx'), 'auto').numerics.backend).toBe('onnx');
    expect(withBackend(recipeOf('onnx'), 'onnx').numerics.backend).toBe('onnx');
  });

  it.each([
    ['wasm', 'onnx'],
    ['onnx', 'wasm'],
  ] as const)('is refused where the recipe has %s and the flag %s', (own, backend) => {
    expect(() => withBackend(recipeOf(own), backend)).toThrow(
      expect.objectContaining({
        message: `--backend ${backend}: the recipe has numerics.backend: ${own}; the same was wanted, or no flag`,
        exitCode: 2,
      }),
    );
  });
});
