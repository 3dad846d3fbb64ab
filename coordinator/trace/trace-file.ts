/**
 * The trace of a program's runs as a file in the format of Chrome and Perfetto: a JSON array of events, written as they
 * come. What a killed process leaves is the array without its end, which both read. Memory and file are bounded, and a
 * disk that fails ends the trace and not the run.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, exitCodes, readProblem, storageProblem, UserError } from '../../shared/errors.js';

/** One event of the format, times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'M' | 'i';
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: 't';
  readonly args?: Readonly<Record<string, string | number>>;
}

export interface TraceFileOptions {
  readonly warn: (text: string) => void;
  /** Bytes of the file at most; default 256 MiB. */
  readonly limitBytes?: number;
}

/** What a trace has come to. */
export interface TraceTotals {
  readonly events: number;
  readonly bytes: number;
  /** Events that were not written. */
  readonly lost: number;
}

const usualLimitBytes = 256 * 1024 * 1024;
/** Bytes that are written together. */
const batchBytes = 64 * 1024;
/** Bytes that wait for the disk at most. */
const waitingBytes = 8 * 1024 * 1024;
/** How long an event waits for others. */
/** How long the end may take to be written, in milliseconds: a reader of a pipe may have gone to sleep. */
const closingMs = 10_000;
const flushMs = 250;
/** What every trace begins with, and by it is known. */
const beginning = '[{"name":"process_name","ph":"M",';

export class TraceFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #warn: (text: string) => void;
  readonly #limitBytes: number;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #events = 0;
  #lost = 0;
  #isBroken = false;
  /** Whether nothing more is taken. */
  #isFull = false;
  #writing: Promise<void> | null = null;
  #pids = 0;

  private constructor(path: string, file: FileHandle, { warn, limitBytes = usualLimitBytes }: TraceFileOptions) {
    this.#path = path;
    this.#file = file;
    this.#warn = warn;
    this.#limitBytes = limitBytes;
    this.#timer = setInterval(() => this.#flush(), flushMs).unref();
  }

  /** Begins a trace; one that lies there is replaced. @throws UserError 2 where none can be written */
  static async create(path: string, options: TraceFileOptions): Promise<TraceFile> {
    expectNoOther(path);
    try {
      return new TraceFile(path, await open(path, 'w'), options);
    } catch (error) {
      throw new UserError(
        `--trace ${path}: ${problemOf(error)}; a file that can be written was wanted`,
        exitCodes.usage,
        error,
      );
    }
  }

  /** The time of the trace in milliseconds: since its start. */
  nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** A number for one more process. */
  nextPid(): number {
    return ++this.#pids;
  }

  write(event: TraceEvent): void {
    const text = `${this.#events === 0 ? '[' : ',\n'}${JSON.stringify(event)}`;
    if (this.#isFull || this.#waitingBytes > waitingBytes) return void this.#lost++;
    if (this.#bytes + text.length > this.#limitBytes)
      return this.#end(`${this.#limitBytes} bytes are full, and what follows is not traced`);
    this.#events++;
    this.#waiting.push(text);
    // Names that are not ASCII take more; they are few.
    this.#waitingBytes += text.length;
    this.#bytes += text.length;
    if (this.#waitingBytes >= batchBytes) this.#flush();
  }

  /** Writes what waits, and the array's end. What fails then, or takes long, is said and no fault of the run. */
  async close(): Promise<TraceTotals> {
    clearInterval(this.#timer);
    this.#waiting.push(this.#events === 0 ? '[]\n' : '\n]\n');
    const end = this.#writeEnd().catch((error: unknown) => this.#end(problemOf(error)));
    const isLate = await Promise.race([end.then(() => false), sleep(closingMs, true, { ref: false })]);
    if (isLate) this.#end(`${closingMs / 1000} s were not enough to write its end`);
    return { events: this.#events, bytes: this.#bytes, lost: this.#lost };
  }

  async #writeEnd(): Promise<void> {
    while (this.#writing !== null || this.#waiting.length > 0) {
      this.#flush();
      await this.#writing;
    }
    await this.#file.close();
  }

  #end(why: string): void {
    this.#isFull = true;
    this.#lost++;
    this.#warn(`--trace ${this.#path}: ${why}`);
  }

  #flush(): void {
    if (this.#writing !== null || this.#waiting.length === 0) return;
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#writing = this.#append(text).finally(() => {
      this.#writing = null;
      if (this.#waitingBytes >= batchBytes) this.#flush();
    });
  }

  async #append(text: string): Promise<void> {
    // Behind a piece that could not be written nothing can be read.
    if (this.#isBroken) return;
    try {
      await this.#file.appendFile(text);
    } catch (error) {
      this.#isBroken = true;
      this.#end(`${problemOf(error)}, and the rest of the run is not traced`);
    }
  }
}

/** @throws UserError 2 for a file that is no trace, which must not be lost for a word too much on the command line */
function expectNoOther(path: string): void {
  const start = Buffer.alloc(beginning.length);
  let read: number;
  try {
    const kind = statSync(path);
    // A pipe or a device holds nothing that could be lost.
    if (!kind.isFile() && !kind.isDirectory()) return;
    const file = openSync(path, 'r');
    try {
      read = readSync(file, start);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw new UserError(`--trace ${path}: ${readProblem(error)}; a new file was wanted`, exitCodes.usage, error);
  }
  const text = start.toString('latin1', 0, read);
  if (text !== '' && text !== '[]\n' && text !== beginning.slice(0, read))
    throw new UserError(`--trace ${path}: it is another file, and no trace; a new file was wanted`);
}

function problemOf(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'its folder is not there';
  return storageProblem(error) ?? readProblem(error);
}
