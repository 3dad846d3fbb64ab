/** What a run in progress is made of: its plan, its core, its disk, its clock, and who is told what happens. */
import type { Replica } from '../shared/replica/replica.js';
import type { Timers } from '../shared/timers.js';
import type { Core } from './decide/decide.js';
import type { PreparedRun } from './plan/prepared-run.js';
import type { UnitPlan } from './plan/units.js';
import type { ReportOutput, RunProgress } from './reports/outputs/output.js';
import type { Account } from './reports/totals.js';
import type { Journal } from './store/journal-file.js';
import type { KeptCommits } from './store/kept-commits.js';
import type { Recovered } from './store/recovery.js';
import type { RunFolder } from './store/run-folder.js';
import type { Snapshots } from './store/snapshots.js';
import type { RunTrace } from './trace/run-trace.js';
import type { Probes } from './workers/numerics.js';

export interface RunTimes {
  /** How often a worker gives a sign of life. */
  readonly heartbeatMs: number;
  /** A worker that is not heard for so long, and for what an answer of it may take, is gone. */
  readonly silenceMs: number;
  /** How long a worker's first lease may take, before anything was measured of it. */
  readonly firstLeaseMs: number;
  /** How often the core is asked whether anyone is silent or late. */
  readonly tickMs: number;
  /** How long a slow reader may keep a buffer that a step needs. */
  readonly patienceMs: number;
}

/** The run's folder, log, snapshots and journal, as far as a run in progress uses them. */
export interface RunStore {
  readonly folder: Pick<RunFolder, 'path' | 'run' | 'nonces' | 'expectNewest'> & {
    readonly generation: Pick<RunFolder['generation'], 'counter' | 'nonce' | 'secret'>;
  };
  readonly log: Omit<KeptCommits, 'written' | 'close'>;
  readonly snapshots: Pick<Snapshots, 'all' | 'newest' | 'initial' | 'oldestStep' | 'write'>;
  readonly journal: Pick<Journal, 'append' | 'head'>;
  /** Keeps these weights as the best so far, of the evaluation at this step; they are on the disk once this resolves. */
  readonly writeBest: (weights: ReadonlyMap<string, Float32Array>, step: number) => Promise<void>;
}

export interface RunParts {
  readonly run: PreparedRun;
  readonly units: UnitPlan;
  readonly core: Pick<Core, 'handle' | 'accounts' | 'standing'>;
  readonly replica: Replica;
  /** How many of the replica's slots hold gradients and commits. */
  readonly buffers: number;
  readonly store: RunStore;
  /** Where the run stands after recovery. */
  readonly standing: Pick<Recovered, 'step' | 'update' | 'unit' | 'stateHash' | 'rewoundBy' | 'lines'>;
  readonly account: Account;
  readonly probes: Probes;
  readonly reporter: ReportOutput;
  /** Whether workers join from elsewhere, whose lines nobody here has seen. */
  readonly isOpen: boolean;
  /** How many labels are kept already; absent: nobody knows. */
  readonly labels?: RunProgress['labels'];
  readonly timers: Timers;
  /** Time of day in milliseconds since 1970, for the journal. */
  readonly timeOfDayMs: () => number;
  readonly times: Omit<RunTimes, 'silenceMs' | 'firstLeaseMs'>;
  /** Where files lie that are shared with workers of this host; null: none are. */
  readonly memoryFolder: string | null;
  /** The first lease waits for so many workers. */
  readonly expected: number;
  readonly stopSignal: AbortSignal;
  /** Called when the run begins to go on without a teacher. */
  readonly onDrop: () => void;
  /** Calls back whenever a snapshot is asked for, until what it returns is called. */
  readonly onSnapshotWanted: (take: () => void) => () => void;
  /** Where what happens is drawn; absent: nowhere. */
  readonly trace?: RunTrace | undefined;
}
