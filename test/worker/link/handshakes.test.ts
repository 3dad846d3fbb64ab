/** Real handshakes between the worker's client and the coordinator's door. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { listen, type Admission, type AdmissionOptions } from '../../../coordinator/server/server.js';
import type { ServerTls } from '../../../coordinator/server/secure.js';
import { oneToken } from '../../../shared/access/credentials.js';
import { exitCodes } from '../../../shared/errors.js';
import { fingerprintOf, type WorkerTls } from '../../../shared/tls/certificates.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { ended, notYet, TestAuthority } from '../../coordinator/server/certificates.js';

const token = 't'.repeat(43);
let ours: TestAuthority;
let others: TestAuthority;
const doors: Admission[] = [];
const notices: string[] = [];

beforeAll(async () => {
  ours = await TestAuthority.open('Ours');
  others = await TestAuthority.open('Others');
});

afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.close()));
  notices.length = 0;
});

async function open(tls: ServerTls | null, more: Partial<AdmissionOptions> = {}): Promise<Admission> {
  const door = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials: oneToken(token),
    tls,
    find: () => ({ bytes: new Uint8Array(3_000_000) }),
    isReady: () => true,
    onError: (error) => {
      throw error;
    },
    onNotice: (line) => notices.push(line),
    onWorker: (socket) => socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary })),
    ...more,
  });
  doors.push(door);
  return door;
}

function clientOf(
  { port }: Admission,
  query = '',
  tls?: WorkerTls,
  scheme = 'wss',
  host = 'localhost',
): CoordinatorClient {
  return new CoordinatorClient({ url: `${scheme}://${host}:${port}${query}`, token, tls });
}

const artifact = { path: `/artifacts/${'a'.repeat(64)}` };
const pinOfOurs = (): string => `?fingerprint=${fingerprintOf(new X509Certificate(ours.identity.certificate))}`;

/** Both ways of a worker: the WebSocket and a request. */
async function expectIn(client: CoordinatorClient): Promise<void> {
  const connection = await client.connect();
  const answer = await client.exchange(artifact, 5000);
  expect([answer.status, answer.bytes.length]).toEqual([200, 3_000_000]);
  connection.terminate();
}

async function expectOut(client: CoordinatorClient, text: RegExp): Promise<void> {
  for (const attempt of [() => client.connect(), () => client.exchange(artifact, 5000)])
    await expect(attempt()).rejects.toMatchObject({
      exitCode: exitCodes.refused,
      message: expect.stringMatching(text),
    });
}

