import { readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { Journal, readJournal } from '../../../coordinator/store/journal-file.js';
import { CommitLog } from '../../../coordinator/store/log.js';
import { commitRecordSchema, type CommitRecord } from '../../../coordinator/store/commit-record.js';
import { recover, type Recovered } from '../../../coordinator/store/recovery.js';
import { Snapshots } from '../../../coordinator/store/snapshots.js';
import { sourceOf } from '../../../coordinator/store/state-copy.js';
import { commitScalars } from '../../../shared/replica/optimizer/scalars.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { compressions, type Compression } from '../../../shared/compression.js';
import { commitLine, evaluationLine, temporaryFolder } from '../helpers.js';
import { tinyRun } from '../tiny-run.js';

const run = tinyRun();
const plan = planReplica(run.student, run.recipe.optimizer);

/** A folder as a coordinator leaves it after `steps` commits, with snapshots taken before the given steps. */
async function written(
  steps: number,
  snapshotsAt: readonly number[] = [],
): Promise<{ folder: string; hashes: string[] }> {
  const folder = await temporaryFolder();
  return { folder, hashes: await goOn(folder, { from: 0, to: steps, snapshotsAt, compression: 'none' }) };
}

interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly snapshotsAt?: readonly number[];
  readonly compression: Compression;
  /** What the generation's line says; these commits are in the log all the same. */
  readonly logsGradients?: boolean;
}

/** A coordinator's life of some steps. Gives the state's hash before each of them, and after the last. */
async function goOn(
  folder: string,
  { from, to, snapshotsAt = [], compression, logsGradients }: Stretch,
): Promise<string[]> {
  const opening = opened(folder, compression, from + 1, logsGradients);
  const { log, snapshots, replica, recovered } = await opening;
  const hashes = [replica.hashState()];
  for (let step = from; step < to; step++) {
    if (snapshotsAt.includes(step)) {
      log.rotate();
      await snapshots.write(sourceOf(replica.state()), {
        step,
        update: step,
        unit: step,
        epoch: 0,
        stateHash: replica.hashState(),
        recipeDigest: run.recipeDigest,
        journal: recovered.journal.head,
      });
    }
    replica.clearSlot(0);
    replica
      .leaf(0)
      .fill((step + 1) / 8)
      .fill(Math.PI, 1, 9);
    replica.settleLeaf(0);
    const bytes = Uint8Array.from(replica.slotBytes(0));
    const scalars = commitScalars(plan, {
      update: step + 1,
      step,
      totalSteps: 100,
      gradientSquares: replica.slotSquares(0),
    });
    replica.apply(scalars, { slot: 0, moments: null });
    const line = commitLine(step, { digest: replica.hashState() });
    await log.append(
      {
        step,
        unit: step,
        scalars,
        compression,
        bytes: bytes.length,
        digest: replica.hashSlot(0),
        momentCounts: [],
        hashes: replica.hashPieces(0),
        stateHash: replica.hashState(),
        line,
        before: recovered.journal.head,
      },
      bytes,
    );
    await recovered.journal.append(line);
    hashes.push(replica.hashState());
  }
  await recovered.journal.close();
  await log.close();
  return hashes;
}

interface Opened {
  readonly log: CommitLog;
  readonly snapshots: Snapshots;
  readonly replica: Replica;
  readonly recovered: Recovered;
  readonly warnings: string[];
}

async function opened(
  folder: string,
  compression: Compression = 'none',
  generation = 10,
  logsGradients = true,
): Promise<Opened> {
  const warnings: string[] = [];
  const log = await CommitLog.open(join(folder, 'log'));
  const snapshots = await Snapshots.open(join(folder, 'snapshots'), 'r', 2);
  const replica = new Replica(planReplica(run.student, run.recipe.optimizer, compression), { slots: 2 });
  const recovering = recover({
    replica,
    log,
    snapshots,
    journalPath: join(folder, 'journal.jsonl'),
    initialWeights: run.initialWeights,
    recipeDigest: run.recipeDigest,
    run: 'r',
    logsGradients,
    faultIn: () => null,
    generation,
    timeOfDayMs: () => 9000,
    warn: (text) => warnings.push(text),
  });
  const recovered = await recovering.catch(async (error: unknown) => {
    await log.close();
    throw error;
  });
  return { log, snapshots, replica, recovered, warnings };
}

