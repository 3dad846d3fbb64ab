/**
 * What workers and the coordinator tell each other about labels: HTTP requests under /labels/, behind the run's token.
 * Every message has one zod schema, or one codec where it is bytes; its type is inferred from it and both sides use it.
 * Nothing here knows a socket or a clock: it is pure.
 *
 *   worker                                     coordinator
 *     GET  /labels/run                  ->
 *                                       <-     LabelRun       what is to be labelled, and by which teachers
 *     POST /labels/lease (LeaseRequest) ->
 *                                       <-     LabelLease     the block to label next
 *     GET  /labels/<set>                ->
 *                                       <-     LabelCounts    how many rows each block of the set has
 *     GET  /labels/<set>/<block>        ->
 *                                       <-     the block's bytes (shared/labels/block.ts) and their digest
 *     PUT  /labels/<set>  (RowsMessage) ->
 *                                       <-     204            the rows are in their blocks, or wait for an audit
 *
 * <set> is a label set's key (a SHA-256) and <block> the number of one of its blocks. The first two are for workers
 * that only label. Any other answer is a refusal, with the body {"error": REASON}:
 *
 *   400  the body is no LeaseRequest, or has another digest    411  a PUT without content-length
 *   401  the token is missing or wrong                         413  a body longer than its limit
 *   403  nothing more is taken of this sender                  422  rows that are, or can be, no labels of this set
 *   404  no such set, block or path in this run                503  too many rows at once: try again
 *   405  another method
 *   409  rows of samples that have others already, which stay; the rest of the message was taken
 *   410  to /labels/run: the run is done, and no more labels are wanted
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isPrintable } from '../printable.js';
import { ProtocolError } from '../errors.js';
import { artifactSchema } from './messages.js';
import { teacherSchema } from './teacher-message.js';

export const labelLimits = {
  /** Longest body of a LeaseRequest, in bytes. */
  leaseRequestBytes: 1024,
  /** Most rows of one RowsMessage, and the bytes that its rows and ids should not exceed. */
  rows: 8192,
  rowsBytes: 4 * 1024 * 1024,
  /** Longest name of a labelling worker, in characters. */
  nameLength: 64,
  /** Longest text on what a worker's bits depend on, in characters. */
  numericsLength: 256,
  teachers: 64,
} as const;

/** What a path under /labels/ names. */
export type LabelPath =
  | { readonly type: 'run' }
  | { readonly type: 'lease' }
  | { readonly type: 'set'; readonly key: string }
  | { readonly type: 'block'; readonly key: string; readonly block: number };

const labelRoot = '/labels/';
const setPath = /^\/labels\/([0-9a-f]{64})(?:\/(\d{1,9}))?$/;

/** The path of a request; `parseLabelPath` reads it back. */
export function labelPathOf(path: LabelPath): string {
  if (path.type === 'set') return `${labelRoot}${path.key}`;
  return path.type === 'block' ? `${labelRoot}${path.key}/${path.block}` : `${labelRoot}${path.type}`;
}

/** What the path of a request names; null for a path that is none of this protocol's. */
export function parseLabelPath(path: string): LabelPath | null {
  if (path === `${labelRoot}run`) return { type: 'run' };
  if (path === `${labelRoot}lease`) return { type: 'lease' };
  const [, key, block] = setPath.exec(path) ?? [];
  if (key === undefined) return null;
  return block === undefined ? { type: 'set', key } : { type: 'block', key, block: Number(block) };
}

/** Coordinator to worker: what is to be labelled, and by which teachers. `recipe` is checked by the worker. */
export const labelRunSchema = z
  .object({
    recipe: z.unknown(),
    recipeDigest: z.string(),
    teachers: z.array(teacherSchema).max(labelLimits.teachers),
    manifest: artifactSchema,
  })
  .strict();
export type LabelRun = z.infer<typeof labelRunSchema>;

/** Worker to coordinator: the worker of this name asks for a block. It gives up the block that it had. */
export const leaseRequestSchema = z
  .object({
    worker: z.string().min(1).max(labelLimits.nameLength).refine(isPrintable, 'a name with control characters'),
  })
  .strict();
