/**
 * The coordinator as a worker reaches it: the one place that builds addresses and sends the token. It opens the
 * WebSocket and makes HTTP requests for artifacts and labels; what is said over them is for others to know. It never
 * shows a password or the token in a text.
 */
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { readLocalToken } from '../../shared/access/local-token.js';
import { isLoopback } from '../../shared/access/loopback.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { noTls, type WorkerTls } from '../../shared/tls/certificates.js';
import { openConnection, Unreachable, type Connection } from './connection.js';
import { Trust } from './trust.js';

/** The coordinator's address as the user wrote it, taken apart. */
export interface CoordinatorAddress {
  /** Where the WebSocket is opened: `ws://HOST:PORT/worker`. */
  readonly socket: string;
  /** What the path of every HTTP request is put behind: `http://HOST:PORT`. */
  readonly http: string;
  /** For messages: `ws://HOST:PORT`, without user, password and query. */
  readonly text: string;
  /** What stands behind the address of a coordinator with TLS: how its certificate is known. */
  readonly pin: { readonly ca: string | null; readonly fingerprint: string | null; readonly name: string | null };
}

/**
 * @throws UserError 2 unless `url` is `ws://HOST:PORT` or `wss://HOST:PORT`, with or without a path before the service;
 * behind `wss://` there may be `?fingerprint=SHA256`, `?ca=FILE` and `?name=NAME`
 */
export function coordinatorAddress(url: string): CoordinatorAddress {
  if (!URL.canParse(url)) throw new UserError(`${url}: not an address; ws://HOST:PORT was wanted`, exitCodes.usage);
  const { protocol, host, pathname, searchParams } = new URL(url);
  if (protocol !== 'ws:' && protocol !== 'wss:') {
    throw new UserError(
      `${protocol}//${host}${pathname === '/' ? '' : pathname}: ${protocol}// is not a coordinator's; ws://HOST:PORT was wanted`,
      exitCodes.usage,
    );
  }
  const path = pathname.replace(/\/+$/, '').replace(/\/worker$/, '');
  const text = `${protocol}//${host}${path}`;
  return {
    socket: `${text}/worker`,
    http: `${protocol === 'wss:' ? 'https:' : 'http:'}//${host}${path}`,
    text,
    pin: pinIn(searchParams, text),
  };
}

function pinIn(given: URLSearchParams, text: string): CoordinatorAddress['pin'] {
  const odd = [...given.keys()].find((key) => !['ca', 'fingerprint', 'name'].includes(key));
  if (odd !== undefined)
    throw new UserError(`${text}: ?${odd}= given; ?fingerprint=, ?ca= or ?name= of wss:// was wanted`);
  if (given.size > 0 && !text.startsWith('wss:'))
    throw new UserError(
      `${text}: ?${[...given.keys()].join('=, ?')}= given; wss:// was wanted, since ws:// shows no certificate`,
    );
  const fingerprint = given.get('fingerprint')?.replaceAll(':', '').toLowerCase() ?? null;
  if (fingerprint !== null && !/^[0-9a-f]{64}$/.test(fingerprint))
    throw new UserError(`${text}: ?fingerprint=${fingerprint} given; the 64 hex digits of a SHA-256 were wanted`);
  return { ca: given.get('ca'), fingerprint, name: given.get('name') };
}

export interface CoordinatorRequest {
  /** Path below the coordinator's address, with its leading slash. */
  readonly path: string;
  readonly method?: 'GET' | 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** An answer with its whole body. */
export interface CoordinatorAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Uint8Array;
}

export interface ClientOptions {
  readonly url: string;
  /** Addresses of others that serve the same run, which `moveOn` goes to; absent: none. */
  readonly further?: readonly string[] | undefined;
  /** Whether a request that reaches nobody moves on by itself, for the one after it. */
  readonly movesOn?: boolean | undefined;
  /** Null: the one that a coordinator of this user on this machine has left, or none. */
  readonly token: string | null;
  /** Absent: what the address says alone. */
  readonly tls?: WorkerTls | undefined;
}

/** One address, and how whoever listens there is known. */
interface Place {
  readonly address: CoordinatorAddress;
  /** Null where links are not encrypted. */
  readonly trust: Trust | null;
}

export class CoordinatorClient {
  readonly #places: readonly [Place, ...Place[]];
  #at = 0;
  readonly #token: string | null;
  readonly #movesOn: boolean;
  #agent: { readonly agent: Agent; readonly of: ConnectionOptions } | null = null;

  /** @throws UserError 2 when `url` is no address of a coordinator, or is one without TLS and `tls` gives files for it */
  constructor({ url, further = [], token, tls = noTls, movesOn = false }: ClientOptions) {
    const placeOf = (text: string): Place => {
      const address = coordinatorAddress(text);
      return { address, trust: trustOf(address, tls) };
    };
    this.#places = [placeOf(url), ...further.map(placeOf)];
    this.#token = token;
    this.#movesOn = movesOn;
  }

  /** The address that is used now. */
  get address(): CoordinatorAddress {
    return this.#place.address;
  }

