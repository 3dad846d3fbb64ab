/**
 * One life of a coordinator in virtual time: the real core, intake, contributions, committer and replica, between a
 * disk and workers that are simulated. It throws as soon as a command breaks a rule of leases, slots or accounts.
 */
import { Committer, type CommitRequest } from '../../../coordinator/exchange/commit.js';
import { Contributions } from '../../../coordinator/exchange/contributions.js';
import type { LiveCommit } from '../../../coordinator/exchange/broadcast.js';
import { Core } from '../../../coordinator/decide/decide.js';
import type { Command, Event, Unit, WorkerId } from '../../../coordinator/decide/types.js';
import { droppedAtEnd, isFailedStep, skipsAtEnd } from '../../../coordinator/store/journal.js';
import { IncomingContributions } from '../../../coordinator/exchange/incoming.js';
import { Snapshotter } from '../../../coordinator/store/snapshotter.js';
import type { RunPosition } from '../../../coordinator/store/snapshots.js';
import { BufferPool } from '../../../coordinator/exchange/buffers.js';
import { startPointOf, stateHashBefore, type KnownStates } from '../../../coordinator/workers/start-point.js';
import { limits, protocolVersion, type Down } from '../../../shared/protocol/messages.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { rootOf } from '../../../shared/replica/reduction/tree.js';
import type { Clock } from './clock.js';
import type { Disk } from './disk.js';
import { teacherNames, type Plan } from './plan.js';
import type { Offer, Session, Uplink } from './simulated-worker.js';

export type Outcome = Extract<Command, { type: 'finish' }>;
type NewEvent = DistributiveOmit<Event, 'nowMs'>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

interface Member {
  readonly session: Session;
  readonly intake: IncomingContributions;
}

export interface CoordinatorWorld {
  readonly plan: Plan;
  readonly units: readonly Unit[];
  readonly clock: Clock;
  readonly disk: Disk;
  readonly replica: Replica;
  /** Counts the lives, from 1. */
  readonly life: number;
  readonly nonces: ReadonlyMap<string, number>;
  readonly isRebuilt: boolean;
  readonly fired: (what: string) => void;
  readonly onFinish: (outcome: Outcome) => void;
  /** It cannot go on: its own replica is damaged. */
  readonly onFailure: (error: unknown) => void;
}

const device = { host: 'simulated', pid: 1, backend: 'wasm', version: '1', gpu: null, threads: 1 } as const;
const envelope = { run: 'simulated', generation: 1 };

export class SimulatedCoordinator implements Uplink {
  readonly core: Core;
  readonly nonce: string;
  isOver = false;
  mostSlots = 0;
  readonly #world: CoordinatorWorld;
  readonly #contributions: Contributions;
  readonly #committer: Committer;
  readonly #snapshotter: Snapshotter;
  readonly #members = new Map<WorkerId, Member>();
  readonly #ids = new Map<Session, WorkerId>();
  readonly #queue: NewEvent[] = [];
  readonly #slotsInUse = new Set<number>();
  /** Leases as the shell sees them. */
  readonly #leases = new Map<
    number,
    {
      readonly unit: Unit;
      readonly worker: WorkerId;
      readonly dropped: readonly string[];
      state: 'active' | 'accepted' | 'over';
    }
  >();
  readonly #counted = { granted: 0, committed: 0, returned: 0 };
  #isHandling = false;
  readonly #rewoundBy: number;
  #released: number;
  #stateHash: string;
  /** Teachers that the run goes on without. */
  #dropped: readonly string[];
  #live: LiveCommit | null = null;
  #unit: number;
  #admitted = 0;

