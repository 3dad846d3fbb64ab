/**
 * node dist/bench/all-reduce.js [--parameters 25000000] [--steps 20] [--compression none,bf16,int8] [--out DIR]
 * [--json] [--planes memory,socket] [--workers 2] [--no-log] [--python PYTHON]
 *
 * What a step costs beside its computation: the real coordinator and real worker processes on loopback, with a
 * student of 25 million parameters whose gradient is there after a second of sleep (one worker alone would be given all
 * of what costs nothing). Each step every worker sends all of it, the coordinator adds them, sends the sum to all,
 * applies it by SGD and stores it (`--no-log`: as `log.gradients: false` does, in memory alone); the workers apply it.
 * Milliseconds are between commits, by the journal, less the sleep; and of the processors' time (all threads) a step,
 * which a busy machine changes less, with the share of it for which garbage collections stop a thread. The log lies in
 * DIR (default: a temporary folder). With a Python that has PyTorch, gloo's all-reduce of as many float32 is measured
 * beside it.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { silentOutput } from '../coordinator/reports/outputs/output.js';
import { coordinate } from '../coordinator/coordinator.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { termSums } from '../shared/figures/training-sums.js';
import { planeNames, type PlaneName } from '../shared/exchange/planes/list.js';
import { usualMemoryFolder } from '../shared/exchange/planes/memory-file.js';
import type { StudentSpec } from '../shared/models/student-spec.js';
import { contributionBytes } from '../shared/replica/reduction/contribution.js';
import { compressions, type Compression } from '../shared/compression.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { planReplica } from '../shared/replica/plan.js';
import type { ComputeBackend, RunCompute } from '../worker/compute/contract.js';
import { runWorker } from '../worker/worker.js';
import { GcMeter } from './gc-meter.js';
import { commitsOf } from './programs.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    parameters: { type: 'string', default: '25000000' },
    steps: { type: 'string', default: '20' },
    compression: { type: 'string', default: compressions.join() },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    planes: { type: 'string', default: planeNames.join() },
    workers: { type: 'string', default: '2' },
    'no-log': { type: 'boolean', default: false },
    python: { type: 'string' },
    worker: { type: 'string' },
    cache: { type: 'string', default: '' },
  },
});

const workers = Number(values.workers);

/** More than sending takes, so that each worker is given one micro-batch. */
const sleepMs = 1000;

/**
 * A gradient that costs nothing but the sleep: the values that the slot holds are as good as any, but for the first
 * time.
 */
