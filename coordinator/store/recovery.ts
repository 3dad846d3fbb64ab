/**
 * Where a run stands, from what its folder holds: the newest sound snapshot, the log's commits after it with each state
 * hash checked, and the journal brought into line with both. A new run and a continued one go this same way.
 *
 *   snapshots   0 ........ 400 ...... 600
 *   log                    [400 ............ 730)          the truth: what is not here was never released
 *   journal     [0 ........................ 730) or 731    a line ahead was never released: dropped
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import { applyCommit } from '../../shared/replica/apply-commit.js';
import type { Replica } from '../../shared/replica/replica.js';
import { afterRewinds, Journal, type JournalLine } from './journal.js';
import type { CommitLog, CommitRecord } from './log.js';
import { reconcile, type ReconcileOptions } from './reconciliation.js';
import type { Snapshot } from './snapshots.js';
import { sourceOf } from './state-copy.js';

/** A run that is ready to go on. The replica is in the state to which `step` commits have brought it. */
export interface Recovered extends Standing {
  readonly journal: Journal;
  /** The journal's lines that count: rewinds and what they made void are left out. */
  readonly lines: JournalLine[];
  readonly stateHash: string;
  /**
   * The generation that last made journalled steps void; 0 for none. Workers that last followed a generation before it
   * may hold such steps through no fault of theirs.
   */
  readonly rewoundBy: number;
}

/** What recovery reads, and the replica that it brings to where the run stands. */
export interface RecoveryOptions extends ReconcileOptions {
  /** The replica that is brought to where the run stands. Its slots are free. */
  readonly replica: Replica;
  readonly journalPath: string;
  /** The student's initial weights by name, for a run that has no snapshot yet. */
  readonly initialWeights: ReadonlyMap<string, Float32Array>;
  readonly recipeDigest: string;
}

/** How far a run has come. */
interface Standing {
  /** Commits, which is the step of the next one. */
  readonly step: number;
  /** Updates among them: a skip is none. */
  readonly update: number;
  /** Index of the next unit of the run's plan. */
  readonly unit: number;
}

interface Folded extends Standing {
  /**
   * Whether the log went on with a commit that leads to another state than it says. The commit was whole, so it may
   * have been released.
   */
  readonly isWrong: boolean;
}

/**
 * Brings replica, log and journal to where the run stands, and begins a generation there.
 *
 * @throws UserError 65 when no sound snapshot is left or the journal lacks a line that the log no longer holds, 69 when
 * the disk fails
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  await ensureInitial(options);
  const standing = await foldLog(options);
  const { journal, lines } = await Journal.open(options.journalPath);
  try {
    await reconcile(options, { journal, lines }, standing);
    const started: JournalLine = {
      type: 'generation',
      generation: options.generation,
      atMs: options.timeOfDayMs(),
      step: standing.step,
    };
    await journal.append(started);
    const counted = afterRewinds([...lines, started]);
    const { step, update } = standing;
    const rewoundBy = lines.findLast(({ type }) => type === 'rewind')?.generation ?? 0;
    return {
      journal,
      lines: counted,
      step,
      update,
      unit: nextUnit(counted, standing.unit),
      stateHash: options.replica.hashState(),
      rewoundBy,
    };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** The snapshot at step 0 is on the disk and sound: every joiner's probe starts from it. */
async function ensureInitial({
  snapshots,
  replica,
  initialWeights,
  recipeDigest,
  warn,
}: RecoveryOptions): Promise<void> {
  for (const path of snapshots.unusable) warn(`${path} is damaged, or its state is, and is passed over`);
  await snapshots.tidy();
  const { initial } = snapshots;
  if (initial !== undefined && (await snapshots.load(initial, replica.state()))) return;
  if (initial !== undefined) warn(`${initial.path} is damaged; it is written anew`);
  replica.loadWeights(initialWeights);
  await snapshots.write(sourceOf(replica.state()), {
    step: 0,
    update: 0,
    unit: 0,
    epoch: 0,
    stateHash: replica.hashState(),
    recipeDigest,
  });
}

/**
 * Loads the newest sound snapshot and applies the log to it; what the log holds beyond a gap or a damage is cut off.
 */
async function foldLog(options: RecoveryOptions): Promise<Folded> {
  const { log, warn } = options;
  let isWrong = false;
  for (;;) {
    const snapshot = await loadNewest(options);
    const replayed = await replay(options, { step: snapshot.step, update: snapshot.update, unit: snapshot.unit });
    if (!replayed.isWrong) {
      await log.truncate(replayed.step);
      return { ...replayed, isWrong };
    }
    isWrong = true;
    warn(`the log's commit of step ${replayed.step} gives another state than was journalled; the run goes back to it`);
    await log.truncate(replayed.step);
  }
}

async function loadNewest({ snapshots, replica, warn }: RecoveryOptions): Promise<Snapshot> {
  for (;;) {
    const { newest } = snapshots;
    if (newest === undefined) throw new UserError('no sound snapshot is left in the run folder', exitCodes.data);
    if (await snapshots.load(newest, replica.state())) return newest;
    warn(`${newest.path} is damaged and is passed over`);
  }
}

async function replay({ log, replica }: RecoveryOptions, from: Standing): Promise<Folded> {
  let standing = from;
  for (let step = from.step; log.has(step); step++) {
    const record = await log.read(step);
    const slot = await loadPayload(log, replica, record);
    const { stateHash } = applyCommit(replica, standing, { commit: record, slot });
    if (stateHash !== record.stateHash) return { ...standing, isWrong: true };
    standing = { step: step + 1, update: record.scalars.update, unit: record.unit + 1 };
  }
  return { ...standing, isWrong: false };
}

/** All slots are free before the run begins; the last one takes a commit of any encoding. */
async function loadPayload(log: CommitLog, replica: Replica, record: CommitRecord): Promise<number | null> {
  if (record.bytes === 0) return null;
  const slot = replica.slots - 1;
  await log.readBytes(record.step, { offset: 0, length: record.bytes }, replica.slotBytes(slot, record.compression));
  return slot;
}

function nextUnit(lines: readonly JournalLine[], afterCommits: number): number {
  return lines.reduce(
    (unit, line) => (line.type === 'evaluation' && line.unit >= unit ? line.unit + 1 : unit),
    afterCommits,
  );
}
