/** Keys of roles, from servers on loopback in place of the machine's, the container's and the pod's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { RoleKeys, type PassingKeys } from '../../../../cli/prepare/remote/s3-roles.js';
import { UserError } from '../../../../shared/errors.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-roles-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const secret = 'the/secret+key/of/the/role';
const keys = (id: string): Record<string, string> => ({
  ...{ Code: 'Success', AccessKeyId: id, SecretAccessKey: secret, Token: `session-of-${id}` },
  Expiration: new Date(Date.now() + 3_600_000).toISOString(),
});

let store: FileServer;
/** The access key and the session of each request to the store. */
let signed: string[];
let roles: Server;
let url: string;
let asked: string[];
let answer: (request: IncomingMessage, body: string) => [status: number, text: string];
let lines: string[];

beforeEach(async () => {
  [signed, asked, lines] = [[], [], []];
  store = await FileServer.start();
  store.put('/bucket/a.csv', 'one');
  store.intercept = ({ headers }) => {
    const id = /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? 'nobody';
    signed.push(`${id} ${String(headers['x-amz-security-token'])}`);
    return false;
  };
  roles = createServer((request: IncomingMessage, response: ServerResponse) => {
    void (async () => {
      let body = '';
      for await (const piece of request) body += String(piece);
      asked.push(`${request.method} ${request.url}`);
      const [status, text] = answer(request, body);
      response.writeHead(status).end(text);
    })();
  });
  await new Promise<void>((resolve) => roles.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(roles.address() as AddressInfo).port}`;
});
afterEach(async () => {
  roles.closeAllConnections();
  roles.close();
  await store.stop();
});

function read(env: NodeJS.ProcessEnv): Promise<string> {
  const say = (text: string): void => void lines.push(text);
  const all = {
    ...{ HOME: scratch, AWS_ENDPOINT_URL: store.url, AWS_EC2_METADATA_SERVICE_ENDPOINT: url },
    AWS_METADATA_SERVICE_TIMEOUT: '60',
    ...env,
  };
  const cache = mkdtempSync(join(scratch, 'cache-'));
  return new RemoteFiles({ env: all, cache: async () => cache, say, warn: say, retryMs: 1 }).local('s3://bucket/a.csv');
}

/** The machine's service, which wants a token of a session. */
function machine({ method, url: path = '', headers }: IncomingMessage): [number, string] {
  if (path === '/latest/api/token') return method === 'PUT' ? [200, 'a-token'] : [405, ''];
  if (headers['x-aws-ec2-metadata-token'] !== 'a-token') return [401, ''];
  const folder = '/latest/meta-data/iam/security-credentials/';
  if (path === folder) return [200, 'reader'];
  return path === `${folder}reader` ? [200, JSON.stringify(keys('AKIAMACHINE'))] : [404, ''];
}

describe('keys of a role', () => {
  it("are the machine's, asked for once with a session, where nobody has given others", async () => {
    answer = machine;
    expect(readFileSync(await read({}), 'utf8')).toBe('one');
    expect(new Set(signed)).toEqual(new Set(['AKIAMACHINE session-of-AKIAMACHINE']));
    expect(asked).toHaveLength(3);
    expect(asked[0]).toBe('PUT /latest/api/token');
    expect(lines.join()).not.toMatch(/AKIA|session|secret/);
    asked = [];
    await read({ AWS_ACCESS_KEY_ID: 'AKIAOWN', AWS_SECRET_ACCESS_KEY: 'own' });
    expect([asked, signed.at(-1)]).toEqual([[], 'AKIAOWN undefined']);
  });

  it("are the container's, by the token in a file", async () => {
    const file = join(scratch, 'token');
    writeFileSync(file, 'file-token\n');
    answer = ({ headers }) => [headers.authorization === 'file-token' ? 200 : 403, JSON.stringify(keys('AKIAPOD'))];
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials` };
    await read({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file });
    expect([new Set(signed), asked]).toEqual([new Set(['AKIAPOD session-of-AKIAPOD']), ['GET /v1/credentials']]);
    await expect(read({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'another-token' })).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringMatching(
        /^s3: the container's role: 127\.0\.0\.1:\d+ answers 403; keys of a role were wanted$/,
      ) as string,
    });
    await expect(read({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(scratch, 'none') })).rejects.toMatchObject(
      {
        exitCode: 2,
        message: expect.stringContaining('no such file; a token was wanted') as string,
      },
    );
  });

  it('are those of a web identity, whose token goes in the body', async () => {
    const file = join(scratch, 'identity');
    writeFileSync(file, 'web.identity.token');
    answer = (_request, body) => {
      const { AccessKeyId, SecretAccessKey, Token, Expiration } = keys('AKIAWEB');
      const fields = new URLSearchParams(body);
      if (fields.get('WebIdentityToken') !== 'web.identity.token') return [400, '<Error/>'];
      expect(fields.get('RoleArn')).toBe('arn:aws:iam::1:role/reader');
      return [
        200,
        `<R><Credentials><AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken>${Token}</SessionToken><Expiration>${Expiration}</Expiration></Credentials></R>`,
      ];
    };
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: 'arn:aws:iam::1:role/reader' };
    await read({ ...env, AWS_ENDPOINT_URL_STS: url });
    expect([new Set(signed), asked]).toEqual([new Set(['AKIAWEB session-of-AKIAWEB']), ['POST /']]);
    writeFileSync(file, 'a-secret-token');
    await expect(read({ ...env, AWS_ENDPOINT_URL_STS: url })).rejects.toMatchObject({
      exitCode: 77,
      message: expect.not.stringContaining('a-secret-token') as string,
    });
    await expect(read({ ...env, AWS_ENDPOINT_URL_STS: 'http://far.example' })).rejects.toMatchObject({ exitCode: 2 });
  });

  it.each([
    [
      'an address that others could listen to',
      { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://far.example/keys' },
      'no address of this machine',
    ],
    ['no address', { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'keys' }, 'no address of a server'],
    [
      'another server in place of a path',
      { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '//far.example/keys' },
      'no path; one that begins with /',
    ],
  ])('are not asked for at %s', async (_case, env, message) => {
    await expect(read(env)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(message) as string });
    expect([asked, signed]).toEqual([[], []]);
  });

  it('are none where the machine has no role, no service, or is not to be asked', async () => {
    const none = { exitCode: 2, message: expect.stringMatching(/^s3: no credentials; /) as string };
    answer = ({ url: path }) => (path === '/latest/api/token' ? [200, 'a-token'] : [404, '']);
    await expect(read({})).rejects.toMatchObject(none);
    asked = [];
    await expect(read({ AWS_EC2_METADATA_DISABLED: 'true' })).rejects.toMatchObject(none);
    await expect(read({ AWS_PROFILE: 'other' })).rejects.toMatchObject({ exitCode: 2 });
    expect(asked).toEqual([]);
    await expect(read({ AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' })).rejects.toMatchObject(none);
  });

  it.each(['', '{"Code":"Failed"}', '{"AccessKeyId":"AKIA","SecretAccessKey":"s","Token":"t","Expiration":"soon"}'])(
    'are refused where the container gives %j for them',
    async (text) => {
      answer = () => [200, text];
      await expect(read({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url })).rejects.toMatchObject({
        exitCode: 69,
        message: "s3: the container's role: its server answers with no keys; keys of a role were wanted",
      });
    },
  );
});

describe('keys that pass', () => {
  const minute = 60_000;
  let nowMs = 0;
  let given: string[];
  let lifeMs = 60 * minute;
  let isAway = false;
  const source = async (): Promise<PassingKeys> => {
    if (isAway) throw new UserError('away', 69);
    given.push(`AKIA${given.length}`);
    return { accessKeyId: given.at(-1) ?? '', secretAccessKey: 's', endMs: nowMs + lifeMs };
  };
  const ids = (role: RoleKeys): Promise<string[]> =>
    Promise.all([role.get(), role.get()]).then((both) => both.map(({ accessKeyId }) => accessKeyId));
  beforeEach(() => {
    [nowMs, given, lifeMs, isAway] = [0, [], 60 * minute, false];
  });

  it('are asked for anew five minutes before their end, once for all who ask', async () => {
    const role = new RoleKeys(source, () => nowMs);
    expect(await ids(role)).toEqual(['AKIA0', 'AKIA0']);
    nowMs = 55 * minute - 1;
    expect(await ids(role)).toEqual(['AKIA0', 'AKIA0']);
    nowMs = 55 * minute;
    expect(await ids(role)).toEqual(['AKIA1', 'AKIA1']);
    expect(given).toHaveLength(2);
  });

  it('are not asked for at every request where they are short', async () => {
    lifeMs = minute;
    const role = new RoleKeys(source, () => nowMs);
    await ids(role);
    nowMs = 54_000 - 1;
    expect(await ids(role)).toEqual(['AKIA0', 'AKIA0']);
    nowMs = 54_000;
    expect(await ids(role)).toEqual(['AKIA1', 'AKIA1']);
  });

  it('stay in use to their end where nobody gives others, and no longer', async () => {
    const role = new RoleKeys(source, () => nowMs);
    await ids(role);
    isAway = true;
    nowMs = 60 * minute - 1;
    expect(await ids(role)).toEqual(['AKIA0', 'AKIA0']);
    nowMs = 60 * minute;
    await expect(role.get()).rejects.toThrow('away');
    isAway = false;
    expect(await ids(role)).toEqual(['AKIA1', 'AKIA1']);
  });
});
