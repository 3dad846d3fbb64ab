/** What peers send: frames of both directions, their messages, and labels. */
import { pack } from 'msgpackr';
import { decodeBlock, LabelBlock } from '../../../shared/labels/block.js';
import { codecOf, type Precision } from '../../../shared/labels/precision.js';
import { decodeDown, decodeUp, encodeFrame } from '../../../shared/protocol/codec.js';
import {
  decodeRows,
  encodeRows,
  labelLeaseSchema,
  leaseRequestSchema,
  parseLabelPath,
} from '../../../shared/protocol/label-messages.js';
import { protocolVersion } from '../../../shared/protocol/messages.js';
import type { RandomStream } from '../../../shared/random.js';
import { parseRange } from '../../../coordinator/server/artifacts.js';
import { mutateBytes, mutateJson, mutateText, pick, randomBytes } from '../mutate.js';
import type { Target } from '../target.js';

const where = { run: 'run', generation: 1, step: 3 };
const hash = '0123456789abcdef';

const ups = [
  {
    type: 'hello',
    ...where,
    protocol: protocolVersion,
    worker: 'w',
    device: { backend: 'wasm', gpu: null, threads: 1, host: 'h', pid: 1, version: 'v' },
    recipeDigest: null,
    held: { nonce: 'n', step: 3, stateHash: hash, receipt: 'a'.repeat(64) },
    memory: '0'.repeat(32),
    before: { signal: 'SIGKILL', lines: ['said last'] },
  },
  { type: 'ready', ...where, stateHash: hash, probe: { digest: hash, repeatable: true } },
  { type: 'heartbeat', ...where, progress: 3, sentMs: 5, rssBytes: 7, tensors: 1 },
  {
    type: 'offer',
    ...where,
    lease: 1,
    stateHash: hash,
    bytes: 16,
    digest: hash,
    sums: { response: 0.5, samples: 4 },
    momentCounts: [4],
    seconds: {},
  },
  { type: 'chunk', ...where, lease: 1, offset: 0, total: 16, checksum: 5 },
  { type: 'chunk', ...where, lease: 1, offset: 0, total: 16, checksum: 5, placed: { place: 1, bytes: 16 } },
  { type: 'took', ...where, chunks: 2 },
  { type: 'failed', ...where, lease: 1, microBatch: 0, reason: 'x' },
  { type: 'differs', ...where, stateHash: hash },
  { type: 'spans', ...where, offsetMs: 5, errorMs: 1, lost: 0, spans: [['label', 1, 2, 3, 0, null]] },
  { type: 'leave', ...where, reason: 'x' },
  { type: 'leave', ...where, reason: 'x', failure: { code: 65, lines: ['y'] } },
];

const downs = [
  { type: 'release', ...where, stateHash: hash, receipt: 'a'.repeat(64) },
  { type: 'resync', ...where, reason: 'x' },
  { type: 'pong', ...where, sentMs: 1, atMs: 7 },
  { type: 'commitChunk', ...where, offset: 0, total: 16, checksum: 5 },
  { type: 'commitChunk', ...where, offset: 0, total: 16, checksum: 5, placed: { place: 1, bytes: 16 } },
  { type: 'took', ...where, chunks: 2 },
  { type: 'cancel', ...where, lease: 1 },
  { type: 'pull', ...where, lease: 1 },
  {
    type: 'lease',
    ...where,
    lease: {
      id: 1,
      kind: 'train',
      step: 3,
      epoch: 0,
      from: 0,
      to: 8,
      microBatches: 2,
      block: { level: 0, index: 1 },
      divisors: { response: 8 },
      scalars: {},
    },
  },
];

/** A frame of a message that may be none, in the form of one. */
function frameOf(message: unknown, random: RandomStream): Uint8Array {
  return Buffer.concat([soundFrame(message), randomBytes(random.below(32), random)]);
}

/** The bytes as a socket may hand them over. */
function inFragments(frame: Uint8Array, random: RandomStream): Uint8Array | Uint8Array[] {
  if (random.below(2) === 0) return frame;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < frame.length;) {
    const to = at + random.below(frame.length - at + 1);
    parts.push(frame.subarray(at, to));
    if (parts.length > 60) return [...parts, frame.subarray(to)];
    at = to;
  }
  return parts;
}

const sound = encodeFrame({ type: 'cancel', ...where, lease: 1 });

export const frames: Target = {
  name: 'frames',
  share: 40,
  open: async () => ({
    run: (random) => {
      const isUp = random.below(2) === 0;
      const message = mutateJson(pick<unknown>(random, isUp ? ups : downs), random);
      const made = random.below(8) === 0 && sound instanceof Uint8Array ? sound : frameOf(message, random);
      const data = inFragments(random.below(2) === 0 ? made : mutateBytes(made, random), random);
      if (isUp) decodeUp(data);
      else decodeDown(data);
    },
  }),
};

export const labels: Target = {
  name: 'labels',
  share: 10,
  open: async () => ({
    run: (random) => {
      const precision = pick<Precision>(random, [{ name: 'float32' }, { name: 'float16' }, { name: 'top-k', k: 2 }]);
      const codec = codecOf(precision, { classes: 5, isDistribution: random.below(2) === 0 });
      const block = new LabelBlock(codec, 40);
      block.add(3, Float32Array.of(0.1, 0.2, 0.3, 0.2, 0.2).map(Math.log), 0);
      const found = decodeBlock(codec, 40, mutateBytes(block.bytes, random));
      if (found?.fault() === null)
        for (let row = 0; row < 40; row++) if (found.has(row)) found.read(row, new Float32Array(5), 0);
      const rows = encodeRows([{ id: 1, bytes: block.rowBytes(3) }], codec.rowBytes);
      decodeRows(mutateBytes(rows, random), codec.rowBytes, 40);
      leaseRequestSchema.safeParse(mutateJson({ worker: 'w' }, random));
      labelLeaseSchema.safeParse(mutateJson({ type: 'lease', view: 0, block: 1 }, random));
    },
  }),
};

export const paths: Target = {
  name: 'paths',
  share: 5,
  open: async () => ({
    run: (random) => {
      parseLabelPath(mutateText('/labels/0/1/rows?from=3', random));
      const range = parseRange(mutateText('bytes=3-500', random), random.below(1000));
      if (range === null || range === 'unsatisfiable') return;
      if (!(range.from >= 0 && range.from < range.to && range.to <= 1000))
        throw new Error(`range ${JSON.stringify(range)}`);
    },
  }),
};

/** The messages that cases begin with: all of them are sound. */
export const soundMessages = { ups, downs, frameOf: (message: unknown): Uint8Array => soundFrame(message) };

function soundFrame(message: unknown): Uint8Array {
  const header = pack(message);
  const head = Buffer.alloc(Math.ceil((4 + header.length) / 8) * 8);
  head.writeUInt32LE(header.length, 0);
  head.set(header, 4);
  return head;
}
