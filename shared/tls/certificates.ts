/** Certificates and keys as files hold them: read, checked against each other, and told in words. */
import { counted } from '../counted.js';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { exitCodes, UserError } from '../errors.js';
import { printable } from '../printable.js';

/** A certificate that ends in less than this many days is warned of. */
export const warningDays = 14;
const dayMs = 86_400_000;

/** A file that a flag or a variable names. */
export interface NamedFile {
  /** For messages: `--tls-cert`, `STILLHOUSE_TLS_CERT`. */
  readonly flag: string;
  readonly path: string;
}

/** The files that a worker is given; plain data. */
export interface WorkerTls {
  /** The CAs of which one has signed the coordinator's certificate; null: those that Node trusts. */
  readonly ca: NamedFile | null;
  /** What this worker shows; null: nothing. */
  readonly own: { readonly cert: NamedFile; readonly key: NamedFile } | null;
}

export const noTls: WorkerTls = { ca: null, own: null };

/** @throws UserError 2 for a file that cannot be read */
export function readPem({ flag, path }: NamedFile): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`${flag} ${path}: cannot be read; a PEM file was wanted`, exitCodes.usage, error);
  }
}

/** The certificates of a PEM file in their order. @throws UserError 2 for a file without one, or with a damaged one */
export function certificatesIn(pem: string, { flag, path }: NamedFile): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    const [first, ...others] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return [first, ...others];
  } catch (error) {
    throw new UserError(`${flag} ${path}: a certificate in it is damaged; PEM was wanted`, exitCodes.usage, error);
  }
  throw new UserError(`${flag} ${path}: holds no certificate; a PEM file with one was wanted`);
}

/** A certificate with its chain and its key, as PEM. */
export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

/** @throws UserError 2 for files that cannot be read, are damaged, or do not belong together */
export function readCertificateAndKey(certFile: NamedFile, keyFile: NamedFile): CertificateAndKey {
  const [cert, key] = [readPem(certFile), readPem(keyFile)];
  const [own] = certificatesIn(cert, certFile);
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    throw new UserError(
      `${keyFile.flag} ${keyFile.path}: holds no private key that can be used; PEM without a passphrase was wanted`,
      exitCodes.usage,
      error,
    );
  }
  if (!own.checkPrivateKey(privateKey))
    throw new UserError(
      `${keyFile.flag} ${keyFile.path}: not the key of ${certFile.flag} ${certFile.path}; the key of that certificate was wanted`,
    );
  return { cert, key };
}

/** SHA-256 of the certificate in lower-case hex, without colons. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/**
 * The certificate that workers pin: the one of the chain that has signed itself, since that one stays when those below
 * it are made anew; null where the chain does not hold it.
 */
export function pinOf(chain: readonly X509Certificate[]): string | null {
  const root = chain.find((certificate) => certificate.checkIssued(certificate));
  return root === undefined ? null : fingerprintOf(root);
}

/** Names and addresses that the certificate is for; its common name where it has no others. */
export function namesOf(certificate: X509Certificate): string[] {
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.*)$/.exec(entry)?.[1] ?? [])
    .map((name) => (/^[0-9A-Fa-f:]+$/.test(name) && name.includes(':') ? shortVersion6(name) : name));
  return (names.length > 0 ? names : [commonNameOf(certificate)]).map((name) => printable(name, 253));
}

function shortVersion6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

export function commonNameOf(certificate: X509Certificate): string {
  return printable(/^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '', 253);
}

/** From when and until when it is good, in milliseconds since 1970. */
export function periodOf(certificate: X509Certificate): { readonly fromMs: number; readonly untilMs: number } {
  return { fromMs: Date.parse(certificate.validFrom), untilMs: Date.parse(certificate.validTo) };
}

/** What is to be said of a certificate's end: null while it is good for long. */
export function expiryProblem(certificate: X509Certificate, nowMs: number): string | null {
  const { fromMs, untilMs } = periodOf(certificate);
  const day = (ms: number): string => new Date(ms).toISOString();
  if (nowMs < fromMs) return `is good from ${day(fromMs)} on only; is the clock right?`;
  if (nowMs >= untilMs) return `was good until ${day(untilMs)}; a new one is wanted (stillhouse token --tls)`;
  if (untilMs - nowMs >= warningDays * dayMs) return null;
  const days = Math.floor((untilMs - nowMs) / dayMs);
  return `is good until ${day(untilMs)}, ${counted(days, 'day')}; a new one is wanted soon (stillhouse token --tls)`;
}

/** Changes whenever one of the files does, or goes or comes. */
export function versionOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? 'gone' : `${found.ino} ${found.size} ${found.mtimeMs}`;
    })
    .join('; ');
}
