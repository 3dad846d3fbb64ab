/** What is said of the fold over a live link is in link.test.ts; here, commits of every encoding. */
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import { checksumOf, hashOf } from '../../../shared/replica/piece-hash.js';
import type { Down } from '../../../shared/protocol/messages.js';
import { contributionBytes } from '../../../shared/replica/reduction/contribution.js';
import { compressions, type Compression } from '../../../shared/compression.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { ReplicaFold } from '../../../worker/link/replica-fold.js';
import { Control } from '../../../worker/threads/control.js';
import { initialWeights, recipeOf, specOf } from '../fakes.js';

const spec = specOf(300);
const { optimizer } = recipeOf();
const scalars = {
  skip: false,
  update: 1,
  clip: 1,
  groups: [{ learningRate: 0.5, weightDecay: 0, momentum: 0 }],
  ema: 0,
};
const momentCounts = [10];

function replicaOf(compression: Compression, slots: number): Replica {
  const replica = new Replica(planReplica(spec, optimizer, compression), { slots });
  replica.loadWeights(initialWeights(spec));
  return replica;
}

/** A commit of this encoding, and the state that it leads to. */
function commitOf(compression: Compression): { message: Down<'commit'>; bytes: Uint8Array; stateHash: string } {
  const source = replicaOf(compression, 1);
  source.leaf(0).forEach((_, i, leaf) => (leaf[i] = Math.sin(i)));
  source.settleLeaf(0);
  source.writeMoments(0, { counts: momentCounts, values: Float64Array.of(1, 2, 3, 4) });
  const bytes = Uint8Array.from(source.slotBytes(0));
  const digest = source.hashSlot(0);
  source.apply(scalars, { slot: 0, moments: source.readMoments(0, momentCounts) });
  return {
    message: {
      type: 'commit',
      run: 'r',
      generation: 1,
      step: 0,
      scalars,
      compression,
      bytes: bytes.length,
      digest,
      momentCounts,
    },
    bytes,
    stateHash: source.hashState(),
  };
}

describe.each(compressions)('the fold of a run compressed to %s', (own) => {
  it.each(compressions)(
    'applies a commit of %s, as the log may hold from before, with its header or after it',
    (given) => {
      for (const isInline of [true, false]) {
        const { message, bytes, stateHash } = commitOf(given);
        const fold = new ReplicaFold(replicaOf(own, 3), new Control(), 2);
        fold.hold(message, isInline ? bytes : new Uint8Array(0));
        if (!isInline) {
          const at = { offset: 0, total: bytes.length, checksum: checksumOf([hashOf(bytes)]) };
          fold.collect({ type: 'commitChunk', run: 'r', generation: 1, step: 0, ...at }, bytes);
        }
        expect(fold.release({ type: 'release', run: 'r', generation: 1, step: 0, stateHash, receipt: '' })).toBe(
          'applied',
        );
      }
    },
  );

  it('refuses a length that its encoding does not have, before anything of it is kept', () => {
    const fold = new ReplicaFold(replicaOf(own, 3), new Control(), 2);
    for (const given of compressions) {
      const { message, bytes } = commitOf(given);
      const wanted = contributionBytes(fold.replica.plan, given);
      for (const size of [wanted - 4, wanted + 4, 2 ** 40]) {
        expect(() => fold.hold({ ...message, bytes: size }, new Uint8Array(0))).toThrow(
          new ProtocolError(`a commit has ${size} bytes, this student's has ${wanted}`),
        );
      }
      expect(() => fold.hold(message, bytes.subarray(1))).toThrow(/truncated/);
    }
  });
});
