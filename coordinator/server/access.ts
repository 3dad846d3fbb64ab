/**
 * Who is let in, and to what: the one place that looks at a peer's token, at the name that it called us by and at the
 * page that it comes from. It knows requests and nothing of what they are for.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { CredentialSource, Role } from '../../shared/access/credentials.js';
import { isLoopback } from '../../shared/access/loopback.js';
import { commonNameOf, expiryProblem, namesOf } from '../../shared/tls/certificates.js';
import type { ServerTls } from './secure.js';

/** What can be asked of a coordinator, by the role of the token that it needs. A table: who may do what. */
export const mayDo = {
  /** To join as a worker: the WebSocket at /worker, and with it every message of the protocol. */
  work: ['worker'],
  /** To fetch models, data and snapshots: /artifacts/. */
  fetch: ['worker', 'label'],
  /** To ask for blocks to label, and to read and bring labels: /labels/. */
  label: ['worker', 'label'],
  /** To load the page, which says nothing of a run: GET / and /page/. Anybody may. */
  load: null,
  /** To read how the run stands: GET /status, /metrics, /journal, /live and /runs. */
  watch: ['viewer', 'admin'],
  /** To stop the run in good order, with a snapshot: POST /stop. */
  stop: ['admin'],
  /** To have a worker leave in good order: POST /drain?worker=NAME. */
  drain: ['admin'],
} as const satisfies Readonly<Record<string, readonly Role[] | null>>;
export type Deed = keyof typeof mayDo;

/** Why a request is not answered as it wished. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
}

export interface AccessOptions {
  /** Where the server listens. */
  readonly host: string;
  /** Null: no token is needed. */
  readonly credentials: CredentialSource | null;
  /** Null or absent: plain HTTP. */
  readonly tls?: Pick<ServerTls, 'clientCa' | 'clientNames'> | null | undefined;
  /** Milliseconds since 1970; default the machine's. */
  readonly nowMs?: () => number;
}

const wrongToken: Refusal = {
  status: 401,
  error: "token missing or wrong; set STILLHOUSE_TOKEN or --token-file to the coordinator's",
};

export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** @returns null where the peer may do what it asks for */
  refusalOf(request: IncomingMessage, deed: Deed): Refusal | null {
    return (
      this.#originRefusal(request, deed) ??
      this.#certificateRefusal(request) ??
      this.#tokenRefusal(request, mayDo[deed])
    );
  }

  /**
   * Why who was let in may stay no longer: its token has come to its end, was taken away, or was given another role.
   * @returns null while it may
   */
  expulsionOf(request: IncomingMessage, deed: Deed): Refusal | null {
    return this.#tokenRefusal(request, mayDo[deed]);
  }

  /** Mutual TLS: the handshake has shown that the peer holds the certificate's key; here is looked at whose it is. */
  #certificateRefusal({ socket }: IncomingMessage): Refusal | null {
    const { tls, nowMs = Date.now } = this.#options;
    if (tls?.clientCa === null || tls?.clientCa === undefined) return null;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (!(socket instanceof TLSSocket) || certificate === undefined)
      return { status: 403, error: 'no client certificate; one is wanted here (--tls-cert and --tls-key, or --tls)' };
    const expiry = expiryProblem(certificate, nowMs());
    if (!socket.authorized)
      return {
        status: 403,
        error: `the client certificate of ${commonNameOf(certificate)} ${expiry ?? `is not taken (${String(socket.authorizationError)}); one of the coordinator's --tls-client-ca is wanted`}`,
      };
    const names = new Set([commonNameOf(certificate), ...namesOf(certificate)]);
    if (tls.clientNames.length === 0 || tls.clientNames.some((name) => names.has(name))) return null;
    return {
      status: 403,
      error: `the client certificate is for ${[...names].join(', ')}; a name of --tls-client-name is wanted`,
    };
  }

  /**
   * Programs of ours send no Origin, so what does is a web page in somebody's browser, which reaches the loopback of the
   * machine that it is shown on. A page whose name was made to point to loopback calls us by that name. Our own page is
   * served to everybody; a browser names it as the origin of the programs that it loads, and of nothing else it asks for.
   */
  #originRefusal({ headers: { origin, host } }: IncomingMessage, deed: Deed): Refusal | null {
    const own = `${this.#options.tls ? 'https' : 'http'}://${host ?? ''}`;
    if (origin !== undefined && !(deed === 'load' && origin === own))
      return { status: 403, error: 'requests of web pages are not answered' };
    if (!isLoopback(this.#options.host) || isLoopback(nameIn(host ?? ''))) return null;
    return { status: 403, error: 'called by a name that is not of loopback; localhost or 127.0.0.1 wanted' };
  }

  #tokenRefusal(request: IncomingMessage, allowed: readonly Role[] | null): Refusal | null {
    const { credentials, nowMs = Date.now } = this.#options;
    if (credentials === null || allowed === null) return null;
    const given = sha256(tokenIn(request.headers.authorization));
    // Every token is compared, digest by digest, so that neither content nor length nor place shows in the time taken.
    const matching = credentials().filter(({ token }) => timingSafeEqual(given, sha256(token)));
    const good = matching.filter(({ untilMs }) => untilMs === null || nowMs() < untilMs);
    if (good.some(({ role }) => allowed.includes(role))) return null;
    const [expired] = matching;
    if (expired === undefined) return wrongToken;
    if (good.length === 0)
      return { status: 401, error: `the token was good until ${new Date(expired.untilMs ?? 0).toISOString()}` };
    return { status: 403, error: `the token's role is ${expired.role}; ${allowed.join(' or ')} wanted for this` };
  }
}

/**
 * The host and the token that a request comes with: what a peer cannot choose anew as it chooses its name. An IPv6
 * address counts by its first half, since a host has as many of the other as it likes. Of the token only a digest is
 * told.
 */
export function originOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
  return `${hostPart(socket.remoteAddress ?? '')} ${sha256(tokenIn(headers.authorization)).toString('hex', 0, 4)}`;
}

function hostPart(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined || !address.includes(':')) return v4 ?? address;
  const [head = '', tail] = address.split('::');
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  const groups = [...(first ?? []), ...Array.from({ length: zeros }, () => '0'), ...(last ?? [])];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function tokenIn(authorization: string | undefined): string {
  return /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** The name in a Host header, without its port. */
function nameIn(host: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
