/**
 * Whole runs in one process for tests: files, shards, teachers and students are real, on the wasm backend, over
 * loopback.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { oneToken } from '../../../shared/access/credentials.js';
import { silentOutput } from '../../../coordinator/reports/outputs/output.js';
import { bestWeights, readBestContent } from '../../../coordinator/store/best-weights.js';
import { coordinate } from '../../../coordinator/coordinator.js';
import { afterRewinds, type JournalLine } from '../../../coordinator/store/journal.js';
import type { Summary } from '../../../coordinator/reports/summary.js';
import { prepareRun, type PreparationOptions } from '../../../cli/prepare/prepare.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import type { InstalledPlugins } from '../../../shared/recipe/plugins.js';
import { randomStream } from '../../../shared/random.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';
import type { VectorTask } from '../../../shared/task.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import type { Connection } from '../../../worker/link/connection.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { openCoordinatorLabels } from '../../../worker/labels/coordinator-labels.js';
import { computeBackend } from '../../../worker/compute/open/run-models.js';
import { runWorker } from '../../../worker/worker.js';
import { startLinkHere, temporaryFolder } from '../fakes.js';
import { makeLayersModel, reference, referenceFolder, saveLayersModel } from '../compute/teachers/fixtures.js';

const { classes, shape } = reference;
const pixels = shape.reduce((a, b) => a * b, 1);
const row = (shape[1] ?? 1) * (shape[2] ?? 1);
export const samples = 70;
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort('the test is over');
});

/** A bright bar whose place tells the class, and noise; every fifth sample has no label. */
function sampleOf(id: number): Float32Array {
  const random = randomStream(['sample', id]);
  return Float32Array.from(
    { length: pixels },
    (_, i) => (Math.floor(i / row) === 1 + 2 * (id % 3) ? 1 : 0) + 0.3 * random.float(),
  );
}
const labelOf = (id: number): number => (id % 5 === 4 ? -1 : id % 3);

/** As many numbers of a sample as there are classes, by its bar's place and its noise; NaN where it has no label. */
function targetsOf(id: number, isTold: boolean): number[] {
  return Array.from({ length: classes }, (_, k) =>
    isTold ? Math.sin(1 + (id % 3) * (k + 1)) + (sampleOf(id)[k] ?? 0) : NaN,
  );
}

function npy(type: string, dims: number[], bytes: Uint8Array): Uint8Array {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]), Buffer.from(text), bytes]);
}

function writeData(folder: string): void {
  for (const [name, count] of [
    ['train', samples],
    ['eval', 20],
  ] as const) {
    const inputs = Float32Array.from(
      { length: count * pixels },
      (_, i) => sampleOf(Math.floor(i / pixels))[i % pixels] ?? 0,
    );
    const labels = Int32Array.from({ length: count }, (_, id) => (name === 'eval' ? id % 3 : labelOf(id)));
    writeFileSync(join(folder, `${name}.npy`), npy('<f4', [count, ...shape], new Uint8Array(inputs.buffer)));
    writeFileSync(join(folder, `${name}-labels.npy`), npy('<i4', [count], new Uint8Array(labels.buffer)));
    const targets = Array.from(labels, (label, id) => targetsOf(id, label >= 0));
    writeFileSync(
      join(folder, `${name}-regression.npy`),
      npy('<f4', [count, classes], new Uint8Array(Float32Array.from(targets.flat()).buffer)),
    );
    writeFileSync(
      join(folder, `${name}-multiLabel.npy`),
      npy(
        '<f4',
        [count, classes],
        new Uint8Array(
          Float32Array.from(targets.flat(), (value) => (Number.isNaN(value) ? NaN : Number(value > 0))).buffer,
        ),
      ),
    );
  }
}

/** `prepared`'s data with target vectors in place of labels. */
export function targetData(task: VectorTask, more: Record<string, unknown> = {}): Record<string, unknown> {
  const source = (name: string): Record<string, unknown> => ({
    format: 'npy',
    inputs: `${name}.npy`,
    targets: `${name}-${task}.npy`,
  });
  return {
    data: {
      task,
      train: source('train'),
      eval: source('eval'),
      preprocess: { mean: [0.2], std: [0.5] },
      shardSamples: 16,
      ...more,
    },
  };
}

/** Two teachers, ONNX and tfjs, an unlabelled fifth, several shards. */
export async function prepared(
  student: Record<string, unknown>,
  overrides: Record<string, unknown> = {},
  plugins: InstalledPlugins = new Map(),
): Promise<PreparedRun> {
  const folder = temporaryFolder();
  writeData(folder);
  await openWasm();
  await saveLayersModel(makeLayersModel(), join(folder, 'deep'));
  const recipe = recipeSchema.parse({
    name: 'models',
    seed: 3,
    student,
    losses: { crossEntropy: { weight: 0.6 }, response: { weight: 0.4, temperature: 3 } },
    teachers: [
      { name: 'wide', model: join(referenceFolder, 'tiny.onnx'), weight: 2 },
      { name: 'deep', model: 'deep/model.json' },
    ],
    ensemble: { allowChance: true },
    data: {
      train: { format: 'npy', inputs: 'train.npy', labels: 'train-labels.npy' },
      eval: { format: 'npy', inputs: 'eval.npy', labels: 'eval-labels.npy' },
      preprocess: { mean: [0.2], std: [0.5] },
      shardSamples: 16,
      classes,
    },
    optimizer: { name: 'adam', learningRate: 0.01 },
    batch: { size: 24, micro: 5 },
    epochs: 3,
    ...overrides,
  });
  return prepareIn(folder, recipe, plugins);
}

