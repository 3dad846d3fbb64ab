/**
 * The workers of a run: who may join, from where each one is fed, and what becomes of its frames. Frames turn into
 * events for the core here; leases and steps are the core's affair.
 */
import type { WebSocket } from 'ws';
import { exitCodes, UserError } from '../../shared/errors.js';
import { faultPoint } from '../../shared/fault-points.js';
import { closeCodes, type Down, type Up, type UpMessage } from '../../shared/protocol/messages.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { Peer } from '../server/server.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { Contributions } from '../exchange/contributions.js';
import type { Event, WorkerId } from '../decide/types.js';
import { feed } from '../exchange/commit-feed.js';
import { Intake } from '../exchange/incoming.js';
import type { CommitLog } from '../store/log.js';
import { Member, type MemberHost } from './worker-connection.js';
import type { Numerics, Probes } from './numerics.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import { Roster } from './participants.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import type { RunFolder } from '../store/run-folder.js';
import type { Snapshots } from '../store/snapshots.js';
import { hashAt, startOf, welcomeOf } from './join.js';

type Unstamped<E> = E extends unknown ? Omit<E, 'nowMs'> : never;
/** An event to which the run adds the time. */
export type NewEvent = Unstamped<Event>;

export interface MembersOptions {
  readonly run: PreparedRun;
  readonly folder: RunFolder;
  readonly envelope: RunEnvelope;
  readonly replica: Replica;
  readonly contributions: Contributions;
  readonly broadcast: Broadcast;
  readonly log: CommitLog;
  readonly snapshots: Snapshots;
  readonly probes: Probes;
  readonly reporter: Pick<ReportOutput, 'say'>;
  /** Called for each frame of another run, generation, step or lease, which is dropped. */
  readonly onRefused: () => void;
  readonly heartbeatMs: number;
  /** The first lease waits for so many workers. */
  readonly expected: number;
  readonly rewoundBy: number;
  /** Hash of the state after the released commits. */
  readonly stateHash: () => string;
  readonly post: (event: NewEvent) => void;
  /** An error that ends the run. */
  readonly fail: (error: unknown) => void;
}

/** Fallings behind, or stallings of a step, after which a worker is refused. */
const slowLimit = 3;
const endGraceMs = 2000;
/** A worker whose connection broke so short a time before the end is waited for: it comes back for the answer. */
const missingMs = 5000;
/**
 * Waiting says how busy the others are, and the optimizer runs beside the trainer: neither says how fast a worker is.
 */
const notComputing = new Set(['wait', 'optimizer']);

