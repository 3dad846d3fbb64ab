import { afterAll, beforeAll, expect, it } from 'vitest';
import { Example, printed, type Summary } from './example.js';

const example = new Example('file-types');
afterAll(() => example.remove());

let made: string;
let summary: Summary;

beforeAll(async () => {
  made = await example.make('--quick');
  await example.stillhouse('validate', example.recipe);
  summary = await example.distil('epochs=10', 'baseline=false', 'batch.size=32');
});

it('finds the model of magika as good as onnxruntime does in Python', () => {
  expect(summary.teachers.map(({ accuracy }) => accuracy)).toEqual([expect.closeTo(printed(made, 'magika'), 9)]);
  expect(printed(made, 'magika')).toBeGreaterThan(0.6);
});

it('teaches a network of a few percent of its size what files are, by far better than chance', async () => {
  const { student, teachers } = summary;
  expect(student.parameters).toBeLessThan((teachers[0]?.parameters ?? 0) / 20);
  expect(student.accuracy).toBeGreaterThan(0.25);
  expect(await example.accuracy(example.run)).toBe(student.accuracy);
  await example.stillhouse('export', example.run, '--format', 'onnx,safetensors');
});