describe('a worker', () => {
  it('takes a coordinator whose CA it was given by a file, in a flag or in the address', async () => {
    const door = await open(ours.server());
    await expectIn(clientOf(door, '', { ca: ours.ca, own: null }));
    await expectIn(clientOf(door, `?ca=${encodeURIComponent(ours.ca.path)}`));
  });

  it('takes one whose CA has the fingerprint', async () => {
    const door = await open(ours.server());
    await expectIn(clientOf(door, pinOfOurs()));
    await expectIn(clientOf(door, pinOfOurs().toUpperCase().replace('?FINGERPRINT', '?fingerprint')));
  });

  it('takes one of another name where the address says so', async () => {
    const door = await open(ours.server(['trainer.example']));
    await expectIn(clientOf(door, `${pinOfOurs()}&name=trainer.example`));
  });

  it.each<[string, () => ServerTls, () => [string?, WorkerTls?], RegExp]>([
    [
      'has ended',
      () => ours.server(undefined, { period: ended }),
      () => [pinOfOurs()],
      /has come to its end; a new one was wanted/,
    ],
    [
      'is not good yet',
      () => ours.server(undefined, { period: notYet }),
      () => [pinOfOurs()],
      /not good yet; the clocks/,
    ],
    [
      'is for another name',
      () => ours.server(['trainer.example', '10.0.0.1']),
      () => [pinOfOurs()],
      /is for trainer.example, 10.0.0.1 and not for localhost; one with that name was wanted/,
    ],
    [
      'is of another CA than that of the file',
      () => others.server(),
      () => ['', { ca: ours.ca, own: null }],
      /not of a CA that --tls-ca \S+ names; .* was wanted/,
    ],
    ['is of no CA that the machine trusts', () => ours.server(), () => [], /not of a CA that this machine trusts; /],
    [
      'is under another CA than that of the fingerprint',
      () => others.server(),
      () => [pinOfOurs()],
      /shows a certificate with the fingerprint [0-9a-f]{64}; [0-9a-f]{64} was wanted/,
    ],
  ])('refuses a certificate that %s, and ends', async (_name, server, client, text) => {
    await expectOut(clientOf(await open(server()), ...client()), text);
  });

  it('refuses the certificate of a CA of the same name that shows the right CA beside it', async () => {
    const liar = await TestAuthority.open('Ours');
    const server = liar.server();
    const [own = ''] = readFileSync(server.cert.path, 'utf8').split(/(?<=-----END CERTIFICATE-----\n)/);
    writeFileSync(server.cert.path, own + ours.identity.certificate);
    await expectOut(clientOf(await open(server), pinOfOurs()), /fingerprint \S+; \S+ was wanted/);
  });

  it('refuses a coordinator that has TLS 1.2 alone', async () => {
    const { cert, key } = ours.server();
    const server = createServer({
      cert: readFileSync(cert.path),
      key: readFileSync(key.path),
      maxVersion: 'TLSv1.2',
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expectOut(clientOf({ port, close: async () => undefined }, '', { ca: ours.ca, own: null }), /TLS 1.3 is not/);
    server.close();
  });

  it('says that it speaks TLS to a plain port, and so does the coordinator, once', async () => {
    const door = await open(null);
    await expectOut(clientOf(door, pinOfOurs()), /wss:\S+: no TLS is spoken there; ws:\S+ was wanted, or --tls/);
    await expectOut(clientOf(door), /no TLS is spoken there/);
    expect(notices).toEqual([
      expect.stringMatching(/speaks TLS to this port, .*: ws:\/\/ wanted there, or --tls here/),
    ]);
  });

  it('says that it speaks plainly to a port of TLS, and so does the coordinator, once', async () => {
    const door = await open(ours.server());
    const client = clientOf(door, '', undefined, 'ws');
    await expect(client.connect()).rejects.toMatchObject({
      exitCode: exitCodes.refused,
      message: expect.stringMatching(/refused this worker \(400\): this port speaks TLS; .* wss:\/\/ is wanted/),
    });
    expect((await client.exchange(artifact, 5000)).status).toBe(400);
    expect(notices).toEqual([expect.stringMatching(/speaks plain HTTP to this port, .*: wss:\/\/ wanted there/)]);
  });
});

describe('a coordinator', () => {
  it('speaks TLS 1.3 and nothing below', async () => {
    const { port } = await open(ours.server());
    const versionOf = (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', maxVersion, rejectUnauthorized: false }, () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.on('error', reject);
      });
    expect(await versionOf('TLSv1.3')).toBe('TLSv1.3');
    await expect(versionOf('TLSv1.2')).rejects.toThrow(/protocol version/);
  });

  it('cuts off who begins TLS and does not go on', async () => {
    const { port } = await open(ours.server(), { budget: { total: 10, strangers: 5, strangerMs: 100 } });
    const socket = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    socket.write(Buffer.of(0x16, 3, 1));
    await new Promise((resolve) => socket.once('close', resolve));
  });

  it('keeps who has shown the token over TLS, beyond the time of strangers', async () => {
    const door = await open(ours.server(), { budget: { total: 10, strangers: 5, strangerMs: 300 } });
    const connection = await clientOf(door, pinOfOurs()).connect();
    let isClosed = false;
    void connection.closed.then(() => (isClosed = true));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(isClosed).toBe(false);
    connection.terminate();
  });

  const mutual = (more: Partial<ServerTls> = {}): Promise<Admission> =>
    open(ours.server(undefined, { clientCa: { ...ours.ca, flag: '--tls-client-ca' }, ...more }));
  const showing = (
    authority: TestAuthority,
    ...more: Parameters<TestAuthority['make']> extends [string, ...infer R] ? R : never
  ): WorkerTls => ({
    ca: ours.ca,
    own: authority.make('client', ...more),
  });

  it('lets in who shows a certificate of its CA, where it demands one', async () => {
    await expectIn(clientOf(await mutual(), '', showing(ours, 'client', ['worker-1'])));
    const named = await mutual({ clientNames: ['worker-1', 'worker-2'] });
    await expectIn(clientOf(named, '', showing(ours, 'client', ['worker-2'])));
  });

  it.each<[string, () => WorkerTls, Partial<ServerTls>, RegExp]>([
    ['none', () => ({ ca: ours.ca, own: null }), {}, /no client certificate; one is wanted here/],
    ['one of another CA', () => showing(others, 'client', ['worker-1']), {}, /of worker-1 is not taken .* wanted/],
    ['one that has ended', () => showing(ours, 'client', ['worker-1'], ended), {}, /of worker-1 was good until/],
    ["a server's", () => showing(ours, 'server', ['worker-1']), {}, /of worker-1 is not taken \(INVALID_PURPOSE\)/],
    [
      'one of a name that is not allowed',
      () => showing(ours, 'client', ['worker-3']),
      { clientNames: ['worker-1'] },
      /is for worker-3; a name of --tls-client-name is wanted/,
    ],
  ])('refuses %s, with the reason, though the token is right', async (_name, tls, more, text) => {
    const client = clientOf(await mutual(more), '', tls());
    await expect(client.connect()).rejects.toMatchObject({
      exitCode: exitCodes.refused,
      message: expect.stringMatching(text),
    });
    const { status, bytes } = await client.exchange(artifact, 5000);
    expect([status, Buffer.from(bytes).toString()]).toEqual([403, expect.stringMatching(text)]);
    expect((await client.exchange({ path: '/livez' }, 5000)).status).toBe(200);
  });
});
