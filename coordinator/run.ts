/**
 * A run in progress: channels, timers and disk become events for the core, and the core's commands are carried out in
 * order. It decides nothing itself. What it is made of comes from outside (RunParts), so that a simulation can run it
 * over channels, timers and a disk of its own.
 */
import { faultPoint } from '../shared/fault-points.js';
import { termNames } from '../shared/recipe/terms.js';
import { nameOfUnit } from './decide/state.js';
import type { Command, UntimedEvent } from './decide/types.js';
import { Broadcast, type RunEnvelope } from './exchange/broadcast.js';
import { BufferPool } from './exchange/buffers.js';
import type { Channel } from './exchange/channel.js';
import { Committer } from './exchange/commit.js';
import { Contributions } from './exchange/contributions.js';
import { Receipts } from './exchange/receipts.js';
import { Scaling } from './exchange/scaling.js';
import type { LabelFinding } from './labels/service.js';
import type { Summary } from './reports/summary.js';
import type { RunParts } from './run-parts.js';
import { RunReports } from './run-reports.js';
import { statusOf, type OwnStatus } from './run-status.js';
import type { ArtifactSource } from './server/artifacts.js';
import { liarsIn, type JournalLine } from './store/journal.js';
import { Snapshotter } from './store/snapshotter.js';
import { timed } from './trace/run-trace.js';
import type { OwnCounts } from './watch/run-counts.js';
import { UnitCommits } from './unit-commits.js';
import type { RunEnd } from './workers/end-of-run.js';
import type { RefusalReason } from './workers/worker-messages.js';
import { Workers } from './workers/workers.js';

export interface Outcome {
  readonly type: Extract<Command, { type: 'finish' }>['outcome'];
  readonly reason: string;
  readonly step: number;
}

export class Run {
  readonly envelope: RunEnvelope;
  readonly #parts: RunParts;
  readonly #pool: BufferPool;
  readonly #contributions: Contributions;
  readonly #receipts: Receipts;
  readonly #broadcast: Broadcast;
  readonly #reports: RunReports;
  readonly #commits: UnitCommits;
  readonly #workers: Workers;
  readonly #scaling: Scaling;
  readonly #queue: UntimedEvent[] = [];
  readonly #outcome: Promise<Outcome>;
  #settle: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  /** Frames that never became an event, by the reason. */
  readonly #refused: Record<RefusalReason, number> = { brokenRule: 0, noLease: 0 };
  #isHandling = false;
  #isOver = false;
  readonly #stopTicking: () => void;
  readonly #onStop: () => void;
  readonly #endAsking: () => void;

