/** Copies what the TypeScript compiler leaves behind into dist/: compiled kernels, the recipe's JSON Schema, and the page's document and style. */
import { copyFileSync } from 'node:fs';

for (const folder of ['shared/replica/kernels', 'worker/compute/backends/wasm']) {
  copyFileSync(`${folder}/kernels.wasm`, `dist/${folder}/kernels.wasm`);
}
for (const name of ['index.html', 'page.css', 'icon.svg'])
  copyFileSync(`coordinator/page/browser/${name}`, `dist/coordinator/page/browser/${name}`);
copyFileSync('shared/recipe/recipe.schema.json', 'dist/recipe.schema.json');
