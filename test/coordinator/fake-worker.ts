/**
 * A worker for the coordinator's tests: it speaks the protocol over a real socket and folds the log into a real
 * replica, but its gradients are made up: a pure function of weights and sample positions, as real ones are.
 */
import { WebSocket } from 'ws';
import { checksumOf, hashOf } from '../../shared/replica/piece-hash.js';
import { split } from '../../shared/replica/pieces.js';
import type { PlaneReceiver } from '../../shared/exchange/plane.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import { decodeDown, encodeFrame, sendFrame } from '../../shared/protocol/codec.js';
import {
  limits,
  protocolVersion,
  subprotocol,
  type Down,
  type DownMessage,
  type Lease,
  type UpMessage,
} from '../../shared/protocol/messages.js';
import { BlockSum } from '../../shared/replica/reduction/block-sum.js';
import { blockRange, microBatchRange } from '../../shared/replica/reduction/tree.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';

export interface FakeOptions {
  readonly run: PreparedRun;
  readonly port: number;
  readonly token?: string;
  readonly name?: string;
  /** The address that it comes from; default the machine's own. */
  readonly address?: string;
  /** Milliseconds that a micro-batch takes. */
  readonly microBatchMs?: number;
  /** Asked before a lease is computed: what to do instead. */
  readonly sabotage?: (
    lease: Lease,
  ) => 'die' | 'stall' | 'poison' | 'lie' | 'fail' | 'invent' | 'twist' | 'exaggerate' | undefined;
  /** The teacher that it says lets it fail. */
  readonly teacher?: string;
  readonly onStep?: (step: number) => void;
  /** Digest of the numerics probe. */
  readonly probe?: string;
}

/** What a worker says that it holds, true or not. */
export interface HeldState {
  readonly nonce: string;
  readonly replica: Replica;
  readonly step: number;
  readonly receipt?: string;
}

interface Held {
  head: Down<'commit'>;
  receiver: PlaneReceiver | null;
}
const slots = 12;

export class FakeWorker {
  readonly socket: WebSocket;
  readonly replica: Replica;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly seen: string[] = [];
  step = 0;
  /** The coordinator's proof of the last release, or of the snapshot. */
  receipt = '';
  end: Down<'end'> | null = null;
  welcome: Down<'welcome'> | null = null;
  readonly #options: FakeOptions;
  #held: Held | null = null;
  #isReady = false;
  #waiting: Lease[] = [];
  readonly #kept = new Map<number, Uint8Array>();
  readonly #cancelled = new Set<number>();
  #isComputing = false;
  #chain: Promise<void> = Promise.resolve();

