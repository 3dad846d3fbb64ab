/**
 * Where a run stands, from what its folder holds: the journal, put together where it was damaged, the newest sound
 * snapshot, the log's commits after it with each state hash checked, and the journal brought into line with both. A new
 * run and a continued one go this same way.
 *
 *   snapshots   0 ........ 400 ...... 600
 *   log                    [400 ............ 730)          the truth: what is not here was never released
 *   journal     [0 ........................ 730) or 731    a line ahead was never released: dropped
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import { applyCommit } from '../../shared/replica/apply-commit.js';
import type { Replica } from '../../shared/replica/replica.js';
import { afterRewinds, type JournalLine } from './journal.js';
import { Journal, readJournal } from './journal-file.js';
import type { CommitLog } from './log.js';
import type { CommitRecord } from './commit-record.js';
import { reconcile, type OpenJournal, type ReconcileOptions } from './reconciliation.js';
import { snapshotFault, type Snapshot } from './snapshots.js';
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
  /** The run's id. */
  readonly run: string;
  /** Whether the commits of the generation that begins will be in the log. */
  readonly logsGradients: boolean;
  /** Says in words what the journal's lines that count do not agree in; null for nothing. */
  readonly faultIn: (lines: readonly JournalLine[]) => string | null;
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
 * @throws UserError 65 when no sound snapshot is left or the journal lacks a line that cannot be found elsewhere, 69 when
 * the disk fails
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { log, warn, journalPath, run } = options;
  for (const path of log.damaged) warn(`${path} is damaged; its commits from there on are passed over`);
  const read = await readJournal(journalPath, { run, logged: log.logged });
  for (const fault of read.faults) warn(`${journalPath} is damaged and is mended: ${fault}`);
  const lost = read.lines.find((line) => line.generation >= options.generation);
  if (lost !== undefined)
    throw damagedJournal(options, `it has generation ${lost.generation}, whose file in generations is missing`);
  await ensureInitial(options);
  const lines = afterRewinds(read.lines);
  await expectKnown(options, new Set(read.chains), lines);
  const standing = await foldLog(options, lines);
  const journal = await Journal.open(journalPath, read);
  try {
    return await begin(options, { journal, lines: [...read.lines] }, standing);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** Brings the journal into line, and begins a generation in it. */
async function begin(options: RecoveryOptions, { journal, lines }: OpenJournal, standing: Folded): Promise<Recovered> {
  await reconcile(options, { journal, lines }, standing);
  const started: JournalLine = {
    type: 'generation',
    generation: options.generation,
    atMs: options.timeOfDayMs(),
    step: standing.step,
    ...(options.logsGradients ? {} : { gradients: false }),
  };
  const counted = afterRewinds([...lines, started]);
  const fault = options.faultIn(counted);
  if (fault !== null) throw damagedJournal(options, fault);
  await journal.append(started);
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
}

/**
 * Commits in the log that follow no line of the journal are another run's where the journal has those steps, and are
 * passed over.
 *
 * @throws UserError 65 when the journal ends before what a snapshot or the log knows of it
 */
async function expectKnown(
  options: RecoveryOptions,
  chains: ReadonlySet<string>,
  lines: readonly JournalLine[],
): Promise<void> {
  const { snapshots, log, warn } = options;
  const unknown = snapshots.all.find(({ step, journal }) => step > 0 && journal !== undefined && !chains.has(journal));
  if (unknown !== undefined)
    throw damagedJournal(options, `lines are missing that the snapshot at step ${unknown.step} knows of`);
  const [strange] = [...log.logged].flatMap(([before, line]) =>
    line.type === 'commit' && !chains.has(before) ? [line.step] : [],
  );
  if (strange === undefined) return;
  if (!lines.some((line) => line.type === 'commit' && line.step === strange))
    throw damagedJournal(options, `lines are missing before step ${strange}, which the log holds`);
  warn(`the log's commits from step ${strange} on follow no line of ${options.journalPath}, and are passed over`);
  await log.truncate(strange);
}

function damagedJournal({ journalPath }: RecoveryOptions, fault: string): UserError {
  return new UserError(
    `${journalPath}: ${fault}; the run folder is damaged: put it back from a copy, or choose another --out`,
    exitCodes.data,
  );
}

/** The snapshot at step 0 is on the disk and sound: every joiner's probe starts from it. */
async function ensureInitial({
  snapshots,
  replica,
  initialWeights,
  recipeDigest,
  run,
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
    journal: run,
  });
}

/**
 * Loads the newest sound snapshot and applies the log to it; what the log holds beyond a gap or a damage is cut off.
 */
async function foldLog(options: RecoveryOptions, lines: readonly JournalLine[]): Promise<Folded> {
  const { log, warn } = options;
  let isWrong = false;
  for (;;) {
    const snapshot = await loadNewest(options, lines);
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

async function loadNewest(options: RecoveryOptions, lines: readonly JournalLine[]): Promise<Snapshot> {
  const { snapshots, replica, warn } = options;
  for (;;) {
    const { newest } = snapshots;
    if (newest === undefined) throw new UserError('no sound snapshot is left in the run folder', exitCodes.data);
    if (!(await snapshots.load(newest, replica.state()))) {
      warn(`${newest.path} is damaged and is passed over`);
      continue;
    }
    const fault =
      replica.hashState() === newest.stateHash ? snapshotFault(newest, lines) : 'its state has another hash';
    if (fault === null) return newest;
    warn(`${newest.path} is damaged and is passed over: ${fault}`);
    await snapshots.setAside(newest);
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
