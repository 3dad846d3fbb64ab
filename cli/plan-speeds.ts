/**
 * Measures what a plan is made of: the run itself, by one worker of this machine, into a folder that is removed, until
 * its trace has enough steps. Nothing of it is kept.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import type { TraceSink } from '../coordinator/trace/run-trace.js';
import type { TraceEvent } from '../coordinator/trace/trace-file.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { ownWorkersAlone } from './credentials.js';
import { besideWorkers, planWorkers } from './local-workers.js';
import type { LocalFlags } from './options.js';
import { inGoodOrder } from './signals.js';
import { speedsOfTrace } from './plan/speeds-of-trace.js';
import type { StepShape, StepSpeeds } from './plan/step-model.js';

export interface MeasureOptions {
  /** Steps that are measured, after those that warm up. */
  readonly steps: number;
  readonly flags: LocalFlags;
}

/** @throws UserError 2 where the recipe has too few steps; 69 and others where the run fails; 75 when stopped */
export async function measureSpeeds(
  run: PreparedRun,
  shape: StepShape,
  { steps, flags }: MeasureOptions,
): Promise<StepSpeeds> {
  const isEnough = (events: readonly TraceEvent[]): boolean => speedsOfTrace(events, shape, steps) !== null;
  const events = await traceUntil(isEnough, { run, flags: { ...flags, workers: 1, quiet: true } });
  const speeds = speedsOfTrace(events, shape, 2);
  if (speeds === null)
    throw new UserError(`${run.name}: too few steps to measure; a recipe with at least 5 was wanted, or --speeds FILE`);
  return speeds;
}

export interface TracedRun {
  readonly run: PreparedRun;
  readonly flags: LocalFlags;
  /** The port that workers connect to, given the coordinator's; absent: the coordinator's. */
  readonly via?: (port: number) => Promise<number>;
}

/**
 * Runs by workers of this machine until the trace is enough, or to the end, and gives it.
 * @throws UserError as a run does; 75 when stopped
 */
export async function traceUntil(
  isEnough: (events: readonly TraceEvent[]) => boolean,
  traced: TracedRun,
): Promise<readonly TraceEvent[]> {
  const enough = new AbortController();
  const events: TraceEvent[] = [];
  const sink = sinkOf((event) => {
    events.push(event);
    // A worker's spans come a few times a second, the coordinator's at every step.
    if (event.name === 'apply' && !enough.signal.aborted && isEnough(events)) enough.abort('enough was measured');
  });
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-plan-'));
  try {
    await inGoodOrder(async (user) => {
      const stopSignal = AbortSignal.any([user, enough.signal]);
      await runInto(join(folder, 'run'), { ...traced, sink, stopSignal }).catch((error: unknown) => {
        const isStop = error instanceof UserError && error.exitCode === exitCodes.stopped;
        if (!isStop || !enough.signal.aborted || user.aborted) throw error;
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return events;
}

async function runInto(
  out: string,
  { run, flags, via, sink, stopSignal }: TracedRun & { readonly sink: TraceSink; readonly stopSignal: AbortSignal },
): Promise<void> {
  const { coordinate } = await import('../coordinator/coordinator.js');
  const { silentOutput } = await import('../coordinator/reports/outputs/output.js');
  const { credentials, token } = ownWorkersAlone();
  const workers = await planWorkers(run, flags, { token, role: 'train' });
  await besideWorkers([workers], ({ start, lost }) =>
    Promise.race([
      coordinate(run, {
        listen: { host: '127.0.0.1', port: 0 },
        credentials,
        out,
        reporter: silentOutput,
        stopSignal,
        next: false,
        expected: flags.workers,
        onListening: (port) => void (via === undefined ? start(port) : via(port).then(start)),
        exportStudent: async () => undefined,
        trace: sink,
      }),
      lost,
    ]),
  );
}

function sinkOf(write: (event: TraceEvent) => void): TraceSink {
  const startMs = performance.now();
  let pids = 0;
  return { nowMs: () => performance.now() - startMs, nextPid: () => ++pids, write };
}
