/**
 * journal.jsonl: one line per committed unit, and one for each event in the life of the run (a new generation, a
 * rewind). It is the run's account: what is not in it did not happen. Lines are only ever appended; a torn last line is
 * cut off at opening.
 */
import { writeSync } from 'node:fs';
import { open, readFile, truncate, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import { storing, syncFolder } from './durable-files.js';

const count = z.number().int().nonnegative();
const sums = z.record(z.string(), z.number());
const common = { generation: count, atMs: z.number() };

/** Teachers that it was computed without, since they failed; absent for none. */
const dropped = z.array(z.string()).optional();

export const journalLineSchema = z.discriminatedUnion('type', [
  /** Training step `step` (weights `step` -> `step` + 1) over samples [from, to) of the epoch's order. */
  z.object({
    type: z.literal('commit'),
    ...common,
    step: count,
    unit: count,
    epoch: count,
    from: count,
    to: count,
    samples: count,
    /** Sums over samples by loss term, unweighted, and over how many samples each. */
    loss: sums,
    counts: sums,
    /** Other sums: correct answers among the labelled. */
    sums,
    /** Present when the step covered its samples without an update. */
    skip: z.string().optional(),
    dropped,
    /** Hash of the state after the step. */
    digest: z.string(),
  }),
  /** An evaluation under the weights after `step` steps. */
  z.object({
    type: z.literal('evaluation'),
    ...common,
    step: count,
    unit: count,
    epoch: count,
    subject: z.enum(['student', 'teachers']),
    samples: count,
    sums,
    dropped,
  }),
  /**
   * A coordinator started, at this step: commits from it on that came before do not count, nor what an earlier
   * coordinator writes after.
   */
  z.object({ type: z.literal('generation'), ...common, step: count }),
  /**
   * In step `step` workers contributed different bits to micro-batches [from, to). `lie`: these were turned away, since
   * two others agree; `undecided`: nobody could decide between these.
   */
  z.object({
    type: z.literal('audit'),
    ...common,
    step: count,
    from: count,
    to: count,
    outcome: z.enum(['lie', 'undecided']),
    workers: z.array(z.string()),
    text: z.string(),
  }),
  /** Commits from `toStep` on, and evaluations after it, are void. */
  z.object({ type: z.literal('rewind'), ...common, toStep: count, reason: z.string() }),
]);

/** One line of the journal. */
export type JournalLine = z.infer<typeof journalLineSchema>;

/** The line of a training step, with or without an update. */
export type CommitLine = Extract<JournalLine, { type: 'commit' }>;

/** The line of a complete evaluation. */
export type EvaluationLine = Extract<JournalLine, { type: 'evaluation' }>;

/**
 * The lines that count: those that no later rewind made void, and that were not written by a coordinator whose place
 * another had taken already. Pure.
 */
export function afterRewinds(lines: readonly JournalLine[]): JournalLine[] {
  const kept: JournalLine[] = [];
  let newest = 0;
  for (const line of lines) {
    if (line.type === 'generation') newest = line.generation;
    else if (line.generation < newest) continue;
    const toStep = line.type === 'generation' ? line.step : line.type === 'rewind' ? line.toStep : null;
    if (toStep !== null) kept.splice(0, kept.length, ...kept.filter((earlier) => survives(earlier, toStep)));
    if (line.type !== 'rewind') kept.push(line);
  }
  return kept;
}

/** Why a step without an update is no failure: the batch had no sample that any term applies to. */
export const nothingApplied = 'no loss term applied';

/** Whether a commit has no update because something failed. Pure. */
export function isFailedStep(line: CommitLine): boolean {
  return line.skip !== undefined && line.skip !== nothingApplied;
}

/** Training steps in a row that failed, at the end of these lines. Pure. */
export function skipsAtEnd(lines: readonly JournalLine[]): number {
  const commits = lines.filter((line) => line.type === 'commit');
  return commits.length - 1 - commits.findLastIndex((line) => !isFailedStep(line));
}

/** Teachers that the run goes on without after these lines. Pure. */
export function droppedAtEnd(lines: readonly JournalLine[]): readonly string[] {
  const last = lines.findLast((line) => line.type === 'commit' || line.type === 'evaluation');
  return (last?.type === 'commit' || last?.type === 'evaluation' ? last.dropped : undefined) ?? [];
}

function survives(line: JournalLine, toStep: number): boolean {
  if (line.type === 'commit') return line.step < toStep;
  return line.type === 'evaluation' ? line.step <= toStep : true;
}

/** The journal of one run, open for appending. */
export class Journal {
  readonly #file: FileHandle;
  #sizeBytes: number;
  /** Length of the file after each line, for `dropLast`. */
  #ends: number[];

  private constructor(file: FileHandle, ends: number[]) {
    this.#file = file;
    this.#ends = ends.slice(-2);
    this.#sizeBytes = ends.at(-1) ?? 0;
  }

  /** @throws UserError (65) when a line that is not the last one cannot be read */
  static async open(path: string): Promise<{ journal: Journal; lines: JournalLine[] }> {
    return storing(path, async () => {
      const { lines, ends } = parseJournal(path, (await ifThere(readFile(path))) ?? Buffer.alloc(0));
      const file = await open(path, 'a');
      await truncate(path, ends.at(-1) ?? 0);
      await file.sync();
      await syncFolder(dirname(path));
      return { journal: new Journal(file, ends), lines };
    });
  }

  /**
   * Appends a line, which is on the disk once this resolves.
   *
   * @throws Error for a line that could not be read back, of which nothing is written: one such line would lose the run
   */
  async append(line: JournalLine): Promise<void> {
    journalLineSchema.parse(line);
    const text = Buffer.from(`${JSON.stringify(line)}\n`);
    await storing('journal.jsonl', async () => {
      // A line is written without another thread's help, which costs more than the copy.
      for (let written = 0; written < text.length;) written += writeSync(this.#file.fd, text, written);
      await this.#file.datasync();
    });
    this.#sizeBytes += text.length;
    this.#ends = [...this.#ends.slice(-1), this.#sizeBytes];
  }

  /** Removes the last line: a commit that never became durable and was never released. */
  async dropLast(): Promise<void> {
    this.#sizeBytes = this.#ends.at(-2) ?? 0;
    this.#ends = this.#ends.slice(0, -1);
    await this.#file.truncate(this.#sizeBytes);
    await this.#file.sync();
  }

  /** Closes the file. The journal must not be used any more. */
  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * The lines without opening the journal for writing; `tornBytes`: of a last line that was never finished. @throws
 * UserError (65)
 */
export async function readJournal(path: string): Promise<{ lines: JournalLine[]; tornBytes: number }> {
  const bytes = await storing(path, () => readFile(path));
  const { lines, ends } = parseJournal(path, bytes);
  return { lines, tornBytes: bytes.length - (ends.at(-1) ?? 0) };
}

function parseJournal(path: string, bytes: Buffer): { lines: JournalLine[]; ends: number[] } {
  const lines: JournalLine[] = [];
  const ends: number[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) break;
    const line = parseLine(bytes.toString('utf8', start, end));
    if (line === null && end + 1 < bytes.length) {
      throw new UserError(
        `${path}, line ${lines.length + 1}: not a journal line; the run folder is damaged`,
        exitCodes.data,
      );
    }
    if (line === null) break;
    lines.push(line);
    ends.push(end + 1);
    start = end + 1;
  }
  return { lines, ends };
}

function parseLine(text: string): JournalLine | null {
  try {
    return journalLineSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