  constructor(parts: RunParts) {
    const { run, units, replica, store, standing, timers, times, stopSignal } = parts;
    this.#parts = parts;
    this.envelope = { run: store.folder.run, generation: store.folder.generation.counter };
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#scaling = new Scaling(run, units.totalSteps);
    this.#pool = new BufferPool(parts.buffers);
    this.#contributions = new Contributions(replica, this.#pool);
    const { step: released, stateHash } = standing;
    const { secret, nonce } = store.folder.generation;
    const receipts = new Receipts(secret, nonce);
    this.#receipts = receipts;
    this.#broadcast = new Broadcast({ log: store.log, envelope: this.envelope, released, stateHash, receipts });
    this.#workers = this.#openWorkers();
    for (const process of liarsIn(standing.lines, 'audit')) this.#workers.bar(process);
    this.#reports = this.#openReports();
    this.#commits = this.#openCommits();
    this.#stopTicking = timers.every(times.tickMs, () => this.#tick());
    this.#onStop = () => this.#post({ type: 'stop', reason: String(stopSignal.reason ?? 'asked to') });
    stopSignal.addEventListener('abort', this.#onStop, { once: true });
    if (stopSignal.aborted) this.#onStop();
    this.#endAsking = parts.onSnapshotWanted(() => void this.#commits.takeSnapshot());
  }

  /** Whether this run has nothing left for workers, so that none is let in any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How it stands, for people and programs that watch it. */
  status(): OwnStatus {
    const { run, units, core, account, timers } = this.#parts;
    return statusOf({
      envelope: { ...this.envelope, name: run.name },
      isOver: this.#isOver,
      step: this.#broadcast.released,
      plan: units,
      samples: account.samples,
      pace: this.#reports.pace,
      leases: this.leases(),
      standing: core.standing,
      here: this.#workers.here(),
      firstFailure: this.#workers.firstFailure,
      nowMs: timers.nowMs(),
    });
  }

  /** What its parts have counted, for those who measure it. */
  counts(): OwnCounts {
    const { core } = this.#parts;
    return {
      ...this.#workers.counts,
      lateLeases: core.standing.lateTimes,
      refusedFrames: { ...this.#refused, noMatch: core.accounts.refused },
      snapshots: this.#commits.snapshots,
    };
  }

  /** Keeps what an audit of labels has found. */
  noteLabels({ outcome, workers, text }: LabelFinding): void {
    this.#journal({ type: 'labels', ...this.#place, outcome, workers: [...workers], text });
  }

  /** Has a worker leave in good order. @returns false where there is none of that short name */
  drain(worker: string): boolean {
    return this.#workers.drain(worker);
  }

  /** Asks for a stop in good order. */
  stop(reason: string): void {
    this.#post({ type: 'stop', reason });
  }

  /** Resolves at the run's end. @throws UserError when storage fails or training diverges; anything else is a bug */
  async finished(): Promise<Outcome> {
    const outcome = await this.#outcome;
    this.#stopTicking();
    this.#workers.endHearing();
    await this.#commits.idle();
    this.#isOver = true;
    await this.#commits.finish(outcome.type);
    return outcome;
  }

  connect(channel: Channel): void {
    this.#workers.connect(channel);
  }

  findArtifact(sha256: string): ArtifactSource | undefined {
    const { run, store } = this.#parts;
    const snapshot = store.snapshots.all.find((candidate) => candidate.sha256 === sha256);
    return snapshot === undefined ? run.artifacts.get(sha256) : { path: snapshot.path };
  }

  /** Leases granted, those of them for micro-batches that had been due at a worker before, and what was refused. */
  leases(): Summary['leases'] {
    const { granted, repeated, refused } = this.#parts.core.accounts;
    const { brokenRule, noLease } = this.#refused;
    return { granted, repeated, refused: refused + brokenRule + noLease };
  }

  workers(): Summary['workers'] {
    return this.#workers.summaries();
  }

  /** Resolves once nothing is being written any more. */
  async idle(): Promise<void> {
    await this.#commits.close();
  }

  /** Tells every worker of the end, and waits a moment for them to close. */
  tellEnd(end: RunEnd): Promise<void> {
    return this.#workers.tellEnd(end);
  }

  /** Ends the run with an error: finished() rejects with it. */
  fail(error: unknown): void {
    this.#isOver = true;
    this.#settle.reject(error);
  }

  close(): void {
    this.#isOver = true;
    this.#stopTicking();
    this.#parts.stopSignal.removeEventListener('abort', this.#onStop);
    this.#endAsking();
    this.#workers.close();
    this.#parts.reporter.close();
  }

  // Events

  #tick(): void {
    this.#workers.noticeBytes();
    this.#post({ type: 'tick' });
    if (this.#pool.isShort) this.#workers.cutOffSlow(this.#parts.times.patienceMs);
  }

  /** Handles one event after the other, each with all of its commands; an event that comes meanwhile waits. */
  #post(event: UntimedEvent): void {
    this.#queue.push(event);
    if (this.#isHandling) return;
    const { core, timers } = this.#parts;
    this.#isHandling = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined && !this.#isOver; next = this.#queue.shift())
        for (const command of core.handle({ ...next, nowMs: timers.nowMs() })) this.#carryOut(command);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isHandling = false;
    }
  }

  // Commands

  #carryOut(command: Command): void {
    const { commands: workers } = this.#workers;
    switch (command.type) {
      case 'lease':
        return workers.lease(command, this.#scaling.of(command.unit));
      case 'cancel':
        return workers.cancel(command);
      case 'pull':
        return workers.pull(command);
      case 'accept':
        return workers.accept(command);
      case 'setAside':
        return workers.setAside(command);
      case 'merge':
        return this.#merge(command);
      case 'free':
        return this.#contributions.free(command.slot);
      case 'commit':
        return this.#commits.begin(command);
      case 'drop':
        return this.#drop(command);
      case 'audit':
        return this.#onAudit(command);
      case 'release':
        return this.#release(command);
      case 'resync':
        return workers.resync(command);
      case 'dismiss':
        return workers.dismiss(command);
      case 'finish':
        return this.#settle.resolve({ type: command.outcome, reason: command.reason, step: this.#broadcast.released });
      case 'say':
        return this.#parts.reporter.say(command.level, command.text);
      default: {
        const unknown: never = command;
        throw new Error(`command ${JSON.stringify(unknown)}`);
      }
    }
  }

  #merge({ into, from }: Extract<Command, { type: 'merge' }>): void {
    const { trace } = this.#parts;
    timed(trace, 'reduce', { step: this.#broadcast.released }, () => this.#contributions.merge(into, from));
  }

  #drop({ reason, unit }: Extract<Command, { type: 'drop' }>): void {
    this.#parts.onDrop();
    this.#parts.reporter.say(
      'warn',
      `${reason}; from ${nameOfUnit(unit)} on the run goes on without it, the others' weights scaled to 1`,
    );
  }

