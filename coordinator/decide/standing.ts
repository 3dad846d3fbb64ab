/** How the workers of a run stand, as people who watch it are told. Pure: it reads the state and changes nothing. */
import type { Machine } from './machine.js';
import { nameOf, nameOfUnit, type LeaseRecord, type WorkerRecord } from './state.js';
import type { WorkerId } from './types.js';
import type { UnitWork } from './unit-work.js';

export interface WorkerStanding {
  readonly worker: WorkerId;
  /** `joining`: it catches up; `ready`: it has nothing to compute; `resting`: others are asked before it. */
  readonly state: 'joining' | 'ready' | 'computing' | 'resting';
  /** What it has to compute for the open unit, in words; null for nothing. */
  readonly lease: string | null;
  /** When it was heard last, by the clock of the events. */
  readonly heardMs: number;
  /** Milliseconds that a micro-batch of training takes it, as measured; null before that. */
  readonly microBatchMs: number | null;
}

/** A block of micro-batches [from, to) that is leased, or whose contribution is in. */
export interface BlockStanding {
  readonly from: number;
  readonly to: number;
  readonly worker: WorkerId;
  readonly state: 'computing' | 'uploading' | 'accepted';
}

/** The unit that is being computed. */
export interface UnitStanding {
  readonly name: string;
  readonly microBatches: number;
  readonly blocks: readonly BlockStanding[];
}

export interface Standing {
  readonly workers: readonly WorkerStanding[];
  /** Null where none is open. */
  readonly unit: UnitStanding | null;
  /** How often a worker was late with a block. */
  readonly lateTimes: number;
}

/** The standing of every worker that is here, in the order of their joining. */
export function standingOf(m: Machine): Standing {
  return {
    workers: [...m.workers.all].map((worker) => workerStanding(m, worker)),
    unit: m.open === null ? null : unitStanding(m.open.work),
    lateTimes: m.lateTimes,
  };
}

const blockStates = {
  computing: 'computing',
  offered: 'uploading',
  pulled: 'uploading',
  accepted: 'accepted',
} as const;

function unitStanding({ unit, leases }: UnitWork): UnitStanding {
  return {
    name: nameOfUnit(unit),
    microBatches: unit.microBatches,
    blocks: leases.flatMap(({ state, assignment: { from, to }, worker: { id } }) =>
      state === 'returned' ? [] : [{ from, to, worker: id, state: blockStates[state] }],
    ),
  };
}

function workerStanding(m: Machine, worker: WorkerRecord): WorkerStanding {
  const lease = openLeaseOf(worker);
  return {
    worker: worker.id,
    state: stateOf(m, worker, lease),
    lease: lease === null ? null : nameOf(lease.assignment),
    heardMs: worker.heardMs,
    microBatchMs: worker.costMs.get('train') ?? null,
  };
}

/** The lease that it computes; where it computes none, the first that it has not brought yet. */
function openLeaseOf({ current, tentative, leases }: WorkerRecord): LeaseRecord | null {
  return current ?? [...leases].find((lease) => lease !== tentative) ?? null;
}

function stateOf(m: Machine, worker: WorkerRecord, lease: LeaseRecord | null): WorkerStanding['state'] {
  if (!worker.isReady) return 'joining';
  if (lease !== null) return 'computing';
  return m.conduct.isResting(worker, m.nowMs) ? 'resting' : 'ready';
}
