/**
 * What a trace says of a run: spans, each with its name, its time and what it was done for. Coordinator and workers make
 * them, and a worker's come as `spans` messages to the coordinator that asks for them. Pure.
 */

/** The spans of a worker, by the row that they are drawn on. The two threads of a worker work at the same time. */
export const workerRows = {
  /** The main thread: weights, labels, gradients. */
  trainer: ['load', 'label', 'student', 'evaluate', 'reduce', 'wait'],
  /** Contributions on their way to the coordinator. */
  up: ['send'],
  /** Commits: their bytes come, and they are applied. */
  down: ['receive', 'apply'],
} as const;

export type WorkerRow = keyof typeof workerRows;
export const workerSpanNames = [...workerRows.trainer, ...workerRows.up, ...workerRows.down] as const;
export type WorkerSpanName = (typeof workerSpanNames)[number];
/** The spans of the coordinator, which has one row. */
export const coordinatorSpanNames = ['wait', 'commit', 'reduce', 'apply', 'fsync'] as const;
export type CoordinatorSpanName = (typeof coordinatorSpanNames)[number];

/** What a span was done for; null: for nothing that has such a number. */
export interface SpanPlace {
  readonly step: number | null;
  readonly microBatch: number | null;
  readonly lease: number | null;
}

/** A span of a worker as it travels: name, start and duration in milliseconds of its own clock, step, micro-batch, lease. */
export type WorkerSpan = readonly [
  name: WorkerSpanName,
  startMs: number,
  durationMs: number,
  step: number | null,
  microBatch: number | null,
  lease: number | null,
];

export const spanLimits = {
  /** Spans of one message at most. */
  perMessage: 512,
  /** Spans that a worker keeps until its next message; what comes beyond them is counted and lost. */
  kept: 4096,
} as const;

const rowsByName = new Map<WorkerSpanName, WorkerRow>([
  ...workerRows.trainer.map((name) => [name, 'trainer'] as const),
  ...workerRows.up.map((name) => [name, 'up'] as const),
  ...workerRows.down.map((name) => [name, 'down'] as const),
]);

/** The row that a worker's span is drawn on. */
export function rowOf(name: WorkerSpanName): WorkerRow {
  const row = rowsByName.get(name);
  if (row === undefined) throw new Error(`a span named ${name}`);
  return row;
}
