/** The folder of `stillhouse token --tls`: a CA that stays, and certificates of it that are made anew at every call. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { certificatesIn, namesOf, readPem } from '../shared/tls/certificates.js';
import { newAuthority, newCertificate, type KeyedCertificate } from '../shared/tls/issue.js';
import { tlsFiles } from './tls.js';

const dayMs = 86_400_000;
const authorityDays = 3650;
/** Clocks of other machines may be behind by so much. */
const leewayMs = 3_600_000;

export interface CertificateFolder {
  /** Whether its CA was made now. */
  readonly isNew: boolean;
  readonly untilMs: number;
}

/**
 * Makes the certificate of the coordinator and that of the workers, by the CA of the folder, which is made where there
 * is none. Keys can be read by their owner alone.
 *
 * @param names that the coordinator is called by
 * @throws UserError 2 for a name that is none, 65 for a CA in the folder that cannot sign, 69 for a folder that takes
 * no files
 */
export function makeCertificates(
  folder: string,
  { names, days, nowMs }: { readonly names: readonly string[]; readonly days: number; readonly nowMs: number },
): CertificateFolder {
  const period = (length: number) => ({
    fromMs: nowMs - leewayMs,
    untilMs: Math.floor(nowMs / 1000) * 1000 + length * dayMs,
  });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = authorityIn(folder);
  const authority = found ?? newAuthority(`Stillhouse CA ${randomBytes(4).toString('hex')}`, period(authorityDays));
  const server = newCertificate(authority, 'server', names, period(days));
  const client = newCertificate(authority, 'client', ['stillhouse-worker'], period(days));
  if (found === null) {
    write(folder, tlsFiles.caKey, authority.key, 0o600);
    write(folder, tlsFiles.ca, authority.certificate, 0o644);
  }
  // The key first: a coordinator that is at work takes both once they fit.
  write(folder, tlsFiles.serverKey, server.key, 0o600);
  write(folder, tlsFiles.server, server.certificate + authority.certificate, 0o644);
  write(folder, tlsFiles.clientKey, client.key, 0o600);
  write(folder, tlsFiles.client, client.certificate, 0o644);
  return { isNew: found === null, untilMs: period(days).untilMs };
}

/** The names of the coordinator's certificate in the folder; none where there is no such certificate. */
export function namesBefore(folder: string): string[] {
  const path = join(folder, tlsFiles.server);
  if (!existsSync(path)) return [];
  const file = { flag: '--tls', path };
  return namesOf(certificatesIn(readPem(file), file)[0]);
}

/** @returns null for a folder without a CA */
function authorityIn(folder: string): KeyedCertificate | null {
  const [certificate, key] = [join(folder, tlsFiles.ca), join(folder, tlsFiles.caKey)];
  if (!existsSync(certificate) && !existsSync(key)) return null;
  try {
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch (error) {
    throw new UserError(
      `--tls ${folder}: its CA cannot be read; ${tlsFiles.ca} and ${tlsFiles.caKey} wanted, or neither`,
      exitCodes.data,
      error,
    );
  }
}

/** Whole or not at all, and never readable by more than `mode` says. */
function write(folder: string, name: string, text: string, mode: number): void {
  const path = join(folder, name);
  const temporary = `${path}.${process.pid}.part`;
  writeFileSync(temporary, text, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, path);
}