function instantCompute(): RunCompute {
  const meter = new CpuMeter();
  let computed = 0;
  process.on('exit', () => process.send?.(meter.spent));
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

async function work(url: string, cacheFolder: string, plane: string): Promise<void> {
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
    memoryFolder: folderOf(plane),
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
    log: { gradients: !values['no-log'] },
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

const spentSchema = z.object({
  /** Milliseconds of processor time, all threads. */
  cpuMs: z.number(),
  /** Milliseconds for which garbage collections stopped a thread. */
  gcMs: z.number(),
});
/** What a process spends on a step. */
type Spent = z.infer<typeof spentSchema>;

interface Measured {
  readonly medianMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
  readonly coordinator: Spent;
  /** One worker: their mean. */
  readonly worker: Spent;
}

/** Steps at the start that are not measured: memory is touched for the first time. */
const warmUp = 3;

async function measure(run: PreparedRun, folder: string, plane: PlaneName): Promise<Measured> {
  const out = join(folder, `${run.recipe.compression}-${plane}`);
  const children: ChildProcess[] = [];
  const own = new CpuMeter();
  const ofWorkers: Spent[] = [];
  const start = (port: number): void => {
    for (let i = 0; i < workers; i++) {
      const args = ['--worker', `ws://127.0.0.1:${port}`, '--cache', join(out, `cache-${i}`), '--planes', plane];
      const child = fork(import.meta.filename, args, {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        execArgv: ['--import', new URL('gc-meter.js', import.meta.url).href],
      });
      child.on('message', (spent) => ofWorkers.push(spentSchema.parse(spent)));
      children.push(child);
    }
  };
  await coordinate(run, {
    listen: { host: '127.0.0.1', port: 0 },
    credentials: null,
    out,
    stopSignal: new AbortController().signal,
    next: false,
    memoryFolder: folderOf(plane),
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
    coordinator: own.spent,
    worker: {
      cpuMs: ofWorkers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / ofWorkers.length,
      gcMs: ofWorkers.reduce((sum, { gcMs }) => sum + gcMs, 0) / ofWorkers.length,
    },
  };
}

/** This process's time on processors, a step. */
class CpuMeter {
  readonly #gc = new GcMeter();
  #from = { step: 0, ms: 0, gcMs: 0 };
  #to = { step: 0, ms: 0, gcMs: 0 };

  step(step: number): void {
    const { user, system } = process.cpuUsage();
    this.#to = { step, ms: (user + system) / 1000, gcMs: this.#gc.ms };
    if (step <= warmUp) this.#from = this.#to;
  }

  get spent(): Spent {
    const steps = this.#to.step - this.#from.step;
    return { cpuMs: (this.#to.ms - this.#from.ms) / steps, gcMs: (this.#to.gcMs - this.#from.gcMs) / steps };
  }
}

function compressionOf(name: string): Compression {
  const found = compressions.find((compression) => compression === name);
  if (found === undefined) throw new Error(`--compression ${name}: one of ${compressions.join(', ')} was wanted`);
  return found;
}

/** The plane of this name, as `--planes` gives it. */
function planeOf(name: string): PlaneName {
  const found = planeNames.find((plane) => plane === name);
  if (found === undefined) throw new Error(`--planes ${name}: one of ${planeNames.join(', ')} was wanted`);
  return found;
}

function folderOf(plane: string): string | null {
  return plane === 'memory' ? usualMemoryFolder : null;
}

interface Facts {
  readonly compression: Compression;
  readonly plane: PlaneName;
  readonly bytes: number;
}

function lineOf({ compression, plane, bytes }: Facts, times: Measured): string {
  const { medianMs, leastMs, mostMs, coordinator, worker } = times;
  const size = (bytes / 1e6).toFixed(1).padStart(6);
  const spent = ({ cpuMs, gcMs }: Spent): string =>
    `${cpuMs.toFixed(0)} ms (${((100 * gcMs) / cpuMs).toFixed(1)} % collecting garbage)`;
  const range = `median; ${leastMs.toFixed(0)} to ${mostMs.toFixed(0)}`;
  return `${compression.padEnd(5)} ${plane.padEnd(6)} ${size} MB a contribution: ${medianMs.toFixed(0)} ms a step (${range}); processor: coordinator ${spent(coordinator)}, a worker ${spent(worker)}`;
}

function printGloo(python: string): void {
  const args = [join(root, 'bench', 'gloo.py'), String(workers), values.parameters, '20'];
  const ms = Number(execFileSync(python, args, { encoding: 'utf8' }));
  const facts = { what: 'gloo', workers, parameters: Number(values.parameters), medianMs: ms };
  process.stdout.write(`${values.json ? JSON.stringify(facts) : `gloo: ${ms.toFixed(0)} ms (median)`}\n`);
}

async function main(): Promise<void> {
  const folder = values.out ?? (await mkdtemp(join(tmpdir(), 'stillhouse-all-reduce-')));
  for (const compression of values.compression.split(',').map(compressionOf)) {
    const run = runOf(Number(values.parameters), Number(values.steps), compression);
    const bytes = contributionBytes(planReplica(run.student, run.recipe.optimizer, compression));
    for (const plane of values.planes.split(',').map(planeOf)) {
      const times = await measure(run, folder, plane);
      const facts = { what: 'all-reduce', workers, parameters: Number(values.parameters), compression, plane, bytes };
      process.stdout.write(`${values.json ? JSON.stringify({ ...facts, ...times }) : lineOf(facts, times)}\n`);
    }
  }
  if (values.python !== undefined) printGloo(values.python);
  if (values.out === undefined) await rm(folder, { recursive: true });
}

if (values.worker === undefined) await main();
else await work(values.worker, values.cache, values.planes);
process.exit(0);
