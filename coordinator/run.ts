/**
 * A run in progress: sockets, clock and disk become events for the core, the core's commands are carried out in order.
 * It decides nothing itself.
 */
import type { WebSocket } from 'ws';
import { faultPoint } from '../shared/fault-points.js';
import type { Down } from '../shared/protocol/messages.js';
import { contributionBytes } from '../shared/replica/reduction/contribution.js';
import { termMeans } from '../shared/figures/training-sums.js';
import { termsIn } from '../shared/recipe/terms.js';
import type { Replica } from '../shared/replica/replica.js';
import type { Account } from './reports/totals.js';
import type { Peer } from './server/server.js';
import type { ArtifactSource } from './server/artifacts.js';
import { writeBest } from './store/best-weights.js';
import { Broadcast, type RunEnvelope } from './exchange/broadcast.js';
import { Committer, type CommitRequest } from './exchange/commit.js';
import { Contributions } from './exchange/contributions.js';
import { Core } from './decide/decide.js';
import { nameOfUnit } from './decide/state.js';
import type { Command, TeacherPolicy, WorkerId } from './decide/types.js';
import type { Intake } from './exchange/incoming.js';
import { droppedAtEnd, isFailedStep, skipsAtEnd, type EvaluationLine, type JournalLine } from './store/journal.js';
import type { CommitLog } from './store/log.js';
import { Members, type NewEvent } from './workers/workers.js';
import type { Probes } from './workers/numerics.js';
import type { Recovered } from './store/recovery.js';
import { termWarnings } from './reports/term-warnings.js';
import type { ReportOutput } from './reports/outputs/output.js';
import type { Summary } from './reports/summary.js';
import { checkTeachers } from './reports/teacher-check.js';
import type { PreparedRun } from './plan/prepared-run.js';
import type { RunFolder } from './store/run-folder.js';
import { Scalings } from './exchange/scaling.js';
import { SlotPool } from './exchange/buffers.js';
import { Snapshotter } from './store/snapshotter.js';
import type { RunPosition, Snapshots } from './store/snapshots.js';
import type { UnitPlan } from './plan/units.js';

export interface RunTimes {
  readonly heartbeatMs: number;
  /** A worker that is not heard for so long, and for what an answer of it may take, is gone. */
  readonly silenceMs: number;
  readonly firstLeaseMs: number;
  readonly tickMs: number;
  /** How long a slow reader may keep a buffer that a step needs. */
  readonly patienceMs: number;
}

export interface RunOptions {
  readonly run: PreparedRun;
  readonly folder: RunFolder;
  readonly replica: Replica;
  /** The core's slots, and the buffers behind them. */
  readonly slots: number;
  readonly buffers: number;
  readonly log: CommitLog;
  readonly snapshots: Snapshots;
  readonly recovered: Recovered;
  readonly account: Account;
  readonly units: UnitPlan;
  readonly probes: Probes;
  readonly reporter: ReportOutput;
  readonly stopSignal: AbortSignal;
  /** Called when the run begins to go on without a teacher. */
  readonly onDrop?: (() => void) | undefined;
  /** Calls back whenever a snapshot is asked for, until what it returns is called. */
  readonly onSnapshotWanted?: ((take: () => void) => () => void) | undefined;
  readonly times: RunTimes;
  /** Time of day, for the journal. */
  readonly nowMs: () => number;
  /** Never set: what is late or silent is told by it. */
  readonly clockMs: () => number;
  /** The first lease waits for so many workers. */
  readonly expected: number;
  readonly isRebuilt: boolean;
}

export interface Outcome {
  readonly type: Extract<Command, { type: 'finish' }>['outcome'];
  readonly reason: string;
  readonly step: number;
}

