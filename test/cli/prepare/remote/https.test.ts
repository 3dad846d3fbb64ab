import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteFiles, type RemoteOptions } from '../../../../cli/prepare/remote/remote-files.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-remote-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let server: FileServer;
let cache: string;
let lines: string[];
beforeEach(async () => {
  server = await FileServer.start();
  cache = mkdtempSync(join(scratch, 'cache-'));
  lines = [];
});
afterEach(async () => server.stop());

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const say = (text: string): void => void lines.push(text);
/** A process of its own, as far as anything is remembered. */
const open = (options: RemoteOptions = {}): RemoteFiles =>
  new RemoteFiles({ env: {}, cache: async () => cache, say, warn: say, retryMs: 1, pieceBytes: 1000, ...options });
const methods = (): string[] =>
  server.seen.map(({ method, range }) => `${method}${range === undefined ? '' : ` ${range}`}`);

describe('a file over HTTP', () => {
  it('is fetched in pieces, verified, and asked for by HEAD alone the next time', async () => {
    const body = server.put('/set.bin', randomBytes(3500));
    const name = `${server.url}/set.bin`;
    const first = open();
    expect(readFileSync(await first.local(name))).toEqual(body);
    expect(methods().sort()).toEqual([
      'GET bytes=0-999',
      'GET bytes=1000-1999',
      'GET bytes=2000-2999',
      'GET bytes=3000-3499',
      'HEAD',
    ]);
    expect(first.identities.get(name)).toMatchObject({ files: 1, bytes: 3500, sha256: sha256(body) });
    server.seen.length = 0;
    expect(readFileSync(await open().local(name))).toEqual(body);
    expect(methods()).toEqual(['HEAD']);
  });

  it('comes as a whole from a server that knows no ranges', async () => {
    server.knowsRanges = false;
    const body = server.put('/set.bin', randomBytes(3500));
    expect(readFileSync(await open().local(`${server.url}/set.bin`))).toEqual(body);
    expect(methods()).toEqual(['HEAD', 'GET bytes=0-999']);
  });

  it('is fetched where the server takes no HEAD, and where it tells no length', async () => {
    const body = randomBytes(700);
    server.intercept = ({ method }, response) => {
      if (method === 'HEAD') response.writeHead(405).end();
      else {
        response.writeHead(200, { etag: '"x"' });
        response.write(body.subarray(0, 300));
        response.end(body.subarray(300));
      }
      return true;
    };
    expect(readFileSync(await open().local(`${server.url}/set.bin`))).toEqual(body);
  });

  it('goes on where a transfer broke', async () => {
    const body = server.put('/set.bin', randomBytes(900));
    let broken = 0;
    server.intercept = (request, response) => {
      if (request.method !== 'GET' || broken++ > 0) return false;
      response.writeHead(200, { 'content-length': 900 });
      response.write(body.subarray(0, 400), () => response.destroy());
      return true;
    };
    expect(readFileSync(await open().local(`${server.url}/set.bin`))).toEqual(body);
    expect(methods()).toEqual(['HEAD', 'GET', 'GET bytes=400-899']);
  });

  it('goes on with the pieces that a process before it has left', async () => {
    const body = server.put('/set.bin', randomBytes(3500));
    const name = `${server.url}/set.bin`;
    server.intercept = ({ headers: { range } }, response) => {
      if (range === undefined || range === 'bytes=0-999') return false;
      response.writeHead(403).end();
      return true;
    };
    await expect(open().local(name)).rejects.toMatchObject({ exitCode: 2 });
    const [part = ''] = readdirSync(join(cache, 'remote/files')).filter((file) => file.endsWith('.part'));
    const ended = part.replace(/\.\d+\./, '.999999999.');
    for (const end of ['', '.pieces'])
      writeFileSync(join(cache, 'remote/files', ended + end), readFileSync(join(cache, 'remote/files', part + end)));
    server.intercept = () => false;
    server.seen.length = 0;
    expect(readFileSync(await open().local(name))).toEqual(body);
    expect(methods().sort()).toEqual(['GET bytes=1000-1999', 'GET bytes=2000-2999', 'GET bytes=3000-3499', 'HEAD']);
  });

  it('is fetched anew when it has changed, and when what lies in the cache is damaged', async () => {
    const name = `${server.url}/set.bin`;
    server.put('/set.bin', 'one');
    const path = await open().local(name);
    server.put('/set.bin', 'two');
    expect(readFileSync(await open().local(name), 'utf8')).toBe('two');
    server.put('/set.bin', 'one');
    writeFileSync(path, 'bad');
    expect(readFileSync(await open().local(name), 'utf8')).toBe('one');
  });

  it('is fetched again each time where its server tells neither tag nor time', async () => {
    server.files.set('/set.bin', { body: Buffer.from('one') });
    await open().local(`${server.url}/set.bin`);
    server.files.set('/set.bin', { body: Buffer.from('two') });
    expect(readFileSync(await open().local(`${server.url}/set.bin`), 'utf8')).toBe('two');
  });

  it('is refused when it changes while it is read', async () => {
    server.put('/set.bin', randomBytes(2500));
    server.intercept = ({ headers }) => {
      if (headers.range === 'bytes=0-999') setImmediate(() => server.put('/set.bin', randomBytes(2500)));
      return false;
    };
    await expect(open().local(`${server.url}/set.bin`)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /set\.bin: it was changed while it was read: 2500 bytes, ETag "\w+" at first, then it answers 412;/,
      ),
    });
  });

  it('is tried again after 503, and given up with one line', async () => {
    server.put('/set.bin', 'one');
    let asked = 0;
    server.intercept = (_, response) => {
      if (asked++ > 1) return false;
      response.writeHead(503, { 'retry-after': '0' }).end();
      return true;
    };
    expect(readFileSync(await open().local(`${server.url}/set.bin`), 'utf8')).toBe('one');
    server.intercept = (_, response) => Boolean(response.writeHead(503).end());
    await expect(open().local(`${server.url}/set.bin`)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining(
        '/set.bin: it answers 503, 6 times; a server that answers was wanted; what came of it before is here',
      ),
    });
  });

  it('is given up when its server sends nothing', async () => {
    server.intercept = () => true;
    await expect(open({ idleMs: 20, attempts: 2 }).local(`${server.url}/set.bin`)).rejects.toMatchObject({
      exitCode: 69,
      message: `${server.url}/set.bin: it sends nothing for 0.02 s, 2 times; a server that answers was wanted`,
    });
  });

  it.each([
    [404, 2, 'there is no such file'],
    [403, 2, 'the server refuses access (403)'],
    [418, 69, 'it answers 418'],
  ])('is refused by %d', async (status, exitCode, text) => {
    server.intercept = (_, response) => Boolean(response.writeHead(status).end());
    await expect(open().local(`${server.url}/a.csv`)).rejects.toMatchObject({
      exitCode,
      message: expect.stringContaining(`${server.url}/a.csv: ${text}`),
    });
  });

  it.each(['/folder/', '/part-*.csv'])('is one file: %s is refused', async (path) => {
    await expect(open().local(server.url + path)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('lists no files'),
    });
  });

  it('is followed to where it leads, without what grants access to the first server', async () => {
    const other = await FileServer.start();
    try {
      other.put('/there.bin', 'one');
      server.intercept = (_, response) =>
        Boolean(response.writeHead(302, { location: `${other.url}/there.bin` }).end());
      expect(readFileSync(await open().local(`${server.url}/here.bin`), 'utf8')).toBe('one');
      server.intercept = (_, response) => Boolean(response.writeHead(302, { location: '/here.bin' }).end());
      await expect(open().local(`${server.url}/loop.bin`)).rejects.toMatchObject({
        exitCode: 69,
        message: expect.stringContaining('more than 5 times'),
      });
    } finally {
      await other.stop();
    }
  });

  it('wants TLS beyond this machine, unless the host is named', async () => {
    await expect(open().local('http://stillhouse.invalid/a.csv')).rejects.toMatchObject({
      exitCode: 2,
      message:
        'http://stillhouse.invalid/a.csv: http:// given beyond this machine; https:// was wanted, or STILLHOUSE_PLAIN_HTTP=stillhouse.invalid',
    });
    const env = { STILLHOUSE_PLAIN_HTTP: 'stillhouse.invalid' };
    await expect(open({ env, attempts: 1 }).local('http://stillhouse.invalid/a.csv')).rejects.toMatchObject({
      exitCode: 69,
    });
  });
});

