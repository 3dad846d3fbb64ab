import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Example, printed, type Summary } from './example.js';

const example = new Example('cifar-like');
afterAll(() => example.remove());

let made: string;
let summary: Summary;

beforeAll(async () => {
  made = await example.make('--quick');
  await example.stillhouse('validate', example.recipe);
  summary = await example.distil('epochs=2', 'baseline=false', 'data.train.limit=960');
});

it('finds the teacher as good as PyTorch does that trained it', () => {
  // An image whose two best classes are as good as equal may go either way.
  const [{ accuracy } = { accuracy: NaN }] = summary.teachers;
  expect(Math.abs(accuracy - printed(made, 'teacher'))).toBeLessThanOrEqual(1 / 400 + 1e-9);
});

it('writes a ResNet-20 that onnxruntime and PyTorch load by its names, and find as good as eval does', async () => {
  const { run, folder } = example;
  const accuracy = await example.accuracy(run);
  expect(accuracy).toBe(summary.student.accuracy);
  await example.stillhouse('export', run, '--format', 'onnx');
  const checked = await example.python('check.py', run, `${folder}/made/test.npz`);
  for (const library of ['onnxruntime', 'PyTorch'])
    expect(Math.abs(printed(checked, library) - accuracy), library).toBeLessThanOrEqual(1 / 400 + 1e-9);
  expect(Number(/differ by at most (\S+)/.exec(checked)?.[1])).toBeLessThan(1e-3);
});

it('has a lower loss in the second epoch than in the first', () => {
  const [first, second] = readFileSync(join(example.run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);
  expect(second).toBeLessThan(first ?? NaN);
});
