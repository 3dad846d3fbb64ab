/**
 * A worker process in virtual time, with the real replica, fold and block sum. It behaves as the real one does: leases
 * in the order of their coming, each once its weights are there; what it holds survives a lost connection.
 */
import { checksumOf, hashOf } from '../../../shared/replica/piece-hash.js';
import { decodeDown, encodeFrame, type Frame } from '../../../shared/protocol/codec.js';
import {
  closeCodes,
  protocolVersion,
  type Device,
  type Down,
  type Lease,
  type Up,
  type UpMessage,
} from '../../../shared/protocol/messages.js';
import type { Compression } from '../../../shared/compression.js';
import { gradientBytes } from '../../../shared/replica/reduction/encoding.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { blockRange } from '../../../shared/replica/reduction/tree.js';
import { Control } from '../../../worker/threads/control.js';
import { ReplicaFold } from '../../../worker/link/replica-fold.js';
import { computeBlock, giveReplica, takeReplica } from './arithmetic.js';
import type { Plan, WorkerPlan } from './plan.js';
import type { RandomStream } from './random-stream.js';
import type { VirtualClock } from './virtual-time.js';
import { Wire } from './wire.js';

type Offer = Pick<Up<'offer'>, 'lease' | 'step' | 'stateHash' | 'bytes' | 'digest' | 'sums' | 'momentCounts'>;

/** The coordinator's process as a worker sees it. */
export interface Coordinator {
  connect(wire: Wire): void;
  /** A snapshot's state; undefined where it has been deleted. */
  download(sha256: string): Uint8Array | undefined;
}

/** One connection of one worker. */
interface Connection {
  readonly wire: Wire;
  readonly to: Coordinator;
  isOpen: boolean;
  welcome: Down<'welcome'> | null;
  queue: Lease[];
  isBusy: boolean;
  isHanging: boolean;
  isReady: boolean;
  readonly kept: Map<number, { readonly bytes: Uint8Array; readonly isStalled: boolean }>;
}

export interface WorkerWorld {
  readonly clock: VirtualClock;
  readonly random: RandomStream;
  readonly latencyMs: number;
  readonly isInline: boolean;
  readonly compression: Compression;
  readonly teachers: Plan['teachers'];
  /** Null while there is none. */
  readonly coordinator: () => Coordinator | null;
  readonly fired: (fault: string) => void;
}

const device: Device = { host: 'simulated', pid: 1, backend: 'wasm', version: '1', gpu: null, threads: 1 };
const heartbeatMs = 1000;
const slots = 8;

/** A frame that goes to several workers is the same bytes for all of them. */
const decodedFrames = new WeakMap<Frame, ReturnType<typeof decodeDown>>();

function decoded(frame: Frame): ReturnType<typeof decodeDown> {
  const known = decodedFrames.get(frame) ?? decodeDown(frame);
  decodedFrames.set(frame, known);
  return known;
}

export class SimulatedWorker {
  /** The process; a new one after each death. */
  process: string;
  readonly #plan: WorkerPlan;
  readonly #world: WorkerWorld;
  readonly #replica: Replica;
  readonly #fold: ReplicaFold;
  /** Coordinator's life under which the replica came to where it is; null when it holds nothing of use. */
  #nonce: string | null = null;
  #lives = 0;
  /** Micro-batches computed by the end of the last lease. */
  #progress = 0;
  #computing: { readonly startMs: number; readonly ms: number; readonly microBatches: number } | null = null;
  #connection: Connection | null = null;
  /** Its coordinator does not want it any more, or has told it that the run is over. */
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

  // Connections

