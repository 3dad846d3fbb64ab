/**
 * Processor time a step of a run in progress, by who spends it, from Linux's account of every thread. A busy machine
 * makes steps slower, but hardly makes them cost more.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { journalOf, median } from './programs.js';

/**
 * Who spends it: the coordinator's process, whole; the workers' main threads, their links' threads, and V8's threads
 * beside them, which collect garbage and compile.
 */
export const spenders = ['coordinator', 'trainer', 'link', 'helpers'] as const;
/** Milliseconds of processor time a step; of the workers, the mean of all. */
export type ProcessorTime = Readonly<Record<(typeof spenders)[number], number>>;

interface Thread {
  readonly pid: number;
  readonly tid: number;
  readonly isMain: boolean;
  /** The verb of its command line; a thread that is not the main one does not know it. */
  readonly verb?: string;
}

interface Sample {
  readonly steps: number;
  /** Milliseconds so far, by spender. */
  readonly spent: ProcessorTime;
}

const everyMs = 500;
const nothing: ProcessorTime = { coordinator: 0, trainer: 0, link: 0, helpers: 0 };

/** Watches one run. `environment` belongs into that of its program. */
export class ProcessorMeter {
  readonly environment: Readonly<Record<string, string>>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'stillhouse-threads-'));
  readonly #out: string;
  readonly #samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;

  /** @param out the run's folder */
  constructor(out: string) {
    this.#out = out;
    const hook = fileURLToPath(new URL('./name-threads.js', import.meta.url));
    this.environment = { STILLHOUSE_THREADS: this.#folder, NODE_OPTIONS: `--import ${hook}` };
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /**
   * Ends the watch. @returns the medians over stretches of half a second or more of the run's second half, in which
   * what is compiled while it runs is compiled; null where Linux's account cannot be had
   */
  stop(): ProcessorTime | null {
    clearInterval(this.#timer);
    rmSync(this.#folder, { recursive: true, force: true });
    const half = this.#samples.slice(this.#samples.length >> 1);
    const stretches = half.slice(1).flatMap((sample, i) => {
      const before = half[i];
      const steps = sample.steps - (before?.steps ?? 0);
      return before === undefined || steps === 0 ? [] : [perStep(before, sample, steps)];
    });
    if (stretches.length === 0) return null;
    const of = (who: keyof ProcessorTime): number => median(stretches.map((stretch) => stretch[who]));
    return { coordinator: of('coordinator'), trainer: of('trainer'), link: of('link'), helpers: of('helpers') };
  }

  #sample(): void {
    const threads = readdirSync(this.#folder).map(
      (name) => JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as Thread,
    );
    const workers = threads.filter(({ isMain, verb }) => isMain && verb === 'worker').map(({ pid }) => pid);
    const steps = journalOf(this.#out).filter(({ type }) => type === 'commit').length;
    if (workers.length === 0 || steps === 0) return;
    const spent = { ...nothing };
    for (const pid of new Set(threads.map((thread) => thread.pid))) {
      for (const [tid, ms] of spentBy(pid)) {
        const thread = threads.find((one) => one.pid === pid && one.tid === tid);
        if (!workers.includes(pid)) spent.coordinator += ms;
        else spent[spenderOf(thread)] += ms / workers.length;
      }
    }
    this.#samples.push({ steps, spent });
  }
}

/** A worker's threads of JavaScript are the trainer's and the link's; all others are V8's. */
function spenderOf(thread: Thread | undefined): keyof ProcessorTime {
  if (thread === undefined) return 'helpers';
  return thread.isMain ? 'trainer' : 'link';
}

function perStep(before: Sample, after: Sample, steps: number): ProcessorTime {
  const of = (who: keyof ProcessorTime): number => (after.spent[who] - before.spent[who]) / steps;
  return { coordinator: of('coordinator'), trainer: of('trainer'), link: of('link'), helpers: of('helpers') };
}

/** Milliseconds that each thread of a process has run so far; none of one that has ended. */
export function spentBy(pid: number): [tid: number, ms: number][] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => {
      const [nanoseconds] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ');
      return [Number(tid), Number(nanoseconds) / 1e6];
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return [];
    throw error;
  }
}
