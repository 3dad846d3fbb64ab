import { describe, expect, it } from 'vitest';
import { limits } from '../../../shared/protocol/messages.js';
import { randomStream } from '../../../shared/random.js';
import { pieceHashes } from '../../../shared/replica/piece-hash.js';
import { split } from '../../../shared/replica/pieces.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { commitScalars } from '../../../shared/replica/optimizer/scalars.js';
import { optimizerOf, studentOf, weightOf } from './student.js';

const pieceFloats = limits.pieceBytes / 4;

/** Ranges that begin and end nowhere in particular, one of them frozen, over more than two pieces. */
const sizes = [4, 20, pieceFloats + 12, 1000, pieceFloats, 36];

function replicaOf(
  optimizer: Record<string, unknown>,
  compression: 'none' | 'bf16' | 'int8' = 'none',
  isNormed = false,
) {
  const trained = sizes.map((size, i) => weightOf(`w${i}/kernel`, [size]));
  const norm = [
    weightOf('bn/gamma', [3]),
    weightOf('bn/beta', [3]),
    weightOf('bn/moving_mean', [3], 'mean', 0.9),
    weightOf('bn/moving_variance', [3], 'variance', 0.9),
  ];
  const student = studentOf(isNormed ? [...trained, ...norm] : trained);
  const wanted = optimizerOf({ learningRate: 0.01, ...optimizer });
  const replica = new Replica(planReplica(student, wanted, compression), { slots: 3 });
  const stream = randomStream([1, 'running']);
  const state = new Float32Array(replica.memory.buffer, 0, replica.plan.stateBytes / 4);
  for (let i = 0; i < state.length; i++) state[i] = stream.float();
  return { replica, stream };
}

function fillSlot(replica: Replica, i: number, stream: { float(): number }): void {
  const leaf = replica.leaf(i);
  for (let j = 0; j < leaf.length; j++) leaf[j] = stream.float() - 0.5;
  replica.settleLeaf(i);
}

const frozen = { freeze: ['w3/*'] };

describe('what is taken part by part is what one pass gives', () => {
  it.each([{}, frozen])('of a sum: %j', (groups) => {
    const { replica, stream } = replicaOf({ name: 'sgd', ...groups });
    for (const i of [0, 1]) fillSlot(replica, i, stream);
    replica.slotBytes(2).set(replica.slotBytes(0));
    replica.addSlots(2, 1);
    const facts = replica.addSlotsHashed(0, 1);
    expect(Buffer.compare(replica.slotBytes(0), replica.slotBytes(2))).toBe(0);
    expect(facts).toEqual({ hashes: replica.hashPieces(2), squares: replica.slotSquares(2) });
    expect(replica.hashPieces(0, undefined, facts?.hashes)).toEqual(replica.hashPieces(2));
  });

  it.each(['bf16', 'int8'] as const)('a rounded sum (%s) is added, and nothing is taken of it', (compression) => {
    const { replica, stream } = replicaOf({ name: 'sgd' }, compression);
    for (const i of [0, 1]) fillSlot(replica, i, stream);
    replica.slotBytes(2).set(replica.slotBytes(0));
    replica.addSlots(2, 1);
    expect(replica.addSlotsHashed(0, 1)).toBeNull();
    expect(Buffer.compare(replica.slotBytes(0), replica.slotBytes(2).subarray(0, replica.slotBytes(0).length))).toBe(0);
  });

  it.each(['none', 'bf16', 'int8'] as const)('of contributions that come at the same time (%s)', (compression) => {
    const { replica, stream } = replicaOf({ name: 'sgd', ...frozen }, compression);
    for (const i of [0, 1]) fillSlot(replica, i, stream);
    const arriving = [0, 1].map((i) => ({ i, taking: replica.incoming(i) }));
    for (const { offset, length } of split(replica.slotBytes(0).length))
      for (const { i, taking } of arriving) {
        const piece = replica.slotBytes(i).subarray(offset, offset + length);
        expect(taking.take(piece)).toBe(replica.hashPiece(piece));
      }
    for (const { i, taking } of arriving)
      expect(taking.finish()).toEqual({ hashes: pieceHashes(replica.slotBytes(i)), squares: replica.slotSquares(i) });
  });

  it('pieces that hold moments are left to be hashed once these are written', () => {
    const { replica, stream } = replicaOf({ name: 'sgd' }, 'none', true);
    for (const i of [0, 1]) fillSlot(replica, i, stream);
    const facts = replica.addSlotsHashed(0, 1);
    expect(facts?.hashes).toEqual(replica.hashPieces(0).slice(0, 2));
    replica.writeMoments(0, { counts: [7], values: Float64Array.from([1, 2, 3, 4, 5, 6]) });
    expect(replica.hashPieces(0, undefined, facts?.hashes)).toEqual(replica.hashPieces(0));
  });

  it('a contribution that is not finite is found, wherever it is not', () => {
    const { replica, stream } = replicaOf({ name: 'sgd' });
    for (const at of [0, pieceFloats - 1, pieceFloats + 3, 2 * pieceFloats + 1071]) {
      fillSlot(replica, 0, stream);
      replica.slot(0)[at] = NaN;
      const taking = replica.incoming(0);
      for (const { offset, length } of split(replica.slotBytes(0).length))
        taking.take(replica.slotBytes(0).subarray(offset, offset + length));
      expect(taking.finish()).toBeNull();
      expect(replica.finiteLeafSquares(0)).toBeNull();
    }
  });
});

describe('a commit that is applied and hashed in one pass', () => {
  it.each([
    ['sgd', 'none', false],
    ['sgd', 'int8', false],
    ['sgd', 'none', true],
    ['adam', 'none', false],
    ['adam', 'bf16', true],
  ] as const)(
    'leads to the state and the hashes of two passes: %s, %s, batch norm %s',
    (name, compression, isNormed) => {
      for (const options of [{}, frozen, { ema: 0.9 }]) {
        const { replica, stream } = replicaOf({ name, ...options }, compression, isNormed);
        fillSlot(replica, 0, stream);
        const moments = isNormed ? { counts: [7], values: Float64Array.from([1, 2, 3, 4, 5, 6]) } : null;
        const scalars = commitScalars(replica.plan, { update: 1, step: 0, totalSteps: 9, gradientSquares: 4 });
        const start = replica.state().slice();
        const startHash = replica.hashState();
        replica.apply(scalars, { slot: 0, moments });
        const [end, endHash] = [replica.state().slice(), replica.hashState()];
        for (const isBefore of [true, false]) {
          replica.state().set(start);
          const hashes = replica.applyHashed(scalars, { slot: 0, moments }, isBefore);
          expect(Buffer.compare(replica.state(), end)).toBe(0);
          expect(hashes).toEqual({ before: isBefore ? startHash : null, after: endHash });
        }
      }
    },
  );
});
