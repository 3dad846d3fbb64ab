/**
 * An example as its README tells a user to try it, in a folder of its own: its script makes its files with the Python of
 * STILLHOUSE_PYTHON, and the built program does the rest.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { killAll, Program } from '../../../bench/programs.js';

const examples = fileURLToPath(new URL('../../../examples', import.meta.url));

/** A row of the table at a run's end, as far as tests ask. */
interface Evaluated {
  readonly accuracy: number;
  readonly parameters: number;
}

/** What `run --json` prints, as far as tests ask. */
export interface Summary {
  readonly student: Evaluated;
  readonly baseline?: Evaluated;
  readonly ensemble: Evaluated;
  readonly teachers: readonly (Evaluated & { readonly name: string })[];
}

export class Example {
  readonly folder = mkdtempSync(join(tmpdir(), 'stillhouse-example-'));
  readonly recipe = join(this.folder, 'recipe.yaml');
  readonly run = join(this.folder, 'run');

  constructor(readonly name: string) {
    copyFileSync(join(examples, name, 'recipe.yaml'), this.recipe);
  }

  /** What a script of the example prints. @throws with what it printed, when it fails */
  async python(script: string, ...args: readonly string[]): Promise<string> {
    const { STILLHOUSE_PYTHON: python } = process.env;
    if (python === undefined)
      throw new Error('STILLHOUSE_PYTHON: not set; a Python with the packages of examples/requirements.txt wanted');
    const { stdout } = await promisify(execFile)(python, [join(examples, this.name, script), ...args]);
    return stdout;
  }

  /** Makes the example's files where its recipe looks for them. */
  make(...args: readonly string[]): Promise<string> {
    return this.python('make.py', '--out', join(this.folder, 'made'), ...args);
  }

  /** What the program prints. @throws with what it said, when it fails */
  async stillhouse(...args: readonly string[]): Promise<string> {
    const environment = { STILLHOUSE_CACHE: join(this.folder, 'cache') };
    const { code, stdout, stderr } = await new Program(args, environment).ended;
    if (code !== 0) throw new Error(`stillhouse ${args.join(' ')}: ended with ${code}\n${stderr}`);
    return stdout;
  }

  /** @param settings `key.path=value` each, of the recipe */
  async distil(...settings: readonly string[]): Promise<Summary> {
    const set = settings.flatMap((setting) => ['--set', setting]);
    const out = await this.stillhouse('run', this.recipe, '--workers', '2', '--out', this.run, '--json', ...set);
    return JSON.parse(out) as Summary;
  }

  /** Accuracy of a model, or of a teacher by its name, on the recipe's evaluation set. */
  async accuracy(model: string): Promise<number> {
    const { accuracy } = JSON.parse(await this.stillhouse('eval', model, '--data', this.recipe, '--json')) as Evaluated;
    return accuracy;
  }

  remove(): void {
    killAll();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The share that a script printed of a model, as in `forest: 97.99% of 597 held-out rows`. */
export function printed(text: string, model: string): number {
  const match = new RegExp(`^${model}: ([\\d.]+)% of (\\d+)`, 'm').exec(text);
  if (match === null) throw new Error(`the script says nothing of ${model}:\n${text}`);
  const [, share, count] = match.map(Number);
  // A whole number of samples: what was printed is rounded.
  return Math.round(((share ?? NaN) / 100) * (count ?? NaN)) / (count ?? NaN);
}
