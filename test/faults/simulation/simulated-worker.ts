/**
 * A worker process in virtual time, with the real replica, fold and block sum. It behaves as the real one does: leases
 * in the order of their coming, each once its weights are there; what it holds survives a lost connection.
 */
import type { Unit } from '../../../coordinator/decide/types.js';
import { checksumOf } from '../../../shared/replica/checksum.js';
import type { Down, Up } from '../../../shared/protocol/messages.js';
import type { Compression } from '../../../shared/compression.js';
import { gradientBytes } from '../../../shared/replica/reduction/encoding.js';
import type { Replica } from '../../../shared/replica/replica.js';
import type { Block } from '../../../shared/replica/reduction/tree.js';
import { blockRange } from '../../../shared/replica/reduction/tree.js';
import { Control } from '../../../worker/threads/control.js';
import { ReplicaFold } from '../../../worker/link/replica-fold.js';
import { computeBlock, giveReplica, takeReplica } from './arithmetic.js';
import { Wire, type Clock } from './clock.js';
import type { Plan, WorkerPlan } from './plan.js';
import type { RandomStream } from './random-stream.js';

export interface SimulatedLease {
  readonly id: number;
  readonly unit: Unit;
  readonly block: Block;
  readonly dropped: readonly string[];
}

export type Offer = Pick<Up<'offer'>, 'lease' | 'step' | 'stateHash' | 'bytes' | 'digest' | 'sums' | 'momentCounts'>;

/** The coordinator as a worker sees it. */
export interface Uplink {
  hello(session: Session): void;
  ready(session: Session, step: number, stateHash: string): void;
  heartbeat(session: Session, progress: number): void;
  offer(session: Session, offer: Offer, payload: Uint8Array, computeSeconds: number): void;
  chunk(
    session: Session,
    chunk: Pick<Up<'chunk'>, 'lease' | 'offset' | 'total' | 'checksum'>,
    payload: Uint8Array,
  ): void;
  failed(session: Session, lease: number, teacher?: string): void;
  differs(session: Session, step: number, stateHash: string): void;
  /** The worker's side of the connection is gone. */
  closed(session: Session, reason: string): void;
}

/** One connection of one worker. */
export interface Session {
  readonly worker: SimulatedWorker;
  readonly wire: Wire;
  /** The name that the coordinator gave it. */
  id: string;
}

interface Connected extends Session {
  readonly to: Uplink;
  queue: SimulatedLease[];
  isBusy: boolean;
  isHanging: boolean;
  isReady: boolean;
  /** Steps that were released when it was let in; Infinity before. */
  readyAt: number;
  readonly kept: Map<number, { readonly bytes: Uint8Array; readonly isStalled: boolean }>;
}

export interface WorkerWorld {
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly latencyMs: number;
  readonly isInline: boolean;
  readonly compression: Compression;
  readonly teachers: Plan['teachers'];
  /** Null while there is none. */
  readonly coordinator: () => Uplink | null;
  readonly fired: (fault: string) => void;
}

const heartbeatMs = 1000;
const slots = 8;

export class SimulatedWorker {
  /** The process; a new one after each death. */
  process: string;
  readonly #plan: WorkerPlan;
  readonly #world: WorkerWorld;
  readonly #replica: Replica;
  #fold: ReplicaFold;
  /** Coordinator's life under which the replica came to where it is; null when it holds nothing of use. */
  #nonce: string | null = null;
  #lives = 0;
  #progress = 0;
  #connection: Connected | null = null;
  #isTurnedAway = false;
  #isDrifting = false;
  /** Its process has ended, and no other has taken its place. */
  #isAway = false;

