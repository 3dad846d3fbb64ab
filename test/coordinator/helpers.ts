/** Temporary folders and small records for the coordinator's tests. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { CommitLine, EvaluationLine } from '../../coordinator/store/journal.js';
import type { CommitRecord } from '../../coordinator/store/commit-record.js';
import { pieceHashes } from '../../shared/replica/piece-hash.js';

const folders: string[] = [];

/** Removed when the file's tests are over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-test-'));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function commitLine(step: number, fields: Partial<CommitLine> = {}): CommitLine {
  return {
    type: 'commit',
    generation: 1,
    atMs: 1000 + step,
    step,
    unit: step,
    epoch: 0,
    from: step * 4,
    to: step * 4 + 4,
    samples: 4,
    loss: { response: 8 },
    counts: { response: 4 },
    sums: {},
    digest: hashOf(step),
    ...fields,
  };
}

export function evaluationLine(step: number, fields: Partial<EvaluationLine> = {}): EvaluationLine {
  return {
    type: 'evaluation',
    generation: 1,
    atMs: 1000 + step,
    step,
    unit: step,
    epoch: 0,
    subject: 'student',
    samples: 10,
    sums: { samples: 10, 'student.correct': 7, 'student.loss': 5 },
    ...fields,
  };
}

export function hashOf(step: number): string {
  return step.toString(16).padStart(16, '0');
}

export function payloadOf(step: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i + step) & 0xff);
}

/** A record over `payload`; the state's hash is `hashOf(step)`. */
export function recordOf(step: number, payload: Uint8Array): CommitRecord {
  return {
    step,
    unit: step,
    scalars: { skip: payload.length === 0, update: step + 1, clip: 1, groups: [{ learningRate: 0.1 }], ema: 0 },
    compression: 'none',
    bytes: payload.length,
    digest: hashOf(99),
    momentCounts: [],
    stateHash: hashOf(step),
    line: commitLine(step),
    hashes: pieceHashes(payload),
  };
}
