/**
 * A channel over a WebSocket. It changes nothing of what it carries; frames that are sent in one turn, such as a release
 * and the leases that follow it, leave together.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { sendFrame, type Frame, type FrameData } from '../../shared/protocol/codec.js';
import type { Channel, ChannelListener } from '../exchange/channel.js';
import { printable } from '../../shared/printable.js';
import { Rate, type Allowance } from '../../shared/rate.js';

type Transport = Pick<Socket, 'bytesRead' | 'bytesWritten' | 'remoteAddress' | 'cork' | 'uncork'>;

/** Frames of one worker: a 10 Gbit/s link brings 1,200 chunks a second. */
const frameAllowance: Allowance = { burst: 8192, perSecond: 4096 };

/** Frames that leave in one write at most: many of them, held back for a peer that floods us, are garbage. */
const together = 4;

export class SocketChannel implements Channel {
  readonly address: string;
  readonly origin: string;
  readonly #socket: WebSocket;
  readonly #transport: Transport;
  /** Frames that were sent in this turn and have not left. */
  #gathered = 0;

  /**
   * @param transport the TCP connection below the WebSocket
   * @param origin where the peer comes from, as the server knows it
   */
  constructor(socket: WebSocket, transport: Transport, origin: string) {
    this.origin = origin;
    this.#socket = socket;
    this.#transport = transport;
    this.address = transport.remoteAddress ?? '';
    // A head and its payload come as two fragments, which need not be joined.
    socket.binaryType = 'fragments';
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get receivedBytes(): number {
    return this.#transport.bytesRead;
  }

  get sentBytes(): number {
    return this.#transport.bytesWritten;
  }

  listen({ onFrame, onClosed }: ChannelListener): void {
    let failure: string | null = null;
    const rate = new Rate(frameAllowance);
    this.#socket.on('message', (data: unknown, isBinary: boolean) => {
      this.#holdBack(rate.take());
      onFrame(isBinary ? frameData(data) : null);
    });
    this.#socket.on('error', (error) => {
      failure = printable(error.message);
    });
    this.#socket.on('close', () => onClosed(failure));
  }

  send(frame: Frame, whenSent: () => void): void {
    this.#gather();
    sendFrame(this.#socket, frame, whenSent);
    if (this.#gathered >= together) this.#release();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, fitForClose(reason));
  }

  terminate(): void {
    this.#release();
    this.#socket.terminate();
  }

  /** Who sends frames faster than it may is not read from for so long: what it sends waits at its own machine. */
  #holdBack(ms: number): void {
    if (ms === 0 || this.#socket.isPaused) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), ms).unref();
  }

  /** What is sent from now on leaves at the end of this turn, or with the last of so few frames. */
  #gather(): void {
    if (this.#gathered === 0) {
      this.#transport.cork();
      process.nextTick(() => this.#release());
    }
    this.#gathered++;
  }

  #release(): void {
    if (this.#gathered === 0) return;
    this.#gathered = 0;
    this.#transport.uncork();
  }
}

/** The bytes that `ws` hands over with `binaryType: 'fragments'`; null for anything else. */
function frameData(data: unknown): FrameData | null {
  if (data instanceof Uint8Array) return data;
  return Array.isArray(data) && data.every((part) => part instanceof Uint8Array) ? data : null;
}

/** A close frame holds at most 123 bytes of text. */
function fitForClose(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
}
