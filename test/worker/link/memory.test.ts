/** A worker and its coordinator on one host: bulk bytes through a file in memory, and through the socket where not. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryFile } from '../../../shared/exchange/planes/memory-file.js';
import { MemoryPlane } from '../../../shared/exchange/planes/memory.js';
import { limits, type Up } from '../../../shared/protocol/messages.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { runWorker } from '../../../worker/worker.js';
import { FakeCompute, FakeCoordinator, specOf, startLinkHere, temporaryFolder, type Peer } from '../fakes.js';

let base = '';
let coordinator = new FakeCoordinator();
let stop = new AbortController();
let log: string[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stillhouse-memory-'));
  // Two chunks a contribution.
  coordinator = new FakeCoordinator({ spec: specOf(300_001) });
  [stop, log] = [new AbortController(), []];
});
afterEach(async () => {
  stop.abort('the test is over');
  await coordinator.close();
  rmSync(base, { recursive: true });
});

/** The worker's hello. */
async function greet(memoryFolder: string | null): Promise<{ peer: Peer; hello: Up<'hello'> }> {
  const url = await coordinator.listen();
  const lines = log;
  runWorker(
    {
      url,
      memoryFolder,
      ...{ token: null, cacheFolder: temporaryFolder(), threads: 1, local: false, waitSeconds: 5 },
      stop: stop.signal,
      log: (line) => void lines.push(line),
      backend: { name: 'wasm', gpu: null, provider: 'cpu', version: '0', open: async () => new FakeCompute() },
    },
    (start) => startLinkHere(start, {}),
  ).catch(() => undefined);
  const peer = await coordinator.worker();
  const { message: hello } = await peer.next('hello');
  return { peer, hello };
}

/** The coordinator's end of the worker's file; it never says that it has read anything but by `acknowledge`. */
function openFor(hello: Up<'hello'>, acknowledge: (chunks: number) => void): { plane: MemoryPlane; nonce: string } {
  const file = MemoryFile.open(base, hello.memory ?? '');
  const onFault = (reason: string): void => {
    throw new Error(reason);
  };
  return { plane: new MemoryPlane({ file, sends: 'down', acknowledge, onFault }), nonce: file.nonce };
}

/** Pulls a contribution and receives it by the plane. @returns the places of its chunks */
async function pull(peer: Peer, plane: MemoryPlane, lease: number): Promise<(number | undefined)[]> {
  peer.send({ type: 'pull', ...coordinator.envelope(), lease });
  const receiver = plane.receive(coordinator.replica.slotBytes(1), (piece) => coordinator.replica.hashPiece(piece));
  const places: (number | undefined)[] = [];
  while (!receiver.isDone) {
    const { message, payload } = await peer.next('chunk');
    receiver.accept(message, payload);
    plane.handled(message);
    places.push(message.placed?.place);
  }
  return places;
}

/** Together they have more chunks than there are places. */
const steps = 5;

