/**
 * The worker processes of `run`: one per device, on this machine, told the token through the environment.
 * They end with the run; one that is killed is started again, since its leases go to others meanwhile, unless it is
 * killed again and again as soon as it starts. One that ends by itself has said why, and would say it again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { toldNext } from '../../shared/protocol/ended-before.js';
import { exitCodes, UserError, type ExitCode } from '../../shared/errors.js';
import { readLines, reasonIn } from '../../shared/process-lines.js';

export interface LocalWorkersOptions {
  /** The command line of this program up to the verb: node, its options, cli.js. */
  readonly command: readonly string[];
  readonly url: string;
  /** Null: they need none. */
  readonly token: string | null;
  readonly count: number;
  readonly arguments: readonly string[];
  /** Environment of worker number `i`, beside the token: the device that it may see. */
  readonly environment: (i: number) => Readonly<Record<string, string>>;
  /** Gets each line that a worker says, by its number, from 1 on, and what became of one. */
  readonly onLine: (line: string, worker: number) => void;
  /** Gets the first failure once no worker is left that could do anything; not of one that was stopped. */
  readonly onFirstFailure?: (failure: WorkerFailure) => void;
  /** How long a coordinator that stops may take longer than its workers; default 30 s. */
  readonly stopMs?: number;
  /** One that lived for so long before it was killed has a clean slate; default a minute. */
  readonly forgetMs?: number;
}

/** How a worker ended that is not started again. */
export interface WorkerFailure {
  /** From 1 on. */
  readonly worker: number;
  /** Null: it was killed. */
  readonly code: number | null;
  /** What it said last, its newest lines in their order. */
  readonly lines: readonly string[];
}

const restartLimit = 3;

export class LocalWorkers {
  private readonly children = new Map<number, ChildProcess>();
  private readonly restarts = new Map<number, number>();
  private closing = false;
  private live: number;
  private firstFailure: WorkerFailure | undefined;
  private isDone = false;
  private readonly failed: Promise<WorkerFailure>;
  private reportFailure: (failure: WorkerFailure) => void = () => undefined;

  constructor(private readonly options: LocalWorkersOptions) {
    this.live = options.count;
    this.failed = new Promise((resolve) => {
      this.reportFailure = resolve;
    });
    for (let i = 0; i < options.count; i++) this.start(i);
  }

  /**
   * Rejects, with the first failure, once no worker is left that could still do anything. Never when one was told that
   * the work is done: the coordinator is about to end then. One that was stopped may know of it before the coordinator
   * has.
   */
  async whenLost(): Promise<never> {
    const { worker, code, lines } = await this.failed;
    if (code !== exitCodes.stopped) this.options.onFirstFailure?.({ worker, code, lines });
    if (code === exitCodes.stopped) await delay(this.options.stopMs ?? 30_000, undefined, { ref: false });
    if (code === null)
      throw new UserError(
        `every local worker was killed, and again after each of ${restartLimit} new starts; the run is safe up to its last journalled step, run again to continue`,
        exitCodes.unavailable,
      );
    throw new UserError(reasonIn(lines) ?? 'every local worker ended', code as ExitCode);
  }

  pids(): readonly number[] {
    return [...this.children.values()].flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  }

  /** @param told what it is told of the process that it takes the place of */
  private start(i: number, told: Readonly<Record<string, string>> = {}): void {
    const [file = process.execPath, ...rest] = this.options.command;
    // Without streams where no file descriptor is left, which the overloads of spawn do not say.
    const child: ChildProcess = spawn(file, [...rest, 'worker', this.options.url, ...this.options.arguments], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: {
        ...process.env,
        ...this.options.environment(i),
        STILLHOUSE_TOKEN: this.options.token ?? undefined,
        STILLHOUSE_LOCAL: '1',
        ...told,
      },
    });
    this.children.set(i, child);
    const startedMs = performance.now();
    const lines = readLines(child.stderr, (line) => this.options.onLine(line, i + 1));
    child.on('error', (error) => {
      lines.push(error.message);
    });
    child.on('close', (code, signal) => {
      if (performance.now() - startedMs > (this.options.forgetMs ?? 60_000)) this.restarts.delete(i);
      this.ended(i, { code, signal }, lines);
    });
  }

  private ended(
    i: number,
    { code, signal }: { readonly code: number | null; readonly signal: string | null },
    lines: readonly string[],
  ): void {
    this.children.delete(i);
    if (this.closing) return;
    const restarts = this.restarts.get(i) ?? 0;
    if ((code === null || code === exitCodes.unavailable) && restarts < restartLimit) {
      this.restarts.set(i, restarts + 1);
      this.options.onLine(`ended (${code ?? 'killed'}); starting it again (${restarts + 1} of ${restartLimit})`, i + 1);
      this.start(i, toldNext(signal, lines));
      return;
    }
    if (code === exitCodes.done) this.isDone = true;
    else this.firstFailure ??= { worker: i + 1, code, lines };
    this.live--;
    if (this.live === 0 && !this.isDone && this.firstFailure !== undefined) this.reportFailure(this.firstFailure);
  }

  /** Waits `graceMs` for the workers to end by themselves, then ends them. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    const ends = [...this.children.values()].map(
      (child) =>
        new Promise<void>((resolve) =>
          child.exitCode === null && child.signalCode === null ? child.once('close', () => resolve()) : resolve(),
        ),
    );
    for (const child of this.children.values()) child.stdin?.end();
    const timer = setTimeout(() => {
      for (const child of this.children.values()) child.kill('SIGKILL');
    }, graceMs);
    await Promise.all(ends);
    clearTimeout(timer);
  }
}
