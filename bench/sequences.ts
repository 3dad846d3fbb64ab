/**
 * node dist/bench/sequences.js [--seeds 3] [--folder DIR]
 *
 * Tags of sequences with a mask (docs/sequences.md): an LSTM of 8 units alone and distilled from one of 32, labels for
 * 200 of 4,000 sequences, 1,000 for testing. Made up: 5 to 16 tokens with noise, whose tag is told by whether a bracket
 * is open, or by the token before. Prints means and deviations over the seeds.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { randomStream } from '../shared/random.js';
import { compareOverSeeds, printCompared, type Json } from './over-seeds.js';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '3' }, folder: { type: 'string', default: 'runs/sequences' } },
});
const folder = resolve(values.folder);
const [positions, features, padding] = [16, 8, -100];

/** 0 outside and 1 inside of a bracket (tokens 0 and 1); 2 and 3 by the token before, for the tokens 4 and 5. */
function tagsOf(tokens: readonly number[]): number[] {
  let isInside = false;
  return tokens.map((token, at) => {
    if (token < 2) isInside = token === 0;
    return token < 4 ? Number(isInside) : 2 + ((tokens[at - 1] ?? 1) % 2);
  });
}

function writeSet(name: string, samples: number): void {
  const lines = Array.from({ length: samples }, (_, id) => {
    const random = randomStream([name, id]);
    const tokens = Array.from({ length: 5 + random.below(positions - 4) }, () => random.below(6));
    const tags = tagsOf(tokens);
    // Nearly normal, with a deviation of 0.35.
    const noise = (): number =>
      0.35 * Math.sqrt(3) * (random.float() + random.float() + random.float() + random.float() - 2);
    const x = Array.from({ length: positions }, (_unused, at) =>
      Array.from({ length: features }, (_one, k) =>
        at < tokens.length ? Number(((tokens[at] === k ? 1 : 0) + noise()).toFixed(4)) : 0,
      ),
    );
    return JSON.stringify({ x, y: Array.from({ length: positions }, (_unused, at) => tags[at] ?? padding) });
  });
  writeFileSync(join(folder, `${name}.jsonl`), lines.join('\n'));
}

function writeModel(name: string, units: number, hidden: number | null): string {
  const model = tf.sequential({
    layers: [tf.layers.lstm({ name: 'memory', units, returnSequences: true, inputShape: [positions, features] })],
  });
  if (hidden !== null) model.add(tf.layers.dense({ name: 'hidden', units: hidden, activation: 'relu' }));
  model.add(tf.layers.dense({ name: 'tags', units: 4 }));
  const path = join(folder, `${name}.json`);
  writeFileSync(
    path,
    JSON.stringify({
      format: 'layers-model',
      modelTopology: JSON.parse(JSON.stringify(model.toJSON(undefined, false))) as unknown,
    }),
  );
  return path;
}

mkdirSync(folder, { recursive: true });
writeSet('train', 4000);
writeSet('test', 1000);
const source = (name: string): Json => ({
  format: 'jsonl',
  inputs: `${name}.jsonl`,
  column: 'x',
  labels: 'y',
  paddingLabel: padding,
});
const data = (more: Json): Json => ({
  task: 'sequence',
  classes: 4,
  train: { ...source('train'), ...more },
  eval: source('test'),
});
const compared = await compareOverSeeds({
  folder,
  seeds: Number(values.seeds),
  common: {
    optimizer: { name: 'adam', learningRate: 0.01, clipNorm: 1, schedule: { name: 'cosine', warmupSteps: 20 } },
    batch: { size: 64, micro: 16 },
    epochs: 8,
  },
  teacher: {
    name: 'teacher',
    recipe: {
      student: { model: writeModel('big', 32, 24) },
      losses: { crossEntropy: { weight: 1 } },
      data: data({}),
    },
  },
  student: {
    name: 'student',
    recipe: {
      student: { model: writeModel('small', 8, null) },
      losses: {
        crossEntropy: { weight: 0.3 },
        response: { weight: 0.7, temperature: 2 },
        features: { weight: 0.1, pairs: [{ student: 'memory', teacher: 'big/hidden', adapter: 'conv1x1' }] },
      },
      data: data({ labelled: { first: 200 } }),
    },
  },
});
printCompared(compared, { heading: '', names: ['accuracy', 'exactMatch'], scale: 100, digits: 2 });
