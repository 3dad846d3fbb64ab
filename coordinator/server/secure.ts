/**
 * TLS on the coordinator's port: version 1.3 and nothing below it, with a certificate that is taken anew when its files
 * change. Whether a client's certificate is good enough is for access.ts, which can say in words why it is not.
 */
import { constants } from 'node:crypto';
import { createServer as createPlain, type Server, type ServerOptions } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { codeOf, UserError } from '../../shared/errors.js';
import {
  certificatesIn,
  expiryProblem,
  readCertificateAndKey,
  readPem,
  versionOf,
  type NamedFile,
} from '../../shared/tls/certificates.js';

/** What the coordinator shows, and what it demands of those who come. */
export interface ServerTls {
  /** The certificate, with those of the CAs above it behind it. */
  readonly cert: NamedFile;
  readonly key: NamedFile;
  /** The CAs whose certificates clients must show; null: they need none. */
  readonly clientCa: NamedFile | null;
  /** Names of which a client's certificate must have one; none: any name will do. */
  readonly clientNames: readonly string[];
}

/** The first byte of whoever begins TLS: the record type of a handshake. */
const handshake = 0x16;

/** What requests are answered that are none, by the code of what is wrong with them. */
const badRequests = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/** How often the files are looked at. */
const lookMs = 1000;

/** An HTTP server for the port, with what belongs to it. */
export interface PortServer {
  readonly server: Server;
  /** Follows the certificate's files no more. */
  readonly stop: () => void;
}

export interface PortOptions {
  readonly http: ServerOptions;
  readonly handshakeMs: number;
  /** Called with a connection of plain HTTP on a port of TLS: it is to be told, and to be ended. */
  readonly onPlain: (socket: Socket) => void;
  readonly notice: (line: string) => void;
}

/** @param tls null: plain HTTP @throws UserError 2 for files that are no good */
export function openPort(tls: ServerTls | null, options: PortOptions): PortServer {
  return tls === null ? openPlain(options) : openSecure(tls, options);
}

function openPlain({ http, notice }: PortOptions): PortServer {
  const server = createPlain(http);
  const tell = once(notice);
  server.on('clientError', (error, socket) => {
    if ('rawPacket' in error && Buffer.isBuffer(error.rawPacket) && error.rawPacket[0] === handshake)
      tell('somebody speaks TLS to this port, which is a plain one: ws:// wanted there, or --tls here');
    const status = badRequests.get(codeOf(error)) ?? '400 Bad Request';
    if (!socket.writable) return void socket.destroy();
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
  });
  return { server, stop: () => undefined };
}

function openSecure(tls: ServerTls, { http, handshakeMs, onPlain, notice }: PortOptions): PortServer {
  const server = createTls({
    ...http,
    ...contextOf(tls),
    handshakeTimeout: handshakeMs,
    requestCert: tls.clientCa !== null,
    // Who shows none, or a bad one, is told why in an answer, which a broken handshake could not do.
    rejectUnauthorized: false,
  });
  const tell = once(notice);
  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  beginByFirstByte(server, (socket) => {
    tell('somebody speaks plain HTTP to this port, which is one of TLS: wss:// wanted there');
    onPlain(socket);
  });
  const stop = followFiles(tls, (context) => server.setSecureContext(context), notice);
  return { server, stop };
}

/** Lets the server begin TLS with who begins with it, and hands over who does not. */
function beginByFirstByte(server: Server, onPlain: (socket: Socket) => void): void {
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const ignore = (): void => undefined;
    socket.on('error', ignore);
    socket.once('readable', () => {
      const first: unknown = socket.read(1);
      if (!Buffer.isBuffer(first)) return void socket.destroy();
      socket.unshift(first);
      if (first[0] !== handshake) return onPlain(socket);
      socket.removeListener('error', ignore);
      for (const listener of begin) Reflect.apply(listener, server, [socket]);
    });
  });
}

/** @throws UserError 2 for files that are no good */
function contextOf({ cert, key, clientCa }: ServerTls): SecureContextOptions {
  const ca = clientCa === null ? null : readPem(clientCa);
  if (ca !== null && clientCa !== null) certificatesIn(ca, clientCa);
  return {
    ...readCertificateAndKey(cert, key),
    ...(ca === null ? {} : { ca }),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // No sessions are resumed: whoever connects shows its certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Takes the files anew when they have changed and then been still for a look: a certificate and its key cannot be
 * written in one. While they are no good, what they held before stays. Says when the certificate comes to its end.
 */
function followFiles(
  tls: ServerTls,
  take: (context: SecureContextOptions) => void,
  notice: (line: string) => void,
): () => void {
  const paths = [tls.cert, tls.key, ...(tls.clientCa === null ? [] : [tls.clientCa])].map(({ path }) => path);
  const tellEnd = (): void => {
    const problem = expiryOf(tls.cert);
    if (problem !== null) tell(`${tls.cert.flag} ${tls.cert.path}: ${problem}`);
  };
  let tell = once(notice);
  let [taken, seen] = [versionOf(paths), versionOf(paths)];
  const look = (): void => {
    const found = versionOf(paths);
    const isStill = found === seen;
    seen = found;
    if (!isStill || found === taken) return;
    taken = found;
    tell = once(notice);
    try {
      take(contextOf(tls));
      notice(`${tls.cert.flag} ${tls.cert.path}: has changed; who connects from now on is shown the new certificate`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notice(`${error.message}; what the files held before stays`);
    }
  };
  tellEnd();
  const timers = [setInterval(look, lookMs).unref(), setInterval(tellEnd, 3_600_000).unref()];
  return () => timers.forEach(clearInterval);
}

/** What is to be said of the end of the certificate in the file; null for nothing, or where it cannot be read now. */
function expiryOf(file: NamedFile): string | null {
  try {
    return expiryProblem(certificatesIn(readPem(file), file)[0], Date.now());
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

/** Says each line once. */
function once(say: (line: string) => void): (line: string) => void {
  const said = new Set<string>();
  return (line) => {
    if (said.has(line)) return;
    said.add(line);
    say(line);
  };
}
