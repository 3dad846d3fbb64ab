/**
 * A small job for runs that are meant to be disturbed: bars on noisy 8x8 images, in 30 steps of seven micro-batches.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../shared/random.js';

export const samples = 150;
export const epochs = 6;
export const batch = 32;
export const steps = epochs * Math.ceil(samples / batch);

/** One class a row of the bar; the last 60 have no label. */
export function writeBars(folder: string): void {
  const random = randomStream(['bars']);
  const lines = Array.from({ length: samples }, (_, i) => {
    const label = i % 4;
    const pixels = Array.from(
      { length: 64 },
      (_unused, at) => (Math.floor(at / 16) === label ? 1 : 0) + random.float() * 0.8,
    );
    return [...pixels.map((value) => value.toFixed(4)), i < 90 ? label : ''].join();
  });
  writeFileSync(join(folder, 'images.csv'), `${lines.join('\n')}\n`);
  writeFileSync(
    join(folder, 'weighted.csv'),
    `${lines.map((line) => `${line},${(2 * random.float()).toFixed(3)}`).join('\n')}\n`,
  );
}

export interface BarsRecipe {
  readonly student: string;
  readonly teacher?: string;
  /** Whether samples have weights. */
  readonly isWeighted?: boolean;
  /** `data.augment`. */
  readonly augment?: string;
  /** `numerics.backend`; default: wasm. */
  readonly backend?: 'auto' | 'wasm';
  /** Further lines. */
  readonly more?: string;
}

export function barsRecipe(job: BarsRecipe): string {
  const { student, teacher, augment, isWeighted = false, backend = 'wasm', more = '' } = job;
  const source = '{ format: csv, inputs: images.csv, labels: 64, header: false, shape: [8, 8, 1] }';
  return `seed: 11
student: ${student}
${teacher === undefined ? '' : `teachers: [{ name: t, model: ${teacher} }]\n`}losses:
  crossEntropy: { weight: 0.5 }
${teacher === undefined ? '' : '  response: { weight: 0.5, temperature: 3 }\n'}data:
  train: ${isWeighted ? source.replace('images.csv', 'weighted.csv, weights: 65') : source}
  eval: ${source}
  classes: 4
  shardSamples: 40
${augment === undefined ? '' : `  augment: ${augment}\n`}optimizer: { name: adam, learningRate: 0.001, clipNorm: 1 }
batch: { size: ${batch}, micro: 5 }
epochs: ${epochs}
numerics: { backend: ${backend} }
${more}`;
}
