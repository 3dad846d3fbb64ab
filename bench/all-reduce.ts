/**
 * node dist/bench/all-reduce.js [--parameters 25000000] [--steps 20] [--compression none,bf16,int8] [--out DIR]
 * [--json]
 *
 * What a step costs beside its computation: the real coordinator and two real worker processes on loopback, with a
 * student of 25 million parameters whose gradient is there after a second of sleep (one worker alone would be given all
 * of what costs nothing). Each step both workers send all of it, the coordinator adds the two, sends the sum to both,
 * applies it by SGD and stores it; the workers apply it. Milliseconds are between commits, by the journal, less the
 * sleep; and of the processors' time (all threads) a step, which a busy machine changes less. The log lies in DIR
 * (default: a temporary folder).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { silentOutput } from '../coordinator/reports/outputs/output.js';
import { coordinate } from '../coordinator/coordinator.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { termSums } from '../shared/figures/training-sums.js';
import type { StudentSpec } from '../shared/models/student-spec.js';
import { contributionBytes } from '../shared/replica/reduction/contribution.js';
import { compressions, type Compression } from '../shared/compression.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { planReplica } from '../shared/replica/plan.js';
import type { ComputeBackend, RunCompute } from '../worker/compute/contract.js';
import { runWorker } from '../worker/worker.js';
import { commitsOf } from './programs.js';

const workers = 2;
const { values } = parseArgs({
  options: {
    parameters: { type: 'string', default: '25000000' },
    steps: { type: 'string', default: '20' },
    compression: { type: 'string', default: compressions.join() },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    worker: { type: 'string' },
    cache: { type: 'string', default: '' },
  },
});

/** More than sending takes, so that each worker is given one micro-batch. */
const sleepMs = 1000;

/**
 * A gradient that costs nothing but the sleep: the values that the slot holds are as good as any, but for the first
 * time.
 */
function instantCompute(): RunCompute {
  const meter = new CpuMeter();
  let computed = 0;
  process.on('exit', () => process.send?.(meter.msAStep));
  const filled = new Set<number>();
  const batch = { rows: 1, inputs: new Float32Array(1), targets: { labels: new Int32Array(1), soft: null } };
  return {
    classes: 2,
    task: 'classes',
    targetMeans: [],
    specialties: new Map(),
    student: {
      load: () => undefined,
      gradients: async ({ rows }, _step, out) => {
        if (!filled.has(out.byteOffset)) out.fill(1e-3);
        filled.add(out.byteOffset);
        meter.step(++computed);
        await new Promise((resolve) => setTimeout(resolve, sleepMs));
        return {
          hasGradient: true,
          sums: { samples: rows, ...termSums('crossEntropy', 0, rows) },
          moments: null,
        };
      },
      outputs: async (_inputs, rows) => ({ logits: new Float32Array(2 * rows), exits: new Map() }),
    },
    trainBatch: async () => batch,
    evalBatch: async () => batch,
    teacherLogits: async () => ({ teachers: new Map(), ensemble: new Float32Array(0) }),
    tensors: () => 0,
    dispose: () => undefined,
  };
}

async function work(url: string, cacheFolder: string): Promise<void> {
  const backend: ComputeBackend = {
    name: 'wasm',
    gpu: null,
    provider: 'cpu',
    version: 'none',
    open: async () => instantCompute(),
  };
  await runWorker({
    url,
    token: null,
    cacheFolder,
    threads: 1,
    local: false,
    waitSeconds: 60,
    log: (line) => console.error(line),
    backend,
  });
}

function runOf(parameters: number, steps: number, compression: Compression): PreparedRun {
  const recipe = recipeSchema.parse({
    name: 'all-reduce',
    student: { builtin: 'mlp' },
    losses: { crossEntropy: { weight: 1 } },
    data: { train: { format: 'idx', images: 'none' } },
    optimizer: { name: 'sgd', learningRate: 1e-9 },
    batch: { size: workers, micro: 1 },
    steps,
    compression,
    snapshots: { everySteps: 1_000_000, everySeconds: 1_000_000 },
  });
  const student: StudentSpec = {
    topology: {},
    inputShape: [1],
    classes: 2,
    weights: [{ name: 'dense/kernel', layer: 'dense', shape: [parameters], kind: 'trained' }],
  };
  const artifacts = new Map<string, { bytes: Uint8Array }>();
  const artifact = (value: unknown): { sha256: string; bytes: number } => {
    const bytes = Buffer.from(JSON.stringify(value));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    artifacts.set(sha256, { bytes });
    return { sha256, bytes: bytes.length };
  };
  const manifest = {
    train: { samples: workers, shape: [1], dtype: 'float32' as const, shards: [] },
    eval: null,
    classes: 2,
    preprocess: null,
  };
  return {
    recipe,
    recipeFolder: '.',
    name: 'all-reduce',
    recipeDigest: createHash('sha256')
      .update(JSON.stringify([recipe, parameters]))
      .digest('hex'),
    student,
    engines: { student: 'onnx' },
    initialWeights: new Map([['dense/kernel', new Float32Array(parameters)]]),
    teachers: [],
    plugins: [],
    artifacts,
    studentArtifact: artifact(student),
    manifestArtifact: artifact(manifest),
    manifest,
    trainLabels: new Int32Array(workers),
    sampleAt: (_epoch, position) => position,
  };
}

