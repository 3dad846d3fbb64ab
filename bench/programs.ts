/** The built program as real processes, and the journal that they write: for benches and for end-to-end tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// From the sources and from dist/ alike.
const root = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));
const cli = join(root, 'dist', 'cli.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();

/** The upper one of two in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Ends the programs that are still at work, whoever left them. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stderr = '';

  /**
   * @param deadlineMs it is killed after so long, and what it had printed tells where it hung
   * @param through the command that starts it, such as `ip netns exec NAME`
   * @param folder its working directory; default: this process's
   */
  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    deadlineMs?: number,
    through: readonly string[] = [],
    folder?: string,
  ) {
    if (!existsSync(cli)) throw new Error('dist/cli.js is not built: npm run build');
    const { STILLHOUSE_TOKEN: _, FORCE_COLOR: __, ...inherited } = process.env;
    const [command = '', ...rest] = [...through, process.execPath, cli, ...args];
    this.child = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited, ...environment },
      cwd: folder,
    });
    let stdout = '';
    this.child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()));
    running.add(this.child);
    const deadline =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => {
            this.stderr += `\nkilled: not over within ${deadlineMs} ms`;
            this.child.kill('SIGKILL');
          }, deadlineMs);
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        running.delete(this.child);
        clearTimeout(deadline);
        resolve({ code, stdout, stderr: this.stderr });
      });
    });
  }

  /** The first match in stderr, once it is there. @throws when the program ends before */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stderr);
      if (match !== null) return match;
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(`ended with ${exitCode ?? signalCode} before it said ${pattern}:\n${this.stderr}`);
      await soon();
    }
  }
}

export function soon(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export interface JournalLine {
  /** By the coordinator's clock. */
  readonly atMs: number;
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
