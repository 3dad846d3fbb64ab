/**
 * Which coordinator is the right one, and what this worker shows to it, where links are encrypted: the options of a TLS
 * connection, made of files or of a fingerprint, and what is wrong in one line where a connection fails for them.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type ConnectionOptions, type DetailedPeerCertificate } from 'node:tls';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import {
  certificatesIn,
  namesOf,
  readCertificateAndKey,
  readPem,
  versionOf,
  type NamedFile,
  type WorkerTls,
} from '../../shared/tls/certificates.js';

export interface TrustOptions extends WorkerTls {
  readonly hostname: string;
  readonly port: number;
  /** For messages: `wss://HOST:PORT`. */
  readonly text: string;
  /** SHA-256 of a certificate that has signed itself and stands above the coordinator's, in hex; null: none. */
  readonly fingerprint: string | null;
  /** The name that the certificate must have, where it is not the address's; null: the address's. */
  readonly name: string | null;
}

const handshakeMs = 10_000;

export class Trust {
  readonly #options: TrustOptions;
  #made: { readonly version: string; readonly options: ConnectionOptions } | null = null;
  /** The certificate with the fingerprint, as PEM, once the coordinator has shown it. */
  #pinned: string | null = null;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /**
   * What a connection is opened with; the files are read again when they have changed.
   *
   * @throws UserError 2 for files that are no good, 77 for a coordinator without the certificate that is pinned
   * @throws Error of the network, where the pinned certificate is to be seen first
   */
  async options(): Promise<ConnectionOptions> {
    const { ca, own, fingerprint, name } = this.#options;
    const paths = [ca, own?.cert, own?.key].flatMap((file) => file?.path ?? []);
    const version = versionOf(paths);
    if (this.#made?.version === version) return this.#made.options;
    const authorities = ca === null ? [] : [readAuthorities(ca)];
    if (fingerprint !== null) authorities.push((this.#pinned ??= await this.#seePinned(fingerprint)));
    const options: ConnectionOptions = {
      minVersion: 'TLSv1.3',
      ...(authorities.length === 0 ? {} : { ca: authorities }),
      ...(own === null ? {} : readCertificateAndKey(own.cert, own.key)),
      ...(name === null ? {} : { servername: name }),
    };
    this.#made = { version, options };
    return options;
  }

  /** Looks at what the coordinator shows, and sends nothing. A certificate is known by its hash, whoever shows it. */
  async #seePinned(fingerprint: string): Promise<string> {
    const shown = await this.#shown();
    const found = shown.find((certificate) => sha256(certificate.raw) === fingerprint);
    const first = shown.at(-1);
    if (found === undefined)
      throw this.#refused(
        `shows a certificate with the fingerprint ${first === undefined ? 'of none' : sha256(first.raw)}; ${fingerprint} was wanted, so it is another coordinator, or somebody between`,
      );
    const certificate = new X509Certificate(found.raw);
    if (!certificate.checkIssued(certificate))
      throw this.#refused('the fingerprint is of a certificate that has not signed itself; that of its CA was wanted');
    return certificate.toString();
  }

  /** The certificates that the coordinator shows, its own first. */
  async #shown(): Promise<X509Certificate[]> {
    const { hostname, port, name } = this.#options;
    const servername = name ?? (isIP(hostname) === 0 ? hostname : '');
    const socket = connect({ host: hostname, port, servername, minVersion: 'TLSv1.3', rejectUnauthorized: false });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve).on('error', reject);
        socket.once('close', () => reject(new Error('closed in the handshake')));
        socket.setTimeout(handshakeMs, () => socket.destroy(new Error('no answer to the handshake')));
      });
      const chain: X509Certificate[] = [];
      let at = socket.getPeerCertificate(true);
      for (let last: DetailedPeerCertificate | null = null; at !== last && chain.length < 10;) {
        chain.push(new X509Certificate(at.raw));
        last = at;
        at = 'issuerCertificate' in at ? at.issuerCertificate : at;
      }
      return chain;
    } finally {
      socket.destroy();
    }
  }

  /**
   * What the user can mend where a connection failed over TLS: waiting does not help then.
   * @returns null for any other error
   */
  problemOf(error: unknown): UserError | null {
    if (error instanceof UserError) return error;
    const { ca, fingerprint, name, hostname } = this.#options;
    switch (codeOf(error)) {
      case 'CERT_HAS_EXPIRED':
        return this.#refused('its certificate has come to its end; a new one was wanted (stillhouse token --tls)');
      case 'CERT_NOT_YET_VALID':
        return this.#refused('its certificate is not good yet; the clocks of both machines were wanted to be right');
      case 'ERR_TLS_CERT_ALTNAME_INVALID': {
        const certificate = certificateOf(error);
        const names = certificate === null ? '' : `is for ${namesOf(certificate).join(', ')} and `;
        return this.#refused(`its certificate ${names}not for ${name ?? hostname}; one with that name was wanted`);
      }
      case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      case 'SELF_SIGNED_CERT_IN_CHAIN':
      case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      case 'UNABLE_TO_GET_ISSUER_CERT':
      case 'CERT_SIGNATURE_FAILURE':
      case 'INVALID_CA': {
        const pin = fingerprint === null ? 'this machine trusts' : 'the fingerprint names';
        return this.#refused(
          `its certificate is not of a CA that ${ca === null ? pin : `${ca.flag} ${ca.path} names`}; the line that the coordinator prints to join with, or its CA by --tls-ca, was wanted`,
        );
      }
      default:
        return this.#versionProblem(error);
    }
  }

  #versionProblem(error: unknown): UserError | null {
    const text = error instanceof Error ? error.message : '';
    if (/wrong version number|packet length too long|http request/i.test(text))
      return this.#refused(
        `no TLS is spoken there; ${this.#options.text.replace('wss:', 'ws:')} was wanted, or --tls at the coordinator`,
      );
    if (/alert protocol version|unsupported protocol/i.test(text))
      return this.#refused('TLS 1.3 is not spoken there; it was wanted');
    return null;
  }

  #refused(what: string): UserError {
    return new UserError(`${this.#options.text}: ${what}`, exitCodes.refused);
  }
}

function readAuthorities(file: NamedFile): string {
  const pem = readPem(file);
  certificatesIn(pem, file);
  return pem;
}

/** The certificate that an error of the handshake is about. */
function certificateOf(error: unknown): X509Certificate | null {
  if (!(error instanceof Error) || !('cert' in error)) return null;
  const { cert } = error;
  const raw = typeof cert === 'object' && cert !== null && 'raw' in cert ? cert.raw : undefined;
  return Buffer.isBuffer(raw) ? new X509Certificate(raw) : null;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
