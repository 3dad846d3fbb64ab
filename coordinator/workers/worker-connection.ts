/**
 * One worker's connection, from its hello to its close: frames are decoded and checked against the run and generation,
 * then handed on by type. It knows nothing of leases or steps beyond that.
 */
import { ProtocolError } from '../../shared/errors.js';
import type { Plane, Traffic } from '../../shared/exchange/plane.js';
import type { PlaneName } from '../../shared/exchange/planes/list.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import { decodeUp, type FrameData } from '../../shared/protocol/codec.js';
import {
  closeCodes,
  limits,
  protocolVersion,
  type Device,
  type Up,
  type UpMessage,
} from '../../shared/protocol/messages.js';
import { Rate, type Allowance } from '../../shared/rate.js';
import type { Timers } from '../../shared/timers.js';
import type { WorkerId } from '../decide/types.js';
import type { RunEnvelope } from '../exchange/broadcast.js';
import type { Channel } from '../exchange/channel.js';
import type { IncomingContributions } from '../exchange/incoming.js';
import { SendQueue } from '../exchange/send-queue.js';
import type { WorkerTrace } from '../trace/run-trace.js';

/** Every message of a worker after its hello. */
export type AdmittedMessage = Exclude<UpMessage, { type: 'hello' }>;

/** Who is told what happens on a connection. */
export interface ConnectionHost {
  readonly envelope: RunEnvelope;
  readonly recipeDigest: string;
  /** The first message has come and is of this protocol and recipe. */
  onHello(connection: WorkerConnection, hello: Up<'hello'>): void;
  /** A message of this run and generation has come from a worker that was let in. @throws ProtocolError */
  onMessage(worker: AdmittedWorker, message: AdmittedMessage, payload: Uint8Array): void;
  /** A frame was dropped, since it broke a rule; the connection is closed for it. */
  onBrokenRule(connection: WorkerConnection, reason: string): void;
  onClosed(connection: WorkerConnection, reason: string): void;
  /** An error that is not the peer's: the run ends with it. */
  onBug(error: unknown): void;
}

/** A worker that was let in. */
export interface AdmittedWorker {
  /** Short and new for every admission: `w1`, `w2`, ... */
  readonly id: WorkerId;
  /** The worker process's own random name, the same over reconnects. */
  readonly process: string;
  /** The host and token that it comes with. */
  readonly origin: string;
  readonly device: Device;
  readonly connection: WorkerConnection;
  readonly incoming: IncomingContributions;
  /** Whether it has caught up and may be leased to. */
  isReady: boolean;
  /** Whether it was told to leave: nothing that it says counts any more. */
  isDrained: boolean;
  /** Its rows in the trace; null where the run is not traced. */
  readonly trace: WorkerTrace | null;
  /** Its trainer's own counter, as the last heartbeat gave it. */
  progress: number;
}

/** Bytes from and to workers, by the way that they took. */
export type PlaneTraffic = Readonly<Record<PlaneName, Traffic>>;

/**
 * Messages that change nothing: heartbeats, of which a worker sends a few a second, and those that cross a cancel. Many
 * connections that send no other would take all of the coordinator's time.
 */
const idleAllowance: Allowance = { burst: 256, perSecond: 64 };

export class WorkerConnection {
  readonly queue: SendQueue;
  readonly #idle: Rate;
  readonly #channel: Channel;
  readonly #host: ConnectionHost;
  /** The way of bulk bytes, from the welcome on. */
  plane: Plane = socketPlane;
  /** Null before the hello was accepted. */
  admitted: AdmittedWorker | null = null;
  /** Whether the worker would come back: it has not left, and was not sent away for good. */
  mayReturn = true;
  /** Whether the worker has said why it leaves. */
  hasLeft = false;
  /** Whether it ends since the worker broke a rule. */
  hasBrokenRule = false;
  #heardBytes = 0;
  #saidHello = false;
  #reason = 'connection lost';

