/** Real processes of the built program, over real sockets on loopback, each worker with a cache folder of its own: no disk is shared. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();

export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stderr = '';

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    if (!existsSync(cli)) throw new Error('dist/cli.js is not built: npm run build');
    const { STILLHOUSE_TOKEN: _, ...inherited } = process.env;
    this.child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...environment } });
    let stdout = '';
    this.child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()));
    running.add(this.child);
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        running.delete(this.child);
        resolve({ code, stdout, stderr: this.stderr });
      });
    });
  }

  /** The first match in stderr, once it is there. @throws when the program ends before */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stderr);
      if (match !== null) return match;
      if (this.child.exitCode !== null) throw new Error(`ended with ${this.child.exitCode} before it said ${pattern}:\n${this.stderr}`);
      await soon();
    }
  }
}

export function soon(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `remove` also ends the programs that a failed test left behind. */
export function scratchFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stillhouse-e2e-'));
  return {
    path,
    remove: () => {
      for (const child of running) child.kill('SIGKILL');
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export interface JournalLine {
  readonly type: string;
  readonly step: number;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  readonly loss: Readonly<Record<string, number>>;
  readonly digest: string;
}

/** The whole lines of a run's journal. */
export function journalOf(out: string): JournalLine[] {
  const path = join(out, 'journal.jsonl');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalLine);
}

export const commitsOf = (out: string): JournalLine[] => journalOf(out).filter((line) => line.type === 'commit');

/** What was computed, step by step, without who and when: what must be the same however it was computed. */
export function curveOf(out: string): unknown[] {
  return commitsOf(out).map(({ step, epoch, from, to, samples, loss, digest }) => ({ step, epoch, from, to, samples, loss, digest }));
}

/** SHA-256 of the final weights. */
export const digestOf = (out: string): string => (JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as { digest: string }).digest;

/** What the processes of one run share and each of them is given. */
export interface Place {
  readonly recipe: string;
  readonly out: string;
  /** A cache folder for each process is made in it: no disk is shared. */
  readonly caches: string;
}

const token = 'a-token-for-the-end-to-end-tests-0123456789';

function environmentOf({ caches }: Place, name: string, more: Readonly<Record<string, string>>): Record<string, string> {
  return { STILLHOUSE_CACHE: join(caches, name), STILLHOUSE_TOKEN: token, ...more };
}

export interface CoordinatorOptions {
  /** 0: any. */
  readonly port?: number;
  /** Workers that the first step waits for. */
  readonly expect?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export function startCoordinator(place: Place, { port = 0, expect = 1, environment = {} }: CoordinatorOptions = {}): Program {
  const args = ['coordinator', place.recipe, '--listen', `127.0.0.1:${port}`, '--expect', String(expect), '--out', place.out];
  return new Program(args, environmentOf(place, 'coordinator', environment));
}

/** The address that workers are told. */
export async function urlOf(coordinator: Program): Promise<string> {
  const [, url = ''] = await coordinator.says(/worker (ws:\/\/\S+)/);
  return url;
}

export function startWorker(place: Place, name: string, url: string, environment: Readonly<Record<string, string>> = {}): Program {
  return new Program(['worker', url, '--backend', 'wasm'], environmentOf(place, name, environment));
}

export interface Cluster {
  readonly coordinator: Program;
  readonly workers: readonly Program[];
}

/** `coordinator` in one process and `worker` in others; the first step waits for all of them. */
export async function startCluster(place: Place, workers: number): Promise<Cluster> {
  const coordinator = startCoordinator(place, { expect: workers });
  const url = await urlOf(coordinator);
  return { coordinator, workers: Array.from({ length: workers }, (_, i) => startWorker(place, `w${i}`, url)) };
}
