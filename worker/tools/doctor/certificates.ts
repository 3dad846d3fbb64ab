/** The certificates of this machine: whom they name, until when they are good, and whether their keys are private. */
import { statSync } from 'node:fs';
import { UserError } from '../../../shared/errors.js';
import {
  certificatesIn,
  commonNameOf,
  expiryProblem,
  namesOf,
  periodOf,
  readCertificateAndKey,
  readPem,
  type NamedFile,
} from '../../../shared/tls/certificates.js';
import type { MachineCheck } from './machine-check.js';

/** A certificate to look at, with its key where it has one here. */
export interface CertificateToCheck {
  readonly cert: NamedFile;
  readonly key: NamedFile | null;
}

export function checkCertificate({ cert, key }: CertificateToCheck, nowMs: number): MachineCheck {
  const name = 'certificate';
  try {
    const [certificate] = certificatesIn(readPem(cert), cert);
    if (key !== null) readCertificateAndKey(cert, key);
    const names = certificate.ca ? commonNameOf(certificate) : namesOf(certificate).join(', ');
    const { fromMs, untilMs } = periodOf(certificate);
    const finding = `${cert.path}: ${names}, good until ${new Date(untilMs).toISOString()}`;
    const problem = expiryProblem(certificate, nowMs);
    if (problem !== null)
      return {
        name,
        state: nowMs < fromMs || nowMs >= untilMs ? 'fail' : 'warn',
        finding: `${finding}; it ${problem}`,
      };
    if (key !== null && (statSync(key.path).mode & 0o077) !== 0)
      return { name, state: 'warn', finding: `${finding}; others may read ${key.path}`, wish: `chmod 600 ${key.path}` };
    return { name, state: 'ok', finding };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, state: 'fail', finding: error.message };
  }
}
