/**
 * The coordinator's own cost: an event (a small frame in, checked, and one out), a byte of a contribution (chunk
 * checked and placed, digest, finite, added) and a byte of a commit (digest, checksums, update, state hash, stored
 * durably). Prints a JSON line for each. Arguments: [weights = 1,000,000]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommitLog } from '../coordinator/store/log.js';
import type { StudentSpec } from '../shared/models/student-spec.js';
import { termSums } from '../shared/figures/training-sums.js';
import { commitScalars } from '../shared/replica/optimizer/scalars.js';
import { checksumOf, hashOf } from '../shared/replica/piece-hash.js';
import { split } from '../shared/replica/pieces.js';
import { socketPlane } from '../shared/exchange/planes/socket.js';
import { decodeUp, encodeFrame } from '../shared/protocol/codec.js';
import type { UpMessage } from '../shared/protocol/messages.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { planReplica } from '../shared/replica/plan.js';
import { Replica } from '../shared/replica/replica.js';

const weights = Number(process.argv[2] ?? 1_000_000);
const envelope = { run: 'bench', generation: 1, step: 1 };
const digest = '0123456789abcdef';

/** Median of the times of `runs` calls, in milliseconds. */
async function timeMs(runs: number, work: (i: number) => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await work(i);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[runs >> 1] ?? 0;
}

function print(what: string, fields: Record<string, number>): void {
  process.stdout.write(`${JSON.stringify({ what, ...fields })}\n`);
}

const round = (value: number): number => Number(value.toPrecision(3));

async function events(): Promise<void> {
  const heartbeat: UpMessage = {
    type: 'heartbeat',
    ...envelope,
    progress: 5,
    sentMs: 1e12,
    rssBytes: 1e9,
    tensors: 100,
  };
  const offer: UpMessage = {
    type: 'offer',
    ...envelope,
    lease: 7,
    stateHash: digest,
    bytes: 4 * weights,
    digest,
    momentCounts: [64, 64],
    sums: {
      samples: 32,
      ...termSums('crossEntropy', 12.5, 32),
      ...termSums('response', 40.25, 32),
      correct: 20,
      labelled: 32,
    },
    seconds: { labels: 0.01, student: 0.02, reduce: 0.001, wait: 0.005 },
  };
  for (const message of [heartbeat, offer]) {
    const frame = encodeFrame(message);
    const bytes = frame instanceof Uint8Array ? frame : frame[0];
    const decodeUs = await timeMs(5, () => repeat(2000, () => decodeUp(bytes)));
    const encodeUs = await timeMs(5, () => repeat(2000, () => encodeFrame(message)));
    print(`frame ${message.type}`, {
      bytes: bytes.length,
      decodeMicroseconds: round(decodeUs / 2),
      encodeMicroseconds: round(encodeUs / 2),
    });
  }
}

function repeat(times: number, work: () => unknown): void {
  for (let i = 0; i < times; i++) work();
}

function student(): StudentSpec {
  return {
    topology: {},
    inputShape: [1],
    classes: 2,
    weights: [{ name: 'w/kernel', layer: 'w', shape: [weights], kind: 'trained' }],
  };
}

function adam(): ReturnType<typeof recipeSchema.parse>['optimizer'] {
  return recipeSchema.shape.optimizer.parse({ name: 'adam', learningRate: 0.001, clipNorm: 1 });
}

async function bytes(): Promise<void> {
  const plan = planReplica(student(), adam());
  const replica = new Replica(plan, { slots: 3 });
  replica.loadWeights(
    new Map([['w/kernel', Float32Array.from({ length: weights }, (_, i) => Math.fround(Math.sin(i)))]]),
  );
  replica.slot(0).fill(0.001);
  replica.slot(1).fill(0.002);
  const total = replica.slotBytes(0).length;
  const source = Uint8Array.from(replica.slotBytes(0));
  const chunks = split(total).map(({ offset, length }) => {
    const payload = source.subarray(offset, offset + length);
    return [{ offset, total, checksum: checksumOf([hashOf(payload)]) }, payload] as const;
  });
  const perByte = (ms: number): number => round((ms * 1e6) / total);
  const place = await timeMs(7, () => {
    const receiver = socketPlane.receive(replica.slotBytes(2), (piece) => replica.hashPiece(piece));
    for (const [header, payload] of chunks) receiver.accept(header, payload);
  });
  const check = await timeMs(7, () => replica.finiteSquares(2));
  const add = await timeMs(7, () => replica.addSlots(0, 1));
  print('contribution, nanoseconds a byte', {
    bytes: total,
    place: perByte(place),
    check: perByte(check),
    add: perByte(add),
    all: perByte(place + check + add),
  });
  await commit(replica, perByte);
}

async function commit(replica: Replica, perByte: (ms: number) => number): Promise<void> {
  const { plan } = replica;
  const payload = replica.slotBytes(0);
  const prepare = await timeMs(7, () => {
    replica.slotSquares(0);
    replica.hashPieces(0);
  });
  const scalars = commitScalars(plan, { update: 1, step: 0, totalSteps: 10, gradientSquares: 1 });
  const apply = await timeMs(7, () => replica.apply(scalars, { slot: 0, moments: null }));
  const hash = await timeMs(7, () => replica.hashState());
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-bench-'));
  const log = await CommitLog.open(folder);
  const line = { type: 'rewind', generation: 1, atMs: 0, toStep: 0, reason: '' } as const;
  const checksums = split(payload.length).map(() => 0);
  const store = await timeMs(7, (step) =>
    log.append(
      {
        step,
        unit: step,
        scalars,
        compression: 'none',
        bytes: payload.length,
        digest,
        momentCounts: [],
        checksums,
        stateHash: digest,
        line,
      },
      payload,
    ),
  );
  await log.close();
  await rm(folder, { recursive: true });
  print('commit, nanoseconds a byte', {
    bytes: payload.length,
    prepare: perByte(prepare),
    apply: perByte(apply),
    hashState: perByte(hash),
    storeDurably: perByte(store),
    processor: perByte(prepare + apply + hash),
  });
}

await events();
await bytes();
