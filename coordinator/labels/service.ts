/**
 * The run's labels at the coordinator: rows that workers made are put into their blocks and kept on the disk, and
 * whoever lacks a block gets it. How they are asked for is in requests.ts. No row changes once it is there.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { counted } from '../../shared/counted.js';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { ProtocolError } from '../../shared/errors.js';
import type { LabelStorage } from '../../shared/labels/storage.js';
import { widthOf } from '../../shared/labels/precision.js';
import { areKept, type LabelSet } from '../../shared/labels/sets.js';
import { openLabelBlocks, type LabelBlocks } from '../../shared/labels/label-blocks.js';
import { decodeRows, type LabelLease, type LabelRun, type RowsMessage } from '../../shared/protocol/label-messages.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import type { Refusal } from '../server/access.js';
import { LabelAudits, type LabelEffect } from './audits.js';
import { LabelIntake, type Conflict } from './intake.js';
import { lied, senderKey, senderName, Senders, type Sender } from './senders.js';
import { findingText, roundingLines } from './lines.js';
import { LabelWork } from './work.js';

export interface LabelServiceOptions {
  readonly run: PreparedRun;
  readonly storage: LabelStorage;
  readonly warn: (line: string) => void;
  /** Gets a failure of the disk, or a bug, that comes up while blocks are written behind the answers. */
  readonly onError: (error: unknown) => void;
  /** Keeps what an audit has found. */
  readonly onAudit?: (finding: LabelFinding) => void;
  /** What decides which blocks are audited, and no worker knows; absent: a new one. */
  readonly secret?: string;
  /** Workers whose labels an audit found to be lies before; absent: none. */
  readonly liars?: readonly string[];
}

/** What an audit of labels has found, for the journal. */
export interface LabelFinding {
  readonly outcome: 'lie' | 'undecided';
  readonly workers: readonly string[];
  readonly text: string;
}

/** How far the run's labels have come. A sample counts once for each label set: for each view, and each teacher. */
export interface KeptLabels {
  readonly kept: number;
  readonly samples: number;
}

/** Bytes of label blocks in the coordinator's memory, about. */
const memoryBytes = 512 * 1024 * 1024;
/** A worker that only labels and was not heard for so long is not waited for, to audit others. */
const auditorSilenceMs = 30_000;
/** How long workers that only label are given to ask again and hear that the run is over. */
const goodbyeMs = 1000;
/** Labels that were made just now may still be on their way for so long: longer than workers gather new rows. */
const settleMs = 300;
const pollMs = 20;

export class LabelService {
  readonly #labelBlocks: LabelBlocks;
  readonly #options: LabelServiceOptions;
  readonly #senders: Senders;
  readonly #audits: LabelAudits | null;
  readonly #intake: LabelIntake;
  /** When rows came last, by performance.now(). */
  #heardMs = -Infinity;
  #work: Promise<LabelWork> | null = null;
  /** Names of the workers that only label and have not heard yet that all is done. */
  readonly #labellers = new Set<string>();
  /** What every worker that only labels is answered from now on; null while blocks are leased. */
  #last: LabelLease | null = null;
  /** It was said that some labels could not be audited. */
  #isUnauditedSaid = false;
  /** Samples whose labels were there at the start; null before it was asked. */
  #read: number | null = null;
  #saving: Promise<void> = Promise.resolve();

