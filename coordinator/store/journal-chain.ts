/**
 * The journal's lines as text, chained: each ends with a hash over itself and the line before, so that a line that was
 * changed, dropped, doubled or moved no longer follows.
 *
 *   chain of a line = first 32 hexadecimal digits of SHA-256(chain before, line feed, line without its chain)
 *
 * The first line follows the run's id. Lines of earlier versions have no chain; the first one that has follows the
 * SHA-256 of them all. A line that does not follow is looked for elsewhere in the file, then in the log, which holds the
 * lines of its commits; what cannot be put together that way is damage. Pure.
 */
import { sha256Of } from '../../shared/sha256.js';
import { journalLineSchema, type JournalLine } from './journal.js';

const chainDigits = 32;
const chained = new RegExp(`^([^]*),"chain":"([0-9a-f]{${chainDigits}})"}$`);

/** A line with the chain that it ends with. */
export interface ChainedLine {
  /** The line as it stands in the file, without its line feed. */
  readonly text: string;
  readonly chain: string;
}

/** The line as it follows what `before` is the chain of. @throws Error for a line that could not be read back */
export function chainedLine(line: JournalLine, before: string): ChainedLine {
  const body = JSON.stringify(journalLineSchema.parse(line));
  const chain = chainOf(body, before);
  return { text: `${body.slice(0, -1)},"chain":"${chain}"}`, chain };
}

function chainOf(body: string, before: string): string {
  return sha256Of(`${before}\n${body}`).slice(0, chainDigits);
}

/** The lines of commits that the log holds, by the chain of the journal before each. */
export type LoggedLines = ReadonlyMap<string, JournalLine>;

/** A journal as it was read. */
export interface ReadJournal {
  readonly lines: readonly JournalLine[];
  /** The lines as they stand, or have to stand, in the file. */
  readonly texts: readonly string[];
  /** The chain before the first chained line, and that of each: what snapshots and the log may know. */
  readonly chains: readonly string[];
  /** The chain that the next line follows. */
  readonly head: string;
  /** The chain that it follows where the last line is removed. */
  readonly headBefore: string;
  /** Bytes of a last line that was never finished. */
  readonly tornBytes: number;
  /** What was not as it was written, in words; the texts are as they have to be. */
  readonly faults: readonly string[];
}

/** A line of the file that is not the last, unfinished one. */
interface RawLine {
  readonly text: string;
  /** Null where it is no line of a journal. */
  readonly line: JournalLine | null;
  /** What the chain is over; null for a line without one. */
  readonly body: string | null;
  readonly chain: string;
}

/** What a line of the file says, whether or not it follows the line before; null where it is no line of a journal. */
export function journalLineIn(text: string): JournalLine | null {
  return rawLine(text).line;
}

function rawLine(text: string): RawLine {
  const [, start, chain = ''] = chained.exec(text) ?? [];
  const body = start === undefined ? null : `${start}}`;
  return { text, line: parseLine(body ?? text), body, chain };
}

