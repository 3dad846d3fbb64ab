/** The tokens of the command line: what a coordinator lets in, what a worker brings, and the line that tells how to join. */
import { readFileSync, statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { ownerToken, readCredentials, type Credential, type CredentialSource } from '../shared/access/credentials.js';
import { leaveLocalToken, localTokenFile, newToken } from '../shared/access/local-token.js';
import { isLoopback } from '../shared/access/loopback.js';
import type { ServerTls } from '../coordinator/server/secure.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { shellWord, warn } from './output.js';
import { serverTls, shownCertificate, type ServerTlsFlags, type ShownCertificate } from './tls.js';
import type { Address } from './values.js';

/**
 * Reads the join token from the file that `--token-file` names, else from the environment variable STILLHOUSE_TOKEN. Of
 * several it is the first.
 * @returns null where neither gives one
 * @throws UserError 2 when the file cannot be read or holds none: the environment is no second choice then
 */
export function readToken(file: string | undefined): string | null {
  return givenCredentials(file, 1)?.[0].token ?? null;
}

function givenCredentials(file: string | undefined, least?: number): readonly [Credential, ...Credential[]] | null {
  if (file !== undefined) return readCredentials(readTokenFile(file), `--token-file ${file}`, least);
  const { STILLHOUSE_TOKEN: inherited } = process.env;
  return inherited === undefined ? null : readCredentials(inherited, 'STILLHOUSE_TOKEN', least);
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(
      `--token-file ${file}: cannot be read; a file with the join token was wanted`,
      exitCodes.usage,
      error,
    );
  }
}

/** The flags of a verb that lets workers join from elsewhere. */
export interface JoinFlags extends ServerTlsFlags {
  readonly listen: Address;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
}

/** What workers that join must bring, and what is to be told of it. */
export interface JoinAccess {
  /** Null: no token is needed. */
  readonly credentials: CredentialSource | null;
  /** Null: links are not encrypted. */
  readonly tls: (ServerTls & { readonly shown: ShownCertificate }) | null;
  /** Called with the port once the coordinator listens. @returns what is to be called when it does no more */
  readonly announce: (port: number) => () => void;
  /** Whether a worker must be told a token. */
  readonly isTold: boolean;
  /** What workers are given that are started here; null: they need none. */
  readonly token: string | null;
  /** What the page in the browser is opened with. */
  readonly page: PageAccess;
}

/**
 * `token`: this one, which allows to watch and nothing else; `given`: one of the user's own, of role viewer or admin;
 * `none`: nothing.
 */
export type PageAccess =
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'given'; readonly isThere: boolean }
  | { readonly type: 'none' };

/**
 * Finds the tokens that workers must bring: those of the file, which is read anew when it changes, or of the
 * environment. On loopback alone there may be none: then this user's workers on this machine find one that is made here.
 * @throws UserError 2 when there is none beyond loopback and `--insecure` is not given, or the one given is no good
 */
export function joinAccess(flags: JoinFlags): JoinAccess {
  const { listen, tokenFile, insecure } = flags;
  const given = givenCredentials(tokenFile);
  const files = serverTls(flags);
  const tls = files === null ? null : { ...files, shown: shownCertificate(files) };
  const nothing = (): void => undefined;
  if (given !== null) {
    const credentials = tokenFile === undefined ? () => given : changingFile(tokenFile, given);
    const isThere = given.some(({ role }) => role === 'viewer' || role === 'admin');
    const page: PageAccess = { type: 'given', isThere };
    return { credentials, tls, announce: () => nothing, isTold: true, token: given[0].token, page };
  }
  if (insecure === true) {
    warn('--insecure: anybody who reaches this address can join and read models and data');
    return { credentials: null, tls, announce: () => nothing, isTold: false, token: null, page: { type: 'none' } };
  }
  if (!isLoopback(listen.host))
    throw new UserError(
      `--listen ${listen.host}: a token is needed beyond loopback; set STILLHOUSE_TOKEN or --token-file (stillhouse token makes one), or say --insecure`,
    );
  return { ...ownAccess(), tls };
}

