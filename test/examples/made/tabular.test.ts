import { afterAll, beforeAll, expect, it } from 'vitest';
import { Example, printed, type Summary } from './example.js';

const example = new Example('tabular');
afterAll(() => example.remove());

let made: string;
let summary: Summary;

beforeAll(async () => {
  made = await example.make();
  await example.stillhouse('validate', example.recipe);
  summary = await example.distil();
});

it.each(['trees', 'forest', 'network'])('finds %s as good as the library does that trained it', async (name) => {
  const { accuracy } = summary.teachers.find((teacher) => teacher.name === name) ?? {};
  expect(accuracy).toBeCloseTo(printed(made, name), 9);
  expect(await example.accuracy(name)).toBe(accuracy);
});

it('distils a student that is better by several points than it learns alone, from 100 labels', async () => {
  const { student, baseline, ensemble } = summary;
  expect(student.accuracy).toBeGreaterThan((baseline?.accuracy ?? 1) + 0.04);
  expect(student.accuracy).toBeLessThanOrEqual(ensemble.accuracy);
  expect(await example.accuracy(example.run)).toBe(student.accuracy);
});

it('exports a graph that takes the rows of the table as they are', async () => {
  await example.stillhouse('export', example.run, '--format', 'onnx', '--with-preprocessing');
  const { run, folder } = example;
  const exported = await example.python('check.py', `${run}/export/student.onnx`, `${folder}/made/test.csv`);
  expect(printed(exported, 'student')).toBeCloseTo(summary.student.accuracy, 9);
});
