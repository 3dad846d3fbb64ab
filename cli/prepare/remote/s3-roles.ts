/**
 * Keys that a role gives for a while: of a pod (a web identity), of a container (ECS and EKS), or of the machine (EC2's
 * metadata service, version 2). They are asked for anew before they end, and are kept in this process alone. No key, no
 * token, and no path that stands for one is ever part of a text.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isLoopback } from '../../../shared/access/loopback.js';
import { codeOf, exitCodes, readProblem, UserError } from '../../../shared/errors.js';
import { parseJson } from '../../../shared/json.js';
import { given } from './addresses.js';
import { textIn } from './xml.js';

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** Keys of a role, and when they end, in milliseconds since 1970. */
export interface PassingKeys extends S3Keys {
  readonly endMs: number;
}

/** Who gives keys of a role. @throws UserError where it refuses, or cannot be asked */
export type RoleSource = () => Promise<PassingKeys>;

/** They are asked for anew so long before their end, or a tenth of their time where that is less. */
const marginMs = 5 * 60_000;

/** Gives the keys of a role, and asks its source again before they end. */
export class RoleKeys {
  readonly #source: RoleSource;
  readonly #nowMs: () => number;
  #keys: PassingKeys | null = null;
  #renewMs = 0;
  #asking: Promise<PassingKeys> | null = null;

  constructor(source: RoleSource, nowMs: () => number = Date.now) {
    [this.#source, this.#nowMs] = [source, nowMs];
  }

  /** @throws as the source does, where no keys are there that have not ended */
  async get(): Promise<S3Keys> {
    const keys = this.#keys;
    if (keys !== null && this.#nowMs() < this.#renewMs) return keys;
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking.catch((error: unknown) => {
      if (keys !== null && this.#nowMs() < keys.endMs) return keys;
      throw error;
    });
  }

  async #ask(): Promise<PassingKeys> {
    const keys = await this.#source();
    const nowMs = this.#nowMs();
    this.#renewMs = keys.endMs - Math.min(marginMs, Math.max(0, keys.endMs - nowMs) / 10);
    return (this.#keys = keys);
  }
}

/**
 * The role that the environment names, else the machine's.
 * @returns null where nothing names one and the machine's is not to be asked for
 */
export function roleOf(env: NodeJS.ProcessEnv, region: string): RoleSource | null {
  const named = namedRole(env, region);
  if (named !== null) return named;
  if (/^(1|true|yes)$/i.test(env.AWS_EC2_METADATA_DISABLED ?? '')) return null;
  return () => machines(env);
}

/** Whether the environment names a role, so that the machine's is not asked for. */
export const namesRole = (env: NodeJS.ProcessEnv): boolean => namedRole(env, '') !== null;

function namedRole(env: NodeJS.ProcessEnv, region: string): RoleSource | null {
  const file = given(env.AWS_WEB_IDENTITY_TOKEN_FILE);
  const role = given(env.AWS_ROLE_ARN);
  if (file !== undefined && role !== undefined) return () => webIdentity(env, { file, role, region });
  const [relative, full] = [env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, env.AWS_CONTAINER_CREDENTIALS_FULL_URI].map(
    (text) => given(text),
  );
  if (relative !== undefined) return () => containers(env, relativeUrl(relative));
  if (full !== undefined) return () => containers(env, containerUrl(full));
  return null;
}

/** Hosts of containers' credentials that are asked without TLS: ECS's, and the agent of EKS's pods. */
const agents = new Set(['169.254.170.2', '169.254.170.23', 'fd00:ec2::23']);

/** @throws UserError 2 for what is no path of the container's agent */
function relativeUrl(path: string): URL {
  if (/^\/[^/\\]/.test(path)) return new URL(path, 'http://169.254.170.2');
  throw new UserError('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: no path; one that begins with / was wanted');
}

/** @throws UserError 2 for what is no address, or one that others could listen to */
function containerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && (agents.has(host) || isLoopback(host)));
  if (url !== null && isSafe) return url;
  throw new UserError(
    `AWS_CONTAINER_CREDENTIALS_FULL_URI: no address of ${url === null ? 'a server' : 'this machine'}; https://, or http:// of the container's agent, was wanted`,
  );
}

const roleAnswer = z.object({
  AccessKeyId: z.string().min(1),
  SecretAccessKey: z.string().min(1),
  Token: z.string().min(1),
  Expiration: z.iso.datetime({ offset: true }),
});

async function containers(env: NodeJS.ProcessEnv, url: URL): Promise<PassingKeys> {
  const file = given(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE);
  // The agent renews the file.
  const token =
    file === undefined
      ? given(env.AWS_CONTAINER_AUTHORIZATION_TOKEN)
      : await tokenIn('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', file);
  const asked = { who: "the container's role", url, attempts: 3, timeoutMs: 5000 };
  const text = await ask({ ...asked, headers: token === undefined ? {} : { authorization: token } });
  return keysIn(asked.who, text);
}

async function machines(env: NodeJS.ProcessEnv): Promise<PassingKeys> {
  const isIpv6 = /^ipv6$/i.test(env.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE ?? '');
  const usual = isIpv6 ? 'http://[fd00:ec2::254]' : 'http://169.254.169.254';
  const root = given(env.AWS_EC2_METADATA_SERVICE_ENDPOINT) ?? usual;
  if (!URL.canParse(root))
    throw new UserError(
      'AWS_EC2_METADATA_SERVICE_ENDPOINT: no address; http://HOST of the metadata service was wanted',
    );
  const timeoutMs = 1000 * (Number(env.AWS_METADATA_SERVICE_TIMEOUT) || 1);
  const attempts = Math.max(1, Math.floor(Number(env.AWS_METADATA_SERVICE_NUM_ATTEMPTS) || 1));
  const who = "the machine's role";
  const of = (path: string): URL => new URL(`/latest/${path}`, root);
  const asked = { who, attempts, timeoutMs };
  const lifetime = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' };
  const token = await ask({ ...asked, url: of('api/token'), method: 'PUT', headers: lifetime });
  const headers = { 'x-aws-ec2-metadata-token': token };
  const folder = 'meta-data/iam/security-credentials/';
  const [name = ''] = (await ask({ ...asked, url: of(folder), headers })).split('\n');
  return keysIn(who, await ask({ ...asked, url: of(`${folder}${encodeURIComponent(name.trim())}`), headers }));
}

/** @throws UserError 69 for what are no keys */
function keysIn(who: string, text: string): PassingKeys {
  const answer = roleAnswer.safeParse(parseJson(Buffer.from(text)));
  if (!answer.success) throw trouble(who, 'its server answers with no keys');
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = answer.data;
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
    endMs: Date.parse(Expiration),
  };
}

