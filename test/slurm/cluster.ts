/** The cluster of deploy/slurm/testbed, and jobs on it. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commitsOf, soon } from '../../bench/programs.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const scripts = join(root, 'deploy/slurm');

export class Cluster {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#environment = {
      ...process.env,
      SLURM_CONF: join(folder, 'slurm.conf'),
      STILLHOUSE: `${process.execPath} ${join(root, 'dist/cli.js')}`,
      STILLHOUSE_CACHE: join(folder, 'cache'),
    };
  }

  /** @param folder of the cluster's own files */
  static async start(folder: string): Promise<Cluster> {
    await run(join(scripts, 'testbed/start.sh'), [folder]);
    return new Cluster(folder);
  }

  async stop(): Promise<void> {
    await run(join(scripts, 'testbed/stop.sh'), [this.#folder]);
  }

  /** Runs one of Slurm's commands to its end. @returns what it printed */
  async command(name: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(name, args, { env: this.#environment, cwd: this.#folder });
    return stdout.trim();
  }

  /** @param options those of sbatch, before the script. @returns the job's number */
  async submit(options: readonly string[], script: string, ...args: string[]): Promise<string> {
    return (await this.command('sbatch', '--parsable', ...options, join(scripts, script), ...args)).split(';')[0] ?? '';
  }

  /** What the job has printed so far, over all of its starts. */
  output(job: string): string {
    return readFileSync(join(this.#folder, `slurm-${job}.out`), 'utf8');
  }

  async field(job: string, name: string): Promise<string> {
    const text = await this.command('scontrol', '--oneliner', 'show', 'job', job);
    return new RegExp(`\\b${name}=(\\S+)`).exec(text)?.[1] ?? '';
  }

  /** Resolves once the job is in one of these states. @throws when it ends in another one */
  async reaches(job: string, ...states: string[]): Promise<void> {
    for (;;) {
      const state = await this.field(job, 'JobState');
      if (states.includes(state)) return;
      if (['FAILED', 'CANCELLED', 'COMPLETED', 'NODE_FAIL', 'TIMEOUT'].includes(state))
        throw new Error(`job ${job} is ${state}, not ${states.join(' or ')}:\n${this.output(job)}`);
      await soon(100);
    }
  }

  /**
   * A job that was put into the queue again begins now, not in two minutes. Slurm waits so long since what is left of the
   * start before tells it of an end, which would be taken for the new start's: so nothing may be left of it. Its daemons
   * also refuse a start that is of the same second as the end of the one before ("Job credential revoked"), since their
   * credentials know whole seconds: so another second must have begun.
   */
  async startNow(job: string): Promise<void> {
    await this.reaches(job, 'PENDING');
    while (await isAtWork(job)) await soon(50);
    const second = secondNow();
    while (secondNow() <= second) await soon(50);
    await this.command('scontrol', 'update', `JobId=${job}`, 'StartTime=now');
  }

  /** Resolves once so many steps of the run in this folder are committed, while the job goes on. */
  async commits(job: string, out: string, steps: number): Promise<void> {
    while (commitsOf(out).length < steps) {
      await this.reaches(job, 'PENDING', 'CONFIGURING', 'RUNNING');
      await soon(20);
    }
  }
}

function secondNow(): number {
  return Math.floor(Date.now() / 1000);
}

/** Whether any step of the job, its script among them, still has its daemon on this machine. */
async function isAtWork(job: string): Promise<boolean> {
  try {
    await run('pgrep', ['--full', `slurmstepd: \\[${job}\\.`]);
    return true;
  } catch (error) {
    // 1: it has found none.
    if (error instanceof Error && 'code' in error && error.code === 1) return false;
    throw error;
  }
}
