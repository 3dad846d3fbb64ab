import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkFiles } from '../../../cli/prepare/missing-files.js';
import { readRecipe } from '../../../shared/recipe/read.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ['set.npz', 'm.json', 'p.csv']) writeFileSync(join(folder, name), '');

const recipe = (student: string, train: string): string => `student: ${student}
teachers: [{ name: a, model: none/a.onnx }]
losses: { response: { weight: 1 } }
data:
  train: ${train}
optimizer: { name: adam, learningRate: 0.001 }
batch: { size: 64 }
epochs: 2
`;
const check = (text: string, set: string[] = []): Promise<void> =>
  checkFiles(readRecipe(text, { file: 'r.yaml', set }), folder);

describe('checkFiles', () => {
  it('names the line of each file that is missing', async () => {
    await expect(
      check(recipe('{ model: s.json, weights: w }', '{ format: idx, images: x, labels: y }')),
    ).rejects.toMatchObject({
      exitCode: 2,
      message: [
        'r.yaml:1: student.model: s.json given; a file that is there, relative to the recipe, wanted',
        'r.yaml:1: student.weights: w given; a file that is there, relative to the recipe, wanted',
        'r.yaml:2: teachers.0.model: none/a.onnx given; a file that is there, relative to the recipe, wanted',
        'r.yaml:5: data.train.images: x given; a file that is there, relative to the recipe, wanted',
        'r.yaml:5: data.train.labels: y given; a file that is there, relative to the recipe, wanted',
      ].join('\n'),
    });
  });
  it("asks for a teacher's file of class names", async () => {
    const set = ['teachers.0.model=m.json', 'teachers.0.classes=names.txt', 'data.classNames=[a, b]'];
    await expect(
      check(recipe('{ model: m.json }', '{ format: npy, inputs: set.npz#x, labels: set.npz#y }'), set),
    ).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /teachers\.0\.classes: names\.txt given; a file that is there, relative to the recipe, wanted$/,
      ),
    });
  });
  it.each(['{ format: npy, inputs: set.npz#x, labels: set.npz#y }', '{ format: csv, inputs: p.csv, labels: kind }'])(
    'accepts what is there: %s',
    async (train) => {
      await expect(check(recipe('{ model: m.json }', train), ['teachers.0.model=m.json'])).resolves.toBeUndefined();
    },
  );
});
