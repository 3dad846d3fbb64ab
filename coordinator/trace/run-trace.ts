/**
 * One run in a trace: a row of the coordinator, whose spans nest, and three for each connection of a worker, on which
 * spans follow each other. What a worker says is drawn between the end of its row and now, whatever its numbers are.
 */
import type { Up } from '../../shared/protocol/messages.js';
import {
  rowOf,
  workerRows,
  type CoordinatorSpanName,
  type SpanPlace,
  type WorkerRow,
  type WorkerSpan,
} from '../../shared/trace/spans.js';
import type { TraceFile } from './trace-file.js';

/** Where the events of a trace go. */
export type TraceSink = Pick<TraceFile, 'nowMs' | 'nextPid' | 'write'>;
const coordinatorRow = 1;
const rowNumbers: Readonly<Record<WorkerRow, number>> = { trainer: 1, up: 2, down: 3 };
const rowTitles: Readonly<Record<WorkerRow, string>> = {
  trainer: 'trainer',
  up: 'link, up',
  down: 'link, down',
};

export class RunTrace {
  readonly #file: TraceSink;
  readonly #run: string;
  readonly #pid: number;
  #idleSinceMs: number;

  /** @param run the name of the run, which every process in the trace is called by */
  constructor(file: TraceSink, run: string) {
    this.#file = file;
    this.#run = run;
    this.#pid = file.nextPid();
    this.#idleSinceMs = file.nowMs();
    nameProcess(file, this.#pid, `coordinator: ${run}`);
    nameRow(file, { pid: this.#pid, tid: coordinatorRow }, 'coordinator');
  }

  nowMs(): number {
    return this.#file.nowMs();
  }

  /** A worker that has connected. @param id its short name in the run */
  worker(id: string, host: string): WorkerTrace {
    return new WorkerTrace(this.#file, `worker ${id} (${host}): ${this.#run}`);
  }

  /** Runs `body`, in one go or until its promise is settled, as a span of the coordinator. */
  time<T>(name: CoordinatorSpanName, place: Partial<SpanPlace>, body: () => T): T {
    const startMs = this.nowMs();
    const end = (): void => this.#span(name, startMs, place);
    const result = body();
    if (result instanceof Promise) result.then(end, end);
    else end();
    return result;
  }

  /** Runs a step's commit, and says that the coordinator waited since the one before it. */
  commit<T>(place: Partial<SpanPlace>, body: () => Promise<T>): Promise<T> {
    this.#span('wait', this.#idleSinceMs, place);
    const startMs = this.nowMs();
    return body().finally(() => {
      this.#span('commit', startMs, place);
      this.#idleSinceMs = this.nowMs();
    });
  }

  #span(name: CoordinatorSpanName, startMs: number, place: Partial<SpanPlace>): void {
    const [ts, end] = [microseconds(startMs), microseconds(this.nowMs())];
    this.#file.write({
      name,
      ph: 'X',
      pid: this.#pid,
      tid: coordinatorRow,
      ts,
      dur: rounded(end - ts),
      args: argsOf(place),
    });
  }
}

/** Runs `body`, as a span where the run is traced. */
export function timed<T>(
  trace: RunTrace | undefined,
  name: CoordinatorSpanName,
  place: Partial<SpanPlace>,
  body: () => T,
): T {
  return trace === undefined ? body() : trace.time(name, place, body);
}

export class WorkerTrace {
  readonly #file: TraceSink;
  readonly #pid: number;
  /** Where the newest span of each row ends, in milliseconds of the trace. */
  readonly #ends = new Map<WorkerRow, number>();
  #saidErrorMs: number | null = null;

  constructor(file: TraceSink, title: string) {
    this.#file = file;
    this.#pid = file.nextPid();
    nameProcess(file, this.#pid, title);
    for (const row of Object.keys(workerRows) as WorkerRow[])
      nameRow(file, { pid: this.#pid, tid: rowNumbers[row] }, rowTitles[row]);
  }

  take({ spans, lost, offsetMs, errorMs }: Pick<Up<'spans'>, 'spans' | 'lost' | 'offsetMs' | 'errorMs'>): void {
    this.#sayClock(errorMs);
    if (lost > 0) this.#say('spans lost', { count: lost });
    const nowMs = this.#file.nowMs();
    for (const span of spans) this.#span(span, offsetMs, nowMs);
  }

  #span([name, startMs, durationMs, step, microBatch, lease]: WorkerSpan, offsetMs: number, nowMs: number): void {
    const row = rowOf(name);
    const endMs = Math.min(startMs + offsetMs + durationMs, nowMs);
    const fromMs = Math.max(startMs + offsetMs, this.#ends.get(row) ?? 0);
    // Of a row that goes on beyond it, or of numbers that are no time of this run.
    if (!(fromMs < endMs || (fromMs === endMs && durationMs === 0))) return;
    this.#ends.set(row, endMs);
    const ts = microseconds(fromMs);
    const dur = rounded(microseconds(endMs) - ts);
    const args = argsOf({ step, microBatch, lease });
    this.#file.write({ name, ph: 'X', pid: this.#pid, tid: rowNumbers[row], ts, dur, args });
  }

  /** Says how well the clocks are known when that has changed by half. */
  #sayClock(errorMs: number): void {
    const said = this.#saidErrorMs;
    if (said !== null && errorMs < said * 2 && errorMs > said / 2) return;
    this.#saidErrorMs = errorMs;
    this.#say('clock', { errorMs: Math.round(errorMs * 1000) / 1000 });
  }

  #say(name: string, args: Readonly<Record<string, number>>): void {
    const ts = microseconds(this.#file.nowMs());
    this.#file.write({ name, ph: 'i', s: 't', pid: this.#pid, tid: rowNumbers.trainer, ts, args });
  }
}

function nameProcess(file: TraceSink, pid: number, name: string): void {
  file.write({ name: 'process_name', ph: 'M', pid, tid: 0, args: { name } });
  file.write({ name: 'process_sort_index', ph: 'M', pid, tid: 0, args: { sort_index: pid } });
}

function nameRow(file: TraceSink, row: { readonly pid: number; readonly tid: number }, name: string): void {
  file.write({ name: 'thread_name', ph: 'M', ...row, args: { name } });
  file.write({ name: 'thread_sort_index', ph: 'M', ...row, args: { sort_index: row.tid } });
}

/** Only the numbers that there are. */
function argsOf(place: Partial<SpanPlace>): Readonly<Record<string, number>> {
  const args: Record<string, number> = {};
  for (const [key, value] of Object.entries(place)) if (value !== null) args[key] = value;
  return args;
}

/** Milliseconds as microseconds, to the nanosecond. */
function microseconds(ms: number): number {
  return rounded(ms * 1000);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
