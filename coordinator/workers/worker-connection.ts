/**
 * One worker's connection, from its hello to its close: frames are decoded and checked against the run and generation,
 * then handed on by type. It knows nothing of leases or steps beyond that.
 */
import type { WebSocket } from 'ws';
import { ProtocolError } from '../../shared/errors.js';
import { decodeUp, type FrameData } from '../../shared/protocol/codec.js';
import {
  closeCodes,
  limits,
  protocolVersion,
  type Device,
  type Up,
  type UpMessage,
} from '../../shared/protocol/messages.js';
import type { Peer } from '../server/server.js';
import type { RunEnvelope } from '../exchange/broadcast.js';
import type { Intake } from '../exchange/incoming.js';
import { Outbox } from '../exchange/send-queue.js';

export interface MemberHost {
  readonly envelope: RunEnvelope;
  readonly recipeDigest: string;
  /** The first message has come and is of this protocol and recipe. */
  onHello(member: Member, hello: Up<'hello'>): void;
  onMessage(member: Member, message: Exclude<UpMessage, { type: 'hello' }>, payload: Uint8Array): void;
  /** A frame of another run, generation or lease was dropped. */
  onRefused(member: Member, reason: string): void;
  onClosed(member: Member, reason: string): void;
  /** An error that is not the peer's: the run ends with it. */
  onBug(error: unknown): void;
}

/** What is known of a worker once it was let in. */
export interface Admitted {
  /** Short and new for every admission: `w1`, `w2`, ... */
  readonly id: string;
  /** The process's own random name, the same over reconnects. */
  readonly worker: string;
  readonly device: Device;
  readonly intake: Intake;
}

export class Member {
  readonly outbox: Outbox;
  readonly #peer: Peer;
  #bytesSeen = 0;
  /** Null before the hello was accepted. */
  admitted: Admitted | null = null;
  isReady = false;
  progress = 0;
  readonly #host: MemberHost;
  #saidHello = false;
  #reason = 'connection lost';
  /** Whether the worker would come back: it has not left, and was not sent away for good. */
  mayReturn = true;

  constructor(socket: WebSocket, peer: Peer, host: MemberHost) {
    this.#host = host;
    this.#peer = peer;
    this.outbox = new Outbox(socket);
    // A head and its payload come as two fragments, which need not be joined.
    socket.binaryType = 'fragments';
    const timer = setTimeout(
      () => this.dismiss(closeCodes.refused, `no hello within ${limits.helloMs} ms`),
      limits.helloMs,
    );
    socket.on('message', (data: unknown, isBinary: boolean) => {
      clearTimeout(timer);
      this.#hear(data, isBinary);
    });
    socket.on('error', (error) => {
      this.#reason = error.message;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      this.outbox.closed();
      host.onClosed(this, this.#reason);
    });
  }

  get name(): string {
    return this.admitted === null ? this.#peer.address : `${this.admitted.id} (${this.admitted.device.host})`;
  }

  /** Whether anything came since this was asked last. */
  hasNewBytes(): boolean {
    const bytes = this.#peer.bytesRead();
    const isNew = bytes > this.#bytesSeen;
    this.#bytesSeen = bytes;
    return isNew;
  }

  dismiss(code: number, reason: string): void {
    this.#reason = reason;
    if (code === closeCodes.refused) this.mayReturn = false;
    this.outbox.close(code, reason);
  }

  /** Cuts the connection without a word, for peers that do not read. */
  terminate(reason: string): void {
    this.#reason = reason;
    this.outbox.terminate();
  }

  /** For a `close` that the peer itself explained. */
  explain(reason: string): void {
    this.#reason = reason;
    this.mayReturn = false;
  }

  #hear(data: unknown, isBinary: boolean): void {
    if (this.outbox.isClosed) return;
    try {
      if (!isBinary) throw new ProtocolError('a frame that is not binary');
      const { message, payload } = decodeUp(frameData(data));
      this.#dispatch(message, payload);
    } catch (error) {
      if (!(error instanceof ProtocolError)) return this.#host.onBug(error);
      this.#host.onRefused(this, error.message);
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
    this.#host.onMessage(this, message, payload);
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

/** What `ws` hands over with `binaryType: 'fragments'`. */
function frameData(data: unknown): FrameData {
  if (data instanceof Uint8Array) return data;
  if (Array.isArray(data) && data.every((part) => part instanceof Uint8Array)) return data;
  throw new ProtocolError('a frame of no bytes');
}
