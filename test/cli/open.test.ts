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
  it.each(['onnx', 'wasm', 'native'] as const)('decides about a recipe that leaves it open: %s', (backend) => {
    expect(withBackend(recipeOf('auto'), backend).numerics.backend).toBe(backend);
  });

  it.each(['auto', 'onnx', 'wasm', 'native'] as const)('that is auto, none or the same leaves %s', (own) => {
    for (const backend of [own, 'auto', undefined] as const)
      expect(withBackend(recipeOf(own), backend).numerics.backend).toBe(own);
  });

  it.each([
    ['wasm', 'onnx'],
    ['onnx', 'wasm'],
    ['wasm', 'native'],
    ['native', 'wasm'],
  ] as const)('is refused where the recipe has %s and the flag %s', (own, backend) => {
    expect(() => withBackend(recipeOf(own), backend)).toThrow(
      expect.objectContaining({
        message: `--backend ${backend}: the recipe has numerics.backend: ${own}; the same was wanted, or no flag`,
        exitCode: 2,
      }),
    );
  });
});
