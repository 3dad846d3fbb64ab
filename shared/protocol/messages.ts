/**
 * Every message of the wire, its direction and its meaning. One zod schema each; the types are inferred from it.
 *
 * A message is one binary WebSocket frame: header length (u32 LE), the msgpackr header, zero padding to 8 bytes,
 * payload. The header is one of the objects below; the payload is raw little-endian bytes (codec.ts). Nothing on the
 * wire is code.
 *
 *   worker                        coordinator
 *     hello            ->                        who I am, what I hold
 *                      <-         welcome        the run: recipe, models, manifest, snapshot to start from
 *                      <-         commit/release of every step after that snapshot, then live
 *     ready            ->                        replica at `step`, numerics probe computed
 *                      <-         lease          compute this block
 *     offer            ->                        the contribution's header (bytes inline when small)
 *                      <-         pull           send the bytes now
 *     chunk...         ->                        the bytes, or where they lie in the file that both share
 *                      <-         commit         the step's reduced gradient and scalars: hold
 *                      <-         release        journalled: apply
 */
import { z } from 'zod';
import { compressions } from '../compression.js';
import { phases } from '../figures/phases.js';
import { count, name, said, sha256 } from './fields.js';
import { spansFields } from './span-messages.js';
import { teacherSchema } from './teacher-message.js';

/** Raised whenever an old peer could misread a new one. */
export const protocolVersion = 3;
export const subprotocol = `stillhouse.v${protocolVersion}`;

export const limits = {
  /** Largest header in bytes, and with it the largest welcome. */
  headerBytes: 256 * 1024,
  /**
   * Length of the pieces that payloads are hashed in, and the most of a payload in one frame; also the largest
   * contribution or commit that travels with its header.
   */
  pieceBytes: 1024 * 1024,
  /** `maxPayload` of every socket: one piece, its header and framing. */
  frameBytes: 1024 * 1024 + 256 * 1024 + 64,
  /** Bytes queued on one socket before its reader counts as slow and is fed from the log instead. */
  queuedBytes: 8 * 1024 * 1024,
  /** Places for chunks in each direction of a file that a worker and the coordinator share, and the bytes of each. */
  filePlaces: 2,
  placeBytes: 4 * 1024 * 1024,
  /** Milliseconds an upgraded socket may live without its `hello`. */
  helloMs: 5000,
  /** Most lines that a worker tells of those that it said before it failed. */
  lastLines: 20,
} as const;

/** Close codes of the application range; each is a reason, in words, for one peer. */
export const closeCodes = {
  done: 1000,
  badFrame: 4400,
  unauthorized: 4401,
  stale: 4409,
  tooSlow: 4408,
  refused: 4403,
  shutdown: 4503,
} as const;

const hash = z.string().regex(/^[0-9a-f]{16}$/);
/** What proves that a coordinator of the run has released so many steps; empty: nothing does. */
const receipt = z.string().max(64);
const sums = z.record(name, z.number());
/** Sums as they were computed: NaN and infinities are a finding about the contribution, not a broken frame. */
const rawSums = z.record(
  name,
  z.custom<number>((value) => typeof value === 'number'),
);

/** The name of a file in memory, or the nonce in it. */
const fileWord = z.string().regex(/^[0-9a-f]{32}$/);
/** Where the bytes of a chunk lie in that file; absent where they come inline. */
const placed = z
  .object({ place: count.max(limits.filePlaces - 1), bytes: count.max(limits.placeBytes) })
  .strict()
  .optional();
/** How many chunks the sender has read of those that were put into the file since it said so last. */
const chunksTaken = count.min(1).max(limits.filePlaces);

/** In every message. `step` is the number of committed steps it speaks of: weights before step t have `step: t`. */
const envelope = { run: name, generation: count, step: count };

export const blockSchema = z.object({ level: count.max(31), index: count }).strict();
export const leaseSchema = z
  .object({
    id: count,
    /** `train`: gradients of a slice of an epoch. `evaluate`: counts and losses over a slice of the evaluation set. */
    kind: z.enum(['train', 'evaluate']),
    /** What is evaluated; absent for `train`. */
    subject: z.enum(['student', 'teachers']).optional(),
    /** The replica's position whose weights are to be used. */
    step: count,
    epoch: count,
    /** Half-open range of the whole global batch in the epoch's order of samples. */
    from: count,
    to: count,
    /** M: the number of micro-batches that the global batch is cut into. */
    microBatches: count.min(1),
    block: blockSchema,
    /** Per loss term, for the whole global batch; 0 means that the term is 0. */
    divisors: sums,
    /** Loss weights and temperatures that change in the run, as they are in this step: `<term>.<key>`. */
    scalars: sums,
    /** Teachers that it is computed without, since they failed; absent for none. */
    dropped: z.array(name).max(64).optional(),
  })
  .strict();

