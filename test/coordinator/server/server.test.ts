import { createHash } from 'node:crypto';
import { rename, stat, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { listen, type Admission } from '../../../coordinator/server/server.js';
import { parseRange, type ArtifactSource } from '../../../coordinator/server/artifacts.js';
import type { Credential } from '../../../shared/access/credentials.js';
import { limits, subprotocol } from '../../../shared/protocol/messages.js';
import { payloadOf, temporaryFolder } from '../helpers.js';

const token = 't'.repeat(43);
const labelToken = 'l'.repeat(43);
const expiredToken = 'e'.repeat(43);
const credentials: Credential[] = [
  { token, role: 'worker', untilMs: null },
  { token: labelToken, role: 'label', untilMs: null },
  { token: expiredToken, role: 'worker', untilMs: Date.UTC(2020, 0) },
];
const file = payloadOf(1, 3000);
const memory = payloadOf(2, 50);
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sources = new Map<string, ArtifactSource>();
const errors: unknown[] = [];
let door: Admission;
let open: Admission;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  const path = join(await temporaryFolder(), 'shard');
  await writeFile(path, file);
  sources
    .set(sha(file), { path })
    .set(sha(memory), { bytes: memory })
    .set('c'.repeat(64), { path: `${path}.gone` });
  const options = {
    host: '127.0.0.1',
    port: 0,
    find: (key: string) => sources.get(key),
    isReady: () => true,
    onError: (error: unknown) => errors.push(error),
    onWorker: (socket: WebSocket) => {
      sockets.push(socket);
    },
  };
  door = await listen({ ...options, credentials: () => credentials, connectionsPerAddress: 2 });
  open = await listen({ ...options, credentials: null });
});

afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await Promise.all([door.close(), open.close()]);
  expect(errors).toEqual([]);
});

interface Attempt {
  readonly path?: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
  readonly port?: number;
}

/** The status that an upgrade is answered with, 101 when it is let in. */
function knock({
  path = '/worker',
  protocols = [subprotocol],
  headers = { authorization: `Bearer ${token}` },
  port = door.port,
}: Attempt): Promise<{ status: number; body: string; socket: WebSocket }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
  return new Promise((resolve, reject) => {
    socket.on('error', () => undefined);
    socket.once('open', () => resolve({ status: 101, body: '', socket }));
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => {
          body += text;
        })
        .on('end', () => resolve({ status: response.statusCode ?? 0, body, socket }));
    });
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}

function bearer(value: string): Record<string, string> {
  return { authorization: `Bearer ${value}` };
}

const refusals: [string, Attempt, number, RegExp][] = [
  ['no token', { headers: {} }, 401, /token missing or wrong/],
  ['a wrong token', { headers: { authorization: `Bearer ${'x'.repeat(43)}` } }, 401, /token/],
  ['the start of the token', { headers: { authorization: `Bearer ${token.slice(0, 42)}` } }, 401, /token/],
  ['the token in another scheme', { headers: { authorization: `Basic ${token}` } }, 401, /token/],
  ['the token in the address', { path: `/worker?token=${token}`, headers: {} }, 401, /token/],
  ['a token that has ended', { headers: bearer(expiredToken) }, 401, /good until 2020-01-01T00:00:00.000Z/],
  ['the token of a label worker', { headers: bearer(labelToken) }, 403, /role is label; worker wanted/],
  ["a browser's Origin", { headers: { ...bearer(token), origin: 'http://127.0.0.1' } }, 403, /web pages/],
  ['a name that is not of loopback', { headers: { ...bearer(token), host: 'rebound.example' } }, 403, /localhost/],
  ['an older protocol', { protocols: ['stillhouse.v0'] }, 426, /speaks stillhouse.v3, the worker stillhouse.v0/],
  ['no protocol', { protocols: [] }, 426, /no version/],
  ['another path', { path: '/other' }, 404, /\/worker/],
];

