import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import { applyCommit, isApplied, type CommitHeader } from '../../../shared/replica/apply-commit.js';
import { skipScalars } from '../../../shared/replica/optimizer/scalars.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { fillSlot, moments, newReplica, scalarsOf } from './replicas.js';

const fields = { name: 'adamw', weightDecay: 0.1, ema: 0.5 };

/** A commit whose bytes are put into slot 0 of the replica. */
function commitIn(replica: Replica, step: number): CommitHeader {
  fillSlot(replica, 0, step + 1);
  replica.writeMoments(0, moments);
  return {
    step,
    scalars: scalarsOf(replica, step + 1),
    compression: 'none',
    bytes: replica.slotBytes(0).length,
    momentCounts: [...moments.counts],
  };
}

const skip: CommitHeader = { step: 0, scalars: skipScalars(0), compression: 'none', bytes: 0, momentCounts: [] };

describe('the fold of the log', () => {
  it('moves weights and moving values as the replica itself does, and says where that led', () => {
    const [folded, plain] = [newReplica(fields), newReplica(fields)];
    let at = { step: 0, stateHash: folded.hashState() };
    for (let step = 0; step < 3; step++) {
      at = applyCommit(folded, at, { commit: commitIn(folded, step), slot: 0 });
      fillSlot(plain, 0, step + 1);
      plain.apply(scalarsOf(plain, step + 1), { slot: 0, moments });
      expect(at).toEqual({ step: step + 1, stateHash: plain.hashState() });
      expect(folded.hashState()).toBe(plain.hashState());
    }
  });

  it('counts a skip as a step, and moves nothing, whatever its slot holds', () => {
    const replica = newReplica(fields);
    const before = replica.hashState();
    fillSlot(replica, 0, 1);
    for (const slot of [null, 0])
      expect(applyCommit(replica, { step: 0 }, { commit: skip, slot })).toEqual({ step: 1, stateHash: before });
  });

  it.each([
    [0, 1],
    [2, 1],
    [7, 0],
  ])('refuses the commit of step %i at step %i, before anything has moved', (step, at) => {
    const replica = newReplica(fields);
    const before = replica.hashState();
    expect(() => applyCommit(replica, { step: at }, { commit: commitIn(replica, step), slot: 0 })).toThrow(
      new ProtocolError(`a commit of step ${step} came at step ${at}`),
    );
    expect(replica.hashState()).toBe(before);
  });

  it('applies no commit twice: its own position tells that it is there', () => {
    const replica = newReplica(fields);
    const commit = commitIn(replica, 0);
    expect(isApplied(0, { step: 0 })).toBe(false);
    const after = applyCommit(replica, { step: 0 }, { commit, slot: 0 });
    expect(isApplied(0, after)).toBe(true);
    expect(() => applyCommit(replica, after, { commit, slot: 0 })).toThrow(ProtocolError);
    expect(replica.hashState()).toBe(after.stateHash);
  });

  it('tells its judge the state that it was applied to, be it a skip, and fails by what that throws', () => {
    const replica = newReplica(fields);
    for (const commit of [commitIn(replica, 0), skip]) {
      const before = replica.hashState();
      const judge = (found: string): void => {
        expect(found).toBe(before);
        throw new Error('not the state that it was');
      };
      expect(() => applyCommit(replica, { step: 0 }, { commit, slot: 0 }, judge)).toThrow('not the state that it was');
    }
  });

  it('without a place for the bytes of its commit is a bug', () => {
    const replica = newReplica(fields);
    const commit = commitIn(replica, 0);
    expect(() => applyCommit(replica, { step: 0 }, { commit, slot: null })).toThrow(/the 368 bytes .* lie in no slot/);
  });
});
