/** Certificates for tests, in a folder of their own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerTls } from '../../../coordinator/server/secure.js';
import type { NamedFile } from '../../../shared/tls/certificates.js';
import {
  newAuthority,
  newCertificate,
  type KeyedCertificate,
  type Period,
  type CertificateUse,
} from '../../../shared/tls/issue.js';
import { temporaryFolder } from '../helpers.js';

const dayMs = 86_400_000;
export const good: Period = { fromMs: Date.now() - dayMs, untilMs: Date.now() + 100 * dayMs };
export const ended: Period = { fromMs: Date.now() - 2 * dayMs, untilMs: Date.now() - dayMs };
export const notYet: Period = { fromMs: Date.now() + dayMs, untilMs: Date.now() + 2 * dayMs };

export interface CertificateFiles {
  readonly cert: NamedFile;
  readonly key: NamedFile;
}

/** A CA whose certificates are written into a folder. */
export class TestAuthority {
  readonly identity: KeyedCertificate;
  readonly #folder: string;
  readonly ca: NamedFile;

  private constructor(name: string, folder: string) {
    this.identity = newAuthority(name, good);
    this.#folder = folder;
    this.ca = this.#write('ca.pem', this.identity.certificate, '--tls-ca');
  }

  static async open(name: string): Promise<TestAuthority> {
    return new TestAuthority(name, await temporaryFolder());
  }

  /** Writes a certificate, with its CA behind it, and its key; over those of the same name. */
  make(
    name: string,
    purpose: CertificateUse,
    names: readonly string[] = ['localhost'],
    period = good,
  ): CertificateFiles {
    const { certificate, key } = newCertificate(this.identity, purpose, names, period);
    return {
      cert: this.#write(`${name}.pem`, certificate + this.identity.certificate, '--tls-cert'),
      key: this.#write(`${name}.key`, key, '--tls-key'),
    };
  }

  server(names?: readonly string[], more: Partial<ServerTls> & { readonly period?: Period } = {}): ServerTls {
    const { period, ...others } = more;
    return { ...this.make('server', 'server', names, period), clientCa: null, clientNames: [], ...others };
  }

  #write(name: string, text: string, flag: string): NamedFile {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return { flag, path };
  }
}
