/** What becomes of a file where servers, disks and other processes fail in the middle of it. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../../cli/prepare/remote/download.js';
import { PartFile } from '../../../../cli/prepare/remote/part-file.js';
import { expectNoneInAnother } from '../../../../cli/prepare/remote/remote-cache.js';
import { RemoteFiles, type RemoteOptions } from '../../../../cli/prepare/remote/remote-files.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-faults-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let server: FileServer;
let cache: string;
let name: string;
beforeEach(async () => {
  server = await FileServer.start();
  cache = mkdtempSync(join(scratch, 'cache-'));
  name = `${server.url}/set.bin`;
});
afterEach(async () => server.stop());

const open = (options: RemoteOptions = {}): RemoteFiles =>
  new RemoteFiles({ env: {}, cache: async () => cache, retryMs: 1, pieceBytes: 1000, ...options });
const etag = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`;
const partsIn = (): string[] => readdirSync(join(cache, 'remote/files')).filter((file) => file.endsWith('.part'));

/** Sends the beginning of the whole file, and breaks. */
function breakAfter(response: ServerResponse, body: Buffer, bytes: number): boolean {
  response.writeHead(200, { 'content-length': body.length, etag: etag(body) });
  response.write(body.subarray(0, bytes), () => response.destroy());
  return true;
}

describe('the whole file in place of a piece', () => {
  it.each([
    ['the first', 'bytes=0-999', 300],
    ['the first, beyond its end', 'bytes=0-999', 1700],
    ['a later one', 'bytes=1000-1999', 300],
  ])('that breaks leaves no hole: %s', async (_, asked, bytes) => {
    const body = server.put('/set.bin', randomBytes(3000));
    let broken = 0;
    server.intercept = ({ headers }, response) =>
      headers.range === asked && broken++ === 0 && breakAfter(response, body, bytes);
    expect(readFileSync(await open().local(name))).toEqual(body);
    expect(broken).toBeGreaterThan(1);
  });

  it('leaves no hole where a process before has left pieces', async () => {
    const body = server.put('/set.bin', randomBytes(3000));
    server.intercept = ({ headers: { range } }, response) =>
      range !== undefined && range !== 'bytes=0-999' && Boolean(response.writeHead(403).end());
    await expect(open().local(name)).rejects.toMatchObject({ exitCode: 2 });
    endWriter();
    let broken = 0;
    server.intercept = ({ headers }, response) =>
      headers.range === 'bytes=1000-1999' && broken++ === 0 && breakAfter(response, body, 300);
    expect(readFileSync(await open().local(name))).toEqual(body);
  });

  it('is given up where each transfer breaks, some later than others', async () => {
    const body = server.put('/set.bin', randomBytes(3000));
    let asked = 0;
    server.intercept = ({ method }, response) =>
      method === 'GET' && breakAfter(response, body, asked++ % 2 === 0 ? 10 : 20);
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('6 times'),
    });
    expect(asked).toBeLessThan(10);
  });

  it('is given up too where no length is told', async () => {
    let asked = 0;
    server.intercept = ({ method }, response) => {
      response.writeHead(200, { etag: '"x"' });
      if (method === 'HEAD') response.end();
      else if (asked++ > 20) response.end('all');
      else response.write(randomBytes(asked % 2 === 0 ? 10 : 20), () => response.destroy());
      return true;
    };
    await expect(open().local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('6 times'),
    });
  });
});

it('a file whose server tells no length keeps within the bound', async () => {
  let isEnded = false;
  server.intercept = ({ method }, response) => {
    if (method === 'HEAD') return Boolean(response.writeHead(200, { etag: '"x"' }).end());
    const more = (): void => {
      if (!isEnded && !response.destroyed) response.write(Buffer.alloc(500), () => setImmediate(more));
    };
    more();
    return true;
  };
  try {
    await expect(open({ env: { STILLHOUSE_REMOTE_BYTES: '5000' } }).local(name)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('of the 5000 that it may'),
    });
  } finally {
    isEnded = true;
  }
});

it('a file without a length is no longer than what came at last', async () => {
  const body = randomBytes(700);
  let asked = 0;
  server.intercept = ({ method }, response) => {
    response.writeHead(200, { etag: '"x"' });
    if (method === 'HEAD') response.end();
    else if (asked++ === 0) response.write(randomBytes(900), () => response.destroy());
    else response.end(body);
    return true;
  };
  expect(readFileSync(await open().local(name))).toEqual(body);
});

/** Makes the part that lies in the cache one of a process that has ended. */
function endWriter(): void {
  for (const file of readdirSync(join(cache, 'remote/files')))
    renameSync(join(cache, 'remote/files', file), join(cache, 'remote/files', file.replace(/\.\d+\./, '.999999999.')));
}

