/**
 * Peers with the right token that mean no good: whatever they send, or do not read, the coordinator's memory stays
 * within a bound, and the run beside them ends with the bits of an undisturbed one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeDown, encodeFrame } from '../../shared/protocol/codec.js';
import { closeCodes, limits, protocolVersion, subprotocol, type UpMessage } from '../../shared/protocol/messages.js';
import { soon, type Program } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, token, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

const peers = 48;
/** Beyond what the same run takes alone. */
const allowedBytes = 192 * 1024 * 1024;

interface Peer {
  readonly socket: WebSocket;
  /** The close code; 1006 for a connection that was cut. */
  readonly closed: Promise<number>;
}

function connect(url: string): Promise<Peer> {
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

const hello: UpMessage = {
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
const attacks: [string, (peer: Peer) => Promise<number>, number[]][] = [
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
    [1006, closeCodes.tooSlow],
  ],
];

function frameOf(message: UpMessage): Uint8Array {
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
function peakBytes(program: Program): number {
  const path = `/proc/${program.child.pid}/status`;
  if (!existsSync(path)) return 0;
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
}

describe(`${peers} peers that`, () => {
  it.each(attacks)('%s cost a bounded amount of memory and no bit', async (name, attack, codes) => {
    const place = runs.placeOf(`flood-${name}`);
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const before = peakBytes(coordinator);
    const ended = await Promise.all(Array.from({ length: peers }, async () => attack(await connect(url))));
    expect(ended.filter((code) => !codes.includes(code))).toEqual([]);
    expect(peakBytes(coordinator) - before).toBeLessThan(allowedBytes);
    await expectDone(coordinator, startWorker(place, 'w0', url));
    await runs.expectUndisturbed(place);
  });

  it('say hello and read nothing of the run cost a bounded amount of memory and no bit', async () => {
    const place = runs.placeOf('flood-readers');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const worker = startWorker(place, 'w0', url);
    await coordinator.says(/is ready/);
    const before = peakBytes(coordinator);
    const readers = await Promise.all(Array.from({ length: peers }, () => connect(url)));
    for (const { socket } of readers) {
      socket.send(frameOf(hello), () => undefined);
      socket.pause();
    }
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, peakBytes(coordinator))), 5);
    void coordinator.ended.then(() => clearInterval(watch));
    await expectDone(coordinator, worker);
    expect(most - before).toBeLessThan(allowedBytes);
    for (const { socket } of readers) socket.terminate();
    await runs.expectUndisturbed(place);
  });
});
