import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { leaveLocalToken } from '../../../shared/access/local-token.js';
import { Unreachable } from '../../../worker/link/connection.js';
import { CoordinatorClient, coordinatorAddress } from '../../../worker/link/coordinator-client.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function clientOf(answer: RequestListener, path = ''): Promise<CoordinatorClient> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://user:password@127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  return new CoordinatorClient({ url, token: 'secret' });
}

describe('coordinator address', () => {
  it.each([
    ['ws://10.0.0.1:7300', 'ws://10.0.0.1:7300/worker', 'http://10.0.0.1:7300/artifacts/'],
    ['wss://host.example/', 'wss://host.example/worker', 'https://host.example/artifacts/'],
    ['ws://[::1]:9/worker', 'ws://[::1]:9/worker', 'http://[::1]:9/artifacts/'],
    ['wss://host.example/a/b/', 'wss://host.example/a/b/worker', 'https://host.example/a/b/artifacts/'],
  ])('of %s', (url, socket, artifacts) => {
    const address = coordinatorAddress(url);
    expect([address.socket, `${address.http}/artifacts/`]).toEqual([socket, artifacts]);
  });

  it.each([['localhost'], ['http://host:1'], ['']])('refuses %j in one line', (url) => {
    expect(() => coordinatorAddress(url)).toThrow(/ws:\/\/HOST:PORT was wanted/);
  });

  it('shows no password', () => {
    expect(() => coordinatorAddress('http://me:secret@host:1/x')).toThrow(/^(?!.*secret).*host:1/);
    expect(Object.values(coordinatorAddress('ws://me:secret@host:1/x')).join()).not.toContain('secret');
  });
});

describe('the client of the coordinator', () => {
  it('brings the token that a coordinator of this machine has left, as long as it is there, where it has none', async () => {
    const brought: (string | undefined)[] = [];
    const given = await clientOf(({ headers }, response) => {
      brought.push(headers.authorization);
      response.end();
    });
    const { port } = new URL(given.address.http);
    const asking = new CoordinatorClient({ url: `ws://localhost:${port}`, token: null });
    const ask = (client: CoordinatorClient) => client.exchange({ path: '/' }, 5000);
    await ask(asking);
    const retract = leaveLocalToken(Number(port), 'left');
    await ask(asking);
    await ask(given);
    retract();
    await ask(asking);
    expect(brought).toEqual([undefined, 'Bearer left', 'Bearer secret', undefined]);
  });

  it('sends path, method, headers, body and token, and gives the whole answer', async () => {
    const asked: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[] = [];
    const client = await clientOf((request, response) => {
      asked.push({ method: request.method, url: request.url, headers: request.headers });
      response.writeHead(422, { 'x-kind': 'echo' });
      request.pipe(response);
    }, '/below/worker');
    const body = Uint8Array.from({ length: 300_000 }, (_, i) => i);
    const answer = await client.exchange({ path: '/labels/x', method: 'PUT', headers: { 'x-own': '1' }, body }, 5000);
    expect(answer).toMatchObject({ status: 422, headers: { 'x-kind': 'echo' } });
    expect(Buffer.from(answer.bytes).equals(body)).toBe(true);
    expect(asked).toMatchObject([
      {
        method: 'PUT',
        url: '/below/labels/x',
        headers: { 'x-own': '1', authorization: 'Bearer secret', 'content-length': '300000' },
      },
    ]);
  });

  it.each<[string, RequestListener, number]>([
    ['does not answer', () => undefined, 50],
    ['stops in the middle of an answer', (_request, response) => void response.writeHead(200).write('begun'), 50],
    [
      'breaks off in the middle of an answer',
      (_request, response) =>
        void response.writeHead(200, { 'content-length': 10 }).write('begun', () => response.destroy()),
      5000,
    ],
    ['breaks off before it answers', (request) => void request.socket.destroy(), 5000],
  ])('says that a coordinator is unreachable which %s', async (_case, answer, timeoutMs) => {
    const client = await clientOf(answer);
    await expect(client.exchange({ path: '/x' }, timeoutMs)).rejects.toThrow(Unreachable);
  });

  it('gives up on a request on which no byte comes', async () => {
    const client = await clientOf(() => undefined);
    await expect(client.request({ path: '/x' }, { idleMs: 30 })).rejects.toThrow('no bytes');
  });

  it('says that nobody listens', async () => {
    const client = new CoordinatorClient({ url: 'ws://127.0.0.1:1', token: null });
    await expect(client.exchange({ path: '/x' }, 5000)).rejects.toThrow(/ECONNREFUSED/);
    await expect(client.connect()).rejects.toThrow(Unreachable);
  });
});
