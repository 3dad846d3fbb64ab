/**
 * A worker that only labels: it holds the teachers and no student, asks the coordinator which block of samples is
 * wanted next, labels it and sends the rows. For teachers that are too big to sit beside the student. It ends when
 * every label is there or the run is over, and waits for a coordinator that is away.
 */
import { exitCodes, type ExitCode } from '../../shared/errors.js';
import type { WorkerTls } from '../../shared/tls/certificates.js';
import { CoordinatorClient } from '../link/coordinator-client.js';
import { parentEnded, watchParent } from '../parent.js';
import { LabelJob, type LabelJobOptions } from './label-job.js';
import { labelNumerics } from './label-numerics.js';
import { LeaseSource } from './lease-source.js';

export interface LabelWorkerOptions extends Omit<LabelJobOptions, 'client' | 'maker'> {
  readonly url: string;
  /** Addresses to go to, in this order, where nobody answers at that one; absent: none. */
  readonly further?: readonly string[] | undefined;
  readonly token: string | null;
  /** Absent: what the address says alone. */
  readonly tls?: WorkerTls | undefined;
  /** Seconds without a coordinator, at the start or later, after which the worker gives up. */
  readonly waitSeconds: number;
  readonly stop: AbortSignal;
  /** Whether it ends with its parent. */
  readonly local: boolean;
}

/**
 * Labels until nothing is left.
 *
 * @throws UserError 69 without a coordinator, 77 when it refuses, 65 for teachers that cannot be used
 */
export async function runLabelWorker(options: LabelWorkerOptions): Promise<ExitCode> {
  if (!options.local) return labelUntilDone(options);
  const orphaned = new AbortController();
  const stopWatching = watchParent(() => orphaned.abort(parentEnded));
  try {
    return await labelUntilDone({ ...options, stop: AbortSignal.any([options.stop, orphaned.signal]) });
  } finally {
    stopWatching();
  }
}

async function labelUntilDone(options: LabelWorkerOptions): Promise<ExitCode> {
  const client = new CoordinatorClient({ ...options, movesOn: true });
  const numerics = labelNumerics({ name: options.backend, gpu: options.gpu });
  const source = new LeaseSource({ ...options, client, numerics });
  for (;;) {
    const run = await source.run();
    if (run === null) return exitCodes.stopped;
    if (run === 'done') {
      options.log('labels: no more are wanted; the run is done');
      return exitCodes.done;
    }
    const job = await LabelJob.open(run, { ...options, client, maker: source.maker });
    try {
      const outcome = await labelBlocks(job, source, options.stop);
      if (outcome === 'stopped') return exitCodes.stopped;
      if (outcome === 'done') {
        options.log(`labels: no more are wanted; ${job.labelled} were made here`);
        return exitCodes.done;
      }
    } finally {
      await job.close();
    }
  }
}

/** Labels one block after the other. `lost`: the coordinator is away, or at another run. */
async function labelBlocks(
  job: LabelJob,
  source: LeaseSource,
  stop: AbortSignal,
): Promise<'done' | 'lost' | 'stopped'> {
  while (!stop.aborted) {
    const lease = await source.lease();
    if (lease === null) return 'lost';
    if (lease.type === 'done') return 'done';
    if (lease.type === 'wait') await source.pause();
    else
      await job.label(lease, stop).catch((error: unknown) => {
        // What was asked of a server is given up.
        if (!stop.aborted) throw error;
      });
  }
  return 'stopped';
}