export class Members implements MemberHost {
  readonly envelope: RunEnvelope;
  readonly recipeDigest: string;
  readonly roster = new Roster();
  readonly #options: MembersOptions;
  readonly #broadcast: Broadcast;
  readonly #connections = new Set<Member>();
  readonly #members = new Map<WorkerId, Member>();
  #admitted = 0;
  /** Workers that are ready before all that are expected are; null from then on. */
  #early: Map<WorkerId, NewEvent> | null = new Map();
  #isOver = false;
  #isWarned = false;
  /** What every worker is told, once the run has ended. */
  #end: Down<'end'> | null = null;
  /** Workers whose connection broke, and when. */
  readonly #missing = new Map<string, number>();

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#broadcast = options.broadcast;
    this.envelope = options.envelope;
    this.recipeDigest = options.run.recipeDigest;
  }

  connect(socket: WebSocket, peer: Peer): void {
    this.#connections.add(new Member(socket, peer, this));
  }

  /** A worker whose frame is still coming in is not silent, however long the frame takes. */
  noticeBytes(): void {
    for (const member of this.#members.values()) {
      if (member.admitted !== null && member.hasNewBytes())
        this.#options.post({ type: 'heard', worker: member.admitted.id, progress: member.progress });
    }
  }

  get(id: WorkerId): Member | undefined {
    return this.#members.get(id);
  }

  get readyCount(): number {
    return [...this.#members.values()].filter(({ isReady }) => isReady).length;
  }

  /** Nothing that workers say counts any more. */
  endHearing(): void {
    this.#isOver = true;
  }

  /** Tells every worker, and waits a moment for them to close. */
  async sayEnd(end: { reason: Down<'end'>['reason']; text: string }): Promise<void> {
    this.endHearing();
    this.#end = { type: 'end', ...this.envelope, step: this.#broadcast.released, ...end };
    for (const member of this.#connections) member.outbox.send(this.#end);
    const startMs = performance.now();
    for (const [worker, atMs] of this.#missing)
      if (startMs - atMs > missingMs || end.reason === 'next') this.#missing.delete(worker);
    while (this.#connections.size + this.#missing.size > 0 && performance.now() - startMs < endGraceMs)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  close(): void {
    this.endHearing();
    for (const member of this.#connections) member.dismiss(closeCodes.shutdown, 'the coordinator ends');
    this.#broadcast.wake();
  }

  /** A step waits for a buffer that sockets do not let go of: those that take nothing are cut off. */
  cutSlowReaders(patienceMs: number): void {
    for (const member of this.#connections) {
      if (member.outbox.stalledMs() <= patienceMs) continue;
      this.#countSlow(member, 'reads too slowly for a step that waits for its buffer');
      member.terminate('reads too slowly');
    }
  }

  /** Says so and counts it for the process. Gives whether it has happened too often. */
  #countSlow(member: Member, what: string): { readonly isFinal: boolean; readonly reason: string } {
    const entry = member.admitted === null ? undefined : this.roster.of(member.admitted.worker);
    if (entry !== undefined) entry.slow++;
    const isFinal = (entry?.slow ?? 0) >= slowLimit;
    const reason = `${what}${isFinal ? `, ${slowLimit} times` : ''}`;
    this.#options.reporter.say('warn', `${member.name} ${reason}`);
    return { isFinal, reason };
  }

  onHello(member: Member, hello: Up<'hello'>): void {
    this.#missing.delete(hello.worker);
    if ((this.roster.of(hello.worker)?.slow ?? 0) >= slowLimit)
      return member.dismiss(closeCodes.refused, `too slow, ${slowLimit} times`);
    // Who comes while the results are being written hears of the end with all the others.
    if (this.#end !== null) member.outbox.send(this.#end);
    if (this.#isOver) return;
    const { snapshots, rewoundBy, folder, heartbeatMs } = this.#options;
    const released = this.#broadcast.released;
    const start = startOf(hello, { ...this.#known(), nonces: folder.nonces, rewoundBy });
    if (start.type === 'ahead') return this.#options.fail(staleFolder(folder.path, released, start.step));
    const { initial } = snapshots;
    if (initial === undefined) throw new Error('a run has an initial snapshot from its start on');
    const id = `w${++this.#admitted}`;
    this.roster.admit(hello.worker, hello.device);
    member.admitted = { id, worker: hello.worker, device: hello.device, intake: this.#intakeFor(id, member) };
    this.#members.set(id, member);
    member.outbox.send(
      welcomeOf(id, start.snapshot, {
        run: this.#options.run,
        envelope: this.envelope,
        nonce: folder.generation.nonce,
        initial,
        released,
        heartbeatMs,
      }),
    );
    this.#options.post({ type: 'join', worker: id, process: hello.worker });
    feed({
      broadcast: this.#broadcast,
      outbox: member.outbox,
      from: start.step,
      onTooSlow: () => this.#onTooSlow(member),
    }).catch((error: unknown) => {
      if (!this.#isOver) this.#options.fail(error);
    });
  }

  onMessage(member: Member, message: Exclude<UpMessage, { type: 'hello' }>, payload: Uint8Array): void {
    const { admitted } = member;
    if (this.#isOver || admitted === null) return;
    switch (message.type) {
      case 'ready':
        return this.#onReady(member, message);
      case 'heartbeat':
        member.progress = message.progress;
        member.outbox.send({ type: 'pong', ...this.envelope, step: this.#broadcast.released, sentMs: message.sentMs });
        return this.#options.post({
          type: 'heard',
          worker: admitted.id,
          progress: message.progress,
          rttMs: message.rttMs,
        });
      case 'offer':
        return this.#onOffer(member, message, payload);
      case 'chunk':
        if (!admitted.intake.chunk(message, payload)) this.#options.onRefused();
        return faultPoint('first-chunk');
      case 'failed':
        if (admitted.intake.unitOf(message.lease) === null)
          return this.onRefused(member, `failed for lease ${message.lease}, which is not open`);
        admitted.intake.cancel(message.lease);
        return this.#options.post({
          type: 'failed',
          worker: admitted.id,
          lease: message.lease,
          reason: `micro-batch ${message.microBatch}: ${message.reason}`,
          teacher: this.#options.run.teachers.find(({ name }) => name === message.teacher)?.name,
        });
      case 'differs':
        return this.#onDiffers(admitted.id, message);
      case 'leave':
        member.explain(message.reason);
        return this.#options.post({ type: 'leave', worker: admitted.id, reason: message.reason });
      default: {
        const unknown: never = message;
        throw new Error(`message ${JSON.stringify(unknown)}`);
      }
    }
  }

  onRefused(member: Member, reason: string): void {
    this.#options.onRefused();
    if (member.admitted === null) this.#options.reporter.say('warn', `${member.name} refused: ${reason}`);
  }

  onClosed(member: Member, reason: string): void {
    this.#connections.delete(member);
    this.#broadcast.wake();
    if (member.admitted === null) return;
    const { id, intake, worker } = member.admitted;
    if (member.isReady && member.mayReturn && this.#end === null) this.#missing.set(worker, performance.now());
    this.#members.delete(id);
    this.#early?.delete(id);
    this.#options.post({ type: 'leave', worker: id, reason });
    intake.cancelAll();
    this.roster.forgetIdle(worker);
  }

  onBug(error: unknown): void {
    this.#options.fail(error);
  }

  #onReady(member: Member, message: Up<'ready'>): void {
    const { admitted } = member;
    if (admitted === null) return;
    const known = hashAt(message.step, this.#known());
    if (known !== undefined && known !== message.stateHash) return this.#onDiffers(admitted.id, message);
    if (message.probe.failed !== undefined)
      this.#options.reporter.say('warn', `${member.name}: nothing to compare its numerics by: ${message.probe.failed}`);
    const { numerics, saved } = this.#options.probes.judge(message.probe, admitted.device);
    saved.catch((error: unknown) => this.#options.fail(error));
    const entry = this.roster.admit(admitted.worker, admitted.device);
    entry.numerics = numerics;
    const device = `${admitted.device.backend}${admitted.device.gpu === null ? '' : ` on ${admitted.device.gpu}`}`;
    if (this.#options.run.recipe.numerics.exact && numerics !== 'exact') {
      this.#options.reporter.say(
        'warn',
        `${member.name} refused: ${device} is ${numerics} and the recipe wants exact numerics (reference: ${this.#options.probes.referenceText})`,
      );
      return member.dismiss(closeCodes.refused, `numerics ${numerics}; the recipe wants exact ones`);
    }
    member.isReady = true;
    this.#options.reporter.say('info', `${member.name} is ready: ${device}, numerics ${numerics}`);
    if (numerics === 'close' || numerics === 'unrepeatable') this.#warnOfBits(member, numerics);
    this.#begin(admitted.id, { type: 'ready', worker: admitted.id, step: message.step, stateHash: message.stateHash });
  }

  /** Once, by the first of them. */
  #warnOfBits(member: Member, numerics: Numerics): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    const { reporter, probes } = this.#options;
    const what =
      numerics === 'close'
        ? `computes what ${probes.referenceText} computed here first, but not to the bit`
        : 'does not compute the same twice';
    reporter.say(
      'warn',
      `${member.name} ${what}: the run's bits depend on who computes what from now on (numerics: { exact: true } refuses such workers)`,
    );
  }

  #onDiffers(worker: WorkerId, { step, stateHash }: { step: number; stateHash: string }): void {
    this.#options.post({
      type: 'differs',
      worker,
      step,
      stateHash,
      wanted: hashAt(step, this.#known()) ?? 'no longer known',
    });
  }

  /** Keeps the first ones from work until all that are expected are ready; whoever comes later begins at once. */
  #begin(worker: WorkerId, ready: NewEvent): void {
    const { expected, reporter, post } = this.#options;
    if (this.#early === null) return post(ready);
    this.#early.set(worker, ready);
    if (this.#early.size < expected)
      return reporter.say('info', `waiting for ${expected} workers: ${this.#early.size} ready`);
    const all = [...this.#early.values()];
    this.#early = null;
    all.forEach(post);
  }

  #onOffer(member: Member, message: Up<'offer'>, payload: Uint8Array): void {
    const { admitted } = member;
    if (admitted === null) return;
    const { lease, step, stateHash, digest, bytes, seconds } = message;
    faultPoint('computing');
    if (admitted.intake.unitOf(lease) === null)
      return this.onRefused(member, `offer for lease ${lease}, which is not open`);
    if (admitted.intake.unitOf(lease)?.kind === 'train') this.roster.addSeconds(admitted.worker, seconds);
    const computeSeconds = Object.entries(seconds).reduce(
      (sum, [phase, value]) => (notComputing.has(phase) ? sum : sum + value),
      0,
    );
    admitted.intake.offer(message, payload, () => {
      this.#options.post({ type: 'offer', worker: admitted.id, lease, step, stateHash, digest, bytes, computeSeconds });
    });
  }

  #onTooSlow(member: Member): void {
    const { isFinal, reason } = this.#countSlow(member, 'fell behind what the log still holds');
    member.dismiss(isFinal ? closeCodes.refused : closeCodes.tooSlow, reason);
  }

  #intakeFor(worker: WorkerId, member: Member): Intake {
    return new Intake({
      replica: this.#options.replica,
      contributions: this.#options.contributions,
      sendPull: (lease, unit) => member.outbox.send({ type: 'pull', ...this.envelope, step: unit.step, lease }),
      onEvent: (event) => {
        faultPoint('all-chunks');
        if (event.type === 'received') this.settle(worker, event.lease);
        this.#options.post({ ...event, worker });
      },
    });
  }

  /** The lease's contribution is in: counts its samples for the worker and forgets the lease. */
  settle(worker: WorkerId, lease: number): void {
    const admitted = this.#members.get(worker)?.admitted;
    const samples = admitted?.intake.settle(lease) ?? 0;
    const entry = this.roster.of(admitted?.worker ?? '');
    if (entry !== undefined) entry.samples += samples;
  }

  #known(): Parameters<typeof hashAt>[1] {
    const { log, snapshots } = this.#options;
    return { log, snapshots, released: this.#broadcast.released, stateHash: this.#options.stateHash() };
  }

  resync(worker: WorkerId, reason: string): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    this.#options.reporter.say('warn', `${member.name} starts again from a snapshot: ${reason}`);
    member.outbox.send({ type: 'resync', ...this.envelope, step: this.#broadcast.released, reason });
    member.dismiss(closeCodes.stale, reason);
  }
}

function staleFolder(path: string, released: number, held: number): UserError {
  return new UserError(
    `${path}: a worker has applied ${held} steps of this run and the folder knows ${released}; it is an old copy, use the newest one`,
    exitCodes.data,
  );
}
