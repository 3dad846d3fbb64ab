/** TLS on the command line: which files a coordinator and a worker are given, by flags, a folder or the environment. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { ServerTls } from '../coordinator/server/secure.js';
import { UserError } from '../shared/errors.js';
import {
  certificatesIn,
  namesOf,
  pinOf,
  readCertificateAndKey,
  type NamedFile,
  type WorkerTls,
} from '../shared/tls/certificates.js';
import { collect } from './values.js';

/** What `stillhouse token --tls DIR` writes into the folder. */
export const tlsFiles = {
  ca: 'ca.pem',
  caKey: 'ca.key',
  server: 'server.pem',
  serverKey: 'server.key',
  client: 'client.pem',
  clientKey: 'client.key',
} as const;

/** The flags that coordinator and worker share. */
export interface TlsFlags {
  readonly tls?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface ServerTlsFlags extends TlsFlags {
  readonly tlsClientCa?: string;
  readonly tlsClientName?: string[];
}

export interface WorkerTlsFlags extends TlsFlags {
  readonly tlsCa?: string;
}

/** Adds the flags of a verb that listens. */
export function withServerTls(command: Command): Command {
  return command
    .option('--tls <dir>', 'encrypt, with the folder that token --tls made (else STILLHOUSE_TLS)')
    .option('--tls-cert <file>', 'the certificate, its chain behind it (else STILLHOUSE_TLS_CERT)')
    .option('--tls-key <file>', 'its key (else STILLHOUSE_TLS_KEY)')
    .option('--tls-client-ca <file>', 'demand certificates of this CA (else STILLHOUSE_TLS_CLIENT_CA)')
    .option('--tls-client-name <name>', 'a name that they must have; may be repeated', collect, []);
}

/** Adds the flags of a verb that joins. */
export function withWorkerTls(command: Command): Command {
  return command
    .option('--tls <dir>', 'CA and certificate from the folder that token --tls made (else STILLHOUSE_TLS)')
    .option('--tls-ca <file>', "the CA of the coordinator's certificate (else STILLHOUSE_TLS_CA)")
    .option('--tls-cert <file>', 'the certificate to show (else STILLHOUSE_TLS_CERT)')
    .option('--tls-key <file>', 'its key (else STILLHOUSE_TLS_KEY)');
}

/** The certificates that the folder, or the environment, names and that are there, each with its key. */
export function certificatesHere(
  flags: { readonly tls?: string | undefined },
  environment: Environment = process.env,
): { readonly cert: NamedFile; readonly key: NamedFile | null }[] {
  const find = finder(flags.tls, environment);
  const found = [
    [find(undefined, 'CA', tlsFiles.ca, 'where there'), null],
    [find(undefined, 'CLIENT_CA', null), null],
    [
      find(undefined, 'CERT', tlsFiles.server, 'where there'),
      find(undefined, 'KEY', tlsFiles.serverKey, 'where there'),
    ],
    [
      find(undefined, 'CERT', tlsFiles.client, 'where there'),
      find(undefined, 'KEY', tlsFiles.clientKey, 'where there'),
    ],
  ] as const;
  const pairs = found.flatMap(([cert, key]) => (cert === null ? [] : [{ cert, key }]));
  return pairs.filter(({ cert }, i) => pairs.findIndex((other) => other.cert.path === cert.path) === i);
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the coordinator's port shows and demands; null: plain HTTP.
 * @throws UserError 2 for a certificate without a key, or the like
 */
export function serverTls(flags: ServerTlsFlags, environment: Environment = process.env): ServerTls | null {
  const find = finder(flags.tls, environment);
  const cert = find(flags.tlsCert, 'CERT', tlsFiles.server);
  const key = find(flags.tlsKey, 'KEY', tlsFiles.serverKey);
  const clientCa = find(flags.tlsClientCa, 'CLIENT_CA', null);
  const clientNames = flags.tlsClientName ?? [];
  const pair = pairOf(cert, key);
  if (pair === null && clientCa !== null)
    throw new UserError(`${clientCa.flag} ${clientCa.path}: --tls, or --tls-cert and --tls-key, wanted beside it`);
  if (clientCa === null && clientNames.length > 0)
    throw new UserError(`--tls-client-name ${clientNames.join(', ')}: --tls-client-ca wanted beside it`);
  return pair === null ? null : { ...pair, clientCa, clientNames };
}

/** What a worker trusts and shows. @throws UserError 2 for a certificate without a key, or the like */
export function workerTls(flags: WorkerTlsFlags, environment: Environment = process.env): WorkerTls {
  const find = finder(flags.tls, environment);
  const cert = find(flags.tlsCert, 'CERT', tlsFiles.client, 'where there');
  const key = find(flags.tlsKey, 'KEY', tlsFiles.clientKey, 'where there');
  return { ca: find(flags.tlsCa, 'CA', tlsFiles.ca), own: pairOf(cert, key) };
}

/** A file that a flag names, else the environment, else one of the folder. */
function finder(
  folder: string | undefined,
  environment: Environment,
): (flag: string | undefined, word: string, inFolder: string | null, when?: 'where there') => NamedFile | null {
  return (given, word, inFolder, when) => {
    if (given !== undefined) return { flag: `--tls-${word.toLowerCase().replaceAll('_', '-')}`, path: given };
    const variable = `STILLHOUSE_TLS_${word}`;
    const inherited = environment[variable];
    // A folder that is named here goes before a file that is not.
    if (folder === undefined && inherited !== undefined && inherited !== '') return { flag: variable, path: inherited };
    const place = folder ?? environment.STILLHOUSE_TLS;
    if (place === undefined || place === '' || inFolder === null) return null;
    const path = join(place, inFolder);
    if (when === 'where there' && !existsSync(path)) return null;
    return { flag: folder === undefined ? 'STILLHOUSE_TLS' : '--tls', path };
  };
}

function pairOf(cert: NamedFile | null, key: NamedFile | null): { cert: NamedFile; key: NamedFile } | null {
  if (cert !== null && key !== null) return { cert, key };
  const alone = cert ?? key;
  if (alone === null) return null;
  const missing = cert === null ? 'the certificate (--tls-cert)' : 'its key (--tls-key)';
  throw new UserError(`${alone.flag} ${alone.path}: ${missing} wanted beside it`);
}

/** What workers must know of the coordinator's certificate. */
export interface ShownCertificate {
  /** What they pin; null where a CA that is not in the file has signed it. */
  readonly fingerprint: string | null;
  readonly names: readonly string[];
}

/** @throws UserError 2 for files that are no good */
export function shownCertificate({ cert, key }: ServerTls): ShownCertificate {
  const chain = certificatesIn(readCertificateAndKey(cert, key).cert, cert);
  return { fingerprint: pinOf(chain), names: namesOf(chain[0]) };
}

/**
 * How workers of this machine reach a coordinator that they are started by, whatever its certificate is called.
 * @throws UserError 2 where they would have to show a certificate, and no folder has one for them
 */
export function localTls(
  { clientCa, shown }: Pick<ServerTls, 'clientCa'> & { readonly shown: ShownCertificate },
  flags: TlsFlags,
): { readonly query: string; readonly flags: readonly string[] } {
  const query = new URLSearchParams({
    name: shown.names[0] ?? '',
    ...(shown.fingerprint === null ? {} : { fingerprint: shown.fingerprint }),
  }).toString();
  if (clientCa === null) return { query, flags: [] };
  const folder = flags.tls ?? process.env.STILLHOUSE_TLS;
  if (folder === undefined)
    throw new UserError(
      `${clientCa.flag} ${clientCa.path}: local workers need a certificate too; --tls with a folder that has ${tlsFiles.client} wanted, or no local workers`,
    );
  return { query, flags: ['--tls', resolve(folder)] };
}