describe('a worker of the same host', () => {
  it('sends contributions and takes commits through the file that it has offered', async () => {
    const { peer, hello } = await greet(base);
    const { plane, nonce } = openFor(hello, (chunks) => peer.send({ type: 'took', ...coordinator.envelope(), chunks }));
    coordinator.welcome(peer, { memory: nonce });
    await peer.next('ready');
    expect(readdirSync(join(base, readdirSync(base)[0] ?? ''))).toEqual([]);
    for (let id = 1; id <= steps; id++) {
      coordinator.lease(peer, { id });
      const { message: offer } = await peer.next('offer');
      expect(offer.stateHash).toBe(coordinator.replica.hashState());
      const places = await pull(peer, plane, id);
      const before = (id - 1) * places.length;
      expect(places).toEqual(places.map((_, i) => (before + i) % limits.filePlaces));
      expect(coordinator.replica.hashSlot(1)).toBe(offer.digest);
      coordinator.commit(peer, Uint8Array.from(coordinator.replica.slotBytes(1)), offer.momentCounts, { plane });
      plane.taken((await peer.next('took')).message.chunks);
      coordinator.release(peer);
    }
    const bytes = steps * coordinator.replica.slotBytes(1).length;
    expect(plane.bytes).toEqual({ received: bytes, sent: bytes });
    coordinator.lease(peer, { id: steps + 1 });
    expect((await peer.next('offer')).message.stateHash).toBe(coordinator.replica.hashState());
    expect(log).toEqual([]);
    plane.close();
  });

  it('waits with the next chunk until one before it has been read', async () => {
    const { peer, hello } = await greet(base);
    const { plane, nonce } = openFor(hello, () => undefined);
    coordinator.welcome(peer, { memory: nonce });
    await peer.next('ready');
    for (let id = 1; id <= steps; id++) coordinator.lease(peer, { id, block: { level: 0, index: id % 4 } });
    for (let id = 1; id <= steps; id++) await peer.next('offer');
    for (let lease = 1; lease <= steps; lease++) peer.send({ type: 'pull', ...coordinator.envelope(), lease });
    const next = async (): Promise<number | undefined> => (await peer.next('chunk')).message.placed?.place;
    for (let i = 0; i < limits.filePlaces; i++) expect(await next()).toBe(i);
    // What it sends meanwhile shows that it is not merely slow.
    for (let i = 0; i < 3; i++) await peer.next('heartbeat');
    expect(peer.received.filter(({ message }) => message.type === 'chunk')).toHaveLength(limits.filePlaces);
    peer.send({ type: 'took', ...coordinator.envelope(), chunks: 1 });
    expect(await next()).toBe(0);
    plane.close();
  });

  it('ends a connection on which more is said to be read than it has sent', async () => {
    const { peer, hello } = await greet(base);
    const { plane, nonce } = openFor(hello, () => undefined);
    coordinator.welcome(peer, { memory: nonce });
    await peer.next('ready');
    peer.send({ type: 'took', ...coordinator.envelope(), chunks: 1 });
    expect((await peer.closed).code).toBe(4400);
    plane.close();
  });

  it.each([
    ['has not opened', undefined],
    ['has read something else in', '0'.repeat(32)],
  ])('goes on through the socket, and says so, where the coordinator %s its file', async (why, memory) => {
    const { peer, hello } = await greet(base);
    expect(hello.memory).toMatch(/^[0-9a-f]{32}$/);
    coordinator.welcome(peer, memory === undefined ? {} : { memory });
    await peer.next('ready');
    coordinator.lease(peer, { id: 1 });
    await peer.next('offer');
    peer.send({ type: 'pull', ...coordinator.envelope(), lease: 1 });
    const { message, payload } = await peer.next('chunk');
    expect([message.placed, payload.length]).toEqual([undefined, limits.pieceBytes]);
    expect(log).toEqual([
      `bulk bytes travel through the socket: the coordinator ${why} the file in memory offered to it`,
    ]);
    expect(readdirSync(join(base, readdirSync(base)[0] ?? ''))).toEqual([]);
  });

  it('offers nothing where there is no folder for it, and says why where there should be one', async () => {
    const { hello } = await greet(join(base, 'none'));
    expect(hello.memory).toBeUndefined();
    expect(log).toEqual([expect.stringMatching(/^bulk bytes travel through the socket: no file in memory: .*ENOENT/)]);
  });

  it('offers nothing where it is not to', async () => {
    const { hello } = await greet(null);
    expect([hello.memory, log]).toEqual([undefined, []]);
  });

  it('is known by an address of the machine to itself', () => {
    const isHere = (url: string): boolean => new CoordinatorClient({ url, token: null }).isOnThisHost;
    expect(['ws://127.0.0.1:1', 'ws://localhost:1', 'ws://[::1]:1'].map(isHere)).toEqual([true, true, true]);
    expect(['ws://192.0.2.1:1', 'ws://alpha:1', 'ws://127.0.0.1.example:1'].map(isHere)).toEqual([false, false, false]);
  });
});