  constructor(name: string, plan: WorkerPlan, world: WorkerWorld) {
    [this.process, this.#plan, this.#world] = [name, plan, world];
    this.#replica = takeReplica(world.compression, slots);
    this.#fold = new ReplicaFold(this.#replica, new Control(), slots - 1);
    world.clock.in(plan.joinMs, () => this.#connect());
  }

  free(): void {
    giveReplica(this.#replica);
  }

  get held(): { readonly nonce: string; readonly step: number; readonly stateHash: string } | null {
    return this.#nonce === null ? null : { nonce: this.#nonce, step: this.#fold.step, stateHash: this.#fold.stateHash };
  }

  // Connections

  #connect(): void {
    if (this.#isTurnedAway || this.#isAway || this.#connection !== null) return;
    const { clock, random, latencyMs } = this.#world;
    const to = this.#world.coordinator();
    if (to === null) return clock.in(500, () => this.#connect());
    const connection: Connected = {
      worker: this,
      wire: new Wire(clock, random, latencyMs),
      id: '',
      to,
      queue: [],
      isBusy: false,
      isHanging: false,
      isReady: false,
      readyAt: Infinity,
      kept: new Map(),
    };
    this.#connection = connection;
    connection.wire.up(() => to.hello(connection));
    this.#heartbeat(connection);
  }

  #heartbeat(connection: Connected): void {
    if (!connection.wire.isOpen) return;
    if (connection.isReady) connection.wire.up(() => connection.to.heartbeat(connection, this.#progress));
    this.#world.clock.in(heartbeatMs, () => this.#heartbeat(connection));
  }

  /** The connection is gone, whoever ended it; the process connects again unless it was turned away. */
  closed(session: Session, isTurnedAway = false): void {
    if (this.#connection !== session) return;
    session.wire.isOpen = false;
    this.#connection = null;
    this.#fold.forgetHeld();
    this.#isTurnedAway = isTurnedAway;
    this.#world.clock.in(100 + this.#world.random.below(3000), () => this.#connect());
  }

  /** A new process takes its place, now or never. */
  replace(isAway: boolean): void {
    this.process = `${this.process.split('.')[0]}.${++this.#lives}`;
    [this.#nonce, this.#isDrifting, this.#isTurnedAway, this.#isAway] = [null, false, false, isAway];
    this.#world.clock.in(100 + this.#world.random.below(3000), () => this.#connect());
  }

  #die(connection: Connected): void {
    this.#isDrifting = false;
    this.process = `${this.process.split('.')[0]}.${++this.#lives}`;
    this.#nonce = null;
    this.closed(connection);
    // The socket's close reaches the coordinator a little later.
    this.#world.clock.in(this.#world.random.below(50), () => connection.to.closed(connection, 'died'));
  }

  // Frames from the coordinator

  welcome(
    session: Session,
    {
      nonce,
      step,
      snapshot,
    }: { nonce: string; step: number; snapshot: { readonly step: number; readonly state: Uint8Array } | null },
  ): void {
    if (snapshot !== null) this.#fold.load(snapshot.state, snapshot.step);
    else if (this.#nonce === null) throw new Error('a welcome without a snapshot for a worker that holds nothing');
    this.#nonce = nonce;
    this.#of(session).readyAt = step;
    this.#announce(session);
  }

  lease(session: Session, lease: SimulatedLease): void {
    this.#of(session).queue.push(lease);
    this.#work(session);
  }

  cancel(session: Session, id: number): void {
    const connection = this.#of(session);
    connection.queue = connection.queue.filter((lease) => lease.id !== id);
    connection.kept.delete(id);
    this.#work(session);
  }

  commit(message: Down<'commit'>, payload: Uint8Array): void {
    this.#fold.hold(message, payload);
  }

  release(session: Session, message: Down<'release'>): void {
    if (this.#isDrifting && message.step === this.#fold.step)
      this.#replica.weights[0] = (this.#replica.weights[0] ?? 0) + 1;
    if (this.#fold.release(message) === 'differs') {
      this.#world.fired('differs');
      const { to } = this.#of(session);
      const { step, stateHash } = this.#fold;
      // It does nothing more until it is answered.
      this.#of(session).isHanging = true;
      return session.wire.up(() => to.differs(session, step, stateHash));
    }
    this.#announce(session);
    this.#work(session);
  }

  /** Its replica is not to be trusted: it starts again from a snapshot. */
  resync(session: Session): void {
    const connection = this.#of(session);
    this.#nonce = null;
    this.closed(session);
    connection.to.closed(session, 'resync');
  }

  pull(session: Session, id: number): void {
    const connection = this.#of(session);
    const kept = connection.kept.get(id);
    if (kept === undefined || kept.isStalled) return;
    const { bytes } = kept;
    session.wire.up(() =>
      connection.to.chunk(session, { lease: id, offset: 0, total: bytes.length, checksum: checksumOf(bytes) }, bytes),
    );
  }

  #of(session: Session): Connected {
    if (this.#connection !== session) throw new Error('a frame on a connection that is closed');
    return this.#connection;
  }

  #announce(session: Session): void {
    const connection = this.#of(session);
    if (connection.isReady || this.#fold.step < connection.readyAt) return;
    connection.isReady = true;
    const [{ step, stateHash }, { to }] = [this.#fold, connection];
    session.wire.up(() => to.ready(session, step, stateHash));
  }

  // Work

  /** Takes the first of its leases whose weights are there; one whose weights are not there blocks those behind it. */
  #work(session: Session): void {
    const connection = this.#of(session);
    connection.queue = connection.queue.filter(({ unit }) => unit.step >= this.#fold.step);
    const [lease] = connection.queue;
    if (
      connection.isBusy ||
      connection.isHanging ||
      session.wire.isMute ||
      lease === undefined ||
      lease.unit.step > this.#fold.step
    )
      return;
    connection.queue.shift();
    const { clock, random } = this.#world;
    const fault = random.next() < this.#plan.chance ? this.#plan.fault : 'none';
    if (fault !== 'none') this.#world.fired(fault);
    if (fault === 'lose') return this.#work(session);
    if (fault === 'drift') this.#isDrifting = true;
    if (fault === 'flip')
      this.#replica.weights[0] = (this.#replica.weights[0] ?? 0) + 1 + this.process.length + random.next();
    connection.isBusy = true;
    const { from, to } = blockRange(lease.block, lease.unit.microBatches);
    const ms = (to - from) * this.#plan.costMs * (0.5 + random.next());
    for (let done = 1; done <= to - from && fault !== 'hang'; done++)
      clock.in((ms * done) / (to - from), () => void this.#progress++);
    // The weights are read as they are now, as the real trainer's copy is.
    const computed = this.#compute(lease, fault);
    clock.in(['die', 'mute', 'hang'].includes(fault) ? ms / 2 : ms, () =>
      this.#computed(connection, lease, { ...computed, fault, ms }),
    );
  }

  #compute(
    { id, unit, block, dropped }: SimulatedLease,
    fault: WorkerPlan['fault'],
  ): { offer: Offer; bytes: Uint8Array } {
    const stateHash = this.#replica.hashState();
    const { slot, sums, moments } = computeBlock(this.#replica, { unit, block, dropped });
    const bytes = slot === null ? new Uint8Array(0) : Uint8Array.from(this.#replica.slotBytes(slot));
    // NaN in every encoding.
    if (slot !== null && fault === 'poison')
      bytes.fill(0xff, 0, gradientBytes(this.#world.compression, this.#replica.plan.gradientFloats));
    const digest = slot === null ? '0'.repeat(16) : this.#digestOf(bytes);
    if (slot !== null && fault === 'corrupt') bytes[5] = (bytes[5] ?? 0) ^ 1;
    return {
      offer: {
        lease: id,
        step: unit.step,
        stateHash,
        bytes: bytes.length,
        digest,
        sums: { ...sums },
        momentCounts: [...(moments?.counts ?? [])],
      },
      bytes,
    };
  }

  #digestOf(bytes: Uint8Array): string {
    this.#replica.slotBytes(0).set(bytes);
    return this.#replica.hashSlot(0);
  }

  /** The first of the lease's teachers that cannot label it. */
  #failingTeacher({ unit, dropped }: SimulatedLease, fault: WorkerPlan['fault']): string | undefined {
    const broken =
      this.#world.teachers?.broken
        .filter(({ fromStep }) => unit.kind === 'train' && unit.step >= fromStep)
        .map(({ teacher }) => teacher) ?? [];
    return [...broken, ...(fault === 'teacher' ? ['a'] : [])].find((teacher) => !dropped.includes(teacher));
  }

  #computed(
    connection: Connected,
    lease: SimulatedLease,
    { offer, bytes, fault, ms }: { offer: Offer; bytes: Uint8Array; fault: WorkerPlan['fault']; ms: number },
  ): void {
    const { id } = lease;
    connection.isBusy = false;
    if (!connection.wire.isOpen) return;
    if (fault === 'die') return this.#die(connection);
    if (fault === 'mute') connection.wire.isMute = true;
    if (fault === 'hang') connection.isHanging = true;
    if (connection.wire.isMute || connection.isHanging) return;
    const teacher = this.#failingTeacher(lease, fault);
    if (fault === 'fail' || teacher !== undefined)
      connection.wire.up(() => connection.to.failed(connection, id, fault === 'fail' ? undefined : teacher));
    else {
      const isInline = this.#world.isInline && fault !== 'stallUpload';
      // Kept in any case: an offer that comes before its step is open is pulled later.
      connection.kept.set(id, { bytes, isStalled: fault === 'stallUpload' });
      for (let times = fault === 'repeat' ? 2 : 1; times > 0; times--) {
        connection.wire.up(() =>
          connection.to.offer(connection, offer, isInline ? bytes : new Uint8Array(0), ms / 1000),
        );
      }
    }
    this.#work(connection);
  }
}