describe('what must come', () => {
  it('is refused where the recipe says another digest', async () => {
    const name = `${server.url}/set.bin`;
    const body = server.put('/set.bin', 'one');
    const files = open();
    files.pin('recipe', new Map([[name, { sha256: 'a'.repeat(64) }]]));
    await expect(files.local(name)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(
        `SHA-256 ${sha256(body)} came; SHA-256 ${'a'.repeat(64)} was wanted, which data.sha256 says`,
      ),
    });
  });

  it('is refused where a run began with another file, before anything is fetched if the length tells', async () => {
    const name = `${server.url}/set.bin`;
    const old = server.put('/set.bin', 'one');
    const first = open();
    await first.local(name);
    const now = server.put('/set.bin', 'another');
    server.seen.length = 0;
    const again = open();
    again.pin('run', first.identities);
    await expect(again.local(name)).rejects.toMatchObject({
      exitCode: 65,
      message: `${name}: it has changed since this run began: 3 bytes, ETag ${etag(old)}, SHA-256 ${sha256(old)} then, 7 bytes, ETag ${etag(now)} now; the file as it was then was wanted, or another --out for a run of the new one`,
    });
    expect(methods()).toEqual(['HEAD']);
    const same = server.put('/set.bin', 'eno');
    const third = open();
    third.pin('run', first.identities);
    await expect(third.local(name)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(`SHA-256 ${sha256(same)} now`),
    });
  });

  it('may be used without its server where a pin says what it is, and nowhere else', async () => {
    const name = `${server.url}/set.bin`;
    server.put('/set.bin', 'one');
    const first = open();
    await first.local(name);
    server.intercept = (_, response) => Boolean(response.writeHead(500).end());
    const again = open();
    again.pin('run', first.identities);
    expect(await again.isThere(name)).toBe(true);
    expect(readFileSync(await again.local(name), 'utf8')).toBe('one');
    expect(lines.at(-1)).toContain('what came of it before is used, with the SHA-256 that the run says');
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('only where data.sha256 or a run'),
    });
    const other = open();
    other.pin('recipe', new Map([[name, { sha256: 'b'.repeat(64) }]]));
    await expect(other.local(name)).rejects.toMatchObject({ exitCode: 69 });
  });

  it('keeps within its bound, by what was not used for a day', async () => {
    const env = { STILLHOUSE_REMOTE_BYTES: '1000' };
    server.put('/old.bin', randomBytes(600));
    server.put('/new.bin', randomBytes(700));
    await open({ env }).local(`${server.url}/old.bin`);
    await expect(open({ env }).local(`${server.url}/new.bin`)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('holds 600 of the 1000 that it may; STILLHOUSE_REMOTE_BYTES sets another bound'),
    });
    const past = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
    for (const part of ['files', 'trees'])
      for (const file of readdirSync(join(cache, 'remote', part)))
        utimesSync(join(cache, 'remote', part, file), past, past);
    await open({ env }).local(`${server.url}/new.bin`);
    expect(readdirSync(join(cache, 'remote/files'))).toHaveLength(1);
    expect(readdirSync(join(cache, 'remote/trees'))).toHaveLength(1);
  });
});

