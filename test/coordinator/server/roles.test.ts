/** Who may do what: each role, and none, at each thing that can be asked of a coordinator; and tokens that end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { mayDo, type Deed } from '../../../coordinator/server/access.js';
import { listen, type Admission } from '../../../coordinator/server/server.js';
import { roles, type Credential, type Role } from '../../../shared/access/credentials.js';
import { closeCodes, subprotocol } from '../../../shared/protocol/messages.js';

const tokenOf = (role: Role): string => role.padEnd(43, '-');
let credentials: Credential[] = roles.map((role) => ({ token: tokenOf(role), role, untilMs: null }));
let door: Admission;
/** What could not be answered. */
const failed: string[] = [];
let isBroken = false;
let stops = 0;
const journal = join(mkdtempSync(join(tmpdir(), 'stillhouse-roles-')), 'journal.jsonl');
writeFileSync(journal, 'one\ntwo\n');

beforeAll(async () => {
  door = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials: () => credentials,
    find: () => ({ bytes: new Uint8Array(5) }),
    labels: {
      serve: async (request, response) => {
        request.resume();
        response.writeHead(200).end();
        return true;
      },
    },
    isReady: () => true,
    operations: {
      onFailed: (path, error) => void failed.push(`${path}: ${String(error)}`),
      status: async () => {
        if (isBroken) throw new Error('no such figure');
        return { step: 7 };
      },
      metrics: async () => ({ contentType: 'text/plain', text: '' }),
      stop: () => void stops++,
      drain: (worker) => worker === 'w1',
      journal: { path: journal, run: 'a-run' },
      page: {
        asset: async (_request, response) => {
          response.writeHead(200).end();
          return true;
        },
        live: (_request, response) => void response.writeHead(200).end(),
        runs: async () => [],
      },
    },
    onWorker: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
});
afterAll(async () => {
  await door.close();
  rmSync(dirname(journal), { recursive: true });
});

function bearer(role: Role | null): Record<string, string> {
  return role === null ? {} : { authorization: `Bearer ${tokenOf(role)}` };
}

async function ask(role: Role | null, path: string, method = 'GET'): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${door.port}${path}`, { method, headers: bearer(role) });
  await response.arrayBuffer();
  return response.status;
}

/** A worker's WebSocket, or the status that it is refused with. */
function joinAs(role: Role | null): Promise<WebSocket | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${door.port}/worker`, [subprotocol], { headers: bearer(role) });
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, { statusCode = 0 }) => resolve(statusCode));
  });
}

/** The status of an attempt at each deed; all that one answers when it is allowed. */
const attempts: Readonly<
  Record<Deed, { readonly allowed: number; readonly by: (role: Role | null) => Promise<number>[] }>
> = {
  work: {
    allowed: 101,
    by: (role) => [
      joinAs(role).then((joined) => {
        if (typeof joined === 'number') return joined;
        joined.terminate();
        return 101;
      }),
    ],
  },
  fetch: {
    allowed: 200,
    by: (role) => [ask(role, `/artifacts/${'a'.repeat(64)}`), ask(role, `/artifacts/${'b'.repeat(64)}`, 'HEAD')],
  },
  label: {
    allowed: 200,
    by: (role) => [ask(role, '/labels/run'), ask(role, '/labels/lease', 'POST'), ask(role, '/labels/x', 'PUT')],
  },
  load: { allowed: 200, by: (role) => [ask(role, '/'), ask(role, '/page/main.js'), ask(role, '/', 'HEAD')] },
  watch: {
    allowed: 200,
    by: (role) => [
      ...[ask(role, '/status'), ask(role, '/metrics'), ask(role, '/journal'), ask(role, '/journal', 'HEAD')],
      ...[ask(role, '/live'), ask(role, '/runs')],
    ],
  },
  stop: { allowed: 202, by: (role) => [ask(role, '/stop', 'POST')] },
  drain: { allowed: 202, by: (role) => [ask(role, '/drain?worker=w1', 'POST')] },
};

const deeds = Object.keys(mayDo) as Deed[];
const table = deeds.flatMap((deed) => [...roles, null].map((role) => ({ deed, role })));

