import { createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-s3-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';
const keys = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: 'eu-central-1' };
let server: FileServer;
let lines: string[];
/** What the store answers in place of what it holds. */
let refuse: (request: IncomingMessage) => [status: number, code: string] | null;

beforeEach(async () => {
  server = await FileServer.start();
  lines = [];
  refuse = () => null;
  server.intercept = (request, response) => {
    const refused = refuse(request);
    if (refused !== null) return fail(request, response, refused);
    if (request.headers.authorization === undefined) return false;
    if (!isSigned(request)) return fail(request, response, [403, 'SignatureDoesNotMatch']);
    return answerList(request, response);
  };
});
afterEach(async () => server.stop());

function fail({ method }: IncomingMessage, response: ServerResponse, [status, code]: [number, string]): boolean {
  response.writeHead(status);
  response.end(method === 'HEAD' ? '' : `<Error><Code>${code}</Code><Message>no</Message></Error>`);
  return true;
}

/** Whether the request has the signature of Amazon's version 4 by the secret, written here once more. */
function isSigned({ method = '', url = '', headers }: IncomingMessage): boolean {
  const authorization = headers.authorization ?? '';
  const [, scope = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\S+), ?SignedHeaders=(\S+), ?Signature=(\S+)$/.exec(authorization) ?? [];
  const { pathname, search } = new URL(url, 'http://x');
  const query = search.slice(1).split('&').sort().join('&');
  const lines = names.split(';').map((name) => `${name}:${String(headers[name])}\n`);
  const request = [method, pathname, query, lines.join(''), names, 'UNSIGNED-PAYLOAD'].join('\n');
  const hash = createHash('sha256').update(request).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((from, part) => hmac(from, part), `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** Pages of two. */
function answerList({ url = '' }: IncomingMessage, response: ServerResponse): boolean {
  const { pathname, searchParams } = new URL(url, 'http://x');
  if (searchParams.get('list-type') !== '2') return false;
  const start = `${pathname}${searchParams.get('prefix') ?? ''}`;
  const all = [...server.files.keys()].filter((path) => path.startsWith(start)).sort();
  const from = Number(searchParams.get('continuation-token') ?? 0);
  const entries = all.slice(from, from + 2).map((path) => {
    const { body, etag = '' } = server.files.get(path) ?? { body: Buffer.alloc(0) };
    const key = encodeURIComponent(path.slice(pathname.length)).replaceAll('%2F', '/');
    return `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${body.length}</Size></Contents>`;
  });
  const isCut = from + 2 < all.length;
  const next = isCut ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : '';
  response.end(
    `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${isCut}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`,
  );
  return true;
}

const open = (env: NodeJS.ProcessEnv = keys, cache = mkdtempSync(join(scratch, 'cache-'))): RemoteFiles => {
  const say = (text: string): void => void lines.push(text);
  const full = { HOME: scratch, AWS_ENDPOINT_URL: server.url, AWS_EC2_METADATA_DISABLED: 'true', ...env };
  return new RemoteFiles({ env: full, cache: async () => cache, say, warn: say, retryMs: 1, pieceBytes: 1000 });
};
const times = { modified: 'Fri, 02 Jan 2026 03:04:05 GMT' };

describe('an S3-compatible store', () => {
  it('gives an object in pieces, each request signed', async () => {
    const body = server.put('/bucket/deep/a b+c*.bin', randomBytes(2500), times);
    const name = 's3://bucket/deep/a b+c*.bin';
    const files = open();
    // The star is a pattern, which the key itself matches.
    const path = await files.local(name.replace('*', '?'));
    expect(path.endsWith('a b+c?.bin')).toBe(true);
    expect(files.identities.get(name.replace('*', '?'))?.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    expect(server.seen.every(({ authorization }) => authorization?.includes('/eu-central-1/s3/aws4_request'))).toBe(
      true,
    );
  });

  it('gives folders and patterns, by pages, and knows again what has come by another name', async () => {
    for (const name of ['cat/1.png', 'cat/2.png', 'dog/1.png', 'dog/.hidden.png', 'notes.txt'])
      server.put(`/bucket/set/${name}`, name, times);
    server.files.set('/bucket/set/cat/', { body: Buffer.alloc(0) });
    server.put('/bucket/settle.txt', 'beside', times);
    const cache = mkdtempSync(join(scratch, 'cache-'));
    for (const name of ['s3://bucket/set', 's3://bucket/set/']) {
      const root = await open(keys, cache).local(name);
      expect(readdirSync(root, { recursive: true }).sort()).toEqual([
        'cat',
        'cat/1.png',
        'cat/2.png',
        'dog',
        'dog/.hidden.png',
        'dog/1.png',
        'notes.txt',
      ]);
      expect(readFileSync(join(root, 'dog/1.png'), 'utf8')).toBe('dog/1.png');
    }
    server.seen.length = 0;
    const files = open(keys, cache);
    const pattern = await files.local('s3://bucket/set/**/[12].png');
    expect(readdirSync(pattern.replace('/**/[12].png', ''), { recursive: true }).sort()).toEqual([
      'cat',
      'cat/1.png',
      'cat/2.png',
      'dog',
      'dog/1.png',
    ]);
    expect(server.seen.map(({ path }) => path)).toEqual(['/bucket/', '/bucket/', '/bucket/']);
    expect(files.identities.get('s3://bucket/set/**/[12].png')).toMatchObject({ files: 3, bytes: 27 });
    expect(await files.isThere('s3://bucket/set/*.jpeg')).toBe(false);
    expect(await files.isThere('s3://bucket/none/')).toBe(false);
    expect(await files.isThere('s3://bucket/none')).toBe(false);
  });

  it('is refused when an object of a folder has changed since the run began', async () => {
    server.put('/bucket/set/1.csv', 'one', times);
    server.put('/bucket/set/2.csv', 'two', times);
    const first = open();
    await first.local('s3://bucket/set/');
    server.put('/bucket/set/2.csv', 'owt', times);
    const again = open();
    again.pin('run', first.identities);
    await expect(again.local('s3://bucket/set/')).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /^s3:\/\/bucket\/set\/: it has changed since this run began: 2 files, 6 bytes, SHA-256 \w{64} then, 2 files, 6 bytes, SHA-256 \w{64} now;/,
      ),
    });
  });

  it('names no file out of the folder', async () => {
    server.put('/bucket/set/../../evil.csv', 'x', times);
    server.intercept = (request, response) => {
      const isList = request.url?.includes('list-type') === true;
      if (isList) response.end('<Contents><Key>set/../../evil.csv</Key><Size>1</Size></Contents>');
      return isList;
    };
    await expect(open().local('s3://bucket/set/')).rejects.toMatchObject({
      exitCode: 65,
      message: 's3://bucket/set/../../evil.csv: "../../evil.csv" can be no file\'s name here; another was wanted',
    });
  });

  it.each([
    ['no token', ''],
    ['a token twice', '<NextContinuationToken>same</NextContinuationToken>'],
  ])('is given up when its list says that more follows, with %s', async (text, next) => {
    server.intercept = ({ url = '' }, response) =>
      url.includes('list-type') &&
      Boolean(
        response.end(`<IsTruncated>true</IsTruncated>${next}<Contents><Key>set/1</Key><Size>1</Size></Contents>`),
      );
    await expect(open().local('s3://bucket/set/')).rejects.toMatchObject({
      exitCode: 69,
      message: `s3://bucket/set/: its list says that more follows, with ${text}; a server that answers was wanted`,
    });
  });

  it('has keys as they are where it does not escape them', async () => {
    server.put('/bucket/set/50%25+1.csv', 'one', times);
    server.intercept = ({ url = '' }, response) => {
      if (!url.includes('list-type')) {
        server.files.set('/bucket/set/50%25+1.csv', { body: Buffer.from('one') });
        return false;
      }
      return Boolean(response.end('<Contents><Key>set/50%25+1.csv</Key><Size>3</Size></Contents>'));
    };
    const root = await open().local('s3://bucket/set/');
    expect(readdirSync(root)).toEqual(['50%25+1.csv']);
  });

  it('may keep no ETags', async () => {
    server.files.set('/bucket/a.csv', { body: Buffer.from('one'), ...times });
    expect(readFileSync(await open().local('s3://bucket/a.csv'), 'utf8')).toBe('one');
    server.intercept = ({ method }) => {
      const modified = 'Sat, 03 Jan 2026 03:04:05 GMT';
      if (method === 'GET') server.files.set('/bucket/a.csv', { body: Buffer.from('two'), modified });
      return false;
    };
    await expect(open().local('s3://bucket/a.csv')).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining('one of Fri, 02 Jan 2026 03:04:05 GMT at first, then one of Sat'),
    });
  });

  it('takes an empty AWS_PROFILE for none', async () => {
    server.put('/bucket/a.csv', 'one', times);
    expect(readFileSync(await open({ ...keys, AWS_PROFILE: '' }).local('s3://bucket/a.csv'), 'utf8')).toBe('one');
  });

  it('takes keys of a profile, and none where the user says so', async () => {
    server.put('/bucket/a.csv', 'one', times);
    const [credentials, config] = [join(scratch, 'credentials'), join(scratch, 'config')];
    writeFileSync(
      credentials,
      `[other]\naws_access_key_id = no\n[lab]\naws_access_key_id=AKIALAB\naws_secret_access_key = ${secret}\n`,
    );
    writeFileSync(config, `[profile lab]\nregion = eu-north-1\nendpoint_url = ${server.url}\n`);
    const env = {
      AWS_PROFILE: 'lab',
      AWS_SHARED_CREDENTIALS_FILE: credentials,
      AWS_CONFIG_FILE: config,
      AWS_ENDPOINT_URL: '',
    };
    await open(env).local('s3://bucket/a.csv');
    expect(server.seen[0]?.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIALAB\/\d{8}\/eu-north-1\/s3\//);
    server.seen.length = 0;
    await open({ AWS_NO_SIGN_REQUEST: 'true' }).local('s3://bucket/a.csv');
    expect(server.seen[0]?.authorization).toBeUndefined();
    await expect(open({}).local('s3://bucket/a.csv')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/^s3: no credentials; .*AWS_NO_SIGN_REQUEST=true/),
    });
    await expect(open({ ...env, AWS_PROFILE: 'other' }).local('s3://bucket/a.csv')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('(the profile other has no keys)'),
    });
  });

  it('is asked in the region that it names', async () => {
    server.put('/bucket/a.csv', 'one', times);
    const regions: string[] = [];
    const signed = server.intercept;
    server.intercept = (request, response) => {
      regions.push(/\/([a-z0-9-]+)\/s3\//.exec(request.headers.authorization ?? '')?.[1] ?? '');
      if (regions.at(-1) === 'eu-west-1') return signed(request, response);
      response.writeHead(301, { 'x-amz-bucket-region': 'eu-west-1' }).end();
      return true;
    };
    await open().local('s3://bucket/a.csv');
    expect(regions).toEqual(['eu-central-1', 'eu-west-1', 'eu-west-1']);
  });

  it('is waited for when it wants less haste', async () => {
    server.put('/bucket/a.csv', 'one', times);
    let asked = 0;
    refuse = () => (asked++ % 3 === 2 ? null : [503, 'SlowDown']);
    expect(readFileSync(await open().local('s3://bucket/a.csv'), 'utf8')).toBe('one');
    expect(asked).toBe(6);
  });

  it.each<[string, [number, string], number, string]>([
    ['a wrong secret', [403, 'SignatureDoesNotMatch'], 2, 'the secret key is not the one of the access key'],
    ['an expired session', [400, 'ExpiredToken'], 2, 'the session has expired'],
    ['no right to read', [403, 'AccessDenied'], 2, 'these credentials may not read it'],
    ['a store that fails', [500, 'InternalError'], 69, 'it answers 500, 6 times'],
  ])('tells %s in one line without the keys', async (_, answer, exitCode, text) => {
    refuse = () => answer;
    const error: unknown = await open()
      .local('s3://bucket/a.csv')
      .catch((found: unknown) => found);
    expect(error).toMatchObject({ exitCode, message: expect.stringContaining(text) });
    expect(error).toMatchObject({ message: expect.stringMatching(/^s3:\/\/bucket\/a\.csv: [^\n]*$/) });
    expect(String(error)).not.toContain(secret);
  });

  it('tells of keys that the store does not know as it does of the store itself', async () => {
    server.put('/bucket/a.csv', 'one', times);
    const wrong = open({ ...keys, AWS_SECRET_ACCESS_KEY: 'another' }).local('s3://bucket/a.csv');
    await expect(wrong).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('403 SignatureDoesNotMatch'),
    });
    const none = new RemoteFiles({
      env: { ...keys, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      retryMs: 1,
      cache: async () => scratch,
    });
    await expect(none.local('s3://bucket/a.csv')).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('keeps its keys out of what lies in the cache', async () => {
    server.put('/bucket/a.csv', 'one', times);
    const cache = mkdtempSync(join(scratch, 'cache-'));
    await open(keys, cache).local('s3://bucket/a.csv');
    const texts = readdirSync(cache, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    expect([...texts, ...lines].join('\n')).not.toMatch(/wJalr|AKIA/);
  });
});
