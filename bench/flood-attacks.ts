/**
 * What peers with the right token may do to a coordinator who mean no good. test/faults/floods.test.ts bounds what it costs, and
 * floods.ts measures it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { decodeDown, encodeFrame } from '../shared/protocol/codec.js';
import {
  closeCodes,
  limits,
  protocolVersion,
  subprotocol,
  type Up,
  type UpMessage,
} from '../shared/protocol/messages.js';
import { soon, type Program } from './programs.js';

/** How many do it at once. */
export const peers = 48;

export interface Peer {
  readonly socket: WebSocket;
  /** The close code; 1006 for a connection that was cut. */
  readonly closed: Promise<number>;
}

export function connect(url: string, token: string): Promise<Peer> {
  const socket = new WebSocket(`${url}/worker`, [subprotocol], { headers: { authorization: `Bearer ${token}` } });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      socket.on('error', () => undefined);
      resolve({ socket, closed });
    });
  });
}

/** A worker's first message that is as it should be. */
export const hello: Up<'hello'> = {
  type: 'hello',
  run: '',
  generation: 0,
  step: 0,
  protocol: protocolVersion,
  worker: 'peer',
  recipeDigest: null,
  held: null,
  device: { backend: 'wasm', gpu: null, threads: 1, host: 'test', pid: 1, version: '0' },
};

function send(peer: Peer, frame: Uint8Array): Promise<void> {
  return new Promise((resolve) => peer.socket.send(frame, () => resolve()));
}

function raw(header: Uint8Array, length = header.length): Uint8Array {
  const frame = Buffer.alloc(Math.ceil((4 + header.length) / 8) * 8);
  frame.writeUInt32LE(length, 0);
  frame.set(header, 4);
  return frame;
}

/** Again and again until the connection is closed. */
async function untilClosed(peer: Peer, act: () => Promise<void>): Promise<number> {
  const end: { code: number | null } = { code: null };
  void peer.closed.then((closed) => (end.code = closed));
  while (end.code === null) {
    await act();
    await new Promise(setImmediate);
  }
  return end.code;
}

/** Each peer ends with the code that it is closed with. */
export const attacks: [string, (peer: Peer) => Promise<number>, number[]][] = [
  [
    'send frames of noise as fast as they can',
    (peer) => untilClosed(peer, () => send(peer, Buffer.alloc(1 << 20, 0x5a))),
    [closeCodes.badFrame, 1006],
  ],
  [
    'send frames beyond the cap',
    (peer) => untilClosed(peer, () => send(peer, Buffer.alloc(limits.frameBytes + 1))),
    [1009, 1006],
  ],
  [
    'claim a header of 4 GiB',
    async (peer) => {
      await send(peer, raw(new Uint8Array(4), 0xffffffff));
      return peer.closed;
    },
    [closeCodes.badFrame],
  ],
  [
    'nest 100,000 arrays',
    async (peer) => {
      await send(peer, raw(new Uint8Array(100_000).fill(0x91)));
      return peer.closed;
    },
    [closeCodes.badFrame],
  ],
  [
    'send fragments without an end',
    (peer) =>
      untilClosed(
        peer,
        () => new Promise((resolve) => peer.socket.send(Buffer.alloc(1), { fin: false }, () => resolve())),
      ),
    [1008, 1006],
  ],
  [
    'say hello, ask for ever more answers and read none',
    async (peer) => {
      await send(peer, frameOf(hello));
      const { run, generation } = await envelopeFor(peer);
      peer.socket.pause();
      const beat = frameOf({
        type: 'heartbeat',
        run,
        generation,
        step: 0,
        progress: 0,
        sentMs: 0,
        rssBytes: 0,
        tensors: 0,
      });
      // Its own side learns of the close only when it reads again.
      for (let i = 0; i < 10_000 && peer.socket.readyState === WebSocket.OPEN; i++) {
        peer.socket.send(beat, () => undefined);
        if (i % 500 === 0) await soon(1);
      }
      peer.socket.resume();
      return peer.closed;
    },
    // Which bound it meets first depends on who is faster.
    [1006, closeCodes.badFrame, closeCodes.tooSlow],
  ],
];

export function frameOf(message: UpMessage): Uint8Array {
  const frame = encodeFrame(message);
  if (!(frame instanceof Uint8Array)) throw new Error('a message without payload is one piece');
  return frame;
}

/** Run and generation, out of the welcome. */
async function envelopeFor(peer: Peer): Promise<{ run: string; generation: number }> {
  const data = await new Promise<Buffer>((resolve) => peer.socket.once('message', (bytes: Buffer) => resolve(bytes)));
  return decodeDown(data).message;
}

/** The most memory that the process has had, by the kernel's account; 0 for one that has ended and has none. */
export function peakBytes(program: Program): number {
  const path = `/proc/${program.child.pid}/status`;
  if (!existsSync(path)) return 0;
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
}
