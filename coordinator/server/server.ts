/**
 * The coordinator's door: one HTTP server for workers (upgrade at /worker), artifacts and probes. Token, version and
 * caps are checked before anything is allocated for a peer; whom it lets in has a WebSocket and nothing else yet.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import { limits, subprotocol } from '../../shared/protocol/messages.js';
import { answer, serveArtifact, type FindArtifact } from './artifacts.js';
import { must } from '../../shared/must.js';

/** Something that answers HTTP requests of its own path. */
export interface RequestHandler {
  /** Resolves to false when the request is not for it; it has answered nothing then. */
  serve(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export interface AdmissionOptions {
  readonly host: string;
  readonly port: number;
  /** Null: no token is needed. */
  readonly token: string | null;
  readonly find: FindArtifact;
  /** Answers requests under /labels/; absent where the run keeps no labels. */
  readonly labels?: RequestHandler | undefined;
  readonly isReady: () => boolean;
  /** Called with a worker's WebSocket and the TCP connection below it. */
  readonly onWorker: (socket: WebSocket, transport: Socket) => void;
  /** An error while a request was served that is not the peer's. */
  readonly onError: (error: unknown) => void;
  readonly connectionsPerAddress?: number;
}

export interface Admission {
  readonly port: number;
  /** Stops listening and cuts off what is still open. */
  close(): Promise<void>;
}

interface Refusal {
  readonly status: number;
  readonly error: string;
}

const defaultConnectionsPerAddress = 512;
const connections = 8192;

/** @throws UserError (69 port in use or not ours, 2 no such address) */
export async function listen(options: AdmissionOptions): Promise<Admission> {
  const server = createServer({ headersTimeout: limits.helloMs, requestTimeout: 0 });
  server.maxConnections = connections;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: false,
    maxFragments: 4,
    clientTracking: false,
    handleProtocols: () => subprotocol,
  });
  const open = new Map<string, number>();
  server.on('request', (request, response) => {
    serve(request, response, options).catch((error: unknown) => {
      response.destroy();
      options.onError(error);
    });
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', ignore);
    const address = request.socket.remoteAddress ?? '';
    const refusal = refusalOf(request, { ...options, openConnections: open.get(address) ?? 0 });
    if (refusal !== null) return refuse(socket, refusal);
    socket.removeListener('error', ignore);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      open.set(address, (open.get(address) ?? 0) + 1);
      webSocket.once('close', () => open.set(address, must(open, address, 'address') - 1));
      options.onWorker(webSocket, request.socket);
    });
  });
  await bind(server, options);
  return { port: portOf(server), close: () => closeServer(server) };
}

function ignore(): void {
  // A peer that breaks off while it is being refused is no concern of ours.
}

async function serve(request: IncomingMessage, response: ServerResponse, options: AdmissionOptions): Promise<void> {
  const isLabels = options.labels !== undefined && request.url?.startsWith('/labels/') === true;
  if (isLabels && hasToken(request, options.token) && (await options.labels.serve(request, response))) return;
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD' && !isLabels)
    return void answer(response, 405, 'GET and HEAD only');
  if (request.url === '/livez') return void response.writeHead(200).end('ok\n');
  if (request.url === '/readyz')
    return void response.writeHead(options.isReady() ? 200 : 503).end(options.isReady() ? 'ready\n' : 'not ready\n');
  if (!hasToken(request, options.token)) {
    response.setHeader('www-authenticate', 'Bearer');
    return void answer(response, 401, 'token missing or wrong');
  }
  if (!(await serveArtifact(request, response, options.find))) answer(response, 404, 'not found');
}

function refusalOf(request: IncomingMessage, options: AdmissionOptions & { openConnections: number }): Refusal | null {
  if (!hasToken(request, options.token))
    return { status: 401, error: "token missing or wrong; set STILLHOUSE_TOKEN or --token-file to the coordinator's" };
  if (request.url !== '/worker') return { status: 404, error: 'workers connect at /worker' };
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim());
  if (!offered.includes(subprotocol)) {
    return {
      status: 426,
      error: `this coordinator speaks ${subprotocol}, the worker ${offered.join(', ').slice(0, 100) || 'no version'}; use the same Stillhouse on both`,
    };
  }
  const cap = options.connectionsPerAddress ?? defaultConnectionsPerAddress;
  return options.openConnections >= cap ? { status: 429, error: `${cap} connections from this address already` } : null;
}

/** Compares digests, so that neither content nor length shows in the time taken. */
function hasToken(request: IncomingMessage, token: string | null): boolean {
  if (token === null) return true;
  const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(sha256(given), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refuse(socket: Duplex, { status, error }: Refusal): void {
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

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
