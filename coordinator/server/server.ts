/**
 * The coordinator's door: one HTTP server for workers (upgrade at /worker), artifacts and probes. Token, version and
 * caps are checked before anything is allocated for a peer; whom it lets in has a WebSocket and nothing else yet.
 */
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { CredentialSource } from '../../shared/access/credentials.js';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import { closeCodes, limits, subprotocol } from '../../shared/protocol/messages.js';
import { Access, originOf, type Deed, type Refusal } from './access.js';
import { answer, serveArtifact, type FindArtifact } from './artifacts.js';
import { connectionBudget, Connections, type ConnectionBudget } from './connections.js';
import { operationOf, serveOperation, type Operations } from './operations.js';
import { Rates, type Allowance } from '../../shared/rate.js';
import { openPort, type PortServer, type ServerTls } from './secure.js';
import { Turns } from './turns.js';

/** Something that answers HTTP requests of its own path. */
export interface RequestHandler {
  /** Resolves to false when the request is not for it; it has answered nothing then. */
  serve(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export interface AdmissionOptions {
  readonly host: string;
  readonly port: number;
  /** Null: no token is needed. */
  readonly credentials: CredentialSource | null;
  /** Null or absent: plain HTTP. */
  readonly tls?: ServerTls | null | undefined;
  readonly find: FindArtifact;
  /** Answers requests under /labels/; absent where the run keeps no labels. */
  readonly labels?: RequestHandler | undefined;
  readonly isReady: () => boolean;
  /** What people and programs that watch the run may see and ask; absent where there is no run. */
  readonly operations?: Operations | undefined;
  /** Called with a worker's WebSocket, the TCP connection below it, and where it comes from (originOf). */
  readonly onWorker: (socket: WebSocket, transport: Socket, origin: string) => void;
  /** An error while a request was served that is not the peer's. */
  readonly onError: (error: unknown) => void;
  /** Called with a line for the user. */
  readonly onNotice?: (line: string) => void;
  readonly connectionsPerAddress?: number;
  /** Default: by what this process may open. */
  readonly budget?: ConnectionBudget;
}

export interface Admission {
  readonly port: number;
  /** Stops listening and cuts off what is still open. */
  close(): Promise<void>;
}

const defaultConnectionsPerAddress = 512;
/** How often the tokens of those who are in are looked at, in milliseconds. */
const watchMs = 1000;
/** How many of one address are told why they are turned away; further ones are cut off. */
const refusalAllowance: Allowance = { burst: 200, perSecond: 20 };

/** @throws UserError (69 port in use or not ours, 2 no such address, or no good certificate) */
export async function listen(options: AdmissionOptions): Promise<Admission> {
  const { budget = connectionBudget(), tls = null, onNotice = () => undefined } = options;
  const connections = new Connections(budget);
  const port = openPort(tls, {
    http: { headersTimeout: limits.helloMs, requestTimeout: 0 },
    handshakeMs: limits.helloMs,
    onPlain: (socket) => {
      refuse(socket, { status: 400, error: 'this port speaks TLS; an address that begins with wss:// is wanted' });
      connections.part(socket);
    },
    notice: onNotice,
  });
  const { server } = port;
  server.maxConnections = budget.total;
  const door = new Door(options, connections);
  server.on('connection', (socket) => connections.add(socket));
  server.on('request', (request, response) => door.answer(request, response));
  server.on('upgrade', (request, _socket, head) => door.upgrade(request, head));
  await bind(server, options);
  return { port: portOf(server), close: () => closeServer(port, connections) };
}

class Door {
  readonly #options: AdmissionOptions;
  readonly #connections: Connections;
  readonly #access: Access;
  readonly #turns = new Turns();
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: false,
    maxFragments: 4,
    clientTracking: false,
    handleProtocols: () => subprotocol,
  });
  readonly #refusals = new Rates(refusalAllowance);
  /** Workers' connections by address. */
  readonly #workers = new Map<string, number>();

  constructor(options: AdmissionOptions, connections: Connections) {
    this.#options = options;
    this.#connections = connections;
    this.#access = new Access(options);
  }

