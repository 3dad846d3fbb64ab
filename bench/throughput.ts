/**
 * Samples a second of whole runs, with real processes over loopback sockets: the MNIST student with no, one or three
 * teachers, labels computed live, for each number of workers and each backend that is installed; where the workers' time
 * goes; and what a step costs the processor (processor.ts). Rates are the medians of the epochs after the first, in which
 * kernels compile.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProcessorMeter, spenders, type ProcessorTime } from './processor.js';
import { Program } from './programs.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const recipe = join(root, 'examples', 'mnist', 'recipe.yaml');

export interface Throughput {
  readonly backend: string;
  readonly teachers: number;
  readonly workers: number;
  readonly samplesPerSecond: number;
  /** Shares of the trainers' time on training leases, by phase. `optimizer` runs beside them, on the links' threads. */
  readonly shares: Readonly<Record<string, number>>;
  /** Null where the operating system does not tell. */
  readonly processor: ProcessorTime | null;
}

export interface ThroughputOptions {
  readonly backends: readonly string[];
  readonly workers: readonly number[];
  readonly teachers: readonly number[];
  /** Samples an epoch. */
  readonly samples: number;
  readonly epochs: number;
  readonly onRow?: (row: Throughput) => void;
}

const teacherSettings: Record<number, readonly string[]> = {
  0: ['teachers=[]', 'losses={ crossEntropy: { weight: 1 } }'],
  1: ['teachers=[{ name: wide, model: teachers/wide/model.json }]'],
  3: [],
};

/** @throws Error when a run does not end well */
export async function benchThroughput({
  backends,
  workers,
  teachers,
  samples,
  epochs,
  onRow,
}: ThroughputOptions): Promise<Throughput[]> {
  const rows: Throughput[] = [];
  for (const backend of backends) {
    for (const count of teachers) {
      for (const number of workers) {
        const sets = [...settingsOf(count, { samples, epochs }), 'labels.cache=false'];
        const row = { backend, teachers: count, workers: number, ...(await measure(backend, number, sets)) };
        rows.push(row);
        onRow?.(row);
      }
    }
  }
  return rows;
}

/** The settings of a run without a baseline, with every sample labelled. */
export function settingsOf(
  teachers: number,
  { samples, epochs }: { readonly samples: number; readonly epochs: number },
): string[] {
  return [
    'baseline=false',
    `data.train.limit=${samples}`,
    `epochs=${epochs}`,
    'data.train.labelled=60000',
    ...(teacherSettings[teachers] ?? []),
  ];
}

/** What a run came to. */
type Measured = Pick<Throughput, 'samplesPerSecond' | 'shares' | 'processor'>;

/** The MNIST example's recipe with these settings. */
export async function measure(backend: string, workers: number, sets: readonly string[]): Promise<Measured> {
  return measureRecipe(recipe, { backend, workers, sets });
}

interface Settings {
  readonly backend: string;
  readonly workers: number;
  readonly sets: readonly string[];
}

export async function measureRecipe(file: string, { backend, workers, sets }: Settings): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));
  try {
    const out = join(folder, 'run');
    const args = [
      'run',
      file,
      '--backend',
      backend,
      '--workers',
      String(workers),
      '--out',
      out,
      '--quiet',
      ...sets.flatMap((set) => ['--set', set]),
    ];
    const meter = new ProcessorMeter(out);
    const { code, stderr } = await new Program(args, {
      STILLHOUSE_CACHE: join(folder, 'cache'),
      ...meter.environment,
    }).ended;
    const processor = meter.stop();
    if (code !== 0) throw new Error(`the run ended with ${code}:\n${stderr}`);
    return { samplesPerSecond: rateOf(out), shares: sharesOf(out), processor };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rateOf(out: string): number {
  const epochs = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { samplesPerSecond: number }).samplesPerSecond);
  const settled = epochs.slice(1).sort((a, b) => a - b);
  return Math.round(settled[settled.length >> 1] ?? epochs[0] ?? NaN);
}

function sharesOf(out: string): Record<string, number> {
  const { workers } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as {
    workers: { seconds: Record<string, number> }[];
  };
  const sums: Record<string, number> = {};
  for (const { seconds } of workers)
    for (const [phase, value] of Object.entries(seconds)) sums[phase] = (sums[phase] ?? 0) + value;
  const whole = Object.entries(sums).reduce((sum, [phase, value]) => (phase === 'optimizer' ? sum : sum + value), 0);
  return Object.fromEntries(Object.entries(sums).map(([phase, value]) => [phase, value / whole]));
}

const phases = {
  labels: 'teachers',
  student: 'student',
  load: 'load',
  reduce: 'reduce',
  optimizer: 'optimizer',
  wait: 'wait',
};

export function throughputHeader(): string {
  const columns = ['teachers', 'workers', 'samples/s', ...Object.values(phases), ...spenders];
  return `${'backend'.padEnd(8)}${columns.map((name) => name.padStart(12)).join('')}`;
}

/** One row: shares of the trainers' time in percent, then milliseconds of processor time a step. */
export function throughputLine({
  backend,
  teachers,
  workers,
  samplesPerSecond,
  shares,
  processor,
}: Throughput): string {
  const percents = Object.keys(phases).map((phase) => `${(100 * (shares[phase] ?? 0)).toFixed(1)} %`);
  const milliseconds = spenders.map((who) => (processor === null ? '-' : `${processor[who].toFixed(2)} ms`));
  const columns = [String(teachers), String(workers), String(samplesPerSecond), ...percents, ...milliseconds];
  return `${backend.padEnd(8)}${columns.map((text) => text.padStart(12)).join('')}`;
}
