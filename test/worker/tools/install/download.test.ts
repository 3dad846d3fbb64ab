import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../../../../worker/tools/install/download.js';
import { parseAddress, type WebAddress } from '../../../../worker/tools/install/web-address.js';

const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 31) % 251));
const quick = { sizeBytes: content.length, pauseMs: 0 };

let folder = '';
let target = '';
let requests: IncomingMessage[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
const server = createServer((request, response) => {
  requests.push(request);
  answer(request, response);
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-download-'));
  target = join(folder, 'wheel');
  requests = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const source = (): WebAddress =>
  parseAddress(`http://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/w.whl?signature=abc`);
const startOf = (request: IncomingMessage): number =>
  Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);

/** Serves ranges; ends the connection after `most` bytes of an answer. */
function serve(most = Infinity): void {
  answer = (request, response) => {
    const start = startOf(request);
    const headers = {
      'content-length': content.length - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    };
    response.writeHead(start > 0 ? 206 : 200, headers);
    if (content.length - start <= most) return void response.end(content.subarray(start));
    response.write(content.subarray(start, start + most));
    breakWhenKept(response, start + most);
  };
}

/** What a client has received and not yet read is lost with its connection: wait until it lies on the disk. */
function breakWhenKept(response: ServerResponse, bytes: number): void {
  const part = `${target}.part`;
  if (existsSync(part) && statSync(part).size >= bytes) response.destroy();
  else setImmediate(() => breakWhenKept(response, bytes));
}

describe('the download', () => {
  it('fetches the whole and tells how far it is', async () => {
    serve();
    const seen: number[] = [];
    await download(source(), target, { ...quick, onProgress: (done) => seen.push(done) });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(existsSync(`${target}.part`)).toBe(false);
    expect(seen.at(-1)).toBe(content.length);
  });

  it('goes on where the connection broke, as often as each attempt brings something', async () => {
    serve(30_000);
    await download(source(), target, { ...quick, attempts: 2 });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(requests.length).toBeGreaterThan(5);
    expect(requests.slice(1).every((request) => startOf(request) > 0)).toBe(true);
  });

  it('goes on from what an earlier run left', async () => {
    writeFileSync(`${target}.part`, content.subarray(0, 150_000));
    serve();
    await download(source(), target, quick);
    expect(requests.map(startOf)).toEqual([150_000]);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it('starts again when the server knows no ranges', async () => {
    writeFileSync(`${target}.part`, Buffer.alloc(1000, 7));
    answer = (_request, response) => void response.end(content);
    await download(source(), target, quick);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it('starts again when what is kept is longer than the file', async () => {
    writeFileSync(`${target}.part`, Buffer.alloc(content.length + 5));
    answer = (request, response) => {
      if (startOf(request) >= content.length) return void response.writeHead(416).end();
      response.end(content);
    };
    await download(source(), target, quick);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it('tries again while the server is unwell', async () => {
    answer = (_request, response) => void (requests.length < 3 ? response.writeHead(503).end() : response.end(content));
    await download(source(), target, quick);
    expect(requests.length).toBe(3);
  });

  it('gives up after attempts that bring nothing, keeps the rest and shows no secret', async () => {
    writeFileSync(`${target}.part`, content.subarray(0, 10));
    answer = (_request, response) => void response.destroy();
    const error = await download(source(), target, { ...quick, attempts: 3 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/10 of 200000 bytes are kept; run again/),
    });
    expect(String(error)).not.toMatch(/secret|signature/);
    expect(requests.length).toBe(3);
  });

  it('gives up at once on a refusal', async () => {
    answer = (_request, response) => void response.writeHead(404).end();
    await expect(download(source(), target, quick)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('answers 404'),
    });
    expect(requests.length).toBe(1);
  });

  it('sends user name and password as a header', async () => {
    serve();
    await download(source(), target, quick);
    expect(requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('user:secret').toString('base64')}`);
  });
});
