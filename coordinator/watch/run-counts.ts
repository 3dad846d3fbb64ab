/** What is counted of a run at work, beside its status: the numbers behind GET /metrics. Types alone. */
import type { Traffic } from '../../shared/exchange/plane.js';
import type { PlaneName } from '../../shared/exchange/planes/list.js';
import type { RunStatus } from './run-status.js';

/** What the run itself counts, since its coordinator started. */
export interface OwnCounts {
  /** Bytes from and to workers, by plane, and by direction as the coordinator sees it. */
  readonly bytes: Readonly<Record<PlaneName, Traffic>>;
  /** How often a process came back whose connection had broken. */
  readonly reconnects: number;
  /** Seconds that workers spent on training leases, by phase. */
  readonly phaseSeconds: Readonly<Record<string, number>>;
  /** How often a worker was late with a block. */
  readonly lateLeases: number;
  /**
   * Frames that were dropped: for a broken rule, since they spoke of no open lease, or since what they said of one fits no
   * step or state.
   */
  readonly refusedFrames: { readonly brokenRule: number; readonly noLease: number; readonly noMatch: number };
  /** Snapshots that were taken, how long the newest took, and how old it is; of none: how long ago the coordinator started. */
  readonly snapshots: { readonly taken: number; readonly seconds: number; readonly ageSeconds: number };
}

export interface RunCounts extends OwnCounts {
  readonly status: RunStatus;
  /** Samples whose labels were there at the start; null where the run keeps none here. */
  readonly labelsRead: number | null;
  readonly residentBytes: number;
}
