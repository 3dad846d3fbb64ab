/**
 * One student, alone and distilled from one teacher, over several seeds: what the benches of sequences and of targets
 * have in common. Every run is one of the built program, with two local workers on the wasm backend.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { spreadOf } from '../shared/figures/statistics.js';
import { Program } from './programs.js';

/** A part of a recipe. */
export type Json = Readonly<Record<string, unknown>>;

/** Figures of one evaluation by name. */
export type Figures = Readonly<Record<string, number>>;

/** What one run came to. */
interface Found {
  readonly student: Figures;
  /** What the student came to without a teacher; absent where the recipe asked for no baseline. */
  readonly baseline?: Figures;
  /** The run's folder. */
  readonly out: string;
}

export interface Comparison {
  /** Where recipes, runs and kept labels lie. */
  readonly folder: string;
  /** How many seeds the student has; the teacher has one of its own. */
  readonly seeds: number;
  /** What all runs have: optimizer, batch, epochs. */
  readonly common: Json;
  /** The teacher's run. */
  readonly teacher: { readonly name: string; readonly recipe: Json };
  /** The student's runs, but for its teacher. */
  readonly student: { readonly name: string; readonly recipe: Json };
}

/** The figures of each who was compared, over the seeds. */
export type Compared = ReadonlyMap<'teacher' | 'student alone' | 'student, distilled', readonly Figures[]>;

/** Trains the teacher, then the student alone and with that teacher, which recipes call `big`, once for each seed. */
export async function compareOverSeeds({ folder, seeds, common, teacher, student }: Comparison): Promise<Compared> {
  const { student: figures, out } = await run(folder, teacher.name, { seed: 1, ...common, ...teacher.recipe });
  const teachers = [{ name: 'big', model: join(out, 'student', 'model.json') }];
  const found: Found[] = [];
  for (let seed = 2; seed < 2 + seeds; seed++) {
    found.push(await run(folder, student.name, { seed, ...common, ...student.recipe, teachers, baseline: true }));
  }
  return new Map([
    ['teacher', [figures]],
    ['student alone', found.flatMap(({ baseline }) => (baseline === undefined ? [] : [baseline]))],
    ['student, distilled', found.map((one) => one.student)],
  ]);
}

/** @throws Error with what the program said when it ended otherwise than well */
async function run(folder: string, name: string, recipe: Json & { readonly seed: number }): Promise<Found> {
  const file = join(folder, `${name}.yaml`);
  const out = join(folder, 'runs', `${name}-${recipe.seed}`);
  writeFileSync(file, stringify({ name, ...recipe, numerics: { backend: 'wasm' } }));
  rmSync(out, { recursive: true, force: true });
  const ended = await new Program(['run', file, '--workers', '2', '--quiet', '--json', '--out', out], {
    STILLHOUSE_CACHE: join(folder, 'cache'),
  }).ended;
  if (ended.code !== 0) {
    throw new Error(`${name}, seed ${recipe.seed}: ended with ${String(ended.code)}\n${ended.stderr}`);
  }
  return { ...(JSON.parse(ended.stdout) as Omit<Found, 'out'>), out };
}

/**
 * Prints a line for each who was compared: the mean of each figure over the seeds, and its deviation.
 *
 * @param heading what the lines begin with
 * @param scale what figures are multiplied by, such as 100 for percent
 */
export function printCompared(
  compared: Compared,
  { heading, names, scale, digits }: { heading: string; names: readonly string[]; scale: number; digits: number },
): void {
  for (const [who, all] of compared) {
    const written = names.map((name) => {
      const { mean, deviation } = spreadOf(all.map((figures) => scale * (figures[name] ?? NaN)));
      return `${name} ${mean.toFixed(digits)}${deviation === null ? '' : ` +- ${deviation.toFixed(digits)}`}`;
    });
    process.stdout.write(`${heading}${who}: ${written.join(', ')}\n`);
  }
}
