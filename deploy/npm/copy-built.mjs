/** Copies what the TypeScript compiler leaves behind into dist/: compiled kernels, and the recipe's JSON Schema. */
import { copyFileSync } from 'node:fs';

for (const folder of ['shared/replica/kernels', 'worker/compute/backends/wasm']) {
  copyFileSync(`${folder}/kernels.wasm`, `dist/${folder}/kernels.wasm`);
}
copyFileSync('shared/recipe/recipe.schema.json', 'dist/recipe.schema.json');