  constructor(options: FakeOptions, held: HeldState | null = null) {
    this.#options = options;
    this.replica =
      held?.replica ?? new Replica(planReplica(options.run.student, options.run.recipe.optimizer), { slots });
    this.step = held?.step ?? 0;
    const headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    this.socket = new WebSocket(`ws://127.0.0.1:${options.port}/worker`, [subprotocol], {
      headers,
      ...(options.address === undefined ? {} : { localAddress: options.address }),
      perMessageDeflate: false,
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) =>
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.socket.on('open', () =>
      this.#send({
        type: 'hello',
        run: '',
        generation: 0,
        step: this.step,
        protocol: protocolVersion,
        worker: options.name ?? 'fake',
        device: { backend: 'wasm', gpu: null, threads: 1, host: 'test', pid: 1, version: '0' },
        recipeDigest: null,
        held:
          held === null
            ? null
            : {
                nonce: held.nonce,
                step: held.step,
                stateHash: this.replica.hashState(),
                receipt: held.receipt ?? '',
              },
      }),
    );
    this.socket.on('message', (data: Buffer) => {
      const { message, payload } = decodeDown(data);
      const copy = Uint8Array.from(payload);
      this.#chain = this.#chain.then(() => this.#hear(message, copy));
    });
  }

  /** A sign of life. */
  beat(): void {
    if (this.welcome === null) return;
    this.#send({ type: 'heartbeat', ...this.#envelope(), progress: 0, sentMs: 0, rssBytes: 0, tensors: 0 });
  }

  /** In good order. */
  leave(): void {
    this.#send({ type: 'leave', ...this.#envelope(), reason: 'it leaves' });
    this.socket.close(1000);
  }

  /** Drops the connection as a killed process would. */
  die(): void {
    this.socket.terminate();
  }

  async #hear(message: DownMessage, payload: Uint8Array): Promise<void> {
    this.seen.push(message.type);
    switch (message.type) {
      case 'welcome':
        return this.#onWelcome(message);
      case 'commit':
        return void this.#hold(message, payload);
      case 'commitChunk':
        this.#held?.receiver?.accept(message, payload);
        return;
      case 'release':
        return void this.#release(message);
      case 'lease':
        this.#waiting.push(message.lease);
        return void this.#work();
      case 'cancel':
        this.#cancelled.add(message.lease);
        this.#kept.delete(message.lease);
        return;
      case 'pull':
        return void this.#upload(message.lease, message.step);
      case 'end':
        this.end = message;
        return void this.socket.close(1000);
      default:
        return;
    }
  }

  async #onWelcome(welcome: Down<'welcome'>): Promise<void> {
    this.welcome = welcome;
    if (welcome.snapshot !== null) {
      const { authorization } = { authorization: `Bearer ${this.#options.token ?? ''}` };
      const response = await fetch(`http://127.0.0.1:${this.#options.port}/artifacts/${welcome.snapshot.sha256}`, {
        headers: { authorization },
      });
      this.replica.state().set(new Uint8Array(await response.arrayBuffer()));
      [this.step, this.receipt] = [welcome.snapshot.step, welcome.snapshot.receipt];
    }
    this.#announce();
  }

  #announce(): void {
    if (this.#isReady || this.welcome === null || this.step < this.welcome.step) return;
    this.#isReady = true;
    this.#send({
      type: 'ready',
      ...this.#envelope(),
      stateHash: this.replica.hashState(),
      probe: { digest: this.#options.probe ?? '00000000000000ab', repeatable: true },
    });
  }

  #hold(head: Down<'commit'>, payload: Uint8Array): void {
    if (head.step !== this.step) throw new Error(`commit ${head.step} at step ${this.step}`);
    const target = this.replica.slotBytes(slots - 1);
    const isInline = payload.length === head.bytes;
    if (isInline) target.set(payload);
    this.#held = { head, receiver: isInline ? null : socketPlane.receive(target.subarray(0, head.bytes), hashOf) };
  }

  #release({ step, stateHash, receipt }: Down<'release'>): void {
    const held = this.#held;
    if (held?.head.step !== step || step !== this.step) throw new Error(`release ${step} without its commit`);
    if (held.receiver !== null && !held.receiver.isDone) throw new Error('released before its bytes');
    const { head } = held;
    const slot = head.bytes === 0 ? null : slots - 1;
    this.replica.apply(head.scalars, {
      slot,
      moments: slot === null ? null : this.replica.readMoments(slot, head.momentCounts),
    });
    [this.step, this.receipt] = [this.step + 1, receipt];
    if (this.replica.hashState() !== stateHash) throw new Error(`another state after step ${step}`);
    this.#options.onStep?.(this.step);
    this.#announce();
    this.#work();
  }

  /** One lease after the other, each once the weights are there. */
  #work(): void {
    if (this.#isComputing) return;
    const at = this.#waiting.findIndex((lease) => lease.step === this.step);
    const lease = this.#waiting[at];
    if (lease === undefined) return;
    this.#waiting.splice(at, 1);
    if (this.#cancelled.has(lease.id)) return this.#work();
    const act = this.#options.sabotage?.(lease);
    if (act === 'die') return this.die();
    if (act === 'stall') return;
    this.#isComputing = true;
    const { from, to } = blockRange(lease.block, lease.microBatches);
    setTimeout(
      () => {
        this.#isComputing = false;
        if (lease.step === this.step && !this.#cancelled.has(lease.id)) this.#offer(lease, act);
        this.#work();
      },
      (to - from) * (this.#options.microBatchMs ?? 0),
    );
  }

  #offer(lease: Lease, act: 'poison' | 'lie' | 'fail' | 'invent' | 'twist' | 'exaggerate' | undefined): void {
    const at = { ...this.#envelope(), step: lease.step, lease: lease.id };
    if (act === 'fail')
      return this.#send({
        type: 'failed',
        ...at,
        microBatch: 0,
        reason: 'made up',
        ...(this.#options.teacher === undefined ? {} : { teacher: this.#options.teacher }),
      });
    const sum = this.#compute(lease);
    const bytes = sum.slot === null ? new Uint8Array(0) : Uint8Array.from(this.replica.slotBytes(sum.slot));
    if (act === 'poison') new Float32Array(bytes.buffer)[1] = NaN;
    // A broken device says of its result what it says of any other.
    if (act === 'exaggerate' && sum.slot !== null)
      new Float32Array(bytes.buffer, 0, this.replica.plan.gradientFloats).fill(1e6);
    if (act === 'twist') bytes[5] = (bytes[5] ?? 0) ^ 1;
    if (sum.slot !== null) this.replica.slotBytes(sum.slot).set(bytes);
    const digest =
      sum.slot === null ? '0'.repeat(16) : act === 'lie' ? 'f'.repeat(16) : this.replica.hashSlot(sum.slot);
    this.#kept.set(lease.id, bytes);
    this.#send(
      {
        type: 'offer',
        ...at,
        stateHash: this.replica.hashState(),
        bytes: bytes.length,
        digest,
        sums: { ...sum.sums, ...(act === 'invent' ? { invented: 1 } : {}) },
        momentCounts: [...(sum.moments?.counts ?? [])],
        seconds: { student: 0.001 },
      },
      bytes.length <= limits.pieceBytes ? bytes : undefined,
    );
  }

  #compute(lease: Lease): ReturnType<BlockSum['result']> {
    const block = new BlockSum({
      slots: Array.from({ length: slots - 1 }, (_, i) => i),
      norms: [],
      addSlots: (into, from) => this.replica.addSlots(into, from),
    });
    const { from, to } = blockRange(lease.block, lease.microBatches);
    for (let j = from; j < to; j++) {
      const range = microBatchRange(lease.to - lease.from, lease.microBatches, j);
      const samples = range.to - range.from;
      if (lease.kind === 'train') fillGradient(this.replica, block.nextSlot(), lease, range);
      const sums =
        lease.kind === 'train'
          ? { samples, response: samples * 0.5, 'response.count': samples }
          : lease.subject === 'teachers'
            ? { samples, 'ensemble.correct': samples }
            : { samples, 'student.correct': samples - 1, 'student.loss': samples / 4 };
      block.push({ hasGradient: lease.kind === 'train', sums, moments: null });
    }
    return block.result();
  }

  #upload(lease: number, step: number): void {
    const bytes = this.#kept.get(lease);
    if (bytes === undefined) return;
    for (const { offset, length } of split(bytes.length)) {
      const piece = bytes.subarray(offset, offset + length);
      const at = { offset, total: bytes.length, checksum: checksumOf([hashOf(piece)]) };
      this.#send({ type: 'chunk', ...this.#envelope(), step, lease, ...at }, piece);
    }
  }

  #envelope(): { run: string; generation: number; step: number } {
    return { run: this.welcome?.run ?? '', generation: this.welcome?.generation ?? 0, step: this.step };
  }

  #send(message: UpMessage, payload?: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) sendFrame(this.socket, encodeFrame(message, payload));
  }
}

/** Mean over samples of something that depends on the weight, the epoch and the sample's position. */
export function fillGradient(
  replica: Replica,
  slot: number,
  lease: Pick<Lease, 'epoch' | 'from' | 'divisors'>,
  range: { from: number; to: number },
): void {
  const gradient = replica.slot(slot);
  const divisor = lease.divisors.response ?? 1;
  gradient.fill(0);
  const count = Math.min(replica.weights.length, 64);
  for (let position = lease.from + range.from; position < lease.from + range.to; position++) {
    for (let i = 0; i < count; i++) {
      const target = Math.fround(((position * 31 + i * 17 + lease.epoch) % 97) / 97);
      gradient[i] = (gradient[i] ?? 0) + ((replica.weights[i] ?? 0) - target) / divisor;
    }
  }
}
