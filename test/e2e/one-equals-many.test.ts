/**
 * One worker equals many, with real processes: 1, 2, 3 and 5 workers, uneven speeds, one of them SIGKILLed in the
 * middle of the run: the same weights, optimizer state (the digest after every step covers both) and loss curve, bit
 * for bit.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barsRecipe, type BarsRecipe, epochs, samples, steps, writeBars } from './bars.js';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { curveOf, digestOf, scratchFolder, startCluster, type Cluster } from './processes.js';

const scratch = scratchFolder();
const folder = scratch.path;
afterAll(() => scratch.remove());

function writeModel(name: string, layers: tf.layers.Layer[]): void {
  mkdirSync(join(folder, name), { recursive: true });
  const model = tf.sequential({ layers });
  writeFileSync(
    join(folder, name, 'model.json'),
    JSON.stringify({
      format: 'layers-model',
      modelTopology: model.toJSON(undefined, false),
      weightsManifest: undefined,
    }),
  );
  model.dispose();
}

/** With backend auto all but the LSTM are compiled; the last one is on wasm. */
const jobs: Readonly<Record<string, Omit<BarsRecipe, 'teacher'>>> = {
  mlp: { student: '{ builtin: mlp, hidden: [16] }', backend: 'auto' },
  'cnn with pooling': { student: '{ builtin: cnn-small, filters: 4 }', backend: 'auto' },
  'cnn with batch norm and dropout': {
    student: '{ builtin: cnn-small, filters: 4, batchNorm: true, dropout: 0.3 }',
    backend: 'auto',
  },
  lstm: { student: '{ model: lstm/model.json }', backend: 'auto' },
  'cnn on augmented views': {
    student: '{ builtin: cnn-small, filters: 4 }',
    augment: '{ shift: 1, flip: true, crop: 0.8, cutout: 2, noise: 0.05, views: 2 }',
    backend: 'auto',
  },
  'mlp on weighted mixtures': {
    student: '{ builtin: mlp, hidden: [16] }',
    isWeighted: true,
    augment: '{ mixup: 0.4, shift: 1 }',
    backend: 'auto',
  },
  'mlp compressed to bf16': { student: '{ builtin: mlp, hidden: [16] }', more: 'compression: bf16\n', backend: 'auto' },
  'cnn with batch norm compressed to int8': {
    student: '{ builtin: cnn-small, filters: 4, batchNorm: true }',
    more: 'compression: int8\n',
    backend: 'auto',
  },
  'cnn with batch norm and dropout on wasm': {
    student: '{ builtin: cnn-small, filters: 4, batchNorm: true, dropout: 0.3 }',
  },
};

beforeAll(async () => {
  writeBars(folder);
  writeModel('lstm', [
    tf.layers.reshape({ targetShape: [8, 8], inputShape: [8, 8, 1] }),
    tf.layers.lstm({ units: 8 }),
    tf.layers.dense({ units: 4 }),
  ]);
  writeFileSync(
    join(folder, 'teacher.yaml'),
    barsRecipe({ student: '{ builtin: mlp, hidden: [24] }', backend: 'auto' }),
  );
  const made = await new Program(
    ['run', join(folder, 'teacher.yaml'), '--workers', '1', '--out', join(folder, 'teacher')],
    { STILLHOUSE_CACHE: join(folder, 'caches', 'teacher') },
  ).ended;
  expect(made.code, made.stderr).toBe(0);
});

async function finish({ coordinator, workers }: Cluster, killed: ReadonlySet<Program>): Promise<void> {
  const { code, stderr } = await coordinator.ended;
  expect(code, stderr).toBe(0);
  for (const worker of workers) {
    const ended = await worker.ended;
    expect(ended.code, ended.stderr).toBe(killed.has(worker) ? null : 0);
  }
}

/** Stops and continues a worker again and again: it computes, but slowly. */
async function slowDown(worker: Program, isOver: () => boolean): Promise<void> {
  while (!isOver() && worker.child.exitCode === null) {
    worker.child.kill('SIGSTOP');
    await soon(60);
    worker.child.kill('SIGCONT');
    await soon(60);
  }
}

/** Kills the worker once a few steps are journalled and while others follow. */
async function killInMidRun(worker: Program, out: string): Promise<void> {
  while (commitsOf(out).length < 2) await soon(2);
  worker.child.kill('SIGKILL');
  await worker.ended;
  expect(commitsOf(out).length, 'the run was not over when its worker was killed').toBeLessThan(steps);
}

async function runWith(recipe: string, name: string, workers: number, fault: boolean): Promise<string> {
  const out = join(folder, name);
  const cluster = await startCluster({ recipe, out, caches: join(folder, 'caches', name) }, workers);
  const [first, second] = cluster.workers;
  let isOver = false;
  const slowed = fault && second !== undefined ? slowDown(second, () => isOver) : Promise.resolve();
  if (fault && first !== undefined) await killInMidRun(first, out);
  await finish(cluster, new Set(fault && first !== undefined ? [first] : []));
  isOver = true;
  await slowed;
  if (fault)
    expect(cluster.coordinator.stderr, 'no lease was open when the worker was killed').toMatch(/left: .*open again/);
  return out;
}

describe.each(Object.entries(jobs))('a student: %s', (name, job) => {
  const key = name.replaceAll(' ', '-');
  const recipe = join(folder, `${key}.yaml`);
  let alone = '';

  beforeAll(async () => {
    writeFileSync(recipe, barsRecipe({ ...job, teacher: 'teacher/student/model.json' }));
    alone = await runWith(recipe, `${key}-1`, 1, false);
  });

  it('has every sample of every epoch in exactly one commit', () => {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const covered = commitsOf(alone)
        .filter((line) => line.epoch === epoch)
        .flatMap((line) => Array.from({ length: line.to - line.from }, (_, i) => line.from + i));
      expect(covered).toEqual([...Array(samples).keys()]);
    }
  });

  // Two and five workers take turns over the jobs: it is the same code for all of them, at some seconds a worker.
  const undisturbed = Object.keys(jobs).indexOf(name) % 2 === 0 ? 5 : 2;
  it.each([
    [3, true],
    [undisturbed, false],
  ] as const)('comes to the same bits with %i workers (killed and slowed: %s)', async (workers, fault) => {
    const out = await runWith(recipe, `${key}-${workers}`, workers, fault);
    expect(curveOf(out)).toEqual(curveOf(alone));
    expect(digestOf(out)).toBe(digestOf(alone));
  });
});
