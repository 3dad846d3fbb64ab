import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { makeRoom } from '../../../worker/link/artifact-room.js';
import { ArtifactCache } from '../../../worker/link/artifact-cache.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { sha256Of, temporaryFolder } from '../fakes.js';

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const sha256 = sha256Of(content);
const servers: Server[] = [];

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers ranges, and cuts the connection after `cut` bytes where given. */
function answering(requests: (string | undefined)[], cut = Infinity) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(request.headers.range);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
    if (body.length <= cut) return void response.end(body);
    response.write(body.subarray(0, cut), () => response.destroy());
  };
}

function cacheOf(url: string, cacheFolder = temporaryFolder()): { cache: ArtifactCache; folder: string } {
  return {
    cache: new ArtifactCache({ cacheFolder, client: new CoordinatorClient({ url, token: 'secret' }), retryMs: 1 }),
    folder: join(cacheFolder, 'artifacts'),
  };
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('artifact cache', () => {
  it('fetches a file once and keeps it under its SHA-256', async () => {
    const requests: (string | undefined)[] = [];
    const source = await serve(answering(requests));
    const { cache, folder } = cacheOf(source);
    const paths = await Promise.all([
      cache.fetch({ sha256, bytes: content.length }),
      cache.fetch({ sha256, bytes: content.length }),
    ]);
    expect(new Set(paths)).toEqual(new Set([join(folder, sha256)]));
    expect(readFileSync(join(folder, sha256)).equals(content)).toBe(true);
    const again = cacheOf(source, join(folder, '..'));
    await again.cache.fetch({ sha256, bytes: content.length });
    expect(requests).toEqual([undefined]);
    expect(readdirSync(folder)).toEqual([sha256]);
  });

  it('sends the token', async () => {
    let authorization: string | undefined;
    const source = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.end(content);
    });
    await cacheOf(source).cache.fetch({ sha256, bytes: content.length });
    expect(authorization).toBe('Bearer secret');
  });

  it('goes on where a broken transfer stopped', async () => {
    const requests: (string | undefined)[] = [];
    const { cache, folder } = cacheOf(await serve(answering(requests, 130_000)));
    await cache.fetch({ sha256, bytes: content.length });
    expect(requests.length).toBeGreaterThan(1);
    expect(requests[1]).toMatch(/^bytes=[1-9]\d*-$/);
    expect(readFileSync(join(folder, sha256)).equals(content)).toBe(true);
  });

  it('starts over when the source ignores the range', async () => {
    let calls = 0;
    const source = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      if (++calls === 1) response.write(content.subarray(0, 1000), () => response.destroy());
      else response.end(content);
    });
    const { cache, folder } = cacheOf(source);
    await cache.fetch({ sha256, bytes: content.length });
    expect(calls).toBe(2);
    expect(readFileSync(join(folder, sha256)).equals(content)).toBe(true);
  });

  it('fetches a damaged file anew', async () => {
    const requests: (string | undefined)[] = [];
    const { cache, folder } = cacheOf(await serve(answering(requests)));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, sha256), 'damaged');
    await cache.fetch({ sha256, bytes: content.length });
    expect(readFileSync(join(folder, sha256)).equals(content)).toBe(true);
    expect(requests).toEqual([undefined]);
  });

  it('serves several caches on one folder at once', async () => {
    const source = await serve(answering([]));
    const folder = temporaryFolder();
    const paths = await Promise.all(
      [1, 2, 3, 4].map(() => cacheOf(source, folder).cache.fetch({ sha256, bytes: content.length })),
    );
    expect(new Set(paths).size).toBe(1);
    expect(readdirSync(join(folder, 'artifacts'))).toEqual([sha256]);
  });

  it.each([
    ['another digest', () => Buffer.from(content).fill(1, 0, 1), 200, 65, 'another SHA-256'],
    ['more bytes than announced', () => Buffer.concat([content, content]), 200, 65, 'more than'],
    ['no such artifact', () => Buffer.from('no'), 404, 69, 'does not have it'],
    ['a refused token', () => Buffer.from('no'), 401, 77, 'refused the token'],
    ['an error that stays', () => Buffer.from('no'), 500, 69, 'cannot be fetched'],
  ])('ends with one line and a code: %s', async (_case, body, status, exitCode, text) => {
    const source = await serve((_request, response) => void response.writeHead(status).end(body()));
    const { cache, folder } = cacheOf(source);
    const error = await cache.fetch({ sha256, bytes: content.length }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'UserError', exitCode });
    expect(String(error)).toContain(text);
    expect(String(error)).not.toContain('\n');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('marks a file at each use, and fetches anew what was taken away to make room', async () => {
    const requests: (string | undefined)[] = [];
    const { cache, folder } = cacheOf(await serve(answering(requests)));
    const path = await cache.fetch({ sha256, bytes: content.length });
    const old = new Date(Date.now() - 2 * 86_400_000);
    utimesSync(path, old, old);
    await cache.fetch({ sha256, bytes: content.length });
    expect(statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 3_600_000);
    const lately = new Date(Date.now() - 60_000);
    utimesSync(path, lately, lately);
    await cache.fetch({ sha256, bytes: content.length });
    expect(Math.round(statSync(path).mtimeMs)).toBe(lately.getTime());
    expect(requests.length).toBe(1);
    rmSync(path);
    await Promise.all([1, 2, 3].map(() => cache.fetch({ sha256, bytes: content.length })));
    expect(readFileSync(path).equals(content)).toBe(true);
    expect([requests.length, readdirSync(folder)]).toEqual([2, [sha256]]);
  });

  it('tries again at the next call after a failure', async () => {
    let isUp = false;
    const source = await serve((_request, response) => void response.writeHead(isUp ? 200 : 404).end(content));
    const { cache } = cacheOf(source);
    await expect(cache.fetch({ sha256, bytes: content.length })).rejects.toThrow('does not have it');
    isUp = true;
    await expect(cache.fetch({ sha256, bytes: content.length })).resolves.toContain(sha256);
  });

  it('refuses a name that is no SHA-256', async () => {
    await expect(cacheOf('ws://127.0.0.1:1').cache.fetch({ sha256: '../../etc/passwd', bytes: 1 })).rejects.toThrow(
      'not a SHA-256',
    );
  });
});

