/** How a run at work stands, as GET /status tells it and `stillhouse status` reads it. */
import { z } from 'zod';
import { printable } from '../../shared/printable.js';

/** What is shown to people as it is. */
const said = z.string().transform((text) => printable(text));
const count = z.number().int().nonnegative();

export const workerStates = ['joining', 'ready', 'computing', 'resting', 'leaving'] as const;

export const workerStatusSchema = z.object({
  /** Its short name in this run, which `drain` takes. */
  worker: said,
  /** The process's own name, the same over reconnects. */
  process: said,
  host: said,
  pid: count,
  device: said,
  state: z.enum(workerStates),
  /** The block that it computes, in words; null for none. */
  lease: said.nullable(),
  /** Milliseconds since it was heard. */
  silentMs: z.number(),
  numerics: said,
  /** Samples that its accepted contributions covered. */
  samples: count,
  /** Bytes that were sent to it and that its connection has not taken yet. */
  queuedBytes: count,
  /** The way that its bulk bytes take: `socket` or `memory`. */
  plane: said.default('socket'),
  /** Milliseconds that a micro-batch of training takes it, as measured; null before that. */
  microBatchMs: z.number().nullable(),
});

/** The unit that is being computed: its blocks [from, to) that are leased, or whose contribution is in. */
const openUnitSchema = z.object({
  name: said,
  microBatches: count,
  blocks: z.array(
    z.object({ from: count, to: count, worker: said, state: z.enum(['computing', 'uploading', 'accepted']) }),
  ),
});

export const runStatusSchema = z.object({
  run: said,
  generation: count,
  name: said,
  /** `waiting`: no worker is ready; `ending`: the last step is committed, and results are written. */
  state: z.enum(['waiting', 'working', 'ending']),
  /** Steps committed, of so many. */
  step: count,
  steps: count,
  /** Counted from 0. */
  epoch: count,
  epochs: count,
  /** Samples committed, over all of the run. */
  samples: count,
  /** 0 until it is known. */
  samplesPerSecond: z.number(),
  secondsLeft: z.number().nullable(),
  /** The newest step's loss terms, means over samples. */
  terms: z.record(said, z.number()),
  leases: z.object({ granted: count, repeated: count, refused: count }),
  /** How many samples' labels are kept, of so many; null where the run keeps none here. */
  labels: z.object({ kept: count, samples: count }).nullable(),
  /** The first worker that failed and said why, with its newest lines; null for none since the coordinator started. */
  firstFailure: z
    .object({ worker: said, host: said, code: count, reason: said, lines: z.array(said) })
    .nullable()
    .default(null),
  workers: z.array(workerStatusSchema),
  unit: openUnitSchema.nullable(),
});

export type RunStatus = z.infer<typeof runStatusSchema>;
export type WorkerStatus = z.infer<typeof workerStatusSchema>;