describe('who may do what', () => {
  it.each(table)('$role: $deed', async ({ deed, role }) => {
    const { allowed, by } = attempts[deed];
    const allowedRoles: readonly Role[] | null = mayDo[deed];
    const may = allowedRoles === null || (role !== null && allowedRoles.includes(role));
    for (const status of await Promise.all(by(role))) expect(status).toBe(may ? allowed : role === null ? 401 : 403);
  });

  it('is this', () => {
    expect(mayDo).toEqual({
      work: ['worker'],
      fetch: ['worker', 'label'],
      label: ['worker', 'label'],
      load: null,
      watch: ['viewer', 'admin'],
      stop: ['admin'],
      drain: ['admin'],
    });
  });

  it('lets everybody probe, and nobody do anything at paths that are none', async () => {
    for (const role of [...roles, null]) expect(await ask(role, '/livez')).toBe(200);
    for (const role of [...roles, null]) expect(await ask(role, '/none')).not.toBe(200);
  });

  it('stops only when an admin posts it, and tells a viewer where the run stands', async () => {
    const before = stops;
    expect(await ask('admin', '/stop')).toBe(405);
    expect(stops).toBe(before);
    expect(await ask('admin', '/stop', 'POST')).toBe(202);
    expect(stops).toBe(before + 1);
    const response = await fetch(`http://127.0.0.1:${door.port}/status`, { headers: bearer('viewer') });
    expect(await response.json()).toEqual({ step: 7 });
  });
});

describe('what those who operate a run ask', () => {
  it('drains a worker that is there, and names what is wanted of others', async () => {
    expect(await ask('admin', '/drain?worker=w1')).toBe(405);
    expect(await ask('admin', '/drain?worker=w2', 'POST')).toBe(404);
    expect(await ask('admin', '/drain', 'POST')).toBe(404);
    expect(await ask('admin', '/status', 'POST')).toBe(405);
    expect(await ask('viewer', '/toString')).toBe(403);
  });

  it('gives the journal from where the reader is, unless it is another run', async () => {
    const read = async (range: string, run: string): Promise<[number, string, string | null]> => {
      const headers = { ...bearer('viewer'), range, 'if-range': `"${run}"` };
      const response = await fetch(`http://127.0.0.1:${door.port}/journal`, { headers });
      return [response.status, await response.text(), response.headers.get('etag')];
    };
    expect(await read('bytes=4-', 'a-run')).toEqual([206, 'two\n', '"a-run"']);
    expect((await read('bytes=8-', 'a-run'))[0]).toBe(416);
    expect(await read('bytes=8-', 'another')).toEqual([200, 'one\ntwo\n', '"a-run"']);
  });
});

describe('a worker whose token is good no more in the middle of a run', () => {
  it.each<[string, Credential[], RegExp]>([
    ['ends', [{ token: tokenOf('worker'), role: 'worker', untilMs: Date.now() - 1000 }], /the token was good until 20/],
    ['is taken out of the file', [{ token: tokenOf('admin'), role: 'admin', untilMs: null }], /token missing or wrong/],
    [
      'is given another role',
      [{ token: tokenOf('worker'), role: 'label', untilMs: null }],
      /role is label; worker wanted/,
    ],
  ])('is closed within some seconds: it %s', async (_name, later, text) => {
    const before = credentials;
    const socket = await joinAs('worker');
    if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
    const closed = new Promise<[number, string]>((resolve) =>
      socket.once('close', (code, reason) => resolve([code, reason.toString()])),
    );
    await sleep(1200);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    credentials = later;
    expect(await closed).toEqual([closeCodes.unauthorized, expect.stringMatching(text)]);
    credentials = before;
  });
});

describe('what fails while something is answered', () => {
  it('is said and answered, and ends nothing', async () => {
    isBroken = true;
    expect(await ask('viewer', '/status')).toBe(500);
    isBroken = false;
    expect(await ask('viewer', '/status')).toBe(200);
    expect(failed).toEqual(['/status: Error: no such figure']);
  });

  it('is not a head of what has no end', async () => {
    expect(await ask('viewer', '/live', 'HEAD')).toBe(405);
    expect(await ask('viewer', '/status', 'HEAD')).toBe(200);
  });
});