describe('the door', () => {
  it.each(refusals)('refuses a worker with %s', async (_name, attempt, status, text) => {
    const answer = await knock(attempt);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ error: expect.stringMatching(text) });
  });

  it('lets in a worker with the token and this protocol', async () => {
    const { status, socket } = await knock({});
    expect(status).toBe(101);
    expect(socket.protocol).toBe(subprotocol);
    socket.terminate();
  });

  it('needs no token where none was set', async () => {
    const { status, socket } = await knock({ headers: {}, port: open.port });
    expect(status).toBe(101);
    socket.terminate();
  });

  it('closes a connection that sends more than a frame may hold, before it has come', async () => {
    const { socket } = await knock({ port: open.port, headers: {} });
    const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));
    const received: number[] = [];
    sockets
      .at(-1)
      ?.on('message', (data: Buffer) => received.push(data.length))
      .on('error', () => undefined);
    socket.send(new Uint8Array(limits.frameBytes + 1));
    expect(await closed).toBe(1009);
    expect(received).toEqual([]);
  });

  it('takes no more than so many connections from one address, and takes another when one has closed', async () => {
    const held = [await knock({}), await knock({})];
    expect((await knock({})).status).toBe(429);
    const gone = new Promise((resolve) => sockets.at(-1)?.once('close', resolve));
    held[1]?.socket.terminate();
    await gone;
    const again = await knock({});
    expect(again.status).toBe(101);
    for (const { socket } of [...held, again]) socket.terminate();
  });

  it('says in one line that the port is taken', async () => {
    const second = listen({
      host: '127.0.0.1',
      port: door.port,
      credentials: null,
      find: () => undefined,
      isReady: () => true,
      onError: () => undefined,
      onWorker: () => undefined,
    });
    await expect(second).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 69,
      message: expect.stringMatching(/the port is in use/),
    });
  });
});

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
  return fetch(`http://127.0.0.1:${door.port}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

describe('a browser on this machine', () => {
  it('reaches nothing without a token either, but is asked for by its own names', async () => {
    const at = (headers: Record<string, string>) => knock({ port: open.port, headers });
    expect((await at({ origin: 'https://page.example' })).status).toBe(403);
    expect((await at({ origin: 'null' })).status).toBe(403);
    expect((await at({ host: `rebound.example:${open.port}` })).status).toBe(403);
    for (const host of [`localhost:${open.port}`, `127.0.0.1:${open.port}`, `[::1]:${open.port}`]) {
      const { status, socket } = await at({ host });
      expect(status).toBe(101);
      socket.terminate();
    }
  });
});

describe('artifacts', () => {
  it('are served whole, from disk and from memory', async () => {
    for (const bytes of [file, memory]) {
      const response = await get(`/artifacts/${sha(bytes)}`);
      expect([response.status, response.headers.get('etag'), response.headers.get('accept-ranges')]).toEqual([
        200,
        `"${sha(bytes)}"`,
        'bytes',
      ]);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    }
  });

  it('marks a file of the cache as used, and leaves the time of a file with another name', async () => {
    const own = sources.get(sha(file));
    const named = own !== undefined && 'path' in own ? own.path : '';
    const kept = join(named, '..', sha(file));
    const old = new Date(Date.now() - 2 * 86_400_000);
    await utimes(named, old, old);
    await get(`/artifacts/${sha(file)}`);
    expect(Math.round((await stat(named)).mtimeMs)).toBe(old.getTime());
    await rename(named, kept);
    sources.set(sha(file), { path: kept });
    await get(`/artifacts/${sha(file)}`);
    expect((await stat(kept)).mtimeMs).toBeGreaterThan(Date.now() - 3_600_000);
  });

  it('are served in ranges, which together are the whole', async () => {
    const first = await get(`/artifacts/${sha(file)}`, { range: 'bytes=0-999' });
    const rest = await get(`/artifacts/${sha(file)}`, { range: 'bytes=1000-', 'if-range': `"${sha(file)}"` });
    expect([first.status, first.headers.get('content-range')]).toEqual([206, 'bytes 0-999/3000']);
    expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 1000-2999/3000']);
    expect(Buffer.concat([Buffer.from(await first.arrayBuffer()), Buffer.from(await rest.arrayBuffer())])).toEqual(
      Buffer.from(file),
    );
  });

  it('are served whole when the range is of something else', async () => {
    const response = await get(`/artifacts/${sha(file)}`, { range: 'bytes=1000-', 'if-range': '"other"' });
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(3000);
  });

  it('answer HEAD with their length and nothing else', async () => {
    const response = await get(`/artifacts/${sha(file)}`, {}, 'HEAD');
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '3000', '']);
  });

  it('cannot be had beyond their end', async () => {
    const response = await get(`/artifacts/${sha(file)}`, { range: 'bytes=3000-' });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */3000']);
  });

  const unknown: [string, string, number][] = [
    ['an unknown digest', `/artifacts/${'d'.repeat(64)}`, 404],
    ['a file that is gone', `/artifacts/${'c'.repeat(64)}`, 404],
    ['a path', '/artifacts/../../etc/passwd', 404],
    ['an encoded path', '/artifacts/%2e%2e%2f%2e%2e%2fetc%2fpasswd', 404],
    ['a digest and more', `/artifacts/${sha(memory)}/../x`, 404],
    ['upper case', `/artifacts/${sha(memory).toUpperCase()}`, 404],
    ['nothing', '/artifacts/', 404],
  ];
  it.each(unknown)('do not exist for %s', async (_name, path, status) => {
    expect(await rawStatus(path)).toBe(status);
  });

  it('need the token', async () => {
    expect((await fetch(`http://127.0.0.1:${door.port}/artifacts/${sha(file)}`)).status).toBe(401);
    expect((await fetch(`http://127.0.0.1:${door.port}/livez`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${door.port}/readyz`)).status).toBe(200);
  });

  it('are for label workers too', async () => {
    expect((await get(`/artifacts/${sha(file)}`, bearer(labelToken))).status).toBe(200);
    expect((await get(`/artifacts/${sha(file)}`, bearer(expiredToken))).status).toBe(401);
  });

  it('are only read', async () => {
    expect((await get(`/artifacts/${sha(file)}`, {}, 'DELETE')).status).toBe(405);
  });
});

/** Without the normalisation that `fetch` does. */
function rawStatus(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(door.port, '127.0.0.1', () =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      ),
    );
    let text = '';
    socket
      .setEncoding('utf8')
      .on('data', (part: string) => {
        text += part;
      })
      .on('end', () => resolve(Number(text.split(' ')[1])))
      .on('error', reject);
  });
}

describe('parseRange', () => {
  const cases: [string | undefined, ReturnType<typeof parseRange>][] = [
    [undefined, null],
    ['bytes=0-9', { from: 0, to: 10 }],
    ['bytes=90-', { from: 90, to: 100 }],
    ['bytes=90-200', { from: 90, to: 100 }],
    ['bytes=-10', { from: 90, to: 100 }],
    ['bytes=-200', { from: 0, to: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=9-8', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=0-1,3-4', null],
    ['bytes=-', null],
    ['items=0-1', null],
  ];
  it.each(cases)('reads %s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});