export const deviceSchema = z
  .object({
    backend: z.enum(['wasm', 'native']),
    /** What ONNX Runtime computes with; absent: the CPU. */
    provider: z.enum(['cpu', 'cuda']).optional(),
    gpu: name.nullable(),
    threads: count,
    host: name,
    pid: count,
    version: name,
  })
  .strict();

export const artifactSchema = z.object({ sha256, bytes: count }).strict();
/** How a process was killed that another one has taken the place of, and its newest lines in their order. */
export const endedBefore = z.object({ signal: name, lines: z.array(said).max(limits.lastLines) }).strict();

/** Worker to coordinator. */
export const upSchemas = {
  /**
   * First message on a socket. `worker` is the process's own random id, kept over reconnects; `held` what its replica
   * is at; `memory` names a file in memory that it offers for bulk bytes to a coordinator of its own host; `before` tells
   * of the process that it has taken the place of, where that one was killed.
   */
  hello: z
    .object({
      type: z.literal('hello'),
      ...envelope,
      protocol: count,
      worker: name,
      device: deviceSchema,
      recipeDigest: sha256.nullable(),
      held: z.object({ nonce: name, step: count, stateHash: hash, receipt }).strict().nullable(),
      memory: fileWord.optional(),
      before: endedBefore.optional(),
    })
    .strict(),
  /**
   * The replica is at `step` and the probe (micro-batch 0 of epoch 0 under the initial weights, twice) has been
   * computed.
   */
  ready: z
    .object({
      type: z.literal('ready'),
      ...envelope,
      stateHash: hash,
      /**
       * `numerics`: what the bits depend on at this worker, library and kind of processor; absent where they depend on
       * neither. `failed`: why there is no digest, where a teacher could not label the micro-batch.
       */
      probe: z
        .object({
          digest: hash,
          repeatable: z.boolean(),
          numerics: name.optional(),
          failed: said.optional(),
        })
        .strict(),
    })
    .strict(),
  /**
   * As often as the welcome says. `progress` counts micro-batches and other signs of life of the trainer; `rttMs`: a
   * round trip measured since the last one.
   */
  heartbeat: z
    .object({
      type: z.literal('heartbeat'),
      ...envelope,
      progress: count,
      sentMs: z.number(),
      rttMs: z.number().nonnegative().optional(),
      rssBytes: count,
      tensors: count,
    })
    .strict(),
  /** A computed lease. Payload: the contribution's bytes if `bytes` <= limits.pieceBytes, else nothing until `pull`. */
  offer: z
    .object({
      type: z.literal('offer'),
      ...envelope,
      lease: count,
      stateHash: hash,
      /** Length of the contribution in bytes; 0 when no term applied to any of its samples. */
      bytes: count,
      /** Fast hash of those bytes. */
      digest: hash,
      /** Named sums over the block's samples, added in tree order: losses by term, counts, correct answers. */
      sums: rawSums,
      /** Per batch-norm layer: how many values each of its moments was taken over. */
      momentCounts: z.array(count).max(65536),
      /** Seconds spent, by phase; one without is left out. */
      seconds: z.partialRecord(z.enum(phases), z.number().min(0).max(1e9)),
    })
    .strict(),
  /**
   * Bytes [offset, offset + length) of a contribution: the payload, or what was put into the file; `checksum` is theirs
   * (checksum.ts).
   */
  chunk: z
    .object({
      type: z.literal('chunk'),
      ...envelope,
      lease: count,
      offset: count,
      total: count,
      checksum: count,
      placed,
    })
    .strict(),
  /** Chunks of commits that were read in the file. */
  took: z.object({ type: z.literal('took'), ...envelope, chunks: chunksTaken }).strict(),
  /**
   * The lease could not be computed; `teacher`: since that one failed. Data, not an exception: the block goes to
   * another worker.
   */
  failed: z
    .object({
      type: z.literal('failed'),
      ...envelope,
      lease: count,
      microBatch: count,
      reason: said,
      teacher: name.optional(),
    })
    .strict(),
  /**
   * After the release of the last step the replica's state is not the released one. The answer is `resync`, or a
   * refusal the third time.
   */
  differs: z.object({ type: z.literal('differs'), ...envelope, stateHash: hash }).strict(),
  /** What the worker did, where the welcome says that the run is traced. */
  spans: z.object({ type: z.literal('spans'), ...envelope, ...spansFields }).strict(),
  /**
   * The worker leaves in good order. `failure`: since it failed, for that reason; the exit code that it ends with, and its
   * newest lines in their order.
   */
  leave: z
    .object({
      type: z.literal('leave'),
      ...envelope,
      reason: said,
      failure: z
        .object({ code: count.max(255), lines: z.array(said).max(limits.lastLines) })
        .strict()
        .optional(),
    })
    .strict(),
} as const;

export const scalarsSchema = z
  .object({
    /** True: the step covers its samples without an update. */
    skip: z.boolean(),
    /** Updates made so far, this one included; Adam's t. */
    update: count,
    clip: z.number(),
    /** By parameter group, in the order of the plan: every factor that the update rule needs, already computed. */
    groups: z.array(sums).max(1024),
    ema: z.number(),
  })
  .strict();

