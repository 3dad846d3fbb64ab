import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-hf-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const token = 'hf_abcdefghijklmnop';
const [first, second] = ['a'.repeat(40), 'b'.repeat(40)];
let hub: FileServer;
/** Where the Hub's files lie: another origin, with addresses that are signed. */
let store: FileServer;
let head: string;
/** By commit and path. */
let files: Map<string, string>;
let lines: string[];

beforeEach(async () => {
  [hub, store] = [await FileServer.start(), await FileServer.start()];
  head = first;
  files = new Map([
    [`${first}/data/train-0.csv`, 'one'],
    [`${first}/data/train-1.csv`, 'two'],
    [`${first}/README.md`, 'read me'],
    [`${second}/data/train-0.csv`, 'eno'],
  ]);
  lines = [];
  hub.intercept = answer;
});
afterEach(async () => {
  await hub.stop();
  await store.stop();
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The Hub's API as far as it is asked: a revision's commit, paths, the tree by pages, and where files lie. */
function answer(request: IncomingMessage, response: ServerResponse): boolean {
  const path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname);
  const json = (value: unknown, headers = {}): boolean =>
    Boolean(response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value)));
  const [, revision] = /^\/api\/datasets\/me\/set\/revision\/(.*)$/.exec(path) ?? [];
  if (revision === 'main') return json({ _id: '1', id: 'me/set', sha: head, lastModified: 0 });
  const [, kind, commit = '', below = ''] =
    /^\/api\/datasets\/me\/set\/(paths-info|tree)\/(\w{40})\/?(.*)$/.exec(path) ?? [];
  const entries = [...files]
    .filter(([at]) => at.startsWith(`${commit}/`))
    .map(([at, text]) => entryOf(at.slice(41), text));
  if (kind === 'paths-info') {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      const { paths } = JSON.parse(body) as { paths: string[] };
      json(entries.filter((entry) => paths.includes(entry.path)));
    });
    return true;
  }
  if (kind === 'tree') {
    const found = entries.filter((entry) => entry.path.startsWith(below === '' ? '' : `${below}/`));
    const isFirst = !(request.url ?? '').includes('cursor');
    const next = { link: `<${hub.url}${request.url}&cursor=1>; rel="next"` };
    return json(isFirst ? found.slice(0, 1) : found.slice(1), isFirst && found.length > 1 ? next : {});
  }
  const [, at = ''] = /^\/datasets\/me\/set\/resolve\/(.*)$/.exec(path) ?? [];
  const text = files.get(at);
  if (text === undefined) return Boolean(response.writeHead(404).end());
  store.put(`/blob/${at}`, text, { etag: '"the tag of another server"' });
  return Boolean(response.writeHead(302, { location: `${store.url}/blob/${at}?Signature=zzz` }).end());
}

/** CSV files are kept by LFS, others by Git. */
function entryOf(path: string, text: string): { path: string } {
  const lfs = { oid: sha256(text), size: text.length, pointerSize: 120 };
  return { type: 'file', path, oid: 'c'.repeat(40), size: text.length, ...(path.endsWith('.csv') ? { lfs } : {}) } as {
    path: string;
  };
}

const open = (cache = mkdtempSync(join(scratch, 'cache-')), env: NodeJS.ProcessEnv = {}): RemoteFiles => {
  const say = (text: string): void => void lines.push(text);
  const full = { HF_ENDPOINT: hub.url, HF_TOKEN: token, ...env };
  return new RemoteFiles({ env: full, cache: async () => cache, say, warn: say, retryMs: 1 });
};
const name = 'hf://datasets/me/set/data/train-0.csv';