describe('an artifact without an end', () => {
  it('is cut off at the length that was announced, and nothing of it stays on the disk', async () => {
    let sent = 0;
    const url = await serve((_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    });
    const { cache, folder } = cacheOf(url);
    await expect(cache.fetch({ sha256, bytes: 100_000 })).rejects.toMatchObject({
      exitCode: 65,
      message: 'the coordinator sends more than the 100000 bytes that it announced',
    });
    expect(readdirSync(folder)).toEqual([]);
    expect(sent, 'what sockets hold besides').toBeLessThan(16 * 2 ** 20);
  });

  it('is not asked for by its name alone, unless its length was announced', async () => {
    const { cache } = cacheOf(await serve(answering([])));
    await expect(cache.fetchAnnounced(sha256)).rejects.toMatchObject({
      exitCode: 65,
      message: `artifact ${sha256}: nothing was said of its length; one that is known was wanted`,
    });
    cache.announce([{ sha256, bytes: content.length }]);
    await expect(cache.fetchAnnounced(sha256)).resolves.toContain(sha256);
  });

  it('that is announced as longer than the disk, or the bound, is not begun', async () => {
    const requests: (string | undefined)[] = [];
    const { cache } = cacheOf(await serve(answering(requests)));
    await expect(cache.fetch({ sha256, bytes: 2 ** 52 })).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(
        /^artifacts: 4503599627370496 bytes more were announced, and .* of the \d+ that it may/,
      ) as string,
    });
    expect(requests).toEqual([]);
  });
});

describe("the artifacts' folder", () => {
  it('holds shards within its bound: those that were asked for longest ago go, and come anew when they are wanted', async () => {
    const shards = Array.from({ length: 20 }, (_, i) => Buffer.alloc(100, i));
    const byName = new Map(shards.map((bytes) => [sha256Of(bytes), bytes]));
    const names = [...byName.keys()];
    const asked: string[] = [];
    const url = await serve((request, response) => {
      const name = request.url?.split('/').at(-1) ?? '';
      asked.push(name);
      response.end(byName.get(name));
    });
    const { cache, folder } = cacheOf(url);
    const artifacts = names.map((name) => ({ sha256: name, bytes: 100 }));
    vi.stubEnv('STILLHOUSE_ARTIFACTS_BYTES', '850');
    try {
      cache.announce(artifacts, artifacts.slice(1));
      for (const name of names) {
        const path = await cache.fetchAnnounced(name);
        expect(readFileSync(path)).toEqual(byName.get(name));
        expect(readdirSync(folder).length).toBeLessThanOrEqual(8);
      }
      // The first one is no shard, and stays; of the shards the last ones do.
      expect(readdirSync(folder).sort()).toEqual([names[0], ...names.slice(13)].sort());
      expect(asked).toEqual(names);
      await cache.fetchAnnounced(names[15] ?? '');
      await cache.fetchAnnounced(names[1] ?? '');
      expect(asked).toEqual([...names, names[1]]);
      expect(readdirSync(folder).sort()).toEqual([...names.slice(0, 2), ...names.slice(14)].sort());
      vi.stubEnv('STILLHOUSE_ARTIFACTS_BYTES', '500');
      await expect(cache.fetchAnnounced(names[2] ?? '')).rejects.toMatchObject({ exitCode: 69 });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('is held below its bound: what was not used for longest goes, and what was used within a day stays', async () => {
    const folder = temporaryFolder();
    const now = Date.now();
    for (const [name, days] of [
      ['old', 9],
      ['older', 20],
      ['new', 0.5],
    ] as const) {
      writeFileSync(join(folder, name), Buffer.alloc(100));
      utimesSync(join(folder, name), new Date(), new Date(now - days * 86_400_000));
    }
    const env = { STILLHOUSE_ARTIFACTS_BYTES: '300' };
    await makeRoom(folder, 0, { env });
    expect(readdirSync(folder)).toEqual(['new', 'old', 'older']);
    await makeRoom(folder, 100, { env });
    expect(readdirSync(folder)).toEqual(['new', 'old']);
    await expect(makeRoom(folder, 250, { env })).rejects.toMatchObject({ exitCode: 69 });
    expect(readdirSync(folder)).toEqual(['new']);
    await expect(makeRoom(folder, 1, { env: { STILLHOUSE_ARTIFACTS_BYTES: 'many' } })).rejects.toMatchObject({
      exitCode: 2,
      message: 'STILLHOUSE_ARTIFACTS_BYTES is many; a number of bytes above 0 was wanted',
    });
  });
});
