/** What is known of the rows of one unit of labels that wait for an audit. */
import type { Sender } from './senders.js';

/** A row of a unit by its name, and its bytes. */
export interface RowBytes {
  readonly row: string;
  readonly bytes: Uint8Array;
}

/** A worker that has sent labels, and how it has done. */
export interface MakerRecord {
  readonly sender: Sender;
  hasLied: boolean;
  /** Units that another has labelled alike. */
  agreements: number;
  /** Rows of it that are kept though nobody else has sent them: an audit after them was good. */
  kept: number;
  /** When it was heard last as one that labels by leases; -Infinity for one that does not. */
  leasedMs: number;
}

/** One maker's answer to one row. */
export interface Answer {
  readonly maker: MakerRecord;
  readonly bytes: Uint8Array;
  /** Number of the message that it came in. */
  readonly seq: number;
}

interface Counts {
  /** Rows that the maker has answered, and those of them that wait. */
  answered: number;
  waiting: number;
  /** Number of its last message. */
  seq: number;
}

export class UnitRecord {
  /** Another than its maker is to label it. */
  isAudited: boolean;
  /** Number of the last message that a good audit of this unit speaks for, beyond those before the answer to it. */
  coversSeq = -1;
  /** Rows without any answer. */
  readonly missing: Set<string>;
  /** Answers to rows that wait, in the order of their coming. */
  readonly rows = new Map<string, Answer[]>();
  readonly #total: number;
  readonly #counts = new Map<MakerRecord, Counts>();

  constructor(missing: readonly string[], isAudited: boolean) {
    this.missing = new Set(missing);
    this.#total = missing.length;
    this.isAudited = isAudited;
  }

  /** Who has answered any of it. */
  get makers(): ReadonlySet<MakerRecord> {
    return new Set(this.#counts.keys());
  }

  /** Whether none of its rows waits or is missing. */
  get isDone(): boolean {
    return this.rows.size === 0 && this.missing.size === 0;
  }

  take(maker: MakerRecord, rows: readonly RowBytes[], seq: number): void {
    const counts = this.#counts.get(maker) ?? { answered: 0, waiting: 0, seq };
    counts.seq = seq;
    for (const { row, bytes } of rows) {
      const answers = this.rows.get(row) ?? [];
      if (answers.length === 0 && !this.missing.delete(row)) continue;
      if (answerOf(answers, maker) !== null) continue;
      answers.push({ maker, bytes, seq });
      this.rows.set(row, answers);
      counts.answered++;
      counts.waiting++;
    }
    if (counts.answered > 0) this.#counts.set(maker, counts);
  }

  /** Whether all that waits has an answer of the maker, and nothing is missing. */
  isCompleteBy(maker: MakerRecord): boolean {
    return this.missing.size === 0 && this.rows.size > 0 && this.#counts.get(maker)?.waiting === this.rows.size;
  }

  /** Whether the maker has answered every row that was not kept when the first answer came. */
  isAnsweredBy(maker: MakerRecord): boolean {
    return this.#counts.get(maker)?.answered === this.#total;
  }

  /** Number of the last message in which the maker has answered. */
  seqOf(maker: MakerRecord): number {
    return this.#counts.get(maker)?.seq ?? -1;
  }

  /** The answer that two makers have given; null where there is none. */
  confirmed(answers: readonly Answer[]): Answer | null {
    return answers.find((one) => answers.some((other) => other.maker !== one.maker && isSame(one, other))) ?? null;
  }

  /** Whether the answer should have been the right one's bytes, and is not. */
  isLie(answer: Answer, right: Answer): boolean {
    return isComparable(answer.maker.sender, right.maker.sender) && !isSame(answer, right);
  }

  /** The row waits no more. */
  settle(row: string): void {
    for (const { maker } of this.rows.get(row) ?? []) {
      const counts = this.#counts.get(maker);
      if (counts !== undefined) counts.waiting--;
    }
    this.rows.delete(row);
  }

  /** Forgets what the maker has answered. @returns how many of its rows waited */
  throwAway(maker: MakerRecord): number {
    let thrown = 0;
    this.#counts.delete(maker);
    for (const [row, answers] of this.rows) {
      const others = answers.filter((answer) => answer.maker !== maker);
      if (others.length === answers.length) continue;
      thrown++;
      if (others.length > 0) this.rows.set(row, others);
      else {
        this.rows.delete(row);
        this.missing.add(row);
      }
    }
    return thrown;
  }
}

/** The maker's answer among these; null for none. */
export function answerOf(answers: readonly Answer[], maker: MakerRecord): Answer | null {
  return answers.find((answer) => answer.maker === maker) ?? null;
}

/** Who has answered all of the unit, in the order of their first answers. */
export function completeMakers(record: UnitRecord): MakerRecord[] {
  return [...record.makers].filter((maker) => record.isCompleteBy(maker));
}

/** Whether makers of the same numerics have answered some row differently. */
export function isDisputed({ rows }: UnitRecord): boolean {
  for (const [first, ...others] of rows.values())
    if (
      first !== undefined &&
      others.some((other) => isComparable(other.maker.sender, first.maker.sender) && !isSame(first, other))
    )
      return true;
  return false;
}

/** Whether the bits of both are to be equal. */
export function isComparable(one: Sender, other: Sender): boolean {
  return one.numerics !== null && one.numerics === other.numerics;
}

function isSame(one: Answer, other: Answer): boolean {
  return Buffer.compare(one.bytes, other.bytes) === 0;
}
