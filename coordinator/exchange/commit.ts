/**
 * What happens to a unit whose root is complete (design, section 3, step 5), in order:
 *
 *   reduce  ->  hold (bytes go out)  ->  apply  ->  log + journal, fsynced  ->  (the core) release
 *
 * Each phase is a function of its own. An evaluation changes no weights: it is a journal line.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import { isDue } from '../../shared/fault-points.js';
import { splitTerms } from '../../shared/figures/training-sums.js';
import { commitScalars, skipScalars } from '../../shared/replica/optimizer/scalars.js';
import { limits } from '../../shared/protocol/messages.js';
import { applyCommit, type ReplicaPosition } from '../../shared/replica/apply-commit.js';
import type { Sums } from '../../shared/replica/reduction/contribution.js';
import { digestOf } from '../../shared/replica/piece-hash.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { Broadcast, CommitHead, LiveCommit } from './broadcast.js';
import type { Content, Contributions } from './contributions.js';
import { skipLimit } from '../decide/commits.js';
import type { Unit } from '../decide/types.js';
import { nothingApplied, type CommitLine, type EvaluationLine, type JournalLine } from '../store/journal.js';
import type { Journal } from '../store/journal-file.js';
import type { KeptCommits } from '../store/kept-commits.js';
import { expectOwnHash } from '../store/self-check.js';
import type { BufferPool } from './buffers.js';
import { timed, type RunTrace } from '../trace/run-trace.js';

/** What commits are made of, where they are stored, and where the run stands. */
export interface CommitterOptions {
  readonly replica: Replica;
  readonly pool: BufferPool;
  readonly contributions: Contributions;
  readonly broadcast: Pick<Broadcast, 'hold'>;
  readonly log: Pick<KeptCommits, 'append'>;
  readonly journal: Pick<Journal, 'append' | 'head'>;
  /** Rejects when this coordinator must write no more: another one has taken its place. */
  readonly expectNewest: () => Promise<void>;
  readonly generation: number;
  readonly totalSteps: number;
  /** Names of the recipe's loss terms. */
  readonly terms: readonly string[];
  /** Steps, updates and state so far. */
  readonly step: number;
  readonly update: number;
  readonly stateHash: string;
  /** Time of day in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
  readonly warn: (text: string) => void;
  readonly trace?: RunTrace | undefined;
}

/** A complete unit that is to be committed. */
export interface CommitRequest {
  readonly index: number;
  readonly unit: Unit;
  readonly slot: number | null;
  readonly skip: boolean;
  /** Steps in a row before it that had no update. */
  readonly skips: number;
  /** Teachers that it was computed without. */
  readonly dropped: readonly string[];
  readonly reason: string;
}

const emptyDigest = '0'.repeat(16);

/** Commits the units of one run, one after the other; it keeps the position of the coordinator's replica. */
export class Committer {
  readonly #options: CommitterOptions;
  #position: ReplicaPosition;
  #update: number;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#position = { step: options.step, stateHash: options.stateHash };
    this.#update = options.update;
  }

  /** The number of commits that the coordinator's replica has applied. */
  get step(): number {
    return this.#position.step;
  }

  /** How many of the commits had an update. */
  get update(): number {
    return this.#update;
  }

  /** The chain of the journal after its last line. */
  get journalHead(): string {
    return this.#options.journal.head;
  }

  /** Hash of the state after the last commit. */
  get stateHash(): string {
    return this.#position.stateHash;
  }