async function closing({ log, recovered }: Opened): Promise<void> {
  await log.close();
  await recovered.journal.close();
}

async function recordIn(folder: string, step: number): Promise<CommitRecord> {
  const log = await CommitLog.open(join(folder, 'log'));
  const record = await log.read(step);
  await log.close();
  return record;
}

async function journalOf(folder: string): Promise<JournalLine[]> {
  const { journal, lines } = await openedJournal(folder);
  await journal.close();
  return lines;
}

async function openedJournal(folder: string): Promise<{ journal: Journal; lines: JournalLine[] }> {
  const path = join(folder, 'journal.jsonl');
  const read = await readJournal(path, { run: 'r', logged: new Map() });
  return { journal: await Journal.open(path, read), lines: [...read.lines] };
}

function steps(lines: readonly JournalLine[]): number[] {
  return lines.flatMap((line) => (line.type === 'commit' ? [line.step] : []));
}

describe('recover', () => {
  it('begins a new run with a snapshot of the initial weights', async () => {
    const after = await opened(await temporaryFolder());
    expect(after.recovered).toMatchObject({ step: 0, update: 0, unit: 0, rewoundBy: 0 });
    expect(after.snapshots.initial?.stateHash).toBe(after.replica.hashState());
    expect([...after.replica.readWeights()]).toEqual([...run.initialWeights]);
    await closing(after);
  });

  it('comes to the same state from any snapshot', async () => {
    for (const at of [[], [2], [2, 4], [6]]) {
      const { folder, hashes } = await written(6, at);
      const after = await opened(folder);
      expect(after.recovered).toMatchObject({ step: 6, update: 6, unit: 6, stateHash: hashes[6], rewoundBy: 0 });
      await closing(after);
    }
  });

  it('reads each commit in its own encoding, whatever the run is compressed to now', async () => {
    const { folder, hashes } = await written(2);
    hashes.push(...(await goOn(folder, { from: 2, to: 4, compression: 'int8' })).slice(1));
    hashes.push(...(await goOn(folder, { from: 4, to: 6, compression: 'bf16' })).slice(1));
    const uncompressed = await written(6);
    expect(hashes.slice(0, 3)).toEqual(uncompressed.hashes.slice(0, 3));
    expect(hashes.slice(3).filter((hash, i) => hash === uncompressed.hashes[i + 3])).toEqual([]);
    for (const [i, compression] of compressions.entries()) {
      const after = await opened(folder, compression, 10 + i);
      expect(after.recovered).toMatchObject({ step: 6, update: 6, unit: 6, stateHash: hashes[6], rewoundBy: 0 });
      await closing(after);
    }
  });

  it('takes a commit that names no encoding for one of float32', async () => {
    const { folder, hashes } = await written(2);
    const { compression, ...old } = await recordIn(folder, 1);
    expect(compression).toBe('none');
    expect(commitRecordSchema.parse(old)).toEqual({ ...old, compression: 'none' });
    expect(hashes).toHaveLength(3);
  });

  it('passes over a damaged snapshot', async () => {
    const { folder, hashes } = await written(6, [2, 4]);
    const { newest } = await Snapshots.open(join(folder, 'snapshots'), 'r', 2);
    const bytes = await readFile(newest?.path ?? '');
    await writeFile(newest?.path ?? '', bytes.fill(1, 3, 9));
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 6, stateHash: hashes[6] });
    expect(after.warnings.join()).toMatch(/4-.*damaged and is passed over/);
    await closing(after);
  });

  it('says so of a newest snapshot that is cut short, or has no state', async () => {
    for (const damage of [(path: string) => truncate(path, 10), unlink]) {
      const { folder, hashes } = await written(6, [2, 4]);
      await damage((await Snapshots.open(join(folder, 'snapshots'), 'r', 2)).newest?.path ?? '');
      const after = await opened(folder);
      expect(after.recovered).toMatchObject({ step: 6, stateHash: hashes[6] });
      expect(after.warnings.join()).toMatch(/4-\w+\.json is damaged, or its state is, and is passed over/);
      await closing(after);
    }
  });

  it('drops the journal line of a commit whose log record was torn: it was never released', async () => {
    const { folder, hashes } = await written(4);
    const path = join(folder, 'log', '0.log');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 3, unit: 3, stateHash: hashes[3], rewoundBy: 0 });
    await closing(after);
    expect(steps(await journalOf(folder))).toEqual([0, 1, 2]);
  });

  it('goes back instead where the coordinator that wrote the line released commits that it did not log', async () => {
    const folder = await temporaryFolder();
    await goOn(folder, { from: 0, to: 4, compression: 'none', logsGradients: false });
    const path = join(folder, 'log', '0.log');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 3, unit: 3, rewoundBy: 10 });
    await closing(after);
    expect((await journalOf(folder)).find((line) => line.type === 'rewind')).toMatchObject({ toStep: 3 });
  });

  it('completes the journal from the log when its line was torn', async () => {
    const { folder, hashes } = await written(4);
    const path = join(folder, 'journal.jsonl');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 5));
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 4, stateHash: hashes[4] });
    await closing(after);
    expect(steps(await journalOf(folder))).toEqual([0, 1, 2, 3]);
  });

  it('goes back, and says so in the journal, when the log is damaged further up', async () => {
    const { folder, hashes } = await written(6, [1]);
    const path = join(folder, 'log', '1.log');
    const bytes = await readFile(path);
    bytes.fill(7, bytes.length >> 1, (bytes.length >> 1) + 8);
    await writeFile(path, bytes);
    const after = await opened(folder);
    const { step } = after.recovered;
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(5);
    expect(after.recovered).toMatchObject({ stateHash: hashes[step], rewoundBy: 10 });
    expect(steps(after.recovered.lines)).toEqual(Array.from({ length: step }, (_, i) => i));
    await closing(after);
    expect((await journalOf(folder)).find((line) => line.type === 'rewind')).toMatchObject({ toStep: step });
  });

  it('goes back to before a commit that gives another state than was journalled', async () => {
    const { folder, hashes } = await written(3);
    const log = await CommitLog.open(join(folder, 'log'));
    const record = await log.read(1);
    const bytes = await log.readBytes(1, { offset: 0, length: record.bytes });
    const later = await log.read(2);
    await log.truncate(1);
    await log.append({ ...record, stateHash: 'f'.repeat(16) }, bytes);
    await log.append(later, bytes);
    await log.close();
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 1, stateHash: hashes[1], rewoundBy: 10 });
    await closing(after);
    // Workers that have not come back yet may hold the void steps under the next coordinators too.
    const next = await opened(folder, 'none', 11);
    expect(next.recovered).toMatchObject({ step: 1, rewoundBy: 10 });
    await closing(next);
  });

  it('takes a newest commit that gives another state for released: a worker may hold it', async () => {
    const { folder, hashes } = await written(2);
    const log = await CommitLog.open(join(folder, 'log'));
    const record = await log.read(1);
    const bytes = await log.readBytes(1, { offset: 0, length: record.bytes });
    await log.truncate(1);
    await log.append({ ...record, stateHash: 'f'.repeat(16) }, bytes);
    await log.close();
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 1, stateHash: hashes[1], rewoundBy: 10 });
    await closing(after);
    expect((await journalOf(folder)).find((line) => line.type === 'rewind')).toMatchObject({ toStep: 1 });
  });

  it('does not repeat an evaluation that was journalled', async () => {
    const { folder } = await written(3);
    const { journal } = await openedJournal(folder);
    await journal.append(evaluationLine(3, { unit: 3 }));
    await journal.close();
    const after = await opened(folder);
    expect(after.recovered).toMatchObject({ step: 3, unit: 4 });
    await closing(after);
  });

  it('refuses a folder whose journal lacks what the log no longer holds', async () => {
    const { folder } = await written(6, [2, 4]);
    const log = await CommitLog.open(join(folder, 'log'));
    await log.dropBefore(4);
    await log.close();
    await writeFile(join(folder, 'journal.jsonl'), '');
    await expect(opened(folder)).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 65,
      message: expect.stringMatching(
        /lines are missing that the snapshot at step 2 knows of; the run folder is damaged/,
      ),
    });
  });
});