describe('a part', () => {
  const identity = { identity: 'a'.repeat(32), isTold: true };

  it('needs no room but for what it lacks', async () => {
    const env = { STILLHOUSE_REMOTE_BYTES: '4500' };
    const body = server.put('/set.bin', randomBytes(4000));
    server.intercept = ({ headers: { range } }, response) =>
      range === 'bytes=3000-3999' && Boolean(response.writeHead(403).end());
    await expect(open({ env }).local(name)).rejects.toMatchObject({ exitCode: 2 });
    endWriter();
    server.intercept = () => false;
    expect(readFileSync(await open({ env }).local(name))).toEqual(body);
  });

  it('of a process of this machine that lives is never taken, however old it is', async () => {
    const folder = mkdtempSync(join(scratch, 'parts-'));
    const first = await PartFile.open(folder, identity);
    const past = new Date(Date.now() - 24 * 60 * 60 * 1000);
    utimesSync(first.path, past, past);
    const second = await PartFile.open(folder, identity);
    expect(readdirSync(folder).filter((file) => file.endsWith('.part'))).toHaveLength(2);
    for (const part of [first, second]) {
      await part.close();
      part.leave();
    }
  });

  it('of another machine is taken when nobody has touched it for long', async () => {
    const folder = mkdtempSync(join(scratch, 'parts-'));
    const path = join(folder, `${identity.identity}.01234567.1.00000000.part`);
    writeFileSync(path, 'old');
    expect(await PartFile.bytesLeft(folder, identity)).toBe(0);
    const past = new Date(Date.now() - 60 * 60 * 1000);
    utimesSync(path, past, past);
    expect(await PartFile.bytesLeft(folder, identity)).toBe(3);
    const part = await PartFile.open(folder, identity);
    await part.close();
    part.leave();
    expect(readdirSync(folder).filter((file) => file.endsWith('.part'))).toHaveLength(1);
    expect(readFileSync(part.path, 'utf8')).toBe('old');
  });

  it('that is taken away is begun again', async () => {
    const body = server.put('/set.bin', randomBytes(500));
    let asked = 0;
    server.intercept = ({ method }) => {
      if (method === 'GET' && asked++ === 0) for (const file of partsIn()) rmSync(join(cache, 'remote/files', file));
      return false;
    };
    expect(readFileSync(await open().local(name))).toEqual(body);
    expect(asked).toBe(2);
  });
});

describe('what fails', () => {
  it('ends the other pieces, none of which is asked for again', async () => {
    const body = server.put('/set.bin', randomBytes(3000));
    const waiting: ServerResponse[] = [];
    server.intercept = ({ headers: { range } }, response) => {
      if (range !== 'bytes=1000-1999' && range !== 'bytes=2000-2999') return false;
      waiting.push(response);
      if (range === 'bytes=1000-1999') {
        response.writeHead(206, { 'content-range': 'bytes 1000-1999/3000', etag: etag(body) });
        response.write(body.subarray(1000, 1100));
      }
      // The other piece fails once both have been asked for.
      if (waiting.length === 2)
        waiting
          .find(({ headersSent }) => !headersSent)
          ?.writeHead(403)
          .end();
      return true;
    };
    await expect(open({ idleMs: 600_000 }).local(name)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('refuses access (403)'),
    });
    expect(server.seen.filter(({ range }) => range === 'bytes=1000-1999')).toHaveLength(1);
  });

  it('ends the hashing of a file', async () => {
    const path = join(scratch, 'hashed');
    writeFileSync(path, 'some');
    const going = (): void => {
      throw new Error('stopped');
    };
    await expect(digestOf(path, going)).rejects.toThrow('stopped');
  });
});

describe('names of files', () => {
  const object = (path: string): Parameters<typeof expectNoneInAnother>[0][number] => ({
    ...{ address: `s3://b/${path}`, path },
    ...{ bytes: 1, etag: null, modified: null, sha256: null },
  });

  it.each([[['train', 'train/x.csv']], [['train/x.csv', 'train']], [['train', 'train-1.csv', 'train/deep/x.csv']]])(
    'cannot be those of a folder too: %s',
    (paths) => {
      expect(() => expectNoneInAnother(paths.map(object))).toThrow(
        expect.objectContaining({
          exitCode: 65,
          message: expect.stringMatching(
            /^s3:\/\/b\/train and s3:\/\/b\/train\/\S*x\.csv: files of this machine cannot/,
          ),
        }),
      );
      expect(() => expectNoneInAnother(['train-1/a', 'train', 'train-1/b'].map(object))).not.toThrow();
    },
  );

  it('may have been taken away since they were used', async () => {
    const body = server.put('/set.bin', randomBytes(500));
    const first = await open().local(name);
    const files = open();
    await files.local(name);
    for (const file of readdirSync(join(cache, 'remote/files'))) rmSync(join(cache, 'remote/files', file));
    expect(await files.together(name, [])).toBe(first);
    expect(readFileSync(first)).toEqual(body);
  });
});