  /**
   * Resolves once the commit is on the disk. @throws UserError (65) when training has diverged, (69) when the disk
   * fails
   */
  async commitTraining(request: CommitRequest): Promise<CommitLine> {
    const { contributions, trace } = this.#options;
    const place = { step: request.unit.step };
    const content = request.slot === null ? null : contributions.take(request.slot);
    const { live, skip } = timed(trace, 'reduce', place, () => this.#reduce(request, content));
    this.#options.broadcast.hold(live);
    live.retired?.pin();
    if (live.bytes.length > limits.pieceBytes) await new Promise(setImmediate);
    timed(trace, 'apply', place, () => this.#apply(live, content?.buffer ?? null));
    const line = this.#line(request, content?.sums ?? {}, skip);
    if (live.retired === null && content !== null && content.buffer !== null) this.#options.pool.give(content.buffer);
    await timed(trace, 'fsync', place, () => this.#store(live, line));
    live.retired?.unpin();
    return line;
  }

  /**
   * Writes an evaluation's journal line, and resolves once it is on the disk.
   *
   * @param beforeJournal is done with the line before it is written
   */
  async commitEvaluation(
    { index, unit, slot, dropped }: CommitRequest,
    beforeJournal: (line: EvaluationLine) => Promise<void>,
  ): Promise<EvaluationLine> {
    const { generation, timeOfDayMs, journal, contributions, trace } = this.#options;
    const sums = slot === null ? {} : contributions.take(slot).sums;
    const line: EvaluationLine = {
      type: 'evaluation',
      generation,
      atMs: timeOfDayMs(),
      step: unit.step,
      unit: index,
      epoch: unit.epoch,
      subject: unit.subject ?? 'student',
      samples: unit.to - unit.from,
      sums: { ...sums },
      ...withDropped(dropped),
    };
    await beforeJournal(line);
    await this.#options.expectNewest();
    await timed(trace, 'fsync', { step: unit.step }, () => journal.append(line));
    return line;
  }

  /** The commit with its scalars; `skip` says why there is no update. */
  #reduce(
    { index, unit, skip, skips, reason }: CommitRequest,
    content: Content | null,
  ): { live: LiveCommit; skip: string | undefined } {
    const buffer = content?.buffer ?? null;
    const squares = buffer === null ? 0 : (content?.facts?.squares ?? this.#options.replica.slotSquares(buffer));
    const why = skip ? reason || 'skipped' : this.#reasonToSkip({ unit, skips }, buffer, squares);
    if (content === null || buffer === null || why !== undefined) {
      const head: CommitHead = {
        step: unit.step,
        unit: index,
        scalars: skipScalars(this.#update),
        compression: this.#options.replica.plan.compression,
        bytes: 0,
        digest: emptyDigest,
        momentCounts: [],
      };
      return { live: { head, bytes: new Uint8Array(0), hashes: [], retired: null }, skip: why ?? 'skipped' };
    }
    return { live: this.#liveCommit({ index, unit, squares }, { ...content, buffer }), skip: undefined };
  }

  /** @throws UserError (65) when too many steps in a row have no update */
  #reasonToSkip(
    { unit, skips }: { unit: Unit; skips: number },
    buffer: number | null,
    squares: number,
  ): string | undefined {
    if (buffer === null) return nothingApplied;
    if (Number.isFinite(squares)) return undefined;
    if (skips + 1 >= skipLimit)
      throw new UserError(
        `step ${unit.step}: the sum of gradients is not finite, and ${skipLimit} steps in a row have no update; lower the learning rate or clip`,
        exitCodes.data,
      );
    this.#options.warn(`step ${unit.step}: the sum of gradients is not finite; no update`);
    return 'the sum of gradients is not finite';
  }

  #liveCommit(
    { index, unit, squares }: { index: number; unit: Unit; squares: number },
    content: Content & { buffer: number },
  ): LiveCommit {
    const { replica, totalSteps, pool } = this.#options;
    replica.writeMoments(content.buffer, content.moments);
    this.#update++;
    const scalars = commitScalars(replica.plan, {
      update: this.#update,
      step: unit.step,
      totalSteps,
      gradientSquares: squares,
    });
    const view = replica.slotBytes(content.buffer);
    const isSmall = view.length <= limits.pieceBytes;
    // A small commit is cheaper to copy than to keep its buffer from being used again.
    const bytes = isSmall ? view.slice() : view;
    const hashes = replica.hashPieces(content.buffer, undefined, content.facts?.hashes);
    const head: CommitHead = {
      step: unit.step,
      unit: index,
      scalars,
      compression: replica.plan.compression,
      bytes: bytes.length,
      digest: digestOf(hashes),
      momentCounts: [...(content.moments?.counts ?? [])],
    };
    return { head, bytes, hashes, retired: isSmall ? null : pool.retire(content.buffer) };
  }

  #apply(live: LiveCommit, buffer: number | null): void {
    const { replica } = this.#options;
    const { step, stateHash } = this.#position;
    this.#position = applyCommit(replica, this.#position, { commit: live.head, slot: buffer }, (found) =>
      expectOwnHash(found, { step, stateHash }),
    );
    if (isDue('flip')) replica.weights[0] = (replica.weights[0] ?? 0) + 1;
  }

  #line({ index, unit, dropped }: CommitRequest, sums: Sums, skip: string | undefined): CommitLine {
    const { generation, timeOfDayMs } = this.#options;
    return {
      type: 'commit',
      generation,
      atMs: timeOfDayMs(),
      step: unit.step,
      unit: index,
      epoch: unit.epoch,
      from: unit.from,
      to: unit.to,
      samples: unit.to - unit.from,
      ...splitTerms(sums, this.#options.terms),
      ...(skip === undefined ? {} : { skip }),
      ...withDropped(dropped),
      digest: this.stateHash,
    };
  }

  /** Log and journal in parallel: recovery takes either one being ahead. */
  async #store(live: LiveCommit, line: JournalLine): Promise<void> {
    const { log, journal } = this.#options;
    await this.#options.expectNewest();
    const record = { ...live.head, hashes: [...live.hashes], stateHash: this.stateHash, line, before: journal.head };
    await Promise.all([log.append(record, live.head.bytes === 0 ? null : live.bytes), journal.append(line)]);
  }
}

function withDropped(dropped: readonly string[]): Pick<CommitLine, 'dropped'> {
  return dropped.length === 0 ? {} : { dropped: [...dropped] };
}