describe('a data set of the Hub', () => {
  it('is a commit from when it is listed, which is said', async () => {
    const opened = open();
    expect(readFileSync(await opened.local(name), 'utf8')).toBe('one');
    expect(lines).toContain(
      `${name}: is hf://datasets/me/set@${first}/data/train-0.csv now, and stays so for this run`,
    );
    expect(opened.identities.get(name)).toMatchObject({
      address: `hf://datasets/me/set@${first}/data/train-0.csv`,
      sha256: sha256('one'),
    });
  });

  it('stays at its commit when a run goes on, and is the newest one in another', async () => {
    const opened = open();
    await opened.local(name);
    head = second;
    const again = open();
    again.pin('run', opened.identities);
    expect(readFileSync(await again.local(name), 'utf8')).toBe('one');
    expect(lines.at(-2)).toBe(`${name}: stays at hf://datasets/me/set@${first}/data/train-0.csv, as this run began`);
    expect(readFileSync(await open().local(name), 'utf8')).toBe('eno');
  });

  it('gives folders and patterns, by pages', async () => {
    const root = await open().local('hf://datasets/me/set@main/');
    expect(readdirSync(root, { recursive: true }).sort()).toEqual([
      'README.md',
      'data',
      'data/train-0.csv',
      'data/train-1.csv',
    ]);
    const pattern = await open().local('hf://datasets/me/set/data/*-1.csv');
    expect(readdirSync(pattern.replace('/*-1.csv', ''))).toEqual(['train-1.csv']);
    expect(await open().isThere('hf://datasets/me/set/data')).toBe(true);
    expect(await open().isThere('hf://datasets/me/set/none.csv')).toBe(false);
  });

  it('sends its token to the Hub and nowhere else', async () => {
    await open().local(name);
    expect(new Set(hub.seen.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${token}`]));
    expect(store.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it('sends it to no server that a list leads to', async () => {
    for (const lead of [store.url, hub.url.replace('127.0.0.1', 'localhost')]) {
      hub.intercept = (request, response) => {
        if (request.url?.includes('/tree/') !== true) return answer(request, response);
        const headers = { 'content-type': 'application/json', link: `<${lead}/api/next>; rel="next"` };
        return Boolean(response.writeHead(200, headers).end('[]'));
      };
      await expect(open().local('hf://datasets/me/set/data')).rejects.toMatchObject({
        exitCode: 77,
        message: `hf://datasets/me/set/data: the Hub's answer leads to ${lead}; its own ${hub.url} was wanted`,
      });
      hub.intercept = (_, response) => Boolean(response.writeHead(307, { location: `${lead}/api` }).end());
      await expect(open().local(name)).rejects.toMatchObject({ exitCode: 77 });
    }
    expect(store.seen).toEqual([]);
    expect(hub.seen.filter(({ path }) => path === '/api/next' || path === '/api')).toEqual([]);
  });

  it('is followed to its new name on the Hub', async () => {
    hub.intercept = (request, response) => {
      const [, rest] = /^\/api\/datasets\/old\/set(\/.*)$/.exec(request.url ?? '') ?? [];
      if (rest === undefined) return answer(request, response);
      return Boolean(response.writeHead(307, { location: `/api/datasets/me/set${rest}` }).end());
    };
    expect(await open().isThere('hf://datasets/old/set/data/train-0.csv')).toBe(true);
  });

  it('is given up when its list goes in a circle, or has no end', async () => {
    hub.intercept = (request, response) => {
      if (request.url?.includes('/tree/') !== true) return answer(request, response);
      const headers = { 'content-type': 'application/json', link: `<${hub.url}${request.url}>; rel="next"` };
      return Boolean(response.writeHead(200, headers).end('[]'));
    };
    await expect(open().local('hf://datasets/me/set/data')).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining("the Hub's list leads back to where it was"),
    });
    hub.intercept = (_, response) => Boolean(response.end(Buffer.alloc((16 << 20) + 1)));
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('longer than 16777216 bytes'),
    });
  });

  // Without the stop the Hub is waited for 30 s.
  it('is asked no longer when a stop is asked for', { timeout: 15_000 }, async () => {
    const stop = new AbortController();
    hub.intercept = () => {
      stop.abort('SIGINT');
      return true;
    };
    const stopped = new RemoteFiles({ env: { HF_ENDPOINT: hub.url }, cache: async () => scratch, stop: stop.signal });
    await expect(stopped.local(name)).rejects.toMatchObject({ exitCode: 75 });
  });

  it('is refused where what comes has another SHA-256 than the Hub tells', async () => {
    hub.intercept = (request, response) => {
      if (request.url?.includes('/resolve/') === true) files.set(`${first}/data/train-0.csv`, 'bad');
      return answer(request, response);
    };
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 65,
      message: `hf://datasets/me/set@${first}/data/train-0.csv: what came has SHA-256 ${sha256('bad')}; ${sha256('one')} was wanted, which the server tells`,
    });
  });

  it('is used without the Hub where its name has the commit', async () => {
    const cache = mkdtempSync(join(scratch, 'cache-'));
    const fixed = `hf://datasets/me/set@${first}/data/train-0.csv`;
    await open(cache).local(fixed);
    hub.intercept = (_, response) => Boolean(response.writeHead(503).end());
    expect(readFileSync(await open(cache).local(fixed), 'utf8')).toBe('one');
    expect(lines.at(-1)).toContain('what came of this commit before is used');
  });

  it('is used without the Hub where the recipe has its SHA-256', async () => {
    const cache = mkdtempSync(join(scratch, 'cache-'));
    await open(cache).local(name);
    hub.intercept = (_, response) => Boolean(response.writeHead(503).end());
    const pinned = open(cache);
    pinned.pin('recipe', new Map([[name, { sha256: sha256('one') }]]));
    const path = await pinned.local(name);
    expect(path.endsWith('/train-0.csv')).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('one');
    const other = open(cache);
    other.pin('recipe', new Map([[name, { sha256: sha256('two') }]]));
    await expect(other.local(name)).rejects.toMatchObject({ exitCode: 69 });
  });

  it('is at one commit, and used without the Hub, where braces name its files', async () => {
    const cache = mkdtempSync(join(scratch, 'cache-'));
    const braced = 'hf://datasets/me/set/data/train-{0..1}.csv';
    const opened = open(cache);
    const path = await opened.local(braced);
    expect(path.endsWith('/train-{0..1}.csv')).toBe(true);
    expect(readdirSync(join(path, '..')).sort()).toEqual(['train-0.csv', 'train-1.csv']);
    expect(opened.identities.get(braced)).toMatchObject({
      address: `hf://datasets/me/set@${first}/data/train-{0..1}.csv`,
      files: 2,
    });
    hub.intercept = (_, response) => Boolean(response.writeHead(503).end());
    const again = open(cache);
    again.pin('run', opened.identities);
    expect(await again.local(braced)).toBe(path);
  });

  it.each<[number, number, string]>([
    [401, 2, 'the Hub refuses access (401)'],
    [403, 2, 'the Hub refuses access (403)'],
    [404, 2, 'there is no repository me/set with revision main'],
    [500, 69, 'the Hub answers 500, 6 times'],
  ])('is refused by %d in one line', async (status, exitCode, text) => {
    hub.intercept = (_, response) => Boolean(response.writeHead(status).end());
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode,
      message: expect.stringContaining(`${name}: ${text}`),
    });
  });

  it.each(['hf://set', 'hf://datasets/set', 'hf://spaces/me/set/a.csv'])(
    'has a name of the right form: %s has not',
    async (wrong) => {
      await expect(open().local(wrong)).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringContaining('hf://datasets/OWNER/NAME/PATH was wanted'),
      });
    },
  );

  it('wants a token that is one, and TLS for it', async () => {
    await expect(open(undefined, { HF_TOKEN: 'secret' }).local(name)).rejects.toMatchObject({
      exitCode: 2,
      message: 'HF_TOKEN: no token of the Hub; one that begins with hf_ was wanted',
    });
    await expect(open(undefined, { HF_ENDPOINT: 'http://hub.invalid' }).local(name)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('over which HF_TOKEN could be read'),
    });
  });
});
