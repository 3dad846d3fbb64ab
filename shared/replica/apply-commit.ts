/**
 * The fold of the log, state = apply(state, commit): the same bits on the coordinator when it commits, on one that
 * recovers, and on every worker. It exists once, here. A replica applies each commit once and in order. The hash of the
 * state after a commit says what it led to; the caller compares it with the one that was announced. The fold never asks
 * which generation made a commit: a log holds commits of several, and the connection refuses frames of any but its own
 * (worker/link).
 */
import { ProtocolError } from '../errors.js';
import type { Down } from '../protocol/messages.js';
import type { Replica } from './replica.js';

/** Where a replica stands in the log. */
export interface ReplicaPosition {
  /** Commits applied, which is the step of the next one. */
  readonly step: number;
  /** Hash of the state that they led to (Replica.hashState). */
  readonly stateHash: string;
}

/** What the fold needs of a commit, be it from the wire, from the log or just made. */
export type CommitHeader = Pick<Down<'commit'>, 'step' | 'scalars' | 'compression' | 'bytes' | 'momentCounts'>;

/** Whether a replica at `position` has applied the commit of this step, which must then change nothing again. */
export function isApplied(step: number, position: Pick<ReplicaPosition, 'step'>): boolean {
  return step < position.step;
}

/** @throws ProtocolError when the commit of this step is not the next one of a replica at `position` */
export function expectNext(step: number, position: Pick<ReplicaPosition, 'step'>): void {
  if (step !== position.step) throw new ProtocolError(`a commit of step ${step} came at step ${position.step}`);
}

/**
 * Applies one commit to a replica, in place: weights, optimizer moments, averaged weights and batch-norm moving values.
 *
 * @param at where the replica stands
 * @param slot the slot that holds the commit's bytes, gradient and moments, in the commit's own encoding; not read when
 * the commit has none, as a skip
 * @param judge is told the hash of the state that the commit was applied to; what it throws is thrown here, and may
 * leave a replica that is of no use any more
 * @returns where the replica stands then, with the hash of its whole state
 * @throws ProtocolError when the commit is not the replica's next one; nothing has changed then
 */
export function applyCommit(
  replica: Replica,
  at: Pick<ReplicaPosition, 'step'>,
  { commit, slot }: { readonly commit: CommitHeader; readonly slot: number | null },
  judge?: (stateHash: string) => void,
): ReplicaPosition {
  const { step, scalars, compression, bytes, momentCounts } = commit;
  expectNext(step, at);
  if (bytes !== 0 && slot === null) throw new Error(`the ${bytes} bytes of the commit of step ${step} lie in no slot`);
  const body =
    bytes === 0 || slot === null
      ? { slot: null, moments: null }
      : { slot, moments: replica.readMoments(slot, momentCounts, compression), compression };
  const { before, after } = replica.applyHashed(scalars, body, judge !== undefined);
  if (before !== null) judge?.(before);
  return { step: step + 1, stateHash: after };
}