export class Run {
  readonly envelope: RunEnvelope;
  readonly #options: RunOptions;
  readonly #core: Core;
  readonly #pool: SlotPool;
  readonly #contributions: Contributions;
  readonly #broadcast: Broadcast;
  readonly #committer: Committer;
  readonly #snapshotter: Snapshotter;
  readonly #members: Members;
  readonly #queue: NewEvent[] = [];
  readonly #outcome: Promise<Outcome>;
  #settle: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  /** Frames that never became an event. */
  #refused = 0;
  #committing: Promise<void> = Promise.resolve();
  #isCommitting = false;
  #isHandling = false;
  #isOver = false;
  /** Of the next unit. */
  #unit: number;
  readonly #firstSamples: number;
  #releasedHash: string;
  readonly #scalings: Scalings;
  /** Loss terms that a warning was given of. */
  readonly #warned = new Set<string>();
  readonly #ticker: NodeJS.Timeout;
  readonly #onStop: () => void;
  readonly #endAsking: (() => void) | undefined;

  constructor(options: RunOptions) {
    const { run, folder, replica, log, recovered, units, times } = options;
    this.#options = options;
    this.envelope = { run: folder.run, generation: folder.generation.counter };
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#unit = recovered.unit;
    this.#firstSamples = options.account.samples;
    this.#releasedHash = recovered.stateHash;
    this.#scalings = new Scalings(run, units.totalSteps);
    this.#pool = new SlotPool(options.buffers);
    this.#contributions = new Contributions(replica, this.#pool);
    this.#broadcast = new Broadcast({ log, envelope: this.envelope, released: recovered.step });
    this.#members = new Members({
      ...options,
      envelope: this.envelope,
      contributions: this.#contributions,
      broadcast: this.#broadcast,
      onRefused: () => this.#refused++,
      heartbeatMs: times.heartbeatMs,
      rewoundBy: recovered.rewoundBy,
      stateHash: () => this.#releasedHash,
      post: (event) => this.#post(event),
      fail: (error) => this.fail(error),
    });
    this.#committer = new Committer({
      ...options,
      pool: this.#pool,
      contributions: this.#contributions,
      broadcast: this.#broadcast,
      journal: recovered.journal,
      expectNewest: () => folder.expectNewest(),
      generation: this.envelope.generation,
      totalSteps: units.totalSteps,
      terms: termsIn(run.recipe.losses),
      step: recovered.step,
      update: recovered.update,
      stateHash: recovered.stateHash,
      warn: (text) => options.reporter.say('warn', text),
    });
    this.#snapshotter = new Snapshotter({
      ...options,
      ...run.recipe.snapshots,
      nowMs: options.clockMs,
      onError: (error) => this.fail(error),
    });
    this.#core = new Core({
      unitAt: units.unitAt,
      firstUnit: recovered.unit,
      stateHash: recovered.stateHash,
      skips: skipsAtEnd(recovered.lines),
      policy: policyOf(run, recovered),
      isRebuilt: options.isRebuilt,
      slots: options.slots,
      contributionBytes: contributionBytes(replica.plan),
      silenceMs: times.silenceMs,
      firstLeaseMs: times.firstLeaseMs,
    });
    this.#ticker = setInterval(() => this.#tick(), times.tickMs);
    this.#onStop = () => this.#post({ type: 'stop', reason: String(options.stopSignal.reason ?? 'asked to') });
    options.stopSignal.addEventListener('abort', this.#onStop, { once: true });
    if (options.stopSignal.aborted) this.#onStop();
    this.#endAsking = options.onSnapshotWanted?.(() => void this.#takeSnapshot());
  }

  /** No worker is let in any more: this run has nothing left for it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves at the run's end. @throws UserError when storage fails or training diverges; anything else is a bug */
  async finished(): Promise<Outcome> {
    const outcome = await this.#outcome;
    clearInterval(this.#ticker);
    this.#members.endHearing();
    await this.#committing;
    this.#isOver = true;
    await this.#snapshotter.idle();
    if (outcome.type === 'stopped') await this.#snapshotter.finish(this.#position());
    const line = this.#options.account.closeEpoch();
    if (outcome.type === 'done') await this.#options.reporter.end(line);
    return outcome;
  }

  connect(socket: WebSocket, peer: Peer): void {
    this.#members.connect(socket, peer);
  }

  findArtifact(sha256: string): ArtifactSource | undefined {
    const { run, snapshots } = this.#options;
    const snapshot = snapshots.all.find((candidate) => candidate.sha256 === sha256);
    return snapshot === undefined ? run.artifacts.get(sha256) : { path: snapshot.path };
  }

  /** Leases granted, those of them for micro-batches that had been due at a worker before, and what was refused. */
  leases(): Summary['leases'] {
    const { granted, repeated, refused } = this.#core.accounts;
    return { granted, repeated, refused: refused + this.#refused };
  }

  workers(): Summary['workers'] {
    return this.#members.roster.list();
  }

  /** Resolves once nothing is being written any more. */
  async idle(): Promise<void> {
    await this.#committing;
    await this.#snapshotter.close();
  }

  /** Tells every worker, and waits a moment for them to close. */
  sayEnd(end: { reason: Down<'end'>['reason']; text: string }): Promise<void> {
    return this.#members.sayEnd(end);
  }

  fail(error: unknown): void {
    this.#isOver = true;
    this.#settle.reject(error);
  }

  close(): void {
    this.#isOver = true;
    clearInterval(this.#ticker);
    this.#options.stopSignal.removeEventListener('abort', this.#onStop);
    this.#endAsking?.();
    this.#members.close();
    this.#options.reporter.close();
  }

  // Events and commands

  #tick(): void {
    this.#members.noticeBytes();
    this.#post({ type: 'tick' });
    if (this.#pool.isShort) this.#members.cutSlowReaders(this.#options.times.patienceMs);
  }

  #post(event: NewEvent): void {
    this.#queue.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined && !this.#isOver; next = this.#queue.shift()) {
        for (const command of this.#core.handle({ ...next, nowMs: this.#options.clockMs() })) this.#carryOut(command);
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isHandling = false;
    }
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'lease':
        return this.#lease(command);
      case 'cancel':
        return this.#cancel(command.worker, command.id);
      case 'pull':
        return this.#intakeOf(command.worker)?.pull(command.id, command.slot);
      case 'accept':
        this.#intakeOf(command.worker)?.accept(command.id, command.slot);
        return this.#members.settle(command.worker, command.id);
      case 'merge':
        return this.#contributions.merge(command.into, command.from);
      case 'free':
        return this.#contributions.free(command.slot);
      case 'commit':
        this.#committing = this.#commit(command).catch((error: unknown) => this.fail(error));
        return;
      case 'drop':
        this.#options.onDrop?.();
        return this.#options.reporter.say(
          'warn',
          `${command.reason}; from ${nameOfUnit(command.unit)} on the run goes on without it, the others' weights scaled to 1`,
        );
      case 'release':
        this.#releasedHash = command.stateHash;
        this.#broadcast.release(command.step, command.stateHash);
        return void setImmediate(faultPoint, 'before-acknowledgement');
      case 'resync':
        return this.#members.resync(command.worker, command.reason);
      case 'dismiss':
        return this.#members.get(command.worker)?.dismiss(command.code, command.reason);
      case 'finish':
        return this.#settle.resolve({ type: command.outcome, reason: command.reason, step: this.#broadcast.released });
      case 'say':
        return this.#options.reporter.say(command.level, command.text);
      default: {
        const unknown: never = command;
        throw new Error(`command ${JSON.stringify(unknown)}`);
      }
    }
  }

  #intakeOf(worker: WorkerId): Intake | undefined {
    return this.#members.get(worker)?.admitted?.intake;
  }

  #lease({ worker, id, unit, block, dropped }: Extract<Command, { type: 'lease' }>): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    member.admitted?.intake.open(id, unit, block);
    const { kind, subject, step, epoch, from, to, microBatches } = unit;
    const lease = {
      id,
      kind,
      ...(subject === undefined ? {} : { subject }),
      step,
      epoch,
      from,
      to,
      microBatches,
      block,
      ...this.#scalings.of(unit),
      ...(dropped.length === 0 ? {} : { dropped: [...dropped] }),
    };
    member.outbox.send({ type: 'lease', ...this.envelope, step, lease });
    faultPoint('leased');
  }

  #cancel(worker: WorkerId, lease: number): void {
    const member = this.#members.get(worker);
    const unit = member?.admitted?.intake.unitOf(lease) ?? null;
    member?.admitted?.intake.cancel(lease);
    member?.outbox.send({ type: 'cancel', ...this.envelope, step: unit?.step ?? this.#broadcast.released, lease });
  }

  // Commits

  async #commit(request: CommitRequest): Promise<void> {
    this.#isCommitting = true;
    const isTraining = request.unit.kind === 'train';
    const line = isTraining
      ? await this.#committer.commitTraining(request)
      : await this.#committer.commitEvaluation(request, (evaluation) => this.#keepBest(evaluation));
    if (this.#isOver) return;
    faultPoint('after-fsync');
    this.#unit = request.index + 1;
    this.#report(line);
    this.#isCommitting = false;
    // Before the core may begin the next commit.
    this.#snapshotter.consider(this.#position());
    const stopEarly = !isTraining && this.#options.account.isStale;
    if (stopEarly)
      this.#options.reporter.say(
        'info',
        `no better evaluation in ${this.#options.run.recipe.evaluate.earlyStop?.patience ?? 0}; training ends`,
      );
    this.#post({
      type: 'committed',
      unit: request.index,
      stateHash: this.#committer.stateHash,
      isSkipped: line.type === 'commit' && isFailedStep(line),
      stopEarly,
    });
  }

  /** Now, where nothing is being committed, else after the commit. */
  async #takeSnapshot(): Promise<void> {
    const { reporter } = this.#options;
    this.#snapshotter.want((step) =>
      reporter.say('info', `the snapshot that was asked for is on the disk: step ${step}`),
    );
    await this.#snapshotter.idle();
    if (!this.#isCommitting && !this.#isOver) this.#snapshotter.consider(this.#position());
  }

  async #keepBest(line: EvaluationLine): Promise<void> {
    if (this.#options.account.isBest(line))
      await writeBest(this.#options.folder.path, this.#options.replica.readWeights());
  }

  #report(line: JournalLine): void {
    const { account, reporter, units } = this.#options;
    const epoch = account.add(line);
    if (epoch !== null) {
      reporter.epoch(epoch).catch((error: unknown) => this.fail(error));
      for (const [term, warning] of termWarnings(epoch, termsIn(this.#options.run.recipe.losses))) {
        if (!this.#warned.has(term)) reporter.say('warn', warning);
        this.#warned.add(term);
      }
    }
    if (line.type === 'evaluation' && line.subject === 'teachers') checkTeachers(line, this.#options.run, reporter);
    if (line.type !== 'commit') return;
    reporter.progress({
      step: line.step + 1,
      totalSteps: units.totalSteps,
      epoch: line.epoch,
      epochs: units.epochs,
      samples: account.samples - this.#firstSamples,
      terms: termMeans(line),
      workers: this.#members.readyCount,
    });
  }

  /** Of the state as it is between two commits. */
  #position(): RunPosition {
    const { units } = this.#options;
    const { update, stateHash } = this.#committer;
    const step = this.#committer.step;
    return {
      step,
      update,
      unit: this.#unit,
      epoch: Math.floor(step / units.stepsPerEpoch),
      stateHash,
      recipeDigest: this.#options.run.recipeDigest,
    };
  }
}

function policyOf({ recipe, teachers }: PreparedRun, { lines }: Recovered): TeacherPolicy {
  return {
    onFailure: recipe.ensemble.onFailure,
    teachers: teachers
      .filter(({ weight, specialist }) => weight > 0 && specialist === undefined)
      .map(({ name }) => name),
    dropped: droppedAtEnd(lines),
  };
}