/** Coordinator to worker. */
export const downSchemas = {
  welcome: z
    .object({
      type: z.literal('welcome'),
      ...envelope,
      /** The coordinator's life: a counter alone cannot tell two coordinators on copies of one run folder apart. */
      nonce: name,
      /** The worker's short name in this run, for logs. */
      worker: name,
      recipe: z.unknown(),
      recipeDigest: sha256,
      student: artifactSchema,
      teachers: z.array(teacherSchema).max(64),
      /** Loss plug-ins that every worker must have installed; absent for none. */
      plugins: z.array(z.object({ name, sha256 }).strict()).max(64).optional(),
      manifest: artifactSchema,
      /** The initial weights (a snapshot at step 0), for the numerics probe. */
      initial: artifactSchema,
      /** The newest snapshot, or null when the log continues from what the worker holds. */
      snapshot: z.object({ sha256, bytes: count, step: count, receipt }).strict().nullable(),
      heartbeatMs: count,
      /** The run is traced: `spans` are wanted. */
      traced: z.literal(true).optional(),
      /** The nonce in the file that the worker has offered; absent where bulk bytes are to travel inline. */
      memory: fileWord.optional(),
    })
    .strict(),
  lease: z.object({ type: z.literal('lease'), ...envelope, lease: leaseSchema }).strict(),
  /** Stop computing this lease, forget its contribution. */
  cancel: z.object({ type: z.literal('cancel'), ...envelope, lease: count }).strict(),
  pull: z.object({ type: z.literal('pull'), ...envelope, lease: count }).strict(),
  /**
   * Step `step` (weights `step` -> `step` + 1). Payload: the commit's bytes when they fit a chunk. Hold, do not apply.
   */
  commit: z
    .object({
      type: z.literal('commit'),
      ...envelope,
      scalars: scalarsSchema,
      /**
       * How the gradient in the commit's bytes is rounded: as the recipe says, or as it said when the commit was made.
       */
      compression: z.enum(compressions),
      /** Length of the commit's bytes, 0 for a skip. */
      bytes: count,
      digest: hash,
      momentCounts: z.array(count).max(65536),
    })
    .strict(),
  commitChunk: z
    .object({ type: z.literal('commitChunk'), ...envelope, offset: count, total: count, checksum: count, placed })
    .strict(),
  /** Chunks of contributions that were read in the file. */
  took: z.object({ type: z.literal('took'), ...envelope, chunks: chunksTaken }).strict(),
  /** Step `step` is journalled: apply the held commit. `stateHash` is the state's after it, `receipt` proves it. */
  release: z.object({ type: z.literal('release'), ...envelope, stateHash: hash, receipt }).strict(),
  /** Your replica differs: drop it, start from a snapshot again (close and reconnect with `held: null`). */
  resync: z.object({ type: z.literal('resync'), ...envelope, reason: said }).strict(),
  /** The answer to a heartbeat; `atMs`: the time of the trace, where there is one. */
  pong: z.object({ type: z.literal('pong'), ...envelope, sentMs: z.number(), atMs: z.number().optional() }).strict(),
  /**
   * The run ended. `next`: another run follows on the same address, connect again. `done`: there is nothing more to do
   * for this worker, as `text` says where the run goes on without it.
   */
  end: z
    .object({
      type: z.literal('end'),
      ...envelope,
      reason: z.enum(['done', 'stopped', 'next']),
      text: said,
    })
    .strict(),
} as const;

const upUnion = z.discriminatedUnion('type', [
  upSchemas.hello,
  upSchemas.ready,
  upSchemas.heartbeat,
  upSchemas.offer,
  upSchemas.chunk,
  upSchemas.took,
  upSchemas.failed,
  upSchemas.differs,
  upSchemas.spans,
  upSchemas.leave,
]);
const downUnion = z.discriminatedUnion('type', [
  downSchemas.welcome,
  downSchemas.lease,
  downSchemas.cancel,
  downSchemas.pull,
  downSchemas.commit,
  downSchemas.commitChunk,
  downSchemas.took,
  downSchemas.release,
  downSchemas.resync,
  downSchemas.pong,
  downSchemas.end,
]);
export const upMessageSchema = upUnion;
export const downMessageSchema = downUnion;

export type UpMessage = z.infer<typeof upUnion>;
export type DownMessage = z.infer<typeof downUnion>;
export type Up<T extends UpMessage['type']> = Extract<UpMessage, { type: T }>;
export type Down<T extends DownMessage['type']> = Extract<DownMessage, { type: T }>;
export type Lease = z.infer<typeof leaseSchema>;
export type Device = z.infer<typeof deviceSchema>;
export type TeacherSpec = z.infer<typeof teacherSchema>;
export type CommitScalars = z.infer<typeof scalarsSchema>;
export type Artifact = z.infer<typeof artifactSchema>;