function parseLine(text: string): JournalLine | null {
  try {
    return journalLineSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Reads what a journal's file holds.
 *
 * @param run the run's id; null where nothing tells it, so that no chained line can follow it
 * @param logged the lines of commits that the log holds
 * @returns a string that says which line is damaged, where the lines cannot be put together
 */
export function parseJournal(bytes: Buffer, run: string | null, logged: LoggedLines): ReadJournal | string {
  const pieces = bytes.toString('utf8').split('\n');
  const tornBytes = bytes.length - (bytes.lastIndexOf(0x0a) + 1);
  const raw = pieces.slice(0, -1).map(rawLine);
  const first = raw.findIndex(({ body }) => body !== null);
  const old = readOld(raw.slice(0, first < 0 ? raw.length : first), first < 0);
  if (typeof old === 'string') return old;
  const seed = seedOf(run, old.texts);
  const links = new Links(seed, first < 0 ? [] : raw.slice(first), logged);
  const broken = links.follow();
  if (broken !== null) return `line ${Math.max(first, 0) + broken + 1}: not as it was written`;
  return {
    lines: [...old.lines, ...links.lines],
    texts: [...old.texts, ...links.texts],
    chains: links.chains,
    head: links.head,
    headBefore: links.before ?? seedOf(run, old.texts.slice(0, -1)),
    tornBytes,
    faults: [...old.faults, ...links.faults],
  };
}

/** What the first chained line follows. @param old the lines without a chain before it */
function seedOf(run: string | null, old: readonly string[]): string {
  return old.length === 0 ? (run ?? '') : sha256Of([run ?? '', ...old].join('\n')).slice(0, chainDigits);
}

type OldLines = Pick<ReadJournal, 'lines' | 'texts' | 'faults'>;

/** Lines without a chain. A last one that cannot be read is left out: earlier versions took it for torn. */
function readOld(raw: readonly RawLine[], isAll: boolean): OldLines | string {
  const bad = raw.findIndex(({ line }) => line === null);
  if (bad >= 0 && (!isAll || bad < raw.length - 1)) return `line ${bad + 1}: not a journal line`;
  const whole = bad < 0 ? raw : raw.slice(0, bad);
  return {
    lines: whole.flatMap(({ line }) => line ?? []),
    texts: whole.map(({ text }) => text),
    faults: bad < 0 ? [] : [`line ${bad + 1} is left out, which cannot be read`],
  };
}

/** Puts the chained lines of a journal together, one after the other. */
class Links {
  readonly lines: JournalLine[] = [];
  readonly texts: string[] = [];
  readonly chains: string[];
  readonly faults: string[] = [];
  head: string;
  /** The head before the last line; null without a line. */
  before: string | null = null;
  readonly #raw: readonly RawLine[];
  readonly #logged: LoggedLines;
  readonly #used = new Set<number>();
  /** The chains of the lines so far. */
  readonly #known = new Set<string>();
  /** The first line that is not used yet. */
  #next = 0;
  #generation = 0;
  /** Lines that the file's end lacks and the log has. */
  #completed = 0;
  /** The chain of the last line that an earlier coordinator wrote after another had taken its place. */
  #late: string | null = null;

  constructor(seed: string, raw: readonly RawLine[], logged: LoggedLines) {
    this.head = seed;
    this.chains = [seed];
    this.#raw = raw;
    this.#logged = logged;
  }

  /** @returns the index of the line that does not follow; null when all is put together */
  follow(): number | null {
    while (this.#step());
    // A kill may leave one commit that the log has and the journal has not.
    if (this.#completed > 1) this.faults.push(`${this.#completed} lines are missing at the end; the log has them`);
    const doubled = new Set(this.chains);
    const left = this.#raw.flatMap((raw, i) => (this.#used.has(i) ? [] : [{ i, isDouble: doubled.has(raw.chain) }]));
    const [first] = left;
    if (first === undefined) return null;
    const lastUsed = this.#raw.findLastIndex((_, i) => this.#used.has(i));
    const after = left.filter(({ i, isDouble }) => i > lastUsed && !isDouble);
    // One line at the end that is not as it was written is no more than a line that is missing there.
    if (after.length > 1 || (after.length === 1 && after[0]?.i !== this.#raw.length - 1)) return after[0]?.i ?? first.i;
    this.faults.push(
      `${left.length === 1 ? 'a line is' : `${left.length} lines are`} left out, from line ${first.i + 1} on`,
    );
    return null;
  }

  #step(): boolean {
    while (this.#used.has(this.#next)) this.#next++;
    const raw = this.#raw[this.#next];
    if (raw !== undefined && (this.#take(this.#next) || this.#takeLate(raw) || this.#takeStart(raw))) return true;
    if (raw !== undefined && this.#leaveOutDouble(raw)) return true;
    const elsewhere = this.#raw.findIndex((_, i) => !this.#used.has(i) && i !== this.#next && this.#follows(i));
    if (elsewhere >= 0) {
      this.faults.push(`line ${this.#next + 1} does not follow; line ${elsewhere + 1} does`);
      return this.#take(elsewhere);
    }
    return this.#takeLogged(raw === undefined);
  }

  /** A line that stands before is no loss, whatever became of its double. */
  #leaveOutDouble({ chain }: RawLine): boolean {
    if (!this.#known.has(chain)) return false;
    this.#used.add(this.#next);
    this.faults.push(`line ${this.#next + 1} is left out: it is there already`);
    return true;
  }

  #follows(i: number): boolean {
    const raw = this.#raw[i];
    if (raw === undefined) return false;
    const { line, body, chain } = raw;
    return line !== null && body !== null && chainOf(body, this.head) === chain;
  }

  #take(i: number): boolean {
    const raw = this.#raw[i];
    if (raw === undefined || raw.line === null || !this.#follows(i)) return false;
    this.#used.add(i);
    this.#add(raw.line, raw);
    return true;
  }

  #add(line: JournalLine, { text, chain }: ChainedLine): void {
    if (line.type === 'generation') [this.#generation, this.#late] = [line.generation, null];
    this.lines.push(line);
    this.texts.push(text);
    this.chains.push(chain);
    this.#known.add(chain);
    this.before = this.head;
    this.head = chain;
  }

  /** On a folder that machines share, a coordinator may write a line after another has taken its place. */
  #takeLate({ line, body, text, chain }: RawLine): boolean {
    if (line === null || body === null || line.generation >= this.#generation) return false;
    const follows = (before: string): boolean => chainOf(body, before) === chain;
    if (this.#known.has(chain) || !(this.#late !== null ? follows(this.#late) : this.chains.some(follows)))
      return false;
    this.#used.add(this.#next);
    this.#late = chain;
    this.before = this.head;
    this.lines.push(line);
    this.texts.push(text);
    this.chains.push(chain);
    this.#known.add(chain);
    return true;
  }

  /** A coordinator that takes over follows the line that was the last when it read the file. */
  #takeStart({ line, body, text, chain }: RawLine): boolean {
    if (line?.type !== 'generation' || body === null || line.generation <= this.#generation) return false;
    const before = this.chains.findIndex((one) => chainOf(body, one) === chain);
    if (before < 0) return false;
    this.#used.add(this.#next);
    this.#add(line, { text, chain });
    return true;
  }

  /** @param isEnd whether the file has ended: a commit in the log may be a line ahead of the journal */
  #takeLogged(isEnd: boolean): boolean {
    const line = this.#logged.get(this.head);
    if (line === undefined) return false;
    if (isEnd) this.#completed++;
    else this.faults.push(`line ${this.#next + 1} does not follow; the log has the one before it`);
    this.#add(line, chainedLine(line, this.head));
    return true;
  }
}
