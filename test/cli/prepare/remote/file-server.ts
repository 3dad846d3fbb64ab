/** An HTTP server on loopback whose files and faults a test decides, as any store of remote files is spoken to. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Served {
  readonly body: Buffer;
  readonly etag?: string;
  readonly modified?: string;
}

/** What a request met, in the order that requests came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** In PEM. */
export interface ServerKeys {
  readonly cert: string;
  readonly key: string;
}

export class FileServer {
  readonly files = new Map<string, Served>();
  readonly seen: Seen[] = [];
  /** Answers a request in place of the files, where it returns true. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  knowsRanges = true;
  readonly #server: Server;

  readonly #scheme: string;

  private constructor(tls: ServerKeys | null) {
    this.#server = tls === null ? createServer(this.listener) : createSecureServer(tls, this.listener);
    this.#scheme = tls === null ? 'http' : 'https';
  }

  /** @param tls with what it proves itself; null: links are not encrypted */
  static async start(tls: ServerKeys | null = null): Promise<FileServer> {
    const server = new FileServer(tls);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves a file with a strong tag of its content, unless told otherwise. */
  put(path: string, content: string | Buffer, told: Omit<Served, 'body'> = {}): Buffer {
    const body = Buffer.from(content);
    this.files.set(path, { body, etag: `"${createHash('md5').update(body).digest('hex')}"`, ...told });
    return body;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  readonly listener: RequestListener = (request, response) => {
    const { method = '', headers } = request;
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname);
    this.seen.push({ method, path, range: headers.range, authorization: headers.authorization });
    if (this.intercept(request, response)) return;
    const file = this.files.get(path);
    if (file === undefined) return void response.writeHead(404).end();
    const wanted = headers['if-match'];
    if (wanted !== undefined && wanted !== file.etag) return void response.writeHead(412).end();
    this.#send(request, response, file);
  };

  #send(request: IncomingMessage, response: ServerResponse, { body, etag, modified }: Served): void {
    const told = {
      ...(etag === undefined ? {} : { etag }),
      ...(modified === undefined ? {} : { 'last-modified': modified }),
    };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const isPart = this.knowsRanges && first !== undefined && request.method === 'GET';
    if (isPart && Number(first) >= body.length) return void response.writeHead(416).end();
    const to = last === '' || last === undefined ? body.length : Math.min(body.length, Number(last) + 1);
    const part = isPart ? body.subarray(Number(first), to) : body;
    const range = { 'content-range': `bytes ${first}-${to - 1}/${body.length}` };
    response.writeHead(isPart ? 206 : 200, { ...told, 'content-length': part.length, ...(isPart ? range : {}) });
    response.end(request.method === 'HEAD' ? undefined : part);
  }
}