  /** How many addresses there are. */
  get addresses(): number {
    return this.#places.length;
  }

  /** Goes to the next address, after the last to the first. */
  moveOn(): void {
    this.#at = (this.#at + 1) % this.#places.length;
  }

  /** Whether the address is that of this machine to itself. */
  get isOnThisHost(): boolean {
    return isLoopback(new URL(this.address.http).hostname.replace(/^\[|\]$/g, ''));
  }

  /**
   * Opens the WebSocket.
   *
   * @throws UserError 77 when the coordinator refuses this worker (token, version), or is not the one that it should be
   * @throws Unreachable when there is no coordinator, or not yet
   */
  async connect(): Promise<Connection> {
    const options = await this.#tlsOptions();
    try {
      return await openConnection(this.address.socket, { headers: this.#authorization(), ...options });
    } catch (error) {
      throw this.#problemOf(error);
    }
  }

  /**
   * Sends a request and gives the head of the answer, whose body the caller reads.
   *
   * @param end breaks the exchange off: after so long without a byte, or at a signal
   * @throws UserError 77 when it is not the coordinator that it should be
   * @throws Error of the network, Unreachable after `idleMs` without a byte
   */
  async request(
    { path, method = 'GET', headers = {}, body }: CoordinatorRequest,
    end: { readonly idleMs: number } | { readonly signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const { http } = this.address;
    const url = new URL(`${http}${path}`);
    const tls = await this.#tlsOptions();
    const options = {
      method,
      headers: { ...headers, ...this.#authorization() },
      ...('signal' in end ? { signal: end.signal } : {}),
    };
    return new Promise<IncomingMessage>((resolve, reject) => {
      const request =
        tls === null ? httpRequest(url, options) : httpsRequest(url, { ...options, agent: this.#agentOf(tls) });
      if ('idleMs' in end) request.setTimeout(end.idleMs, () => request.destroy(new Unreachable('no bytes')));
      request.on('response', resolve).on('error', (error) => {
        const problem = this.#problemOf(error);
        if (this.#movesOn && this.address.http === http) this.moveOn();
        reject(problem);
      });
      request.end(body);
    });
  }

  /**
   * Sends a request and gives the whole answer, whatever its status.
   *
   * @throws Unreachable when it does not come within `timeoutMs`, or the connection breaks before its end
   */
  async exchange(request: CoordinatorRequest, timeoutMs: number): Promise<CoordinatorAnswer> {
    try {
      const response = await this.request(request, { signal: AbortSignal.timeout(timeoutMs) });
      const pieces: Uint8Array[] = [];
      for await (const piece of response) if (piece instanceof Uint8Array) pieces.push(piece);
      return { status: response.statusCode ?? 0, headers: response.headers, bytes: joined(pieces) };
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new Unreachable(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** What a connection with TLS is opened with; null without. */
  async #tlsOptions(): Promise<ConnectionOptions | null> {
    try {
      return (await this.#place.trust?.options()) ?? null;
    } catch (error) {
      const problem = this.#problemOf(error);
      if (problem instanceof UserError) throw problem;
      throw new Unreachable(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** Keeps connections open from one request to the next, as long as the certificates stay what they are. */
  #agentOf(tls: ConnectionOptions): Agent {
    if (this.#agent?.of === tls) return this.#agent.agent;
    this.#agent?.agent.destroy();
    const agent = new Agent({ ...tls, keepAlive: true });
    this.#agent = { agent, of: tls };
    return agent;
  }

  /** What the user can mend, where TLS is what has failed; else the error itself. */
  #problemOf(error: unknown): Error {
    const cause = error instanceof Unreachable && error.cause !== undefined ? error.cause : error;
    return this.#place.trust?.problemOf(cause) ?? (error instanceof Error ? error : new Error(String(error)));
  }

  get #place(): Place {
    return this.#places[this.#at] ?? this.#places[0];
  }

  /** Looked up each time, since a coordinator that is started again leaves another token. */
  #authorization(): Record<string, string> {
    const token = this.#token ?? this.#leftToken();
    return token === null ? {} : { authorization: `Bearer ${token}` };
  }

  #leftToken(): string | null {
    return this.isOnThisHost ? readLocalToken(Number(new URL(this.address.http).port)) : null;
  }
}

/** @throws UserError 2 for files that TLS alone could use, at an address without it */
function trustOf({ text, http, pin }: CoordinatorAddress, tls: WorkerTls): Trust | null {
  const given = tls.ca ?? tls.own?.cert;
  if (!text.startsWith('wss:')) {
    if (given === undefined) return null;
    throw new UserError(`${text}: ${given.flag} ${given.path} given; wss:// was wanted, or none of it`);
  }
  const { hostname, port } = new URL(http);
  return new Trust({
    ...tls,
    ...pin,
    ca: pin.ca === null ? tls.ca : { flag: '?ca=', path: pin.ca },
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 443 : Number(port),
    text,
  });
}

/** One array of its own, so that what lies in it is aligned. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
