/**
 * Where a worker that says hello starts from: from what it holds and the log after it, or from a snapshot. Pure but for
 * the stores that it looks into.
 */
import type { Up } from '../../shared/protocol/messages.js';
import type { Receipts } from '../exchange/receipts.js';
import type { KeptCommits } from '../store/kept-commits.js';
import type { Snapshot, Snapshots } from '../store/snapshots.js';

export type StartPoint =
  /** Feed commits from `step` on; begin with the snapshot, unless the worker holds that state already (null). */
  | { readonly type: 'start'; readonly step: number; readonly snapshot: Snapshot | null }
  /** Not all commits after the newest snapshot are kept, since they are not on the disk: a newer one is wanted first. */
  | { readonly type: 'wait' }
  /** The worker has applied `step` commits of this run, more than this folder knows, and has proved it. */
  | { readonly type: 'ahead'; readonly step: number };

/** Where the hashes of the run's earlier states can be found. */
export interface KnownStates {
  readonly log: Pick<KeptCommits, 'has' | 'stateHashAfter' | 'isDurable'>;
  readonly snapshots: Pick<Snapshots, 'all' | 'newest'>;
  /** The commits released so far, and the hash of the state after them. */
  readonly broadcast: { readonly released: number; readonly stateHash: string };
}

/** The coordinators that this run has had. */
export interface Lineage {
  /** Generations by their nonces. */
  readonly nonces: ReadonlyMap<string, number>;
  /** The generation that last made commits void; 0 for none. Workers of those before it may hold them in good faith. */
  readonly rewoundBy: number;
  /** What proves that a step was released. */
  readonly receipts: Receipts;
}

export function startPointOf({ held }: Pick<Up<'hello'>, 'held'>, known: KnownStates, lineage: Lineage): StartPoint {
  if (held !== null && lineage.nonces.has(held.nonce)) {
    if (isProvenAhead(held, known, lineage)) return { type: 'ahead', step: held.step };
    if (stateHashBefore(held.step, known) === held.stateHash && canFeedFrom(held.step, known))
      return { type: 'start', step: held.step, snapshot: null };
  }
  const { newest } = known.snapshots;
  if (newest === undefined) throw new Error('a run has a snapshot from its start on');
  const { log, broadcast } = known;
  if (!log.isDurable && newest.step < broadcast.released && !log.has(newest.step)) return { type: 'wait' };
  return { type: 'start', step: newest.step, snapshot: newest };
}

/** A claim without proof is nobody's word: such a worker starts where any other does. */
function isProvenAhead(
  held: NonNullable<Up<'hello'>['held']>,
  { broadcast }: KnownStates,
  { nonces, rewoundBy, receipts }: Lineage,
): boolean {
  if (held.step <= broadcast.released) return false;
  const generation = receipts.generationOf(held.receipt, held, nonces);
  return generation !== null && generation >= rewoundBy;
}

/** Hash of the state before step `step`; undefined where neither log nor snapshots know it any more. */
export function stateHashBefore(step: number, { log, snapshots, broadcast }: KnownStates): string | undefined {
  if (step === broadcast.released) return broadcast.stateHash;
  return log.stateHashAfter(step - 1) ?? snapshots.all.find((snapshot) => snapshot.step === step)?.stateHash;
}

function canFeedFrom(step: number, { log, broadcast }: KnownStates): boolean {
  return step === broadcast.released || log.has(step);
}
