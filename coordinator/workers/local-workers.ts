/**
 * The worker processes of `run`: one per device, on this machine, told the token through the environment.
 * They end with the run; one that is killed is started again, since its leases go to others meanwhile, unless it is
 * killed again and again as soon as it starts. One that ends by itself has said why, and would say it again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes, UserError, type ExitCode } from '../../shared/errors.js';

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
  readonly onLine: (line: string) => void;
  /** How long a coordinator that stops may take longer than its workers; default 30 s. */
  readonly stopMs?: number;
  /** One that lived for so long before it was killed has a clean slate; default a minute. */
  readonly forgetMs?: number;
}

const restartLimit = 3;
/** A frame of an error's stack. */
const stackFrame = /^\s+at /;

export class LocalWorkers {
  private readonly children = new Map<number, ChildProcess>();
  private readonly restarts = new Map<number, number>();
  private closing = false;
  private live: number;
  private firstFailure: { code: number | null; line: string } | undefined;
  private isDone = false;
  private readonly failed: Promise<{ code: number | null; line: string }>;
  private reportFailure: (failure: { code: number | null; line: string }) => void = () => undefined;

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
    const { code, line } = await this.failed;
    if (code === exitCodes.stopped) await delay(this.options.stopMs ?? 30_000, undefined, { ref: false });
    if (code === null)
      throw new UserError(
        `every local worker was killed, and again after each of ${restartLimit} new starts; the run is safe up to its last journalled step, run again to continue`,
        exitCodes.unavailable,
      );
    throw new UserError(line === '' ? 'every local worker ended' : line, code as ExitCode);
  }

  pids(): readonly number[] {
    return [...this.children.values()].flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  }

  private start(i: number): void {
    const [file = process.execPath, ...rest] = this.options.command;
    // Without streams where no file descriptor is left, which the overloads of spawn do not say.
    const child: ChildProcess = spawn(file, [...rest, 'worker', this.options.url, ...this.options.arguments], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: {
        ...process.env,
        ...this.options.environment(i),
        STILLHOUSE_TOKEN: this.options.token ?? undefined,
        STILLHOUSE_LOCAL: '1',
      },
    });
    this.children.set(i, child);
    const startedMs = performance.now();
    let reason = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) {
        if (line.trim() === '') continue;
        if (!stackFrame.test(line)) reason = line.replace(/^stillhouse: /, '');
        this.options.onLine(`worker ${i + 1}: ${line}`);
      }
    });
    child.on('error', (error) => {
      reason = error.message;
    });
    child.on('close', (code) => {
      if (performance.now() - startedMs > (this.options.forgetMs ?? 60_000)) this.restarts.delete(i);
      this.ended(i, code, reason);
    });
  }

  private ended(i: number, code: number | null, line: string): void {
    this.children.delete(i);
    if (this.closing) return;
    const restarts = this.restarts.get(i) ?? 0;
    if ((code === null || code === exitCodes.unavailable) && restarts < restartLimit) {
      this.restarts.set(i, restarts + 1);
      this.options.onLine(
        `worker ${i + 1} ended (${code ?? 'killed'}); starting it again (${restarts + 1} of ${restartLimit})`,
      );
      this.start(i);
      return;
    }
    if (code === exitCodes.done) this.isDone = true;
    else this.firstFailure ??= { code, line };
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