  /** Answers a request of HTTP, once what the same connection asked for before has been answered. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.#turns
      .take(request.socket, response, () => this.#serve(request, response))
      .catch((error: unknown) => {
        response.destroy();
        this.#options.onError(error);
      });
  }

  /** Lets a worker in, or says why not. */
  upgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    socket.on('error', ignore);
    const address = socket.remoteAddress ?? '';
    const refusal = this.#access.refusalOf(request, 'work') ?? this.#upgradeRefusal(request, address);
    if (refusal !== null) return this.#turnAway(socket, refusal);
    this.#connections.trust(socket);
    socket.removeListener('error', ignore);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#workers.set(address, this.#workersOf(address) + 1);
      const endWatch = this.#watch(request, webSocket);
      webSocket.once('close', () => {
        endWatch();
        this.#gone(address);
      });
      this.#options.onWorker(webSocket, socket, originOf(request));
    });
  }

  /** Says why in an answer, unless so many from this address had to be told so already. */
  #turnAway(socket: Socket, refusal: Refusal): void {
    if (!this.#refusals.take(socket.remoteAddress ?? '')) return void socket.destroy();
    refuse(socket, refusal);
    this.#connections.part(socket);
  }

  /** Closes the connection once its token is good no more. @returns what ends the watch */
  #watch(request: IncomingMessage, webSocket: WebSocket): () => void {
    const timer = setInterval(() => {
      const refusal = this.#access.expulsionOf(request, 'work');
      if (refusal !== null) webSocket.close(closeCodes.unauthorized, refusal.error.slice(0, 120));
    }, watchMs).unref();
    return () => clearInterval(timer);
  }

  #workersOf(address: string): number {
    return this.#workers.get(address) ?? 0;
  }

  #gone(address: string): void {
    const left = this.#workersOf(address) - 1;
    if (left > 0) this.#workers.set(address, left);
    else this.#workers.delete(address);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { isReady } = this.#options;
    const { url = '' } = request;
    if (url === '/livez' || url === '/readyz') {
      request.resume();
      if (!isRead(request)) return void answer(response, 405, 'GET and HEAD only');
      const isGood = url === '/livez' || isReady();
      return void response
        .writeHead(isGood ? 200 : 503)
        .end(url === '/livez' ? 'ok\n' : isGood ? 'ready\n' : 'not ready\n');
    }
    const deed = deedOf(url);
    const refusal = this.#access.refusalOf(request, deed);
    if (refusal !== null) return void this.#refuse(request, response, refusal);
    // Who loads the page has shown nothing yet.
    if (deed !== 'load') this.#connections.trust(request.socket);
    await this.#do(deed, request, response);
  }

  async #do(deed: Deed, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { labels, find, operations } = this.#options;
    if (deed === 'label' && labels !== undefined && (await labels.serve(request, response))) return;
    request.resume();
    const mayStay = (): string | null => this.#access.expulsionOf(request, deed)?.error ?? null;
    if (operations !== undefined && (await serveOperation({ request, response, mayStay }, operations))) return;
    if (!isRead(request) && deed !== 'label') return void answer(response, 405, 'GET and HEAD only');
    if (deed !== 'fetch' || !(await serveArtifact(request, response, find))) answer(response, 404, 'not found');
  }

  #refuse(request: IncomingMessage, response: ServerResponse, { status, error }: Refusal): void {
    request.resume();
    if (!this.#refusals.take(request.socket.remoteAddress ?? '')) return void request.socket.destroy();
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    answer(response, status, error);
  }

  #upgradeRefusal({ url, headers }: IncomingMessage, address: string): Refusal | null {
    if (url !== '/worker') return { status: 404, error: 'workers connect at /worker' };
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim());
    if (!offered.includes(subprotocol)) {
      return {
        status: 426,
        error: `this coordinator speaks ${subprotocol}, the worker ${offered.join(', ').slice(0, 100) || 'no version'}; use the same Stillhouse on both`,
      };
    }
    const { connectionsPerAddress: cap = defaultConnectionsPerAddress } = this.#options;
    return this.#workersOf(address) >= cap
      ? { status: 429, error: `${cap} connections from this address already` }
      : null;
  }
}

/** What a request is for, by its path; whatever is of no other path is an artifact, or nothing. */
function deedOf(url: string): Deed {
  if (url.startsWith('/labels/')) return 'label';
  return operationOf(url)?.deed ?? 'fetch';
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function ignore(): void {
  // A peer that breaks off while it is being refused is no concern of ours.
}

function refuse(socket: Socket, { status, error }: Refusal): void {
  const body = JSON.stringify({ error });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      (status === 426 ? `Upgrade: websocket\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n` : '') +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function bind(server: Server, { host, port }: AdmissionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(bindError(error, `${host}:${port}`)));
    server.listen({ host, port }, resolve);
  });
}

function bindError(error: Error, address: string): Error {
  const code = codeOf(error);
  if (code === 'EADDRINUSE')
    return new UserError(
      `${address}: the port is in use; choose another with --listen HOST:PORT`,
      exitCodes.unavailable,
      error,
    );
  if (code === 'EACCES')
    return new UserError(`${address}: not allowed to listen there; choose a port above 1023`, exitCodes.usage, error);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new UserError(`${address}: not an address of this machine`, exitCodes.usage, error);
  return error;
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

function closeServer({ server, stop }: PortServer, connections: Connections): Promise<void> {
  stop();
  return new Promise((resolve) => {
    server.close(() => resolve());
    connections.closeAll();
  });
}