/** The same data and models under another recipe. */
export function prepareAgain(
  run: PreparedRun,
  recipe: Recipe,
  warn?: (line: string) => void,
  servedBefore?: PreparationOptions['servedBefore'],
): Promise<PreparedRun> {
  return prepareIn(run.recipeFolder, recipe, new Map(), { warn, servedBefore });
}

interface PreparedBefore {
  readonly warn?: ((line: string) => void) | undefined;
  readonly servedBefore?: PreparationOptions['servedBefore'];
}

/** A recipe over whatever lies in the folder. */
export function prepareIn(
  folder: string,
  recipe: Recipe,
  plugins: InstalledPlugins = new Map(),
  { warn = () => undefined, servedBefore }: PreparedBefore = {},
): Promise<PreparedRun> {
  return prepareRun({
    recipe,
    recipeFolder: folder,
    name: 'models',
    shardFolder: temporaryFolder(),
    plugins,
    servedBefore,
    warn,
    note: () => undefined,
  });
}

export interface WholeOptions {
  /** Cut connections while the run is on. */
  readonly cut?: boolean;
  /** Where the coordinator keeps labels, and every worker its own. */
  readonly labels?: LabelStorage;
  readonly workerLabels?: (worker: number) => LabelStorage;
  readonly onListening?: (port: number) => void;
  readonly plugins?: InstalledPlugins;
}

interface Written {
  readonly spec: StudentSpec;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

interface Finished {
  readonly summary: Summary;
  readonly lines: JournalLine[];
  /** By the coordinator and the workers. */
  readonly said: string[];
  /** Weights of what was written into `student`. */
  readonly exported: ReadonlyMap<string, Float32Array>;
  /** By the name of the folder that it was written into. */
  readonly written: ReadonlyMap<string, Written>;
  /** All weights of the replica at the best evaluation. */
  readonly best: ReadonlyMap<string, Float32Array> | null;
}

export async function whole(
  run: PreparedRun,
  workers: number,
  { cut = false, labels, workerLabels, onListening, plugins }: WholeOptions = {},
): Promise<Finished> {
  const out = temporaryFolder();
  const said: string[] = [];
  const written = new Map<string, Written>();
  let listening: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const summary = coordinate(run, {
    listen: { host: '127.0.0.1', port: 0 },
    credentials: labels === undefined ? null : oneToken('secret'),
    out,
    ...(labels === undefined ? {} : { labels }),
    stopSignal: new AbortController().signal,
    next: false,
    onListening: listening,
    reporter: {
      ...silentOutput,
      say: (_level, text) => void said.push(text),
    },
    exportStudent: async (spec, weights, folder) => void written.set(basename(folder), { spec, weights }),
    expected: workers,
    times: { tickMs: 10, heartbeatMs: 50 },
  });
  summary.catch(() => undefined);
  const url = `ws://127.0.0.1:${await port}`;
  onListening?.(await port);
  const wasm = await openWasm();
  let cuts = 0;
  const exits = Array.from({ length: workers }, (_, i) => {
    const backend = computeBackend(wasm, {
      warn: (line) => void said.push(line),
      labels: workerLabels?.(i),
      plugins,
      sharedLabels:
        labels === undefined
          ? undefined
          : openCoordinatorLabels(new CoordinatorClient({ url, token: 'secret' }), { worker: `trainer ${i}`, numerics: 'wasm' }),
    });
    const stop = new AbortController();
    stops.push(stop);
    return runWorker(
      {
        url,
        token: labels === undefined ? null : 'secret',
        cacheFolder: temporaryFolder(),
        threads: 1,
        local: false,
        waitSeconds: 5,
        stop: stop.signal,
        log: () => undefined,
        backend,
      },
      (start) =>
        startLinkHere(start, {
          connect: async (client): Promise<Connection> => {
            const connection = await client.connect();
            return cut && cuts++ < 3 ? cutAtSecondLease(connection) : connection;
          },
        }),
    );
  });
  const result = await summary;
  expect(said.filter((line) => line.includes('the compiled student differs'))).toEqual([]);
  // Two connections, and at least one that came back.
  if (cut) expect(cuts).toBeGreaterThan(2);
  expect(await Promise.all(exits)).toEqual(exits.map(() => 0));
  const best = await readBestContent({ path: out, run: result.run });
  return {
    summary: result,
    said,
    exported: written.get('student')?.weights ?? new Map<string, Float32Array>(),
    best: best === null ? null : bestWeights(best, run.student),
    written,
    lines: readFileSync(join(out, 'journal.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JournalLine),
  };
}

function cutAtSecondLease(connection: Connection): Connection {
  let leases = 0;
  const receive: Connection['receive'] = (onMessage) =>
    connection.receive((message, payload) => {
      if (message.type === 'lease' && ++leases === 2) connection.terminate();
      else onMessage(message, payload);
    });
  return new Proxy(connection, {
    get: (target, name) => {
      if (name === 'receive') return receive;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What must be equal however it was computed: not when, by which coordinator, and so not the chain over both. */
export const curve = (lines: readonly JournalLine[]): unknown =>
  afterRewinds(lines).flatMap((line) =>
    line.type === 'commit' || line.type === 'evaluation' ? [{ ...line, atMs: 0, generation: 0, chain: '' }] : [],
  );