  #connect(): void {
    if (this.#isTurnedAway || this.#isAway || this.#connection !== null) return;
    const { clock, random, latencyMs } = this.#world;
    const to = this.#world.coordinator();
    if (to === null) return clock.in(500, () => this.#connect());
    const wire = new Wire({
      origin: this.process.split('.')[0] ?? '',
      clock,
      random,
      latencyMs,
      onFrame: (frame) => this.#hear(connection, frame),
      onClosed: (code) => this.#closed(connection, code === closeCodes.refused),
    });
    const connection: Connection = {
      wire,
      to,
      isOpen: true,
      welcome: null,
      queue: [],
      isBusy: false,
      isHanging: false,
      isReady: false,
      kept: new Map(),
    };
    this.#connection = connection;
    to.connect(wire);
    const [held, step] = [this.#held(), this.#fold.step];
    const hello = { type: 'hello', run: '', generation: 0, step, protocol: protocolVersion, device, held } as const;
    this.#send(connection, { ...hello, worker: this.process, recipeDigest: null });
  }

  #held(): Up<'hello'>['held'] {
    if (this.#nonce === null) return null;
    const { step, stateHash, receipt } = this.#fold;
    return { nonce: this.#nonce, step, stateHash, receipt };
  }

  #heartbeat(connection: Connection): void {
    if (!connection.isOpen) return;
    const { nowMs: sentMs } = this.#world.clock;
    const [progress, rssBytes, tensors] = [this.#progressNow(), 0, 0];
    this.#send(connection, { type: 'heartbeat', ...this.#envelope(connection), progress, sentMs, rssBytes, tensors });
    this.#world.clock.in(heartbeatMs, () => this.#heartbeat(connection));
  }

  /** The connection is gone, whoever ended it; the process connects again unless it was turned away. */
  #closed(connection: Connection, isTurnedAway: boolean): void {
    connection.isOpen = false;
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#fold.forgetHeld();
    this.#isTurnedAway ||= isTurnedAway;
    this.#world.clock.in(100 + this.#world.random.below(3000), () => this.#connect());
  }

  /** The worker ends the connection; the coordinator notices in `ms` milliseconds. */
  #leave(connection: Connection, ms: number, isTurnedAway = false): void {
    this.#closed(connection, isTurnedAway);
    connection.wire.break(ms);
  }

  /** A new process takes its place, now or never. */
  replace(isAway: boolean): void {
    if (this.#connection !== null) this.#leave(this.#connection, 0);
    this.#begin();
    [this.#isTurnedAway, this.#isAway] = [false, isAway];
    this.#world.clock.in(100 + this.#world.random.below(3000), () => this.#connect());
  }

  /** The process ends, and another takes its place. */
  #die(connection: Connection): void {
    this.#begin();
    this.#leave(connection, this.#world.random.below(50));
  }

  #begin(): void {
    this.process = `${this.process.split('.')[0] ?? ''}.${++this.#lives}`;
    [this.#nonce, this.#isDrifting] = [null, false];
  }

  #send(connection: Connection, message: UpMessage, payload?: Uint8Array): void {
    connection.wire.up(encodeFrame(message, payload));
  }

  #envelope({ welcome }: Connection): { readonly run: string; readonly generation: number; readonly step: number } {
    return { run: welcome?.run ?? '', generation: welcome?.generation ?? 0, step: this.#fold.step };
  }

  // Frames from the coordinator

  #hear(connection: Connection, frame: Frame): void {
    const { message, payload } = decoded(frame);
    switch (message.type) {
      case 'welcome':
        return this.#welcome(connection, message);
      case 'lease':
        connection.queue.push(message.lease);
        return this.#work(connection);
      case 'cancel':
        connection.queue = connection.queue.filter(({ id }) => id !== message.lease);
        connection.kept.delete(message.lease);
        return this.#work(connection);
      case 'pull':
        return this.#pull(connection, message);
      case 'commit':
        return this.#fold.hold(message, payload);
      case 'release':
        return this.#release(connection, message);
      case 'resync':
        // Its replica is not to be trusted: it starts again from a snapshot.
        this.#nonce = null;
        return this.#leave(connection, 0);
      case 'end':
        return this.#leave(connection, 0, true);
      case 'pong':
        return;
      case 'commitChunk':
        throw new Error('a simulated commit fits one frame');
      case 'took':
        throw new Error('a simulated worker shares no file');
      default: {
        const unknown: never = message;
        throw new Error(`message ${JSON.stringify(unknown)}`);
      }
    }
  }

