/**
 * Audits of soft labels: what workers send waits until it is known to be right. A row is kept once two makers have sent
 * the same bytes; all that a maker has sent is kept once a unit of it that was chosen, unknown to it, was labelled alike
 * by another. Whoever was wrong is named, and what it sent since its last good audit is thrown away: nobody has had it.
 * It is pure: time comes in, and what is to be done goes out as effects.
 *
 *   row:   waiting --another maker's same bytes, or a good audit of its maker--> kept
 *             \----- two others agree on other bytes: its maker lied --> thrown away, with all that waits of that maker
 *   unit:  wanted --a maker has answered all rows--> answered --chosen, drawn or disputed--> wanted of one more maker
 */
import { senderKey, type Sender } from './senders.js';
import {
  answerOf,
  completeMakers,
  isComparable,
  isDisputed,
  UnitRecord,
  type Answer,
  type MakerRecord,
  type RowBytes,
} from './audited-unit.js';

export interface LabelAuditOptions {
  /** Whether the unit is audited from the start. Pure, and not known to workers. */
  readonly isChosen: (unit: number) => boolean;
  /** Which of these units of one maker is audited, where none was chosen. Pure, and not known to workers. */
  readonly draw: (units: readonly number[]) => number;
  /** Units that a maker has answered, after which they are kept though there is nobody to audit them. */
  readonly alone: number;
  /** A labelling worker that was not heard for so long is gone. */
  readonly silenceMs: number;
}

/** What is to be done, in this order. */
export type LabelEffect =
  /** The row is right as far as is known: keep it. */
  | {
      readonly type: 'keep';
      readonly unit: number;
      readonly row: string;
      readonly bytes: Uint8Array;
      readonly maker: Sender;
    }
  /**
   * Two others agree on other bytes than this maker's. `thrown`: its rows that are thrown away; `kept`: those that stay,
   * since an audit after them was good.
   */
  | {
      readonly type: 'lie';
      readonly unit: number;
      readonly maker: Sender;
      readonly thrown: number;
      readonly kept: number;
    }
  /** These have answered differently, and there is nobody to decide: the answer of the first of them is kept. */
  | { readonly type: 'undecided'; readonly unit: number; readonly makers: readonly Sender[] }
  /** There is nobody to audit this maker: what it sent is kept as it is. */
  | { readonly type: 'unaudited'; readonly maker: Sender };

interface KeptRow {
  readonly row: string;
  readonly answer: Answer;
  /** Whether another maker has sent the same bytes. */
  readonly isConfirmed: boolean;
}

export class LabelAudits {
  readonly #options: LabelAuditOptions;
  /** Units of which rows wait. */
  readonly #units = new Map<number, UnitRecord>();
  readonly #makers = new Map<string, MakerRecord>();
  #seq = 0;
  #effects: LabelEffect[] = [];

  constructor(options: LabelAuditOptions) {
    this.#options = options;
  }

