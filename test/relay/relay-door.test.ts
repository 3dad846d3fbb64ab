/** Whom a relay lets in, what it passes on beside gradients, and where workers go that it does not let in. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { PassedRequests } from '../../coordinator/relay/passed-requests.js';
import type { PassedRequest } from '../../coordinator/relay/upstream.js';
import { tinyRun } from '../coordinator/tiny-run.js';
import { startCoordinator, startRelay, startWorker, token } from './rig.js';

const run = tinyRun({ samples: 200, epochs: 3 });
const { classes } = run.manifest;

describe('a relay', () => {
  it('refuses a worker that computes other bits, with both digests', async () => {
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    while (!relay.said.join('\n').includes('is ready')) await new Promise((resolve) => setTimeout(resolve, 2));
    const other = startWorker({ urls: [relay.url], classes, isOther: true });
    expect(await other.exit).toMatchObject({
      exitCode: 77,
      message: expect.stringMatching(
        /numerics [0-9a-f]{16}, this relay's are [0-9a-f]{16}: connect to the coordinator/,
      ),
    });
  });

  it('that refuses a worker has it go to its next address', async () => {
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    while (!relay.said.join('\n').includes('is ready')) await new Promise((resolve) => setTimeout(resolve, 2));
    const other = startWorker({ urls: [relay.url, coordinator.url], classes, isOther: true });
    while (!coordinator.said.some((line) => line.includes('numerics close')))
      await new Promise((resolve) => setTimeout(resolve, 2));
    expect(other.log.join('\n')).toContain(`trying ${coordinator.url}`);
  });

  it('is one of several that refuse a worker, which ends only then', async () => {
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    const { exit, log } = startWorker({ urls: [relay.url, coordinator.url], classes, bearer: 'wrong' });
    expect(await exit).toMatchObject({ exitCode: 77, message: expect.stringContaining('token missing or wrong') });
    expect(log.join('\n')).toContain(`trying ${coordinator.url}`);
  });

  it('serves what the coordinator serves, and nothing else', async () => {
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    const worker = startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    while (worker.compute.events.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const http = relay.url.replace('ws:', 'http:');
    const get = (path: string, bearer = token): Promise<Response> =>
      fetch(`${http}${path}`, { headers: { authorization: `Bearer ${bearer}` } });
    const spec = await get(`/artifacts/${run.studentArtifact.sha256}`);
    expect([spec.status, await spec.json()]).toEqual([200, run.student]);
    expect((await get(`/artifacts/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get(`/artifacts/${run.studentArtifact.sha256}`, 'wrong')).status).toBe(401);
    expect((await get('/status')).status).toBe(403);
    expect((await get('/readyz')).status).toBe(200);
  });
});

describe('requests for labels', () => {
  async function serveThrough(ask: (request: PassedRequest) => Promise<{ status: number; text: string }>) {
    const passed = new PassedRequests({
      ask: async (request) => {
        const { status, text } = await ask(request);
        return { status, headers: { 'content-type': 'text/plain', 'x-other': 'kept back' }, bytes: Buffer.from(text) };
      },
    });
    const server = createServer((request, response) => {
      void passed.serve(request, response).then((isTaken) => {
        if (!isTaken) response.writeHead(404).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url, close: () => server.close() };
  }

  it('go up as they come, and their answers down', async () => {
    const asked: PassedRequest[] = [];
    const { url, close } = await serveThrough(async (request) => {
      asked.push(request);
      return { status: 409, text: 'another set' };
    });
    const key = 'a'.repeat(64);
    const headers = { 'x-secret': 'kept back', 'content-digest': 'sha-256=:x:', authorization: 'Bearer below' };
    const answer = await fetch(`${url}/labels/${key}`, { method: 'PUT', headers, body: 'rows' });
    expect([answer.status, await answer.text(), answer.headers.get('x-other')]).toEqual([409, 'another set', null]);
    expect(asked).toMatchObject([{ path: `/labels/${key}`, method: 'PUT' }]);
    expect(Buffer.from(asked[0]?.body ?? []).toString()).toBe('rows');
    expect(Object.keys(asked[0]?.headers ?? {}).sort()).toEqual(['content-digest', 'content-type']);
    expect((await fetch(`${url}/other`)).status).toBe(404);
    close();
  });

  it('are answered with 502 where nobody is above', async () => {
    const { url, close } = await serveThrough(async () => {
      throw new Error('no bytes');
    });
    const answer = await fetch(`${url}/labels/run`);
    expect([answer.status, await answer.json()]).toEqual([
      502,
      { error: 'the relay cannot reach its coordinator: no bytes' },
    ]);
    close();
  });
});
