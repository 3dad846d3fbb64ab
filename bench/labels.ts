/**
 * What the label cache saves and costs: bytes a sample and reading speed by precision, bytes and errors of top-k over
 * 50,000 classes, then a run of the MNIST example (three teachers, two local workers) with a cold cache and again with
 * the warm one. Prints a JSON line for each.
 * Arguments: [backend = auto] [samples = 20,000] [epochs = 2]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TeacherSpec } from '../shared/protocol/messages.js';
import { labelKey } from '../shared/labels/kinds.js';
import type { LabelSource } from '../shared/labels/sets.js';
import { codecOf, totalVariation } from '../shared/labels/precision.js';
import { topError, topFormOf } from '../shared/labels/top-rows.js';
import { randomStream, shuffle } from '../shared/random.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { cacheFolder } from '../shared/cache-folder.js';
import { openRunLabels } from '../worker/compute/open/run-labels.js';

const [backend = 'auto', samples = '20000', epochs = '2'] = process.argv.slice(2);
const round = (value: number): number => Number(value.toPrecision(3));
const print = (what: string, fields: Record<string, unknown>): void =>
  void process.stdout.write(`${JSON.stringify({ what, ...fields })}\n`);

/** A peaked distribution of `classes`, as logs. */
function rowOf(id: number, classes: number): Float32Array {
  const random = randomStream(['bench', id]);
  const logits = Float32Array.from(
    { length: classes },
    () => 6 * (random.float() + random.float() + random.float() - 1.5),
  );
  const log = Math.log(logits.reduce((sum, u) => sum + Math.exp(u), 0));
  return logits.map((u) => u - log);
}

function sourceOf(classes: number, rows: number, precision: string): LabelSource {
  const recipe = recipeSchema.parse({
    student: { builtin: 'mlp' },
    losses: { response: { weight: 1 } },
    data: { train: { format: 'npy', inputs: 'x.npy' } },
    optimizer: { name: 'sgd', learningRate: 1 },
    batch: { size: 128, micro: 32 },
    epochs: 1,
    labels: { precision },
  });
  const teacher: TeacherSpec = {
    name: 'one',
    format: 'onnx',
    weight: 1,
    temperature: 4,
    output: 'logits',
    layout: 'nhwc',
    classes,
    parameters: 1,
    files: [{ name: 'one.onnx', sha256: 'a'.repeat(64), bytes: 1 }],
  };
  const shards = [{ sha256: 'b'.repeat(64), bytes: 1, samples: rows }];
  return {
    recipe,
    teachers: [teacher],
    manifest: { train: { samples: rows, shape: [1], dtype: 'float32', shards }, preprocess: null, classes },
  };
}