  constructor(world: CoordinatorWorld) {
    this.#world = world;
    const { plan, units, clock, disk, replica, life } = world;
    this.nonce = `life ${life}`;
    const { step, update, unit, rewoundBy } = disk.recover(replica, life);
    this.#rewoundBy = rewoundBy;
    const stateHash = replica.hashState();
    [this.#released, this.#stateHash, this.#unit] = [step, stateHash, unit];
    const widest = Math.max(
      ...plan.units.map(({ kind, microBatches }) => (kind === 'train' ? rootOf(microBatches).level + 1 : 1)),
    );
    const slots = widest + plan.earlySlots;
    const pool = new BufferPool(slots);
    this.#contributions = new Contributions(replica, pool);
    this.#committer = new Committer({
      replica,
      pool,
      contributions: this.#contributions,
      log: { append: (...args) => this.#alive(() => disk.log.append(...args)) },
      journal: { append: (line) => this.#alive(() => disk.journalFile.append(line)) },
      generation: life,
      totalSteps: units.filter(({ kind }) => kind === 'train').length,
      terms: ['crossEntropy'],
      step,
      update,
      stateHash,
      timeOfDayMs: () => clock.nowMs,
      warn: () => undefined,
      expectNewest: () => Promise.resolve(),
      broadcast: { hold: (live) => this.#hold(live) },
    });
    this.#snapshotter = new Snapshotter({
      replica,
      log: disk.log,
      snapshots: disk.snapshots,
      everySteps: plan.snapshotEvery,
      everySeconds: Infinity,
      nowMs: () => clock.nowMs,
      onError: world.onFailure,
    });
    this.#dropped = droppedAtEnd(disk.lines);
    this.core = new Core({
      unitAt: (index) => units[index],
      firstUnit: unit,
      stateHash,
      skips: skipsAtEnd(disk.lines),
      policy: { onFailure: plan.teachers?.onFailure ?? 'stop', teachers: teacherNames, dropped: this.#dropped },
      isRebuilt: world.isRebuilt,
      slots,
      contributionBytes: plan.contributionBytes,
      silenceMs: 5000,
      firstLeaseMs: 20_000,
    });
    this.#tick();
  }

  /** The process is gone; every socket closes. */
  crash(): void {
    this.isOver = true;
    this.#world.disk.crash();
    for (const { session } of this.#members.values()) session.worker.closed(session);
  }

  /** A process that is gone writes nothing any more, whatever it was about to. */
  #alive(write: () => Promise<void>): Promise<void> {
    return this.isOver ? new Promise(() => undefined) : write();
  }

  stop(): void {
    this.post({ type: 'stop', reason: 'asked to' });
  }

  /** What the real shell does after a stop in good order. */
  takeLastSnapshot(): Promise<void> {
    return this.#snapshotter.finish(this.#position());
  }

  #position(): RunPosition {
    const { step, update, stateHash } = this.#committer;
    return { step, update, unit: this.#unit, epoch: 0, stateHash, recipeDigest: '' };
  }

  #tick(): void {
    if (this.isOver) return;
    this.post({ type: 'tick' });
    this.#world.clock.in(200, () => this.#tick());
  }

  // From workers