  /** Keeps what an audit has found, and the workers that were wrong out. Before the step's commit is journalled. */
  #onAudit({ assignment, outcome, workers, text }: Extract<Command, { type: 'audit' }>): void {
    const { timeOfDayMs } = this.#parts;
    if (outcome === 'lie') for (const { process } of workers) this.#workers.bar(process);
    const line: JournalLine = {
      type: 'audit',
      generation: this.envelope.generation,
      atMs: timeOfDayMs(),
      ...assignment,
      outcome,
      workers: workers.map(({ process }) => process),
      text,
    };
    this.#journal(line);
  }

  /** Where the run stands, as a line of the journal says it. */
  get #place(): { readonly generation: number; readonly atMs: number; readonly step: number } {
    const { timeOfDayMs } = this.#parts;
    return { generation: this.envelope.generation, atMs: timeOfDayMs(), step: this.#broadcast.released };
  }

  #journal(line: JournalLine): void {
    this.#parts.store.journal.append(line).catch((error: unknown) => this.fail(error));
  }

  #release({ step, stateHash }: Extract<Command, { type: 'release' }>): void {
    this.#broadcast.release(step, stateHash);
    setImmediate(faultPoint, 'before-acknowledgement');
  }

  // Parts

  #openWorkers(): Workers {
    const { run, store, replica, standing, probes, reporter, timers, times, trace } = this.#parts;
    return new Workers({
      run,
      envelope: this.envelope,
      nonce: store.folder.generation.nonce,
      lineage: { nonces: store.folder.nonces, rewoundBy: standing.rewoundBy, receipts: this.#receipts },
      folderPath: store.folder.path,
      replica,
      contributions: this.#contributions,
      broadcast: this.#broadcast,
      log: store.log,
      snapshots: store.snapshots,
      probes,
      reporter,
      timers,
      heartbeatMs: times.heartbeatMs,
      memoryFolder: this.#parts.memoryFolder,
      expected: this.#parts.expected,
      isOpen: this.#parts.isOpen,
      trace,
      newSnapshot: () => this.#commits.newSnapshot(),
      onFailure: (told) => this.#journal({ type: 'failure', ...this.#place, ...told, lines: [...told.lines] }),
      onRefused: (reason) => this.#refused[reason]++,
      post: (event) => this.#post(event),
      fail: (error) => this.fail(error),
    });
  }

  #openReports(): RunReports {
    const { run, units, account, reporter, labels } = this.#parts;
    return new RunReports({
      ...{ run, units, account, reporter },
      readyWorkers: () => this.#workers.readyCount,
      labels: labels ?? (() => null),
      fail: (error) => this.fail(error),
    });
  }

  #openCommits(): UnitCommits {
    const { run, units, store, reporter, trace } = this.#parts;
    return new UnitCommits({
      trace,
      committer: this.#openCommitter(),
      snapshotter: this.#openSnapshotter(),
      reports: this.#reports,
      keepBest: (step) => store.writeBest(this.#parts.replica.readWeights(), step),
      reporter,
      firstUnit: this.#parts.standing.unit,
      stepsPerEpoch: units.stepsPerEpoch,
      recipeDigest: run.recipeDigest,
      isOver: () => this.#isOver,
      post: (event) => this.#post(event),
      fail: (error) => this.fail(error),
    });
  }

  #openCommitter(): Committer {
    const { run, units, store, replica, standing, reporter, timeOfDayMs, trace } = this.#parts;
    return new Committer({
      trace,
      replica,
      pool: this.#pool,
      contributions: this.#contributions,
      broadcast: this.#broadcast,
      log: store.log,
      journal: store.journal,
      expectNewest: () => store.folder.expectNewest(),
      generation: this.envelope.generation,
      totalSteps: units.totalSteps,
      terms: termNames(run.recipe.losses),
      step: standing.step,
      update: standing.update,
      stateHash: standing.stateHash,
      timeOfDayMs,
      warn: (text) => reporter.say('warn', text),
    });
  }

  #openSnapshotter(): Snapshotter {
    const { run, store, replica, timers } = this.#parts;
    return new Snapshotter({
      replica,
      log: store.log,
      snapshots: store.snapshots,
      everySteps: run.recipe.snapshots.everySteps,
      everySeconds: run.recipe.snapshots.everySeconds,
      nowMs: () => timers.nowMs(),
      onError: (error) => this.fail(error),
    });
  }
}
