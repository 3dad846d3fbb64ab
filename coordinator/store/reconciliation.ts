/**
 * Brings the journal into line with the log when a coordinator starts. The log is the truth, since nothing is released
 * before it is there: a line ahead of it is dropped where it was never released and made void by a rewind where it may
 * have been; a line that is missing is completed from the log.
 */
import { counted } from '../../shared/counted.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { afterRewinds, type JournalLine } from './journal.js';
import type { Journal } from './journal-file.js';
import type { CommitLog } from './log.js';
import type { Snapshots } from './snapshots.js';

/** What the folder's journal is brought into line with. */
export interface LogEnd {
  /** Commits that snapshot and log hold. */
  readonly step: number;
  /** Whether the log's next commit may have been released, though it was void. */
  readonly isWrong: boolean;
}

/** A journal that is open for appending, with what it says. */
export interface OpenJournal {
  readonly journal: Journal;
  /** The journal's lines, which are changed along with the file. */
  readonly lines: JournalLine[];
}

/** What the journal is brought into line with, and what the lines are marked with that are added to it. */
export interface ReconcileOptions {
  readonly log: CommitLog;
  readonly snapshots: Snapshots;
  readonly generation: number;
  /** Time of day in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
  readonly warn: (text: string) => void;
}

/**
 * Brings the journal to the log's end.
 *
 * @throws UserError 65 when a line is missing that the log no longer holds
 */
export async function reconcile(options: ReconcileOptions, open: OpenJournal, end: LogEnd): Promise<void> {
  const journalled = journalledSteps(open.lines);
  for (let step = journalled; step < end.step; step++) await complete(options.log, open, step);
  if (journalled <= end.step) return;
  const last = open.lines.at(-1);
  if (!end.isWrong && last?.type === 'commit' && last.step === end.step && isLogged(last, open.lines))
    await dropLast(open);
  else await rewind(options, open, end.step);
}

/** Whether the coordinator that wrote this line logged the commit before it released it. */
function isLogged({ generation }: JournalLine, lines: readonly JournalLine[]): boolean {
  const began = lines.findLast((line) => line.type === 'generation' && line.generation === generation);
  return began?.type !== 'generation' || began.gradients !== false;
}

/** Drops the line of a commit that was never released. */
async function dropLast({ journal, lines }: OpenJournal): Promise<void> {
  await journal.dropLast();
  lines.pop();
}

/** Makes the steps from `toStep` on void, in journal and snapshots. */
async function rewind(options: ReconcileOptions, { journal, lines }: OpenJournal, toStep: number): Promise<void> {
  const { generation, timeOfDayMs, warn, snapshots } = options;
  warn(
    `the journal knows ${counted(journalledSteps(lines), 'step')}, the log ${toStep}: the run goes back to step ${toStep}`,
  );
  const line: JournalLine = { type: 'rewind', generation, atMs: timeOfDayMs(), toStep, reason: 'the log ends there' };
  await journal.append(line);
  lines.push(line);
  await snapshots.dropAfter(toStep);
}

/** Adds the line of a commit that the log holds. */
async function complete(log: CommitLog, { journal, lines }: OpenJournal, step: number): Promise<void> {
  if (!log.has(step))
    throw new UserError(
      `journal.jsonl: the line of step ${step} is missing, and the log no longer holds it; the run folder is damaged`,
      exitCodes.data,
    );
  const { line } = await log.read(step);
  await journal.append(line);
  lines.push(line);
}

/** The number of commits that the journal counts. */
function journalledSteps(lines: readonly JournalLine[]): number {
  const last = afterRewinds(lines).findLast((line) => line.type === 'commit');
  return last?.type === 'commit' ? last.step + 1 : 0;
}