function etag(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

describe('what gives access', () => {
  it('stays out of names, messages and the cache', async () => {
    const secret = 'f00f00f00f00';
    const files = open();
    server.put('/set.bin', 'one');
    server.intercept = ({ url = '' }, response) => {
      if (url.includes(`X-Amz-Signature=${secret}`)) return false;
      response.writeHead(403).end();
      return true;
    };
    const signed = `${server.url}/set.bin?part=1&X-Amz-Date=2026&X-Amz-Signature=${secret}`;
    const shown = `${server.url}/set.bin?part=1&X-Amz-Date=***&X-Amz-Signature=***`;
    expect(files.hide(signed)).toBe(shown);
    expect(readFileSync(await files.local(shown), 'utf8')).toBe('one');
    expect(files.text(`see ${signed}!`)).not.toContain(secret);
    const other = open();
    const wrong = other.hide(signed.replace(secret, 'bad'));
    const error = await other.local(wrong).catch((found: unknown) => String(found));
    expect(error).toContain(`${shown}: the server refuses access (403)`);
    await expect(open().local(shown)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('its signature is masked'),
    });
    expect(allTextIn(cache)).not.toContain(secret);
    expect(lines.join()).not.toContain(secret);
  });

  it.each(['https://me:pass@host/a.csv', 'https://pass@host/a.csv', 's3://me:pass@bucket/a.csv'])(
    'is no part of an address: %s',
    (name) => {
      let message = '';
      try {
        open().hide(name);
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain('a user or a password in the address');
      expect(message).not.toContain('pass@');
    },
  );
});

function allTextIn(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name + readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

it('leaves nothing of a cache that is not asked for', () => expect(existsSync(join(cache, 'remote'))).toBe(false));
