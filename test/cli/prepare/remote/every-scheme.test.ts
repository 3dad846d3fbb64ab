/** What every scheme of remote names must do, whatever its server speaks. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { remoteSchemes } from '../../../../cli/prepare/remote/list.js';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-schemes-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const commit = 'a'.repeat(40);
const content = 'a file of another machine';
let server: FileServer;
let cache: string;
beforeEach(async () => {
  server = await FileServer.start();
  cache = mkdtempSync(join(scratch, 'cache-'));
});
afterEach(async () => server.stop());

/** By what names begin with: the name of the file, and what its server holds and answers. */
const cases: Readonly<Record<string, () => string>> = {
  'https://': () => cases['http://']?.() ?? '',
  'http://': () => {
    server.put('/a.csv', content);
    return `${server.url}/a.csv`;
  },
  's3://': () => {
    server.put('/bucket/a.csv', content);
    server.intercept = ({ url = '' }, response) =>
      url.includes('list-type') && Boolean(response.end('<ListBucketResult></ListBucketResult>'));
    return 's3://bucket/a.csv';
  },
  'hf://': () => {
    server.put(`/datasets/me/set/resolve/${commit}/a.csv`, content);
    server.intercept = hubAnswer;
    return `hf://datasets/me/set@${commit}/a.csv`;
  },
};

function hubAnswer({ url = '' }: IncomingMessage, response: ServerResponse): boolean {
  if (!url.startsWith('/api/')) return false;
  const isThere = server.files.size > 0 && url.includes('/paths-info/');
  const entry = { type: 'file', path: 'a.csv', size: content.length, oid: 'b'.repeat(40) };
  response.setHeader('content-type', 'application/json');
  return Boolean(response.end(JSON.stringify(isThere ? [entry] : [])));
}

const open = (): RemoteFiles =>
  new RemoteFiles({
    env: { AWS_ENDPOINT_URL: server.url, AWS_NO_SIGN_REQUEST: '1', HF_ENDPOINT: server.url, HOME: scratch },
    cache: async () => cache,
    retryMs: 1,
    attempts: 2,
  });

const gets = (): string[] =>
  server.seen.flatMap(({ method, path }) => (method === 'GET' && path.endsWith('a.csv') ? [path] : []));

describe.each(remoteSchemes.map(({ begins }) => begins))('names that begin with %s', (begins) => {
  const prepared = (): string => {
    const prepare = cases[begins];
    if (prepare === undefined) throw new Error(`a case for ${begins} wanted`);
    return prepare();
  };

  it('stand for a file that is verified and fetched once', async () => {
    const name = prepared();
    const files = open();
    expect(await files.isThere(name)).toBe(true);
    expect(gets()).toEqual([]);
    const path = await files.local(name);
    expect(path.endsWith('/a.csv')).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(files.identities.get(name)).toMatchObject({ files: 1, bytes: content.length, sha256 });
    await open().local(name);
    expect(gets()).toHaveLength(1);
  });

  it('are asked for before anything is read, and told to be missing', async () => {
    const name = prepared();
    server.files.clear();
    expect(await open().isThere(name)).toBe(false);
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 2,
      message: `${name}: there is no such file; one that is there was wanted`,
    });
  });

  it('are given up with 69 when their server fails', async () => {
    const name = prepared();
    server.intercept = (_, response) => Boolean(response.writeHead(503).end());
    const error: unknown = await open()
      .local(name)
      .catch((found: unknown) => found);
    expect(error).toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/answers 503, 2 times; a server that answers was wanted$/),
    });
  });

  it('stay what they are when what was sent is cut short each time', async () => {
    const name = prepared();
    const answer = server.intercept;
    server.intercept = (request, response) => {
      if (request.method !== 'GET' || !(request.url ?? '').endsWith('a.csv')) return answer(request, response);
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.slice(0, 5), () => response.destroy());
      return true;
    };
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('the transfer broke after 5 bytes, 2 times'),
    });
  });
});
