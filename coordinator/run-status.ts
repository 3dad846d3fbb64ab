/** What a run in progress tells those who watch it, put together from its parts. Pure. */
import type { Standing } from './decide/standing.js';
import type { RunStatus, WorkerStatus } from './watch/run-status.js';
import type { RunPace } from './run-reports.js';
import type { ToldFailure } from './workers/worker-failures.js';
import type { WorkerHere } from './workers/worker-here.js';

/** All of a status but its labels, which the run itself does not know. */
export type OwnStatus = Omit<RunStatus, 'labels'>;

export interface StatusParts {
  readonly envelope: Pick<RunStatus, 'run' | 'generation' | 'name'>;
  readonly isOver: boolean;
  readonly step: number;
  readonly plan: { readonly totalSteps: number; readonly stepsPerEpoch: number; readonly epochs: number };
  readonly samples: number;
  readonly pace: RunPace;
  readonly leases: RunStatus['leases'];
  readonly standing: Standing;
  readonly here: readonly WorkerHere[];
  readonly firstFailure: ToldFailure | null;
  readonly nowMs: number;
}

export function statusOf({
  envelope,
  isOver,
  step,
  plan,
  pace,
  standing,
  here,
  firstFailure,
  nowMs,
  ...rest
}: StatusParts): OwnStatus {
  const standings = new Map(standing.workers.map((worker) => [worker.worker, worker]));
  const isWaiting = standing.workers.every(({ state }) => state === 'joining');
  const { samples, leases } = rest;
  return {
    ...envelope,
    state: isOver ? 'ending' : isWaiting ? 'waiting' : 'working',
    step,
    steps: plan.totalSteps,
    epoch: pace.epoch ?? Math.min(plan.epochs - 1, Math.floor(step / plan.stepsPerEpoch)),
    epochs: plan.epochs,
    samples,
    samplesPerSecond: pace.samplesPerSecond,
    secondsLeft: pace.secondsLeft,
    terms: { ...pace.terms },
    leases,
    unit:
      standing.unit === null ? null : { ...standing.unit, blocks: standing.unit.blocks.map((block) => ({ ...block })) },
    firstFailure: firstFailure === null ? null : { ...firstFailure, lines: [...firstFailure.lines] },
    workers: here.map((worker) => workerStatus(worker, standings.get(worker.worker), nowMs)),
  };
}

/** @param standing undefined for one that the core has forgotten, since it leaves */
function workerStatus(
  { isDrained, ...worker }: WorkerHere,
  standing: Standing['workers'][number] | undefined,
  nowMs: number,
): WorkerStatus {
  return {
    ...worker,
    state: isDrained || standing === undefined ? 'leaving' : standing.state,
    lease: standing?.lease ?? null,
    microBatchMs: standing?.microBatchMs ?? null,
    silentMs: standing === undefined ? 0 : Math.max(0, nowMs - standing.heardMs),
  };
}
