/**
 * Requests for labels, which a relay passes up as they come, under its own token, and whose answers it passes down. It
 * keeps nothing: labels are the coordinator's.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { digestHeader, numericsHeader, parseLabelPath, workerHeader } from '../../shared/protocol/label-messages.js';
import { answer } from '../server/artifacts.js';
import { readBody } from '../server/bodies.js';
import type { RequestHandler } from '../server/server.js';
import type { PassedRequest, Upstream } from './upstream.js';

/** Bytes of bodies that are being read, of all peers together, at most: as many as the coordinator takes. */
const arrivingBytes = 32 * 1024 * 1024;
/** How long an answer may take; a worker waits no longer. */
const answerMs = 10_000;

const passedHeaders = ['content-type', digestHeader, numericsHeader, workerHeader] as const;

export class PassedRequests implements RequestHandler {
  readonly #upstream: Pick<Upstream, 'ask'>;
  #arriving = 0;

  constructor(upstream: Pick<Upstream, 'ask'>) {
    this.#upstream = upstream;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { url = '', method } = request;
    if (parseLabelPath(url) === null || (method !== 'GET' && method !== 'PUT' && method !== 'POST')) return false;
    const length = Number(request.headers['content-length'] ?? 0);
    if (!Number.isInteger(length) || this.#arriving + length > arrivingBytes) {
      response.setHeader('connection', 'close');
      response.once('finish', () => request.destroy());
      return answer(response, 503, 'too many labels at once; try again');
    }
    this.#arriving += length;
    try {
      const body = await readBody(request, length);
      if (body !== null) await this.#pass({ path: url, method, headers: chosen(request.headers), body }, response);
    } finally {
      this.#arriving -= length;
    }
    return true;
  }

  async #pass(request: PassedRequest, response: ServerResponse): Promise<void> {
    try {
      const { status, headers, bytes } = await this.#upstream.ask(request, answerMs);
      response.writeHead(status, { ...chosen(headers), 'content-length': bytes.length }).end(bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'no answer';
      answer(response, 502, `the relay cannot reach its coordinator: ${reason}`);
    }
  }
}

function chosen(headers: IncomingHttpHeaders | PassedRequest['headers']): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of passedHeaders) {
    const value = headers[name];
    if (typeof value === 'string') found[name] = value;
  }
  return found;
}