  private constructor(labelBlocks: LabelBlocks, options: LabelServiceOptions) {
    this.#labelBlocks = labelBlocks;
    this.#options = options;
    this.#senders = new Senders(options.liars);
    this.#audits = auditsOf(options.run.recipe.audit ?? 0, options.secret ?? randomBytes(32).toString('hex'));
    this.#intake = new LabelIntake({
      labelBlocks,
      audits: this.#audits,
      onComplete: (set, block) => this.#onComplete(set, block),
      onFinding: (finding) => this.#say(finding),
    });
  }

  /** Null where the run keeps no labels. */
  static open(options: LabelServiceOptions): LabelService | null {
    if (!areKept(options.run.recipe)) return null;
    const labelBlocks = openLabelBlocks(options.run, { storage: options.storage, memoryBytes, warn: options.warn });
    return labelBlocks === null ? null : new LabelService(labelBlocks, options);
  }

  get sets(): readonly LabelSet[] {
    return this.#labelBlocks.sets;
  }

  /** @throws RangeError for a number that is none of this run's sets */
  setAt(set: number): LabelSet {
    const found = this.#labelBlocks.sets[set];
    if (found === undefined) throw new RangeError(`label set ${set}`);
    return found;
  }

  async kept(): Promise<KeptLabels> {
    const { sets, wanted } = this.#labelBlocks;
    let kept = 0;
    for (const set of sets.keys()) kept += (await this.#labelBlocks.counts(set)).reduce((sum, rows) => sum + rows, 0);
    return { kept, samples: wanted.total };
  }

  /** How far the labels have come, and how many of them were there when this was asked first, at the start. */
  async progress(): Promise<KeptLabels & { readonly read: number }> {
    const kept = await this.kept();
    this.#read ??= kept.kept;
    return { ...kept, read: this.#read };
  }

  /** What a run says of its labels at its start: what rounding may do, and what need not be computed. */
  async lines(): Promise<string[]> {
    const { kept, samples } = await this.progress();
    return [
      ...roundingLines(this.#options.run),
      ...(kept === 0 ? [] : [`labels: ${kept} of ${samples}${this.#setsText()} read from the cache`]),
    ];
  }

  /** How the number of labels comes about, where it is not that of the samples. */
  #setsText(): string {
    const { sets, plan } = this.#labelBlocks;
    const views = new Set(sets.map(({ view }) => view)).size;
    const kinds = sets.length / views;
    const what = sets.every(({ label }) => label.kind === 'teacher') ? 'teachers' : 'kinds';
    if (this.#options.run.recipe.ensemble.route !== undefined && what === 'teachers')
      return ` (${kinds} teachers, each of its own samples)`;
    const factors = [...(kinds === 1 ? [] : [`${kinds} ${what}`]), ...(views === 1 ? [] : [`${views} views`])];
    return factors.length === 0 ? '' : ` (${factors.join(', ')} of ${counted(plan.samples, 'sample')})`;
  }

  /** What a worker that only labels needs to know of the run. */
  describeRun(): LabelRun {
    const { recipe, teachers, manifestArtifact, recipeDigest } = this.#options.run;
    return { recipe, recipeDigest, teachers: [...teachers], manifest: manifestArtifact };
  }

  /** Why nothing is taken of this sender any more; null where it is. */
  barredText(sender: Sender): string | null {
    return this.#senders.barredText(sender);
  }

  /** The block that this worker labels next. */
  async lease(sender: Sender): Promise<LabelLease> {
    const key = senderKey(sender);
    this.#labellers.add(key);
    const lease = await this.#leaseTo(sender, key);
    if (lease.type === 'done') this.#labellers.delete(key);
    return lease;
  }

  async #leaseTo(sender: Sender, key: string): Promise<LabelLease> {
    const work = await this.#openWork();
    const audits = this.#audits;
    if (audits !== null) await this.#settleAudits((nowMs) => (audits.heard(sender, nowMs), audits.relieve(nowMs)));
    for (;;) {
      if (this.#last !== null) return this.#last;
      const nowMs = performance.now();
      const lease = work.lease(key, nowMs, audits === null ? undefined : (unit) => audits.wants(unit, sender));
      if (audits === null || lease.type !== 'wait') return lease;
      if (!(await this.#settleAudits((now) => audits.idle(now)))) return lease;
      // However much there is to settle, others are heard in between.
      await nextTurn();
    }
  }

  /** @returns whether the audits had anything to do */
  async #settleAudits(ask: (nowMs: number) => readonly LabelEffect[] | null): Promise<boolean> {
    const effects = ask(performance.now());
    if (effects !== null) await this.#intake.carryOut(effects);
    return effects !== null;
  }

  /** Rows that each block of a set has, in the blocks' order. */
  counts(set: number): Promise<number[]> {
    return this.#labelBlocks.counts(set);
  }

  /** A copy of a block's bytes, since rows may be added while they are on their way; null for no such block. */
  async blockBytes(set: number, number: number): Promise<Uint8Array | null> {
    if (number >= this.#labelBlocks.plan.blocks.length) return null;
    const block = await this.#labelBlocks.open(set, number);
    // It may have been complete by its file's name, and was thrown away when it was read.
    if (!block.isComplete) (await this.#openWork()).lacks(set, number);
    return block.bytes.slice();
  }

  /**
   * Puts the rows of a message into their blocks, all or none where one can be no label. Complete blocks go to the disk
   * at once, the others at the end. What cannot be, and a second answer of the same numerics, counts against the sender.
   *
   * @returns why they are refused; null where they are taken, or were there with the same bytes
   */
  async addRows(set: number, bytes: Uint8Array, sender: Sender): Promise<Refusal | null> {
    const { codec } = this.setAt(set);
    const { plan } = this.#labelBlocks;
    const message = decoded(bytes, codec.rowBytes, plan.samples);
    if (typeof message === 'string') return this.#hold(sender, { status: 422, error: message });
    const rows = codec.open(
      bytes.slice(bytes.length - message.ids.length * codec.rowBytes).buffer,
      0,
      message.ids.length,
    );
    for (const [i, id] of message.ids.entries()) {
      const fault = rows.fault(i);
      if (fault !== null)
        return this.#hold(sender, { status: 422, error: `the label of sample ${id} cannot be: ${fault}` });
    }
    if (await this.#isFullFor(set, message, codec.rowBytes))
      return { status: 503, error: 'too many labels wait for an audit' };
    const others = await this.#intake.take(set, message, sender);
    this.#heardMs = performance.now();
    if (sender.worker !== null) (await this.#openWork()).heard(senderKey(sender), this.#heardMs);
    return others === null ? null : this.#conflict(sender, others);
  }

  /** Has audits settled first that nobody can make, where nothing more could be taken. */
  async #isFullFor(set: number, message: RowsMessage, rowBytes: number): Promise<boolean> {
    const audits = this.#audits;
    if (audits === null || !this.#intake.isFullFor(set, message, rowBytes)) return false;
    await this.#settleAudits((nowMs) => [...audits.relieve(nowMs), ...(audits.idle(nowMs) ?? [])]);
    return this.#intake.isFullFor(set, message, rowBytes);
  }

  /** Says that other rows are there, and counts it where the sender's should have had the same bits. */
  #conflict(sender: Sender, { samples, isHeld }: Conflict): Refusal {
    const [first = 0] = samples;
    const others = samples.length === 1 ? '' : ` and ${samples.length - 1} more`;
    const refusal = { status: 409, error: `sample ${first}${others} has another label already, which stays` };
    return isHeld ? this.#hold(sender, refusal) : refusal;
  }

  /** Says what an audit has found, and turns who has lied away. */
  #say(finding: Exclude<LabelEffect, { type: 'keep' }>): void {
    const { warn, onAudit } = this.#options;
    if (finding.type === 'unaudited') {
      if (!this.#isUnauditedSaid)
        warn(
          `labels: those of ${senderName(finding.maker)} are not audited: no other label worker of the same numerics is there`,
        );
      this.#isUnauditedSaid = true;
      return;
    }
    const text = findingText(finding, this.#labelBlocks.plan.blocks);
    const makers = finding.type === 'lie' ? [finding.maker] : finding.makers;
    if (finding.type === 'lie') this.#senders.bar(finding.maker, lied);
    warn(`labels: ${text}`);
    onAudit?.({ outcome: finding.type, workers: makers.map(({ worker }) => worker ?? ''), text });
  }

  /** Counts a refusal against the sender. */
  #hold(sender: Sender, refusal: Refusal): Refusal {
    if (this.#senders.strike(sender))
      this.#options.warn(`labels: ${senderName(sender)}: no more are taken: ${refusal.error}`);
    return refusal;
  }

  /**
   * Nothing more is wanted of workers that only label: the run goes on without one of these teachers, or is at its end.
   */
  endLeases(): void {
    this.#last = { type: 'done' };
  }

  /**
   * Waits a moment for the labels that workers have made and not sent yet: a run may be over before its first ones come.
   * Where it is only paused, workers that label alone wait for its next start.
   */
  async settle(isPaused = false): Promise<void> {
    this.#last ??= { type: isPaused ? 'wait' : 'done' };
    const beganMs = performance.now();
    while (!isPaused && this.#labellers.size > 0 && performance.now() < beganMs + goodbyeMs) await sleep(pollMs);
    while (performance.now() - Math.max(this.#heardMs, beganMs) < settleMs) {
      const { kept, samples } = await this.kept();
      if (kept === samples) return;
      await sleep(pollMs);
    }
  }

  /** Writes what is new. Rows that still wait for an audit are not kept. */
  async close(): Promise<void> {
    const waiting = this.#audits?.waiting ?? 0;
    if (waiting > 0) this.#options.warn(`labels: ${waiting} of which no audit has come are not kept`);
    await this.#saving;
    await this.#labelBlocks.save();
  }

  /** Whether every label of the run is there. */
  async isDone(): Promise<boolean> {
    return (await this.#openWork()).isDone;
  }

  /**
   * All labels of a set, block after block in the order of the samples: [rows x width] values each, null for a block
   * with missing rows.
   */
  async *values(set: number): AsyncGenerator<Float32Array | null> {
    const width = widthOf(this.setAt(set).form);
    for (const number of this.#labelBlocks.plan.blocks.keys()) {
      const block = await this.#labelBlocks.open(set, number);
      const out = new Float32Array(block.rows * width);
      if (block.isComplete) for (let row = 0; row < block.rows; row++) block.read(row, out, row * width);
      yield block.isComplete ? out : null;
    }
  }

  #openWork(): Promise<LabelWork> {
    this.#work ??= LabelWork.open(this.#labelBlocks, (position) => this.#options.run.sampleAt(0, position));
    return this.#work;
  }

  #onComplete(set: number, block: number): void {
    const completed = async (): Promise<void> => (await this.#openWork()).completed(set, block);
    completed().catch((error: unknown) => this.#options.onError(error));
    this.#saving = this.#saving
      .then(() => this.#labelBlocks.saveBlock(set, block))
      .catch((error: unknown) => this.#options.onError(error));
  }
}

/**
 * Chooses this share of all blocks by a key that the coordinator alone has; null for no audits. A maker that is alone is
 * believed after twice the blocks among which one is audited.
 */
function auditsOf(share: number, secret: string): LabelAudits | null {
  if (share === 0) return null;
  const drawn = (unit: number): number =>
    createHmac('sha256', secret).update(`labels ${unit}`).digest().readUIntBE(0, 6) / 2 ** 48;
  return new LabelAudits({
    isChosen: (unit) => drawn(unit) < share,
    draw: (units) => units.reduce((best, unit) => (drawn(unit) < drawn(best) ? unit : best)),
    alone: Math.max(8, Math.ceil(2 / share)),
    silenceMs: auditorSilenceMs,
  });
}

/** The rows of a message, or why it has none. */
function decoded(bytes: Uint8Array, rowBytes: number, samples: number): RowsMessage | string {
  try {
    return decodeRows(bytes, rowBytes, samples);
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

/** How long a count of labels is good for, in milliseconds. */
const countMs = 2000;

/**
 * Gives the newest count of the labels that are kept, so that nobody waits for one: whoever asks gets the one before,
 * and has it made anew where it is old. What cannot be counted is told by whoever needs the labels themselves.
 */
export function newestCount(service: () => LabelService | null): () => KeptLabels | null {
  let [known, countedMs]: [KeptLabels | null, number] = [null, -Infinity];
  return () => {
    const nowMs = performance.now();
    if (nowMs - countedMs >= countMs) {
      countedMs = nowMs;
      service()
        ?.kept()
        .then(
          (count) => (known = count),
          () => undefined,
        );
    }
    return known;
  };
}