  constructor(channel: Channel, host: ConnectionHost, timers: Timers) {
    this.#channel = channel;
    this.#host = host;
    this.queue = new SendQueue(channel, timers);
    this.#idle = new Rate(idleAllowance, () => timers.nowMs());
    const cancel = timers.after(limits.helloMs, () =>
      this.dismiss(closeCodes.refused, `no hello within ${limits.helloMs} ms`),
    );
    channel.listen({
      onFrame: (frame) => {
        cancel();
        this.#hear(frame);
      },
      onClosed: (error) => {
        cancel();
        this.queue.closed();
        this.plane.close();
        host.onClosed(this, error ?? this.#reason);
      },
    });
  }

  /** For messages to the user: the worker's short name and host, or its address before it was let in. */
  get name(): string {
    return this.admitted === null ? this.#channel.address : `${this.admitted.id} (${this.admitted.device.host})`;
  }

  /** The host and token that the peer comes with. */
  get origin(): string {
    return this.#channel.origin;
  }

  /** Bytes that came from the worker and went to it so far. */
  get bytes(): PlaneTraffic {
    const socket = { received: this.#channel.receivedBytes, sent: this.#channel.sentBytes };
    return { socket, memory: this.plane.bytes };
  }

  /** Whether anything, were it a part of a frame, came since this was asked or the worker was marked as heard. */
  hasNewBytes(): boolean {
    const isNew = this.#channel.receivedBytes > this.#heardBytes;
    this.markHeard();
    return isNew;
  }

  /** The core knows of all that has come so far. */
  markHeard(): void {
    this.#heardBytes = this.#channel.receivedBytes;
  }

  /** Counts a message that changes nothing. @throws ProtocolError for more of them than a worker has reason to send */
  countIdle(): void {
    if (this.#idle.take() > 0)
      throw new ProtocolError(`more than ${idleAllowance.burst} messages that change nothing`, closeCodes.badFrame);
  }

  /** Closes the connection and tells the peer why. */
  dismiss(code: number, reason: string): void {
    this.#reason = reason;
    if (code === closeCodes.refused) this.mayReturn = false;
    this.queue.close(code, reason);
  }

  /** Cuts the connection without a word, for peers that do not read. */
  terminate(reason: string): void {
    this.#reason = reason;
    this.queue.terminate();
  }

  /** The peer has said why it will close the connection. */
  explain(reason: string): void {
    this.#reason = reason;
    [this.hasLeft, this.mayReturn] = [true, false];
  }

  #hear(frame: FrameData | null): void {
    if (this.queue.isClosed) return;
    try {
      if (frame === null) throw new ProtocolError('a frame that is not binary');
      const { message, payload } = decodeUp(frame);
      this.#dispatch(message, payload);
    } catch (error) {
      if (!(error instanceof ProtocolError)) return this.#host.onBug(error);
      this.hasBrokenRule = true;
      this.#host.onBrokenRule(this, error.message);
      this.dismiss(error.closeCode, error.message);
    }
  }

  #dispatch(message: UpMessage, payload: Uint8Array): void {
    if (message.type === 'hello') return this.#hello(message);
    if (this.admitted === null) throw new ProtocolError(`${message.type} before hello`);
    const { run, generation } = this.#host.envelope;
    if (message.run !== run || message.generation !== generation) {
      throw new ProtocolError(
        `${message.type} of run ${message.run}, generation ${message.generation}; this is ${run}, ${generation}`,
        closeCodes.stale,
      );
    }
    this.#host.onMessage(this.admitted, message, payload);
  }

  #hello(hello: Up<'hello'>): void {
    if (this.#saidHello) throw new ProtocolError('a second hello');
    this.#saidHello = true;
    if (hello.protocol !== protocolVersion) {
      throw new ProtocolError(
        `protocol ${hello.protocol}; this coordinator speaks ${protocolVersion}`,
        closeCodes.refused,
      );
    }
    const { recipeDigest } = this.#host;
    if (hello.recipeDigest !== null && hello.recipeDigest !== recipeDigest) {
      throw new ProtocolError(
        `recipe ${hello.recipeDigest.slice(0, 12)}; this run's is ${recipeDigest.slice(0, 12)}`,
        closeCodes.refused,
      );
    }
    this.#host.onHello(this, hello);
  }
}
