/**
 * The coordinator as a worker reaches it: the one place that builds addresses and sends the token. It opens the
 * WebSocket and makes HTTP requests for artifacts and labels; what is said over them is for others to know. It never
 * shows a password or the token in a text.
 */
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { readLocalToken } from '../../shared/access/local-token.js';
import { isLoopback } from '../../shared/access/loopback.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { openConnection, Unreachable, type Connection } from './connection.js';

/** The coordinator's address as the user wrote it, taken apart. */
export interface CoordinatorAddress {
  /** Where the WebSocket is opened: `ws://HOST:PORT/worker`. */
  readonly socket: string;
  /** What the path of every HTTP request is put behind: `http://HOST:PORT`. */
  readonly http: string;
  /** For messages: `ws://HOST:PORT`, without user, password and query. */
  readonly text: string;
}

/**
 * @throws UserError 2 unless `url` is `ws://HOST:PORT` or `wss://HOST:PORT`, with or without a path before the service
 */
export function coordinatorAddress(url: string): CoordinatorAddress {
  if (!URL.canParse(url)) throw new UserError(`${url}: not an address; ws://HOST:PORT was wanted`, exitCodes.usage);
  const { protocol, host, pathname } = new URL(url);
  if (protocol !== 'ws:' && protocol !== 'wss:') {
    throw new UserError(
      `${protocol}//${host}${pathname === '/' ? '' : pathname}: ${protocol}// is not a coordinator's; ws://HOST:PORT was wanted`,
      exitCodes.usage,
    );
  }
  const path = pathname.replace(/\/+$/, '').replace(/\/worker$/, '');
  return {
    socket: `${protocol}//${host}${path}/worker`,
    http: `${protocol === 'wss:' ? 'https:' : 'http:'}//${host}${path}`,
    text: `${protocol}//${host}${path}`,
  };
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

export class CoordinatorClient {
  readonly address: CoordinatorAddress;
  readonly #token: string | null;

  /**
   * @param token null: the one that a coordinator of this user on this machine has left, or none
   * @throws UserError 2 when `url` is no address of a coordinator
   */
  constructor({ url, token }: { readonly url: string; readonly token: string | null }) {
    this.address = coordinatorAddress(url);
    this.#token = token;
  }

  /**
   * Opens the WebSocket.
   *
   * @throws UserError 77 when the coordinator refuses this worker: token, version
   * @throws Unreachable when there is no coordinator, or not yet
   */
  connect(): Promise<Connection> {
    return openConnection(this.address.socket, this.#authorization());
  }

  /**
   * Sends a request and gives the head of the answer, whose body the caller reads.
   *
   * @param end breaks the exchange off: after so long without a byte, or at a signal
   * @throws Error of the network, Unreachable after `idleMs` without a byte
   */
  request(
    { path, method = 'GET', headers = {}, body }: CoordinatorRequest,
    end: { readonly idleMs: number } | { readonly signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const url = new URL(`${this.address.http}${path}`);
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(url, {
        method,
        headers: { ...headers, ...this.#authorization() },
        ...('signal' in end ? { signal: end.signal } : {}),
      });
      if ('idleMs' in end) request.setTimeout(end.idleMs, () => request.destroy(new Unreachable('no bytes')));
      request.on('response', resolve).on('error', reject).end(body);
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
      throw new Unreachable(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** Looked up each time, since a coordinator that is started again leaves another token. */
  #authorization(): Record<string, string> {
    const token = this.#token ?? this.#leftToken();
    return token === null ? {} : { authorization: `Bearer ${token}` };
  }

  #leftToken(): string | null {
    const { hostname, port } = new URL(this.address.http);
    return isLoopback(hostname.replace(/^\[|\]$/g, '')) ? readLocalToken(Number(port)) : null;
  }
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
