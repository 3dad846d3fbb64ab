/** Whole runs with real students on the wasm backend; data lies in memory. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { coordinate } from '../../coordinator/coordinator.js';
import { afterRewinds, type JournalLine } from '../../coordinator/journal.js';
import type { Summary } from '../../coordinator/reports/summary.js';
import type { PreparedRun } from '../../coordinator/run-data.js';
import { randomStream } from '../../shared/random.js';
import { recipeSchema } from '../../shared/recipe/schema.js';
import { openWasm } from '../../worker/backends/wasm.js';
import { connect, type Connection } from '../../worker/connection.js';
import { inspectStudent } from '../../worker/inspect-student.js';
import { computeBackend, type DataTools } from '../../worker/run-models.js';
import { runWorker } from '../../worker/worker.js';
import { startLinkHere, temporaryFolder } from './fakes.js';

const classes = 3;
const shape = [8, 8, 1];
const samples = 70;
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort('the test is over');
});

/** A bright bar whose place tells the class, and noise; every fifth sample has no label. */
function sampleOf(id: number): Float32Array {
  const random = randomStream(['sample', id]);
  return Float32Array.from({ length: 64 }, (_, i) => (Math.floor(i / 8) === 1 + 2 * (id % classes) ? 1 : 0) + 0.3 * random.float());
}
const labelOf = (id: number): number => (id % 5 === 4 ? -1 : id % classes);

const data: DataTools = {
  open: () => ({
    gather: async (ids) => ({ inputs: Float32Array.from([...ids].flatMap((id) => [...sampleOf(id)])), labels: Int32Array.from(ids, labelOf) }),
  }),
  epochOrder: (dataSet, _seed, epoch) => ({ at: (position) => (position + 7 * epoch) % dataSet.samples }),
};

async function prepared(student: Record<string, unknown>): Promise<PreparedRun> {
  const recipe = recipeSchema.parse({
    name: 'models', seed: 3, student, losses: { crossEntropy: { weight: 1 } }, data: { train: { format: 'npy', inputs: 'x' } },
    optimizer: { name: 'adam', learningRate: 0.01 }, batch: { size: 24, micro: 5 }, epochs: 3,
  });
  const inspected = await inspectStudent(recipe.student, '.', { inputShape: shape, classes, seed: 3, openTensorFlow: async () => (await openWasm()).tf });
  const artifacts = new Map<string, { bytes: Uint8Array }>();
  const artifact = (value: unknown): { sha256: string; bytes: number } => {
    const bytes = Buffer.from(JSON.stringify(value));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    artifacts.set(sha256, { bytes });
    return { sha256, bytes: bytes.length };
  };
  const set = (count: number): PreparedRun['manifest']['train'] => ({ samples: count, shape, dtype: 'float32', shards: [] });
  const manifest = { train: set(samples), eval: set(20), classes, preprocess: null };
  return {
    recipe, recipeFolder: '.', name: 'models', recipeDigest: 'd'.repeat(64), student: inspected.spec, initialWeights: inspected.weights, teachers: [], artifacts,
    studentArtifact: artifact(inspected.spec), manifestArtifact: artifact(manifest), manifest,
    trainLabels: Int32Array.from({ length: samples }, (_, id) => labelOf(id)), sampleAt: (epoch, position) => (position + 7 * epoch) % samples,
  };
}

async function whole(run: PreparedRun, workers: number, cut = false): Promise<{ summary: Summary; lines: JournalLine[] }> {
  const out = temporaryFolder();
  let listening: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const summary = coordinate(run, {
    listen: { host: '127.0.0.1', port: 0 }, token: null, out, stopSignal: new AbortController().signal, next: false, onListening: listening,
    reporter: { say: () => undefined, progress: () => undefined, epoch: () => undefined, close: () => undefined },
    exportStudent: async () => undefined, times: { tickMs: 10, heartbeatMs: 50 },
  });
  summary.catch(() => undefined);
  const url = `ws://127.0.0.1:${await port}`;
  const backend = computeBackend(await openWasm(), { data, warn: () => undefined });
  let cuts = 0;
  const exits = Array.from({ length: workers }, () => {
    const stop = new AbortController();
    stops.push(stop);
    return runWorker({ url, token: null, cacheFolder: temporaryFolder(), threads: 1, local: false, waitSeconds: 5, stop: stop.signal, log: () => undefined, backend }, (start) =>
      startLinkHere(start, { connect: async (options): Promise<Connection> => {
        const connection = await connect(options);
        if (cut && cuts++ < 4) setTimeout(() => connection.terminate(), 60 * cuts);
        return connection;
      } }));
  });
  const result = await summary;
  // Two connections, and at least one that came back.
  if (cut) expect(cuts).toBeGreaterThan(2);
  expect(await Promise.all(exits)).toEqual(exits.map(() => 0));
  return { summary: result, lines: readFileSync(join(out, 'journal.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as JournalLine) };
}

const curve = (lines: readonly JournalLine[]): unknown => afterRewinds(lines).flatMap((line) => (line.type === 'commit' || line.type === 'evaluation' ? [{ ...line, atMs: 0, generation: 0 }] : []));

describe('run models', () => {
  it.each([
    ['an mlp with dropout', { builtin: 'mlp', hidden: [16], dropout: 0.3 }],
    ['a cnn with batch norm and dropout', { builtin: 'cnn-small', filters: 4, batchNorm: true, dropout: 0.3 }],
  ])('train %s to the same bits with one worker, with three, and with cut connections', async (_case, student) => {
    const run = await prepared(student);
    const one = await whole(run, 1);
    const three = await whole(run, 3);
    expect(three.summary.digest).toBe(one.summary.digest);
    expect(curve(three.lines)).toEqual(curve(one.lines));
    const cut = await whole(run, 2, true);
    expect(curve(cut.lines)).toEqual(curve(one.lines));
    const losses = one.lines.flatMap((line) => (line.type === 'commit' ? [(line.loss.crossEntropy ?? 0) / (line.counts.crossEntropy ?? 1)] : []));
    expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
    expect(one.summary.student.accuracy).toBeGreaterThan(0.3);
  }, 60_000);

  it('leave no tensors behind', async () => {
    const { tf } = await openWasm();
    const before = tf.memory().numTensors;
    await whole(await prepared({ builtin: 'mlp', hidden: [8] }), 2);
    expect(tf.memory().numTensors).toBe(before);
  });
});
