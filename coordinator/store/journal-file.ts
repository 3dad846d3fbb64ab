/** journal.jsonl itself: lines are only ever appended; opening it cuts a torn last line off and writes what was mended. */
import { writeSync } from 'node:fs';
import { open, readFile, truncate, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import { storing, syncFolder, writeDurably } from './durable-files.js';
import type { JournalLine } from './journal.js';
import { chainedLine, parseJournal, type LoggedLines, type ReadJournal } from './journal-chain.js';

/** What a journal's lines are chained to, and where lines that are missing may be found. */
export interface JournalOrigin {
  /** The run's id, which the first line follows; null where nothing tells it. */
  readonly run: string | null;
  /** The lines of commits that the log holds, by the chain before each. */
  readonly logged: LoggedLines;
}

/** The journal of one run, open for appending. */
export class Journal {
  readonly #file: FileHandle;
  /** Length of the file after each of its last two lines, for `dropLast`. */
  #ends: readonly number[];
  /** The chain after each of its last two lines. */
  #heads: readonly string[];

  private constructor(file: FileHandle, { texts, head, headBefore }: ReadJournal) {
    this.#file = file;
    const sizeBytes = sizeOf(texts);
    this.#ends = [sizeBytes - sizeOf(texts.slice(-1)), sizeBytes];
    this.#heads = [headBefore, head];
  }

  /**
   * Opens the journal for appending, as it was read: lines that were put back are written, and a torn tail is cut off.
   * The file is made where it is missing.
   */
  static async open(path: string, read: ReadJournal): Promise<Journal> {
    return storing(path, async () => {
      const whole = Buffer.from(read.texts.map((text) => `${text}\n`).join(''));
      const there = (await ifThere(readFile(path))) ?? Buffer.alloc(0);
      if (!there.subarray(0, whole.length).equals(whole)) await writeDurably(path, [whole]);
      const file = await open(path, 'a');
      await truncate(path, whole.length);
      await file.sync();
      await syncFolder(dirname(path));
      return new Journal(file, read);
    });
  }

  /** The chain that the next line follows. */
  get head(): string {
    return this.#heads[1] ?? '';
  }

  /**
   * Appends a line, which is on the disk once this resolves.
   *
   * @throws Error for a line that could not be read back, of which nothing is written: one such line would lose the run
   */
  async append(line: JournalLine): Promise<void> {
    const { text, chain } = chainedLine(line, this.head);
    const bytes = Buffer.from(`${text}\n`);
    await storing('journal.jsonl', async () => {
      // A line is written without another thread's help, which costs more than the copy.
      for (let written = 0; written < bytes.length;) written += writeSync(this.#file.fd, bytes, written);
      this.#ends = [this.#sizeBytes, this.#sizeBytes + bytes.length];
      this.#heads = [this.head, chain];
      await this.#file.datasync();
    });
  }

  /** Removes the last line: a commit that never became durable and was never released. */
  async dropLast(): Promise<void> {
    const [size = 0] = this.#ends;
    const [head = ''] = this.#heads;
    this.#ends = [size, size];
    this.#heads = [head, head];
    await this.#file.truncate(size);
    await this.#file.sync();
  }

  /** Closes the file. The journal must not be used any more. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  get #sizeBytes(): number {
    return this.#ends[1] ?? 0;
  }
}

/**
 * Reads a journal, and changes nothing; one that is missing has no lines. Lines that are not as they were written are
 * put back where the file or the log still has them, and `faults` names them.
 *
 * @throws UserError (65) when that is not enough
 */
export async function readJournal(path: string, { run, logged }: JournalOrigin): Promise<ReadJournal> {
  const bytes = (await storing(path, () => ifThere(readFile(path)))) ?? Buffer.alloc(0);
  const read = parseJournal(bytes, run, logged);
  if (typeof read === 'string')
    throw new UserError(`${path}, ${read}; the run folder is damaged: put it back from a copy`, exitCodes.data);
  return read;
}

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
}