/** What a verb lets in that starts its workers itself: those, and this user, who may watch the run and stop it. */
export function ownWorkersAlone(): JoinAccess {
  return { ...ownAccess(), tls: null };
}

/** This user's token, which allows everything, and one for the page, which may be shown: it allows to watch alone. */
function ownAccess(): Omit<JoinAccess, 'tls'> {
  const [token, pageToken] = [newToken(), newToken()];
  const owner = ownerToken(token);
  const credentials = [...owner(), { token: pageToken, role: 'viewer', untilMs: null } as const];
  return {
    ...{ credentials: () => credentials, isTold: false, token, page: { type: 'token', token: pageToken } },
    announce: (port) => leaveLocalToken(port, token),
  };
}

/**
 * Where to see the run in a browser. The token stands behind `#`, which a browser sends nowhere; where the line may be
 * kept in a file, the file of the token is named in its place.
 *
 * @param isShown whether the line goes to a terminal
 */
export function pageLine(
  { host, port }: Address,
  { page, tls = null }: Pick<JoinAccess, 'page'> & { readonly tls?: { readonly shown: ShownCertificate } | null },
  isShown: boolean,
  own: readonly string[] = ownAddresses(),
): string {
  const [name = host] = reachable(isEvery(host) ? own : [host], tls?.shown.names);
  const url = `${tls === null ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}/`;
  const line = `watch it at:  ${url}`;
  switch (page.type) {
    case 'token':
      return isShown ? `${line}#token=${page.token}` : `${line}   (its token is in ${localTokenFile(port)})`;
    case 'given':
      return `${line}   (with a token of role=viewer${page.isThere ? '' : ', which the token file does not have yet'})`;
    case 'none':
      return line;
  }
}

/** How often a token file is looked at, at most. */
const lookMs = 1000;

/** The tokens of the file as it is now; while it is no good, those that it held before. */
function changingFile(file: string, first: readonly Credential[]): CredentialSource {
  let [current, version, lookedMs] = [first, versionOf(file), performance.now()];
  return () => {
    const nowMs = performance.now();
    if (nowMs - lookedMs < lookMs) return current;
    lookedMs = nowMs;
    const found = versionOf(file);
    if (found === version) return current;
    version = found;
    try {
      current = readCredentials(readTokenFile(file), `--token-file ${file}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warn(`${error.message}; the tokens that it held before stay good`);
    }
    return current;
  };
}

function versionOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? 'gone' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

/**
 * What to type on a machine that is to join.
 *
 * @param more what the worker's command line needs besides, with a space before it
 * @param own addresses of this machine, for a coordinator that listens on all of them
 */
export function joinLine(
  { host, port }: Address,
  { isTold, tls = null }: Pick<JoinAccess, 'isTold'> & { readonly tls?: { readonly shown: ShownCertificate } | null },
  more = '',
  own: readonly string[] = ownAddresses(),
): string {
  const [first = host, ...others] = reachable(isEvery(host) ? own : [host], tls?.shown.names);
  const scheme = tls === null ? 'ws' : 'wss';
  const pin = tls?.shown.fingerprint ?? null;
  const address = (name: string): string => `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
  const url = pin === null ? address(first) : shellWord(`${address(first)}?fingerprint=${pin}`);
  const also = others.length === 0 ? '' : `   (or ${others.map(address).join(', ')})`;
  return `join with:  ${isTold ? 'STILLHOUSE_TOKEN=... ' : ''}stillhouse worker ${url}${more}${also}`;
}

/** The addresses that the certificate is for; where it is for none of them, its own names. */
function reachable(addresses: readonly string[], names: readonly string[] | undefined): readonly string[] {
  if (names === undefined) return addresses;
  const covered = addresses.filter((address) => names.includes(address));
  return covered.length > 0 ? covered : names;
}

/** Whether it stands for every address of the machine, and so for none that another machine could reach. */
function isEvery(host: string): boolean {
  return /^(0\.0\.0\.0|::|0|\*)$/.test(host);
}

/** Addresses at which other machines may reach this one, of version 4 first, and its name at the end. */
export function ownAddresses(): string[] {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .sort((a, b) => a.family.localeCompare(b.family))
    .map(({ address }) => address);
  return [...found, hostname()];
}
