/**
 * Where an S3-compatible store is and what grants access to it, by the environment variables and files of the AWS
 * command line. What is read here is never shown.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { ifReachable } from '../../../shared/files.js';
import { given } from './addresses.js';
import { namesRole, RoleKeys, roleOf, type S3Keys } from './s3-roles.js';

export interface S3Settings {
  /** The store's address; null: Amazon's, by region. */
  readonly endpoint: string | null;
  readonly region: string;
  /** The keys that are good now, of a role where nobody has given some. Null: requests are not signed. */
  readonly keysNow: () => Promise<S3Keys | null>;
}

type Section = ReadonlyMap<string, string>;

/**
 * Reads the settings.
 * @throws UserError 2 where there are no keys, and nothing says that none are needed
 */
export async function s3Settings(env: NodeJS.ProcessEnv): Promise<S3Settings> {
  const own = await profileOf(env);
  const endpoint = given(env.AWS_ENDPOINT_URL_S3, env.AWS_ENDPOINT_URL, own.get('endpoint_url')) ?? null;
  if (endpoint !== null && !/^https?:\/\/[^/?#@]+\/*$/.test(endpoint))
    throw new UserError('AWS_ENDPOINT_URL: no address of a store; https://HOST:PORT without a user was wanted');
  const region = given(env.AWS_REGION, env.AWS_DEFAULT_REGION, own.get('region')) ?? 'us-east-1';
  return {
    endpoint: endpoint?.replace(/\/+$/, '') ?? null,
    region,
    keysNow: await keysOf(env, own, region),
  };
}

/**
 * Keys that the user has given come before those of a role: in the environment, in the profile.
 * @throws UserError 2 where nothing gives any
 */
async function keysOf(env: NodeJS.ProcessEnv, own: Section, region: string): Promise<S3Settings['keysNow']> {
  if (/^(1|true|yes)$/i.test(env.AWS_NO_SIGN_REQUEST ?? '')) return async () => null;
  const keys = givenKeys(env, own);
  if (keys !== null) return async () => keys;
  const role = given(env.AWS_PROFILE) === undefined ? roleOf(env, region) : null;
  if (role === null) throw withoutKeys(env);
  const roleKeys = new RoleKeys(role);
  try {
    await roleKeys.get();
  } catch (error) {
    // A machine that has no such service has no role.
    if (namesRole(env) || !(error instanceof UserError) || error.exitCode !== exitCodes.unavailable) throw error;
    throw withoutKeys(env, error);
  }
  return () => roleKeys.get();
}

function givenKeys(env: NodeJS.ProcessEnv, own: Section): S3Keys | null {
  const { AWS_ACCESS_KEY_ID: id = '', AWS_SECRET_ACCESS_KEY: secret = '', AWS_SESSION_TOKEN: token } = env;
  if (given(env.AWS_PROFILE) === undefined && id !== '' && secret !== '')
    return { accessKeyId: id, secretAccessKey: secret, sessionToken: given(token) };
  const [accessKeyId, secretAccessKey] = [own.get('aws_access_key_id'), own.get('aws_secret_access_key')];
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { accessKeyId, secretAccessKey, sessionToken: own.get('aws_session_token') };
  return null;
}

function withoutKeys(env: NodeJS.ProcessEnv, cause?: UserError): UserError {
  const profile = given(env.AWS_PROFILE) === undefined ? '' : ` (the profile ${env.AWS_PROFILE} has no keys)`;
  return new UserError(
    `s3: no credentials${profile}; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with keys in ~/.aws/credentials, were wanted, or a role of this machine, or AWS_NO_SIGN_REQUEST=true for a public bucket`,
    exitCodes.usage,
    cause,
  );
}

/** What the files of the AWS command line say of the profile, those of `credentials` before those of `config`. */
async function profileOf(env: NodeJS.ProcessEnv): Promise<Section> {
  const profile = given(env.AWS_PROFILE) ?? 'default';
  const folder = join(given(env.HOME) ?? homedir(), '.aws');
  const config = await sectionsOf(given(env.AWS_CONFIG_FILE) ?? join(folder, 'config'));
  const credentials = await sectionsOf(given(env.AWS_SHARED_CREDENTIALS_FILE) ?? join(folder, 'credentials'));
  const own = config.get(`profile ${profile}`) ?? config.get(profile) ?? [];
  return new Map([...own, ...(credentials.get(profile) ?? [])]);
}

/** The sections of an INI file by their names; none where there is no such file. */
async function sectionsOf(path: string): Promise<Map<string, Map<string, string>>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> = new Map<string, string>();
  for (const line of ((await ifReachable(readFile(path, 'utf8'))) ?? '').split(/\r?\n/)) {
    const head = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (head !== undefined) {
      section = new Map<string, string>();
      sections.set(head, section);
    }
    // Lines that begin with a space belong to a group of settings, of which none is read here.
    const [, key, value] = /^([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section.set(key.toLowerCase(), value);
  }
  return sections;
}
