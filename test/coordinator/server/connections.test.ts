/** Peers that hold connections: strangers, those that were turned away, and those that do not read what they asked for. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { connectionBudget, type ConnectionBudget } from '../../../coordinator/server/connections.js';
import { listen, type Admission } from '../../../coordinator/server/server.js';
import { oneToken } from '../../../shared/access/credentials.js';

const token = 't'.repeat(43);
const sha256 = 'a'.repeat(64);
const bytes = new Uint8Array(8 * 1024 * 1024);
const doors: Admission[] = [];
const peers: Socket[] = [];
let served = 0;

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(doors.splice(0).map((door) => door.close()));
});

async function open(budget: ConnectionBudget = { total: 100, strangers: 50, strangerMs: 60_000 }): Promise<Admission> {
  const door = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials: oneToken(token),
    find: (key) => {
      served++;
      return key === sha256 ? { bytes } : undefined;
    },
    isReady: () => true,
    onError: (error) => {
      throw error;
    },
    onWorker: () => undefined,
    budget,
  });
  doors.push(door);
  return door;
}

interface Peer {
  readonly socket: Socket;
  /** Resolves with all that has come once the connection is gone. */
  readonly gone: Promise<string>;
  /** Resolves once something has come. */
  readonly answered: Promise<string>;
}

async function peer({ port }: Admission, text = '', { isReading = true, isStubborn = false } = {}): Promise<Peer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: isStubborn });
  peers.push(socket);
  await new Promise((resolve) => socket.once('connect', resolve));
  let received = '';
  // A stubborn one never closes its own side, and goes on sending until it is answered by a reset.
  const sending = isStubborn ? setInterval(() => socket.write('x'), 50) : undefined;
  const gone = new Promise<string>((resolve) =>
    socket
      .on('error', () => undefined)
      .on('close', () => {
        clearInterval(sending);
        resolve(received);
      }),
  );
  const answered = new Promise<string>((resolve) => {
    if (!isReading) return;
    socket.setEncoding('latin1').on('data', (part: string) => resolve((received += part)));
  });
  if (text !== '') socket.write(text);
  return { socket, gone, answered };
}

function requestOf(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
}

const withToken = `Authorization: Bearer ${token}\r\n`;
const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n';

describe('the budget', () => {
  it('leaves descriptors for files, and is never nothing', () => {
    expect(connectionBudget(1024)).toMatchObject({ total: 768, strangers: 192 });
    expect(connectionBudget(1_000_000)).toMatchObject({ total: 8192, strangers: 256 });
    expect(connectionBudget(null)).toMatchObject({ total: 8192, strangers: 256 });
    expect(connectionBudget(64)).toMatchObject({ total: 32, strangers: 8 });
  });
});

describe('a stranger', () => {
  it('has a time to show a token, and keeps its connection once it has', async () => {
    const door = await open({ total: 100, strangers: 50, strangerMs: 200 });
    const silent = await peer(door);
    const wrong = await peer(door, requestOf('/artifacts/x'));
    const probing = await peer(door, requestOf('/livez'));
    const known = await peer(door, requestOf('/artifacts/x', withToken));
    expect(await known.answered).toMatch(/^HTTP\/1.1 404/);
    expect(await silent.gone).toBe('');
    expect(await wrong.gone).toMatch(/^HTTP\/1.1 401/);
    expect(await probing.gone).toMatch(/^HTTP\/1.1 200/);
    expect(known.socket.destroyed).toBe(false);
  });

  it('loses its connection when there are too many, the longest waiting first; who is known does not', async () => {
    const door = await open({ total: 100, strangers: 2, strangerMs: 60_000 });
    const known = await peer(door, requestOf('/artifacts/x', withToken));
    await known.answered;
    const first = await peer(door);
    const others = [await peer(door), await peer(door)];
    expect(await first.gone).toBe('');
    expect([known, ...others].map(({ socket }) => socket.destroyed)).toEqual([false, false, false]);
  });
});

describe('an address', () => {
  it('loses its own longest waiting stranger when it has too many', async () => {
    const door = await open({ total: 100, strangers: 50, strangersPerAddress: 2, strangerMs: 60_000 });
    const first = await peer(door);
    const others = [await peer(door), await peer(door)];
    expect(await first.gone).toBe('');
    await sleep(50);
    expect(others.map(({ socket }) => socket.destroyed)).toEqual([false, false]);
  });

  it('is told so many times why it is turned away, and cut off then; who has the token is served all the same', async () => {
    const door = await open();
    const answers = await Promise.all(
      Array.from({ length: 300 }, async () => (await peer(door, requestOf('/elsewhere', upgrade))).gone),
    );
    const told = answers.filter((text) => text.startsWith('HTTP/1.1 401')).length;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(300);
    expect(answers.filter((text) => text === '').length).toBe(300 - told);
    const known = await peer(door, requestOf('/artifacts/x', withToken));
    expect(await known.answered).toMatch(/^HTTP\/1.1 404/);
  });
});

describe('a peer that was turned away', () => {
  it.each([
    ['for want of a token', upgrade],
    ['at another path', `${withToken}${upgrade}`],
  ])('%s is gone soon, though it goes on sending and does not close', async (_name, headers) => {
    const door = await open();
    const { gone, socket } = await peer(door, requestOf('/elsewhere', headers), { isStubborn: true });
    await gone;
    expect(socket.destroyed).toBe(true);
  });

  it('does not keep the server from closing', async () => {
    const door = await open();
    const { answered, gone } = await peer(door, requestOf('/elsewhere', upgrade), { isStubborn: true });
    expect(await answered).toMatch(/^HTTP\/1.1 401/);
    await door.close();
    await gone;
  });
});

describe('a peer that asks without reading', () => {
  it('is served one answer at a time, and is cut off when it asks for too many', async () => {
    const door = await open();
    served = 0;
    const waiting = await peer(door, requestOf(`/artifacts/${sha256}`, withToken).repeat(4), { isReading: false });
    await expect.poll(() => served).toBe(1);
    await sleep(50);
    expect(served).toBe(1);
    expect(waiting.socket.destroyed).toBe(false);
    waiting.socket.resume();
    await expect.poll(() => served).toBe(4);
    const greedy = await peer(door, requestOf(`/artifacts/${sha256}`, withToken).repeat(100), { isReading: false });
    greedy.socket.resume();
    await greedy.gone;
    expect(served).toBeLessThan(20);
  });
});
