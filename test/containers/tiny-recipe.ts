/** A run of a few steps: a small student on two rings of points, a few kilobytes in all. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const recipe = (epochs: number) => `name: tiny
seed: 3
student: { builtin: mlp, hidden: [8] }
losses: { crossEntropy: { weight: 1 } }
data:
  train: { format: csv, inputs: points.csv, labels: label }
  eval: { format: csv, inputs: points.csv, labels: label }
optimizer: { name: adam, learningRate: 0.01 }
batch: { size: 24, micro: 3 }
epochs: ${epochs}
numerics: { backend: wasm }
`;

export const stepsOf = (epochs: number): number => epochs * Math.ceil(100 / 24);
export const steps = stepsOf(3);

export function writeTinyRecipe(folder: string, epochs = 3): string {
  mkdirSync(folder, { recursive: true });
  const rows = Array.from({ length: 100 }, (_, i) => {
    const label = i % 2;
    const angle = i * 2.4;
    return [Math.cos(angle) + 2 * label, Math.sin(angle) - label, (i % 7) / 7, label]
      .map((value) => value.toFixed(4).replace(/\.0000$/, ''))
      .join();
  });
  writeFileSync(join(folder, 'points.csv'), `a,b,c,label\n${rows.join('\n')}\n`);
  const path = join(folder, 'recipe.yaml');
  writeFileSync(path, recipe(epochs));
  return path;
}