export type LeaseRequest = z.infer<typeof leaseRequestSchema>;

const count = z.number().int().nonnegative();

/**
 * Coordinator to worker. `lease`: label this block of this view of the samples. `wait`: other workers have all the
 * blocks that are left; ask again. `done`: no block is left, or labels are not wanted any more.
 */
export const labelLeaseSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('lease'), view: count, block: count }).strict(),
  z.object({ type: z.literal('wait') }).strict(),
  z.object({ type: z.literal('done') }).strict(),
]);
export type LabelLease = z.infer<typeof labelLeaseSchema>;

/** Coordinator to worker: the number of rows that the coordinator has of each block of a set, in the blocks' order. */
export const labelCountsSchema = z.object({ counts: z.array(count) });
export type LabelCounts = z.infer<typeof labelCountsSchema>;

/** Header that names the worker, so that its rows count as a sign of life, and what is wrong with them against it. */
export const workerHeader = 'x-stillhouse-worker';

/** Header that says what the bits of the worker's labels depend on: those of workers of the same are equal. */
export const numericsHeader = 'x-stillhouse-numerics';

/** Header that carries the SHA-256 of a block's bytes, or of a RowsMessage. */
export const digestHeader = 'content-digest';

/** The value of the Content-Digest header for these bytes (RFC 9530). */
export function contentDigest(bytes: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;
}

/** Worker to coordinator: labels of some samples, each as the bytes of one row of the set. */
export interface RowsMessage {
  /** Sample numbers, one a row. */
  readonly ids: Uint32Array;
  /** The bytes of row `i`. */
  readonly row: (i: number) => Uint8Array;
}

/** One label as it is sent. */
export interface LabelRow {
  /** Number of the sample. */
  readonly id: number;
  readonly bytes: Uint8Array;
}

/**
 * The bytes of a RowsMessage: u32 count | u32 sample numbers | rows, all little-endian.
 *
 * @param rowBytes length of every row in bytes
 */
export function encodeRows(rows: readonly LabelRow[], rowBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(messageBytes(rows.length, rowBytes));
  new Uint32Array(bytes.buffer, 0, 1 + rows.length).set([rows.length, ...rows.map(({ id }) => id)]);
  for (const [i, row] of rows.entries()) bytes.set(row.bytes, 4 + 4 * rows.length + i * rowBytes);
  return bytes;
}

/** @throws ProtocolError for anything but whole rows of `rowBytes` bytes for samples below `samples` */
export function decodeRows(bytes: Uint8Array, rowBytes: number, samples: number): RowsMessage {
  if (bytes.length < 4) throw new ProtocolError('a label message without a count');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows = view.getUint32(0, true);
  if (rows > labelLimits.rows || bytes.length !== messageBytes(rows, rowBytes))
    throw new ProtocolError(`a label message of ${bytes.length} bytes for ${rows} rows of ${rowBytes}`);
  const ids = Uint32Array.from({ length: rows }, (_, i) => view.getUint32(4 + 4 * i, true));
  const beyond = ids.find((id) => id >= samples);
  if (beyond !== undefined) throw new ProtocolError(`a label for sample ${beyond} of ${samples}`);
  return { ids, row: (i) => bytes.subarray(4 + 4 * rows + i * rowBytes, 4 + 4 * rows + (i + 1) * rowBytes) };
}

/** Rows of `rowBytes` bytes that fit one RowsMessage; one at least. */
export function rowsPerMessage(rowBytes: number): number {
  return Math.max(1, Math.min(labelLimits.rows, Math.floor(labelLimits.rowsBytes / (4 + rowBytes))));
}

/** Length in bytes of a RowsMessage with the most rows that it may have. */
export function longestRowsMessage(rowBytes: number): number {
  return messageBytes(rowsPerMessage(rowBytes), rowBytes);
}

function messageBytes(rows: number, rowBytes: number): number {
  return 4 + rows * (4 + rowBytes);
}
