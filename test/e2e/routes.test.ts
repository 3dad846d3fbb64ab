/** A run whose teachers a column of the data chooses: killed in the middle, it goes on to the same weights. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commitsOf, Program } from '../../bench/programs.js';
import { randomStream } from '../../shared/random.js';
import { reference, referenceFolder } from '../worker/compute/teachers/fixtures.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const { classes, shape } = reference;
const pixels = shape.reduce((a, b) => a * b, 1);
const model = join(referenceFolder, 'tiny.onnx');

/** By `cold` a half of the samples, by `warm` a third, by both the rest. */
const wayOf = (id: number): string => (id % 2 === 0 ? 'c' : id % 3 === 0 ? 'both' : 'w');

const recipe = `seed: 5
student: { builtin: mlp, hidden: [16] }
teachers:
  - { name: cold, model: ${model}, temperature: 1 }
  - { name: warm, model: ${model}, temperature: 9 }
ensemble:
  allowChance: true
  route: { column: way, teachers: { c: cold, w: warm, both: [cold, warm] } }
losses:
  crossEntropy: { weight: 0.2 }
  response: { weight: 0.8, temperature: 3 }
data:
  train: { format: csv, inputs: train.csv, labels: y, shape: [${shape.join()}] }
  eval: { format: csv, inputs: train.csv, labels: y, shape: [${shape.join()}] }
  classes: ${classes}
  shardSamples: 40
optimizer: { name: adam, learningRate: 0.01 }
batch: { size: 32, micro: 8 }
epochs: 3
`;

beforeAll(async () => {
  const lines = Array.from({ length: 150 }, (_, id) => {
    const random = randomStream(['routed', id]);
    return [id % classes, wayOf(id), ...Array.from({ length: pixels }, () => random.float().toFixed(4))].join();
  });
  const names = Array.from({ length: pixels }, (_, i) => `p${i}`);
  writeFileSync(at('train.csv'), `${[['y', 'way', ...names].join(), ...lines].join('\n')}\n`);
  writeFileSync(at('recipe.yaml'), recipe);
  const { code, stderr } = await run('undisturbed', 1).ended;
  expect(code, stderr).toBe(0);
});
afterAll(() => scratch.remove());

function run(name: string, workers: number, environment: Record<string, string> = {}): Program {
  const args = ['run', at('recipe.yaml'), '--workers', String(workers), '--out', at(name)];
  return new Program(args, { STILLHOUSE_CACHE: at(`${name}-cache`), ...environment }, 100_000);
}

it('goes on to the same weights where it was killed in the middle, with another number of workers', async () => {
  const killed = await run('killed', 1, { STILLHOUSE_FAULT: 'after-fsync@7' }).ended;
  expect(killed.code, killed.stderr).toBeNull();
  expect([commitsOf(at('killed')).length, existsSync(join(at('killed'), 'summary.json'))]).toEqual([
    expect.closeTo(7, -1),
    false,
  ]);
  const again = await run('killed', 2).ended;
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/continuing .* at step [1-9] of 15/);
  expect(curveOf(at('killed'))).toEqual(curveOf(at('undisturbed')));
  expect(digestOf(at('killed'))).toBe(digestOf(at('undisturbed')));
});