/** Rows are written once and read in a shuffled order, 32 at a time, first from the disk and then from memory. */
async function reading(classes: number, rows: number, precision: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-bench-'));
  try {
    const source = sourceOf(classes, rows, precision);
    const open = (): ReturnType<typeof openRunLabels> =>
      openRunLabels({
        source,
        storage: { folder, maxBytes: 2 ** 34 },
        warn: (line) => print('warning', { line }),
        ensemble: async () => ({
          labels: async (labels, inputs) =>
            new Map(
              labels.map((label) => [
                labelKey(label),
                Float32Array.from([...inputs].flatMap((id) => [...rowOf(id, classes)])),
              ]),
            ),
        }),
      });
    const batchOf = (ids: Uint32Array): { inputs: Float32Array; labels: Int32Array } => ({
      inputs: Float32Array.from(ids),
      labels: new Int32Array(ids.length),
    });
    const pass = async (labels: ReturnType<typeof openRunLabels>, epoch: number): Promise<number> => {
      const ids = shuffle(
        Uint32Array.from({ length: rows }, (_, i) => i),
        randomStream(['order', epoch]),
      );
      const start = performance.now();
      for (let at = 0; at < rows; at += 32)
        await labels?.get(ids.subarray(at, at + 32), batchOf(ids.subarray(at, at + 32)), 0);
      return (1000 * rows) / (performance.now() - start);
    };
    const first = open();
    await pass(first, 0);
    await first?.close();
    const second = open();
    const [disk, memory] = [await pass(second, 1), await pass(second, 2)];
    const kept =
      (await second?.get(Uint32Array.of(7), batchOf(Uint32Array.of(7)), 0))?.get('T=4') ?? new Float32Array(classes);
    print('reading', {
      classes,
      precision,
      bytesPerSample: second?.rowBytes ?? 0,
      fromDiskPerSecond: round(disk),
      fromMemoryPerSecond: round(memory),
      totalVariation: round(totalVariation(rowOf(7, classes), kept)),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Bytes, speed and error of rows of the k likeliest of many classes, whose probabilities are one over their rank, to the
 * power of `fall`.
 */
function manyClasses(k: number, fall: number): void {
  const classes = 50_000;
  const rows = 64;
  const codec = codecOf({ name: 'top-k', k }, { classes, isDistribution: true });
  const kept = codec.open(new ArrayBuffer(codec.rowBytes * rows), 0, rows);
  const random = randomStream(['ranks', fall]);
  const ranks = shuffle(
    Uint32Array.from({ length: classes }, (_, i) => i + 1),
    random,
  );
  const logits = Float32Array.from(ranks, (rank) => -fall * Math.log(rank));
  const log = Math.log(logits.reduce((sum, u) => sum + Math.exp(u), 0));
  const row = logits.map((u) => u - log);
  const out = new Float32Array(classes);
  const perSecond = (use: (i: number) => void): number => {
    const start = performance.now();
    for (let i = 0; i < rows; i++) use(i);
    return round((1000 * rows) / (performance.now() - start));
  };
  const written = perSecond((i) => kept.write(i, row, 0));
  const read = perSecond((i) => kept.read(i, out, 0));
  const sorted = row.slice().sort().reverse();
  const tail = sorted.slice(k).reduce((sum, value) => sum + Math.exp(value), 0);
  print('top-k', {
    classes,
    k,
    fall,
    bytesPerSample: codec.rowBytes,
    tailMass: round(tail),
    // The error among what is kept, where the tail's shape counts nothing.
    keptTotalVariation: round(keptError(row, out, sorted[k - 1] ?? 0)),
    totalVariation: round(totalVariation(row, out)),
    stated: round(topError(topFormOf(k, classes), (sorted[0] ?? 0) - (sorted[k - 1] ?? 0))),
    writtenPerSecond: written,
    readPerSecond: read,
  });
}

function keptError(row: Float32Array, out: Float32Array, least: number): number {
  return row.reduce(
    (sum, value, c) => sum + (value >= least ? Math.abs(Math.exp(value) - Math.exp(out[c] ?? 0)) / 2 : 0),
    0,
  );
}

/** samples/s of each epoch of one run, as metrics.jsonl has them. */
async function run(out: string, cache: string): Promise<number[]> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const settings = ['baseline=false', `epochs=${epochs}`, `data.train.limit=${samples}`].flatMap((setting) => [
    '--set',
    setting,
  ]);
  const child = spawnSync(
    process.execPath,
    [
      join(root, 'dist/cli.js'),
      'run',
      join(root, 'examples/mnist/recipe.yaml'),
      '--workers',
      '2',
      '--backend',
      backend,
      '--out',
      out,
      '--quiet',
      ...settings,
    ],
    {
      env: { ...process.env, STILLHOUSE_CACHE: cache },
      encoding: 'utf8',
    },
  );
  if (child.status !== 0) throw new Error(child.stderr);
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => round((JSON.parse(line) as { samplesPerSecond: number }).samplesPerSecond));
}

async function runs(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-bench-'));
  try {
    await mkdir(join(folder, 'cache'));
    const native = join(cacheFolder(), 'native');
    if (existsSync(native)) await symlink(native, join(folder, 'cache', 'native'));
    const cold = await run(join(folder, 'cold'), join(folder, 'cache'));
    const warm = await run(join(folder, 'warm'), join(folder, 'cache'));
    print('run', {
      backend,
      samples: Number(samples),
      coldPerSecond: cold,
      warmPerSecond: warm,
      firstEpochRatio: round((warm[0] ?? 0) / (cold[0] ?? 1)),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const precision of ['float32', 'float16', 'top-k']) await reading(10, 20_000, precision);
for (const precision of ['float32', 'float16', 'top-k']) await reading(1000, 4096, precision);
for (const fall of [1, 1.5, 2]) for (const k of [50, 128]) manyClasses(k, fall);
await runs();