  /** Rows that wait. */
  get waiting(): number {
    return [...this.#units.values()].reduce((sum, { rows }) => sum + rows.size, 0);
  }

  /** Whether rows of the unit wait, or were asked about. */
  isOpen(unit: number): boolean {
    return this.#units.has(unit);
  }

  /** Begins to take answers to the unit. @param missing names of its rows that are not kept */
  open(unit: number, missing: readonly string[]): void {
    if (!this.isOpen(unit)) this.#units.set(unit, new UnitRecord(missing, this.#options.isChosen(unit)));
  }

  /** A worker that labels by leases has given a sign of life. */
  heard(maker: Sender, nowMs: number): void {
    this.#makerOf(maker).leasedMs = nowMs;
  }

  /** Takes rows of one maker. A second answer of the same maker to a row counts for nothing. */
  offer(unit: number, sender: Sender, rows: readonly RowBytes[]): LabelEffect[] {
    const record = this.#units.get(unit);
    const maker = this.#makerOf(sender);
    if (record === undefined || maker.hasLied) return [];
    record.take(maker, rows, ++this.#seq);
    this.#settle(unit, record);
    return this.#taken();
  }

  /** Whether the unit is to be labelled by this worker. */
  wants(unit: number, sender: Sender): boolean {
    const record = this.#units.get(unit);
    const maker = this.#makerOf(sender);
    if (maker.hasLied) return false;
    if (record === undefined) return true;
    const complete = completeMakers(record);
    const [first] = complete;
    if (first === undefined) return true;
    if (complete.includes(maker) || !isComparable(first.sender, sender)) return false;
    return isDisputed(record) || (record.isAudited && complete.length < 2);
  }

  /** Keeps what waits of makers that have answered much, and are alone. To be asked before every lease. */
  relieve(nowMs: number): LabelEffect[] {
    for (const maker of this.#makers.values())
      if (this.#answeredBy(maker).length > this.#options.alone && !this.#hasPeer(maker, nowMs)) this.#keepAllOf(maker);
    return this.#taken();
  }

  /**
   * Nothing is wanted of some worker: draws what is to be audited of makers without an audit that is to come, and
   * settles what nobody can audit or decide. @returns null where nothing has changed
   */
  idle(nowMs: number): LabelEffect[] | null {
    let hasChanged = false;
    for (const maker of this.#makers.values()) hasChanged = this.#drawFor(maker, nowMs) || hasChanged;
    for (const [unit, record] of this.#units) hasChanged = this.#settleStuck(unit, record, nowMs) || hasChanged;
    return hasChanged ? this.#taken() : null;
  }

  #drawFor(maker: MakerRecord, nowMs: number): boolean {
    const answered = this.#answeredBy(maker);
    if (answered.length === 0 || answered.some(([, record]) => record.isAudited)) return false;
    if (!this.#hasPeer(maker, nowMs)) return this.#keepAllOf(maker);
    const drawn = this.#units.get(this.#options.draw(answered.map(([unit]) => unit)));
    if (drawn === undefined) throw new RangeError('a unit that was not among those to draw from');
    drawn.isAudited = true;
    // None of them could be known to be audited when it was sent.
    drawn.coversSeq = this.#seq;
    return true;
  }

  /** Decides a unit that waits for another answer which nobody can give. */
  #settleStuck(unit: number, record: UnitRecord, nowMs: number): boolean {
    const [first] = completeMakers(record);
    if (first === undefined || !(record.isAudited || isDisputed(record))) return false;
    for (const other of this.#peersOf(first, nowMs)) if (!record.isCompleteBy(other)) return false;
    const makers = [...record.makers].filter(({ hasLied }) => !hasLied).sort((a, b) => b.agreements - a.agreements);
    const [trusted] = makers;
    if (trusted === undefined) return false;
    if (isDisputed(record)) this.#effects.push({ type: 'undecided', unit, makers: makers.map(({ sender }) => sender) });
    else this.#effects.push({ type: 'unaudited', maker: trusted.sender });
    for (const [row, answers] of record.rows) {
      const answer = answerOf(answers, trusted) ?? answers[0];
      if (answer !== undefined) this.#keep(unit, record, { row, answer, isConfirmed: false });
    }
    this.#forgetIfDone(unit, record);
    return true;
  }

  /** Keeps the rows that two have sent alike, and names whoever has sent others. */
  #settle(unit: number, record: UnitRecord): void {
    const lies = new Map<MakerRecord, number>();
    for (const [row, answers] of record.rows) {
      const right = record.confirmed(answers);
      if (right === null) continue;
      for (const answer of answers)
        if (record.isLie(answer, right)) lies.set(answer.maker, (lies.get(answer.maker) ?? 0) + 1);
      this.#keep(unit, record, { row, answer: right, isConfirmed: true });
    }
    for (const [liar, wrong] of lies) this.#accuse(unit, liar, wrong);
    if (!record.isDone) return;
    if (record.isAudited)
      for (const maker of record.makers) if (record.isAnsweredBy(maker) && !maker.hasLied) this.#passed(record, maker);
    this.#units.delete(unit);
  }

  /** A good audit: what the maker had sent by then is kept. */
  #passed(record: UnitRecord, maker: MakerRecord): void {
    maker.agreements++;
    this.#keepOf(maker, Math.max(record.seqOf(maker), record.coversSeq));
  }

  /** @param wrong rows of the unit in which it was found */
  #accuse(unit: number, maker: MakerRecord, wrong: number): void {
    maker.hasLied = true;
    let thrown = wrong;
    for (const [other, record] of this.#units) {
      thrown += record.throwAway(maker);
      if (record.makers.size === 0 && other !== unit) this.#units.delete(other);
    }
    this.#effects.push({ type: 'lie', unit, maker: maker.sender, thrown, kept: maker.kept });
  }

  /** @returns whether anything was kept */
  #keepAllOf(maker: MakerRecord): boolean {
    const [isWhole, before] = [this.#answeredBy(maker).length > 0, this.#effects.length];
    this.#keepOf(maker, Infinity, true);
    if (this.#effects.length === before) return false;
    if (isWhole) this.#effects.splice(before, 0, { type: 'unaudited', maker: maker.sender });
    return true;
  }

  /**
   * Keeps what the maker has answered and nobody could compare with another's answer: those of other numerics stand
   * beside it, and say nothing of it.
   *
   * @param isAudited whether units that wait for an audit are kept as well
   */
  #keepOf(maker: MakerRecord, untilSeq: number, isAudited = false): void {
    for (const [unit, record] of this.#units) {
      if (record.isAudited && !isAudited) continue;
      for (const [row, answers] of record.rows) {
        const answer = answerOf(answers, maker);
        const isAlone = answers.every((other) => other === answer || !isComparable(other.maker.sender, maker.sender));
        if (answer !== null && isAlone && answer.seq <= untilSeq)
          this.#keep(unit, record, { row, answer, isConfirmed: false });
      }
      this.#forgetIfDone(unit, record);
    }
  }

  #keep(unit: number, record: UnitRecord, { row, answer, isConfirmed }: KeptRow): void {
    record.settle(row);
    if (!isConfirmed) answer.maker.kept++;
    this.#effects.push({ type: 'keep', unit, row, bytes: answer.bytes, maker: answer.maker.sender });
  }

  #forgetIfDone(unit: number, record: UnitRecord): void {
    if (record.isDone) this.#units.delete(unit);
  }

  /** Units of which the maker has answered every row, and some wait. */
  #answeredBy(maker: MakerRecord): [number, UnitRecord][] {
    return [...this.#units].filter(([, record]) => record.isCompleteBy(maker));
  }

  #hasPeer(maker: MakerRecord, nowMs: number): boolean {
    return this.#peersOf(maker, nowMs).length > 0;
  }

  /** The workers that could be asked about what this one has made. */
  #peersOf(maker: MakerRecord, nowMs: number): MakerRecord[] {
    return [...this.#makers.values()].filter(
      (other) =>
        other !== maker &&
        !other.hasLied &&
        isComparable(other.sender, maker.sender) &&
        nowMs - other.leasedMs < this.#options.silenceMs,
    );
  }

  #makerOf(sender: Sender): MakerRecord {
    const key = senderKey(sender);
    const known = this.#makers.get(key);
    if (known !== undefined) return known;
    const fresh: MakerRecord = { sender, hasLied: false, agreements: 0, kept: 0, leasedMs: -Infinity };
    this.#makers.set(key, fresh);
    return fresh;
  }

  #taken(): LabelEffect[] {
    return this.#effects.splice(0);
  }
}