  #welcome(connection: Connection, welcome: Down<'welcome'>): void {
    const { snapshot, nonce, step } = welcome;
    if (snapshot !== null) {
      const state = connection.to.download(snapshot.sha256);
      // Newer ones have replaced it: the next welcome names another.
      if (state === undefined) return this.#leave(connection, 0);
      this.#fold.load({ bytes: state.length, copyTo: (target) => target.set(state) }, snapshot);
    } else if (this.#nonce === null) throw new Error('a welcome without a snapshot for a worker that holds nothing');
    if (this.#world.latencyMs > 0 && this.#fold.step < step) this.#world.fired('replayed');
    [this.#nonce, connection.welcome] = [nonce, welcome];
    this.#heartbeat(connection);
    this.#announce(connection);
  }

  #release(connection: Connection, message: Down<'release'>): void {
    if (this.#isDrifting && message.step === this.#fold.step)
      this.#replica.weights[0] = (this.#replica.weights[0] ?? 0) + 1;
    if (this.#fold.release(message) === 'differs') {
      this.#world.fired('differs');
      const { stateHash } = this.#fold;
      // It does nothing more until it is answered.
      connection.isHanging = true;
      return this.#send(connection, { type: 'differs', ...this.#envelope(connection), stateHash });
    }
    this.#announce(connection);
    this.#work(connection);
  }

  #pull(connection: Connection, { lease, step }: Down<'pull'>): void {
    const kept = connection.kept.get(lease);
    if (kept === undefined || kept.isStalled) return;
    const { bytes } = kept;
    const [offset, total, checksum] = [0, bytes.length, checksumOf([hashOf(bytes)])];
    const chunk = { type: 'chunk', ...this.#envelope(connection), step, lease, offset, total, checksum } as const;
    this.#send(connection, chunk, bytes);
  }

  #announce(connection: Connection): void {
    const { welcome } = connection;
    if (connection.isReady || welcome === null || this.#fold.step < welcome.step) return;
    connection.isReady = true;
    const { stateHash } = this.#fold;
    const probe = { digest: 'a'.repeat(16), repeatable: true };
    this.#send(connection, { type: 'ready', ...this.#envelope(connection), stateHash, probe });
  }

  // Work

  /** Takes the first of its leases whose weights are there; one whose weights are not there blocks those behind it. */
  #work(connection: Connection): void {
    connection.queue = connection.queue.filter(({ step }) => step >= this.#fold.step);
    const [lease] = connection.queue;
    if (connection.isBusy || connection.isHanging || connection.wire.isMute) return;
    if (lease === undefined || lease.step > this.#fold.step) return;
    connection.queue.shift();
    const { clock, random } = this.#world;
    const fault = random.next() < this.#plan.chance ? this.#plan.fault : 'none';
    if (fault !== 'none') this.#world.fired(fault);
    if (fault === 'lose') return this.#work(connection);
    if (fault === 'drift') this.#isDrifting = true;
    if (fault === 'flip')
      this.#replica.weights[0] = (this.#replica.weights[0] ?? 0) + 1 + this.process.length + random.next();
    connection.isBusy = true;
    const { from, to } = blockRange(lease.block, lease.microBatches);
    const ms = (to - from) * this.#plan.costMs * (0.5 + random.next());
    if (fault !== 'hang') this.#computing = { startMs: clock.nowMs, ms, microBatches: to - from };
    // The weights are read as they are now, as the real trainer's copy is.
    const computed = this.#compute(lease, fault);
    clock.in(['die', 'mute', 'hang'].includes(fault) ? ms / 2 : ms, () =>
      this.#computed(connection, lease, { ...computed, fault, ms }),
    );
  }

  /** Micro-batches computed so far, those of the lease that is being computed included. */
  #progressNow(): number {
    if (this.#computing === null) return this.#progress;
    const { startMs, ms, microBatches } = this.#computing;
    return (
      this.#progress + Math.min(microBatches, Math.floor(((this.#world.clock.nowMs - startMs) / ms) * microBatches))
    );
  }

  #compute(lease: Lease, fault: WorkerPlan['fault']): { offer: Offer; bytes: Uint8Array } {
    const stateHash = this.#replica.hashState();
    const { block, dropped = [] } = lease;
    const { slot, sums, moments } = computeBlock(this.#replica, { unit: lease, block, dropped });
    const bytes = slot === null ? new Uint8Array(0) : Uint8Array.from(this.#replica.slotBytes(slot));
    // NaN in every encoding.
    if (slot !== null && fault === 'poison')
      bytes.fill(0xff, 0, gradientBytes(this.#world.compression, this.#replica.plan.gradientFloats));
    if (slot !== null && fault === 'lie') this.#lie(bytes);
    if (slot !== null && (fault === 'exaggerate' || fault === 'nothing'))
      this.#fill(bytes, fault === 'nothing' ? 0 : 1e6 * (1 + this.#world.random.next()));
    const digest = slot === null ? '0'.repeat(16) : this.#digestOf(bytes);
    if (slot !== null && fault === 'corrupt') bytes[5] = (bytes[5] ?? 0) ^ 1;
    return {
      offer: {
        lease: lease.id,
        step: lease.step,
        stateHash,
        bytes: bytes.length,
        digest,
        sums: { ...sums },
        momentCounts: [...(moments?.counts ?? [])],
      },
      bytes,
    };
  }

  /** Another number, and not the one that another liar would make up. */
  #lie(bytes: Uint8Array): void {
    const at = gradientBytes(this.#world.compression, this.#replica.plan.gradientFloats) - 4;
    bytes[at] = (bytes[at] ?? 0) ^ (1 + this.#world.random.below(255));
  }

  /** Every number of the gradient is this one; its moments stay. */
  #fill(bytes: Uint8Array, value: number): void {
    this.#replica.leaf(0).fill(value);
    this.#replica.settleLeaf(0);
    const length = gradientBytes(this.#world.compression, this.#replica.plan.gradientFloats);
    bytes.set(this.#replica.slotBytes(0).subarray(0, length));
  }

  #digestOf(bytes: Uint8Array): string {
    this.#replica.slotBytes(0).set(bytes);
    return this.#replica.hashSlot(0);
  }

  /** The first of the lease's teachers that cannot label it. */
  #failingTeacher({ kind, step, dropped = [] }: Lease, fault: WorkerPlan['fault']): string | undefined {
    const broken =
      this.#world.teachers?.broken
        .filter(({ fromStep }) => kind === 'train' && step >= fromStep)
        .map(({ teacher }) => teacher) ?? [];
    return [...broken, ...(fault === 'teacher' ? ['a'] : [])].find((teacher) => !dropped.includes(teacher));
  }

  #computed(
    connection: Connection,
    lease: Lease,
    { offer, bytes, fault, ms }: { offer: Offer; bytes: Uint8Array; fault: WorkerPlan['fault']; ms: number },
  ): void {
    connection.isBusy = false;
    this.#progress = this.#progressNow();
    this.#computing = null;
    if (!connection.isOpen) return;
    if (fault === 'die') return this.#die(connection);
    if (fault === 'mute') connection.wire.isMute = true;
    if (fault === 'hang') connection.isHanging = true;
    if (connection.wire.isMute || connection.isHanging) return;
    const teacher = this.#failingTeacher(lease, fault);
    if (fault === 'fail' || teacher !== undefined)
      this.#fail(connection, lease, fault === 'fail' ? undefined : teacher);
    else {
      const isInline = this.#world.isInline && fault !== 'stallUpload';
      // Kept in any case: an offer that comes before its step is open is pulled later.
      connection.kept.set(lease.id, { bytes, isStalled: fault === 'stallUpload' });
      const message = {
        type: 'offer',
        ...this.#envelope(connection),
        ...offer,
        seconds: { student: ms / 1000 },
      } as const;
      for (let times = fault === 'repeat' ? 2 : 1; times > 0; times--)
        this.#send(connection, message, isInline ? bytes : undefined);
    }
    this.#work(connection);
  }

  #fail(connection: Connection, { id: lease, block, microBatches }: Lease, teacher: string | undefined): void {
    this.#send(connection, {
      type: 'failed',
      ...this.#envelope(connection),
      lease,
      microBatch: blockRange(block, microBatches).from,
      reason: 'made up',
      ...(teacher === undefined ? {} : { teacher }),
    });
  }
}