interface Measured {
  readonly medianMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
  /** Processor time in milliseconds: the coordinator's, then one worker's. */
  readonly coordinatorCpuMs: number;
  readonly workerCpuMs: number;
}

/** Steps at the start that are not measured: memory is touched for the first time. */
const warmUp = 3;

async function measure(run: PreparedRun, folder: string): Promise<Measured> {
  const out = join(folder, run.recipe.compression);
  const children: ChildProcess[] = [];
  const own = new CpuMeter();
  const ofWorkers: number[] = [];
  const start = (port: number): void => {
    for (let i = 0; i < workers; i++) {
      const args = ['--worker', `ws://127.0.0.1:${port}`, '--cache', join(out, `cache-${i}`)];
      const child = fork(import.meta.filename, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      child.on('message', (cpuMs) => ofWorkers.push(Number(cpuMs)));
      children.push(child);
    }
  };
  await coordinate(run, {
    listen: { host: '127.0.0.1', port: 0 },
    credentials: null,
    out,
    stopSignal: new AbortController().signal,
    next: false,
    expected: workers,
    onListening: start,
    exportStudent: async () => undefined,
    reporter: {
      ...silentOutput,
      say: (level, text) => (level === 'info' ? undefined : console.error(text)),
      progress: ({ step }) => own.step(step),
    },
  });
  await Promise.all(children.map(async (child) => child.exitCode ?? once(child, 'exit')));
  const times = commitsOf(out).map(({ atMs }) => atMs);
  const intervals = times
    .slice(warmUp)
    .map((atMs, i) => atMs - (times[i + warmUp - 1] ?? atMs) - sleepMs)
    .sort((a, b) => a - b);
  return {
    medianMs: intervals[intervals.length >> 1] ?? NaN,
    leastMs: intervals[0] ?? NaN,
    mostMs: intervals.at(-1) ?? NaN,
    coordinatorCpuMs: own.msAStep,
    workerCpuMs: ofWorkers.reduce((sum, ms) => sum + ms, 0) / ofWorkers.length,
  };
}

/** This process's time on processors, a step. */
class CpuMeter {
  #from = { step: 0, ms: 0 };
  #to = { step: 0, ms: 0 };

  step(step: number): void {
    const { user, system } = process.cpuUsage();
    this.#to = { step, ms: (user + system) / 1000 };
    if (step <= warmUp) this.#from = this.#to;
  }

  get msAStep(): number {
    return (this.#to.ms - this.#from.ms) / (this.#to.step - this.#from.step);
  }
}

function compressionOf(name: string): Compression {
  const found = compressions.find((compression) => compression === name);
  if (found === undefined) throw new Error(`--compression ${name}: one of ${compressions.join(', ')} was wanted`);
  return found;
}

async function main(): Promise<void> {
  const folder = values.out ?? (await mkdtemp(join(tmpdir(), 'stillhouse-all-reduce-')));
  for (const compression of values.compression.split(',').map(compressionOf)) {
    const run = runOf(Number(values.parameters), Number(values.steps), compression);
    const bytes = contributionBytes(planReplica(run.student, run.recipe.optimizer, compression));
    const times = await measure(run, folder);
    const line = `${compression.padEnd(5)} ${(bytes / 1e6).toFixed(1).padStart(6)} MB a contribution: ${times.medianMs.toFixed(0)} ms a step (median; ${times.leastMs.toFixed(0)} to ${times.mostMs.toFixed(0)}); processor ${times.coordinatorCpuMs.toFixed(0)} ms coordinator, ${times.workerCpuMs.toFixed(0)} a worker`;
    process.stdout.write(
      `${values.json ? JSON.stringify({ what: 'all-reduce', workers, parameters: Number(values.parameters), compression, bytes, ...times }) : line}\n`,
    );
  }
  if (values.out === undefined) await rm(folder, { recursive: true });
}

if (values.worker === undefined) await main();
else await work(values.worker, values.cache);
process.exit(0);