interface WebIdentity {
  readonly file: string;
  readonly role: string;
  readonly region: string;
}

async function webIdentity(env: NodeJS.ProcessEnv, { file, role, region }: WebIdentity): Promise<PassingKeys> {
  const who = `the role ${role}`;
  const root = given(env.AWS_ENDPOINT_URL_STS) ?? `https://sts.${region}.amazonaws.com`;
  const url = URL.canParse(root) ? new URL(root) : null;
  if (url === null || (url.protocol !== 'https:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))))
    throw new UserError('AWS_ENDPOINT_URL_STS: no address of a server with TLS; https://HOST was wanted');
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: given(env.AWS_ROLE_SESSION_NAME) ?? 'stillhouse',
    WebIdentityToken: await tokenIn('AWS_WEB_IDENTITY_TOKEN_FILE', file),
  });
  const xml = await ask({ who, url, method: 'POST', body, attempts: 3, timeoutMs: 10_000 });
  const [AccessKeyId, SecretAccessKey, Token, Expiration] = [
    ...['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map((name) => textIn(xml, name)),
  ];
  return keysIn(who, JSON.stringify({ AccessKeyId, SecretAccessKey, Token, Expiration }));
}

/** @throws UserError 2 for a file that cannot be read, or holds no token */
async function tokenIn(variable: string, file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UserError(`${variable}=${file}: ${readProblem(error)}; a token was wanted`, exitCodes.usage, error);
  });
  if (/^[\x21-\x7e][\x20-\x7e]*$/.test(text.trim())) return text.trim();
  throw new UserError(`${variable}=${file}: it holds no token in one line; one was wanted`);
}

interface Question {
  /** What is asked for, in words. */
  readonly who: string;
  readonly url: URL;
  readonly method?: 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams;
  readonly attempts: number;
  readonly timeoutMs: number;
}

/** The text of an answer. @throws UserError 69 where none comes, 77 where it refuses */
async function ask({ who, url, method, headers, body, attempts, timeoutMs }: Question): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    if (attempt > 1) await sleep(100 * 2 ** attempt);
    try {
      const init = { method: method ?? 'GET', headers: { ...headers }, redirect: 'error' as const, body: body ?? null };
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
      if (response.ok) return await response.text();
      await response.body?.cancel();
      const { status } = response;
      if (status < 500 && status !== 429)
        throw trouble(who, `${url.host} answers ${status}`, { isRefused: status !== 404 });
      if (attempt >= attempts) throw trouble(who, `${url.host} answers ${status}`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      const cause = error instanceof Error && error.cause !== undefined ? codeOf(error.cause) : '';
      if (attempt >= attempts) throw trouble(who, `${url.host} does not answer${cause === '' ? '' : ` (${cause})`}`);
    }
  }
}

function trouble(who: string, problem: string, { isRefused = false } = {}): UserError {
  return new UserError(
    `s3: ${who}: ${problem}; keys of a role were wanted`,
    isRefused ? exitCodes.refused : exitCodes.unavailable,
  );
}
