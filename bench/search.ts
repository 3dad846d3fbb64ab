/**
 * Searches of ours beside Optuna's TPESampler, at equal numbers of trials:
 *
 *   python3 -m venv V && V/bin/pip install optuna
 *   node dist/bench/search.js [V/bin/python] [--seeds 100] [--trials 30,60] [--runs 0] [--run-trials 15]
 *
 * On closed-form functions, how far the best trial is above the least value, medians over seeds: points that are only
 * spread, ours, and Optuna's with its dimensions apart (its default) and together. With `--runs N`, on a small part of the
 * MNIST example (2 epochs of 3,000 images, 2,000 to judge by; no halving), the best accuracy over N seeds, both from the
 * recipe's own values. Without a Python ours alone. Only how good the results are is compared, so that the machine need not
 * be quiet.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SearchResult } from '../cli/search/search-results.js';
import type { TrialValues } from '../cli/search/space.js';
import { assignments } from '../cli/search/space.js';
import { usualSpace } from '../cli/search/wanted-space.js';
import { readRecipe } from '../shared/recipe/read.js';
import { median, Program } from './programs.js';
import { closedForms, regretOf, type ClosedForm } from './search-functions.js';
import { withPython } from './with-python.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, python } = withPython({
  seeds: { type: 'string', default: '100' },
  trials: { type: 'string', default: '30,60' },
  runs: { type: 'string', default: '0' },
  'run-trials': { type: 'string', default: '15' },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const seeds = Array.from({ length: Number(values.seeds) }, (_, seed) => seed);
const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-search-'));

/** Median of the regrets of Optuna's searches. */
function optunasRegret(name: string, { space, least }: ClosedForm, trials: number, multivariate: boolean): number {
  const jobs = seeds.map((seed) => ({ function: name, space, trials, seed, multivariate }));
  const file = join(scratch, 'jobs.json');
  writeFileSync(file, JSON.stringify(jobs));
  const args = ['-W', 'ignore', join(root, 'bench', 'search.py'), '--functions', file];
  const found = execFileSync(python ?? '', args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  return median(
    found
      .trim()
      .split('\n')
      .map((line) => Number(line) - least),
  );
}

function functions(): void {
  print('median regret          spread    ours  Optuna  Optuna, multivariate');
  for (const [name, form] of Object.entries(closedForms)) {
    for (const trials of values.trials.split(',').map(Number)) {
      const ours = (startup?: number): number => median(seeds.map((seed) => regretOf(form, seed, trials, startup)));
      const theirs = python === undefined ? [] : [false, true].map((both) => optunasRegret(name, form, trials, both));
      const cells = [ours(trials), ours(), ...theirs].map((regret) => regret.toFixed(4).padStart(8));
      print(`${name.padEnd(8)}${String(trials).padStart(3)} trials${cells.join('')}`);
    }
  }
}

const recipe = join(root, 'examples', 'mnist', 'recipe.yaml');
const small = [
  'epochs=2',
  'data.train.limit=3000',
  'data.eval.limit=2000',
  'data.train.labelled={first: 300}',
  'baseline=false',
];
const runTrials = Number(values['run-trials']);
const environment = { STILLHOUSE_CACHE: join(scratch, 'cache') };
const flags = (set: readonly string[], seed: number, out: string): string[] => [
  ...[...small, ...set].flatMap((one) => ['--set', one]),
  ...['--seed', String(seed), '--workers', '2', '--out', join(scratch, out), '--json', '--quiet'],
];

async function output(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Program(args, environment).ended;
  if (code !== 0) throw new Error(`stillhouse ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${stderr}`);
  return stdout;
}

/** The best accuracy after each trial. */
type Curve = readonly number[];

const bestSoFar = (accuracies: readonly number[]): Curve =>
  accuracies.map((_, i) => Math.max(...accuracies.slice(0, i + 1)));

async function ourRun(seed: number): Promise<Curve> {
  const args = [
    'search',
    recipe,
    '--trials',
    String(runTrials),
    ...flags(['search.halving=false'], seed, `ours-${seed}`),
  ];
  const { trials } = JSON.parse(await output(args)) as SearchResult;
  return bestSoFar(trials.map(({ value }) => value ?? 0));
}

async function optunasRun(seed: number): Promise<Curve> {
  const { recipe: read } = readRecipe(readFileSync(recipe, 'utf8'), { file: recipe, set: small });
  const space = usualSpace(read);
  const own = Object.fromEntries(
    space.map(({ key }) => [key, key.split('.').reduce<unknown>((value, part) => (value as TrialValues)[part], read)]),
  );
  const file = join(scratch, 'job.json');
  writeFileSync(file, JSON.stringify({ space, own, seed, trials: runTrials }));
  const child = spawn(python ?? '', ['-W', 'ignore', join(root, 'bench', 'search.py'), file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const accuracies: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const set = assignments(JSON.parse(line) as TrialValues);
    const args = ['run', recipe, ...flags(set, seed, `theirs-${seed}-${accuracies.length}`)];
    const { student } = JSON.parse(await output(args)) as { readonly student: { readonly accuracy: number } };
    accuracies.push(student.accuracy);
    child.stdin.write(`${student.accuracy}\n`);
  }
  return bestSoFar(accuracies);
}

async function runs(count: number): Promise<void> {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const all: { readonly ours: Curve; readonly theirs: Curve | null }[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const pair = { ours: await ourRun(seed), theirs: python === undefined ? null : await optunasRun(seed) };
    all.push(pair);
    print(
      `MNIST, seed ${seed}: the recipe ${percent(pair.ours[0] ?? NaN)}, after ${runTrials} trials ours ${percent(pair.ours.at(-1) ?? NaN)}${pair.theirs === null ? '' : `, Optuna's ${percent(pair.theirs.at(-1) ?? NaN)}`}`,
    );
  }
  const at = (curves: readonly (Curve | null)[]): string =>
    percent(median(curves.map((curve) => curve?.at(-1) ?? NaN)));
  print(`median: ours ${at(all.map(({ ours }) => ours))}, Optuna's ${at(all.map(({ theirs }) => theirs))}`);
}

try {
  functions();
  if (Number(values.runs) > 0) await runs(Number(values.runs));
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