  hello(session: Session): void {
    if (this.isOver) return session.worker.closed(session);
    const { plan, disk, replica, nonces } = this.#world;
    const { held, process } = session.worker;
    const hello = {
      type: 'hello',
      run: '',
      generation: 0,
      step: 0,
      protocol: protocolVersion,
      worker: process,
      device,
      recipeDigest: null,
      held,
    } as const;
    const start = startPointOf(hello, this.#known(), { nonces, rewoundBy: this.#rewoundBy });
    if (start.type === 'ahead')
      throw new Error(`a worker has applied ${start.step} commits, ${this.#released} are journalled`);
    const id = `w${++this.#admitted}`;
    session.id = id;
    const intake: IncomingContributions = new IncomingContributions({
      replica,
      contributions: this.#contributions,
      sendPull: (lease) => session.wire.down(() => session.worker.pull(session, lease)),
      onEvent: (event) => {
        if (event.type === 'received') intake.settle(event.lease);
        else this.#world.fired(event.reason.includes('finite') ? 'refusedPoison' : 'refusedBytes');
        this.post({ ...event, worker: id });
      },
    });
    this.#members.set(id, { session, intake });
    this.#ids.set(session, id);
    const snapshot =
      start.snapshot === null ? null : { step: start.snapshot.step, state: disk.stateOf(start.snapshot) };
    const { nonce } = this;
    const released = this.#released;
    session.wire.down(() => session.worker.welcome(session, { nonce, step: released, snapshot }));
    this.post({ type: 'join', worker: id, process });
    for (let step = start.step; step < released; step++) this.#sendFromLog(session, step);
    if (this.#live !== null && this.#live.head.step === released) this.#sendCommit(session, this.#live);
    if (plan.latencyMs > 0 && start.step < released) this.#world.fired('replayed');
  }

  ready(session: Session, step: number, stateHash: string): void {
    const worker = this.#ids.get(session);
    if (worker === undefined) return;
    const known = stateHashBefore(step, this.#known());
    if (known !== undefined && known !== stateHash) return this.differs(session, step, stateHash);
    this.post({ type: 'ready', worker, step, stateHash });
  }

  differs(session: Session, step: number, stateHash: string): void {
    const worker = this.#ids.get(session);
    if (worker !== undefined)
      this.post({
        type: 'differs',
        worker,
        step,
        stateHash,
        wanted: stateHashBefore(step, this.#known()) ?? 'unknown',
      });
  }

  heartbeat(session: Session, progress: number): void {
    const worker = this.#ids.get(session);
    if (worker !== undefined) this.post({ type: 'heard', worker, progress });
  }

  offer(session: Session, offer: Offer, payload: Uint8Array, computeSeconds: number): void {
    const worker = this.#ids.get(session);
    const intake = this.#intakeOf(worker);
    if (worker === undefined || intake === undefined || intake.unitOf(offer.lease) === null) return;
    const { lease, step, stateHash, digest, bytes } = offer;
    intake.offer({ type: 'offer', ...envelope, ...offer, seconds: {} }, payload, () =>
      this.post({ type: 'offer', worker, lease, step, stateHash, digest, bytes, computeSeconds }),
    );
  }

  chunk(session: Session, chunk: Parameters<Uplink['chunk']>[1], payload: Uint8Array): void {
    this.#intakeOf(this.#ids.get(session))?.chunk(
      { type: 'chunk', ...envelope, step: this.#released, ...chunk },
      payload,
    );
  }

  failed(session: Session, lease: number, teacher?: string): void {
    const worker = this.#ids.get(session);
    const intake = this.#intakeOf(worker);
    if (worker === undefined || intake === undefined || intake.unitOf(lease) === null) return;
    intake.cancel(lease);
    this.post({ type: 'failed', worker, lease, reason: 'made up', teacher });
  }

  closed(session: Session, reason: string): void {
    const worker = this.#ids.get(session);
    if (worker === undefined || this.isOver) return;
    this.#ids.delete(session);
    this.post({ type: 'leave', worker, reason });
    this.#members.get(worker)?.intake.cancelAll();
    this.#members.delete(worker);
  }

  #known(): KnownStates {
    const { log, snapshots } = this.#world.disk;
    return { log, snapshots, broadcast: { released: this.#released, stateHash: this.#stateHash } };
  }

  #intakeOf(worker: WorkerId | undefined): IncomingContributions | undefined {
    return worker === undefined ? undefined : this.#members.get(worker)?.intake;
  }

  // Events and commands, one after the other as in the real shell

  post(event: NewEvent): void {
    this.#queue.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    for (let next = this.#queue.shift(); next !== undefined && !this.isOver; next = this.#queue.shift()) {
      this.#noteEnded(next);
      for (const command of this.core.handle({ ...next, nowMs: this.#world.clock.nowMs })) this.#carryOut(command);
      this.#checkAccounts();
    }
    this.#isHandling = false;
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'lease':
        return this.#lease(command);
      case 'cancel': {
        const lease = this.#leases.get(command.id);
        if (lease?.state !== 'active') throw new Error(`cancel of lease ${command.id}, which is not active`);
        this.#end(lease);
        const member = this.#members.get(command.worker);
        member?.intake.cancel(command.id);
        member?.session.wire.down(() => member.session.worker.cancel(member.session, command.id));
        return;
      }
      case 'pull':
        this.#reserve(command.slot);
        return this.#intakeOf(command.worker)?.pull(command.id, command.slot);
      case 'accept':
        this.#reserve(command.slot);
        this.#take(command.id);
        this.#intakeOf(command.worker)?.accept(command.id, command.slot);
        this.#intakeOf(command.worker)?.settle(command.id);
        return;
      case 'merge':
        this.#slotsInUse.delete(command.from);
        return this.#contributions.merge(command.into, command.from);
      case 'free':
        if (!this.#slotsInUse.delete(command.slot)) throw new Error(`slot ${command.slot} is freed and was not in use`);
        return this.#contributions.free(command.slot);
      case 'commit':
        return this.#beginCommit(command);
      case 'drop':
        if (this.#dropped.includes(command.teacher)) throw new Error(`teacher ${command.teacher} is dropped twice`);
        if (command.unit !== this.#world.units[this.#unit] || this.#slotsInUse.size > 0)
          throw new Error(`teacher ${command.teacher} is dropped while work of its unit is kept`);
        this.#dropped = [...this.#dropped, command.teacher].sort();
        this.#world.fired('drop');
        return this.#settleUnit(command.unit, 'returned');
      case 'release':
        return this.#release(command.step, command.stateHash);
      case 'resync':
        return this.#part(command.worker, 'resync', (session) => session.worker.resync(session));
      case 'dismiss': {
        const isFinal = command.reason.endsWith('times by now');
        return this.#part(command.worker, isFinal ? 'turnedAway' : 'dismiss', (session) =>
          session.worker.closed(session, isFinal),
        );
      }
      case 'finish':
        this.isOver = true;
        if (this.#slotsInUse.size > 0 && command.outcome !== 'done') throw new Error('slots are in use after the end');
        return this.#world.onFinish(command);
      case 'say':
        if (command.text.includes(' is late with')) this.#world.fired('late');
        return;
    }
  }

  /** The connection ends by the coordinator's wish. */
  #part(worker: WorkerId, what: string, tell: (session: Session) => void): void {
    const member = this.#members.get(worker);
    if (member === undefined) throw new Error(`${what} of ${worker}, which is gone`);
    this.#world.fired(what);
    for (const lease of this.#leases.values())
      if (lease.worker === worker && lease.state === 'active') this.#end(lease);
    tell(member.session);
    this.closed(member.session, what);
  }

  #lease({ id, worker, unit, block, dropped }: Extract<Command, { type: 'lease' }>): void {
    if (this.#leases.has(id)) throw new Error(`lease ${id} twice`);
    this.#counted.granted++;
    this.#leases.set(id, { unit, worker, dropped, state: 'active' });
    const member = this.#members.get(worker);
    member?.intake.open(id, unit, block);
    member?.session.wire.down(() => member.session.worker.lease(member.session, { id, unit, block, dropped }));
  }

  #reserve(slot: number): void {
    if (this.#slotsInUse.has(slot)) throw new Error(`slot ${slot} is in use`);
    this.#slotsInUse.add(slot);
    this.mostSlots = Math.max(this.mostSlots, this.#slotsInUse.size);
  }

  #take(id: number): void {
    const lease = this.#leases.get(id);
    if (lease?.state !== 'active') throw new Error(`lease ${id} is taken and not active`);
    if (lease.unit !== this.#world.units[this.#unit])
      throw new Error(`lease ${id} is of another unit than the open one`);
    if (lease.dropped.join() !== this.#dropped.join())
      throw new Error(`lease ${id} is without [${lease.dropped.join()}], the run without [${this.#dropped.join()}]`);
    lease.state = 'accepted';
  }

  #end(lease: { state: string }): void {
    lease.state = 'over';
    this.#counted.returned++;
  }

  // Commits

  #hold(live: LiveCommit): void {
    this.#live = live;
    for (const { session } of this.#members.values()) this.#sendCommit(session, live);
  }

  #sendCommit(session: Session, { head, bytes }: Pick<LiveCommit, 'head' | 'bytes'>): void {
    if (bytes.length > limits.chunkBytes) throw new Error('a simulated commit fits one frame');
    const { step, scalars, compression, digest, momentCounts } = head;
    const message: Down<'commit'> = {
      type: 'commit',
      ...envelope,
      step,
      scalars,
      compression,
      bytes: bytes.length,
      digest,
      momentCounts: [...momentCounts],
    };
    session.wire.down(() => session.worker.commit(message, bytes));
  }

  #sendFromLog(session: Session, step: number): void {
    const { record, bytes } = this.#world.disk.read(step);
    this.#sendCommit(session, { head: record, bytes: bytes ?? new Uint8Array(0) });
    this.#sendRelease(session, step, record.stateHash);
  }

  #sendRelease(session: Session, step: number, stateHash: string): void {
    session.wire.down(() => session.worker.release(session, { type: 'release', ...envelope, step, stateHash }));
  }

  #beginCommit(request: CommitRequest): void {
    const { units, onFailure } = this.#world;
    if (request.index !== this.#unit || request.unit !== units[this.#unit])
      throw new Error(`unit ${request.index} is committed, ${this.#unit} is due`);
    if (request.dropped.join() !== this.#dropped.join())
      throw new Error(
        `unit ${request.index} is committed without [${request.dropped.join()}], the run is without [${this.#dropped.join()}]`,
      );
    if (request.skip !== (request.slot === null)) throw new Error('a skip and only a skip has no slot');
    if (request.slot !== null) this.#slotsInUse.delete(request.slot);
    if (this.#slotsInUse.size > 0) throw new Error(`${this.#slotsInUse.size} slots are in use beside the root`);
    if (request.skip) {
      this.#world.fired('skip');
      this.#settleUnit(request.unit, 'returned');
    }
    this.#commit(request).catch(onFailure);
  }

  async #commit(request: CommitRequest): Promise<void> {
    const line = await (request.unit.kind === 'train'
      ? this.#committer.commitTraining(request)
      : this.#committer.commitEvaluation(request, async () => undefined));
    if (this.isOver) return;
    this.#unit = request.index + 1;
    const { stateHash } = this.#committer;
    this.#snapshotter.consider(this.#position());
    this.#settleUnit(request.unit, 'committed');
    this.post({
      type: 'committed',
      unit: request.index,
      stateHash,
      isSkipped: line.type === 'commit' && isFailedStep(line),
      stopEarly: false,
    });
  }

  #release(step: number, stateHash: string): void {
    [this.#released, this.#stateHash] = [step + 1, stateHash];
    for (const { session } of this.#members.values()) this.#sendRelease(session, step, stateHash);
  }

  // Accounts, counted a second time

  #noteEnded(event: NewEvent): void {
    const lease = event.type === 'failed' || event.type === 'received' ? this.#leases.get(event.lease) : undefined;
    if (event.type === 'failed' && lease?.state === 'active') this.#end(lease);
    if (event.type === 'received' && lease?.state === 'active') this.#take(event.lease);
    if (event.type !== 'leave') return;
    for (const open of this.#leases.values())
      if (open.worker === event.worker && open.state === 'active') this.#end(open);
  }

  #settleUnit(unit: Unit, as: 'committed' | 'returned'): void {
    for (const [id, lease] of this.#leases) {
      if (lease.unit !== unit || lease.state === 'active') continue;
      if (lease.state === 'accepted') this.#counted[as]++;
      this.#leases.delete(id);
    }
  }

  #checkAccounts(): void {
    const { granted, committed, returned, outstanding } = this.core.accounts;
    if (granted !== committed + returned + outstanding)
      throw new Error(`the accounts do not close: ${JSON.stringify(this.core.accounts)}`);
    if (granted !== this.#counted.granted)
      throw new Error(`${granted} leases in the account, ${this.#counted.granted} granted`);
    if (this.isOver || (committed === this.#counted.committed && returned === this.#counted.returned)) return;
    throw new Error(
      `account ${committed} committed, ${returned} returned; seen ${this.#counted.committed}, ${this.#counted.returned}`,
    );
  }
}
