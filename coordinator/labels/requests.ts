/**
 * The requests of shared/protocol/label-messages.ts, answered from the label service. Nothing of a body is taken in
 * before its length and its kind are known to be right, and the bodies of all peers together have a bound.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseJson } from '../../shared/json.js';
import { printable } from '../../shared/printable.js';
import {
  contentDigest,
  digestHeader,
  labelLimits,
  leaseRequestSchema,
  longestRowsMessage,
  numericsHeader,
  parseLabelPath,
  workerHeader,
  type LabelCounts,
} from '../../shared/protocol/label-messages.js';
import { originOf } from '../server/access.js';
import { readBody } from '../server/bodies.js';
import { answer } from '../server/artifacts.js';
import type { Sender } from './senders.js';
import type { LabelService } from './service.js';

/** Bytes of rows that are being read, of all peers together, at most. */
const arrivingBytes = 32 * 1024 * 1024;

export class LabelRequests {
  readonly #service: LabelService;
  #arriving = 0;

  constructor(service: LabelService) {
    this.#service = service;
  }

  /** Answers the request. @returns false when it is none for labels */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const path = parseLabelPath(request.url ?? '');
    if (path === null) return false;
    if (path.type === 'run')
      return request.method === 'GET' && sendJson(request, response, this.#service.describeRun());
    if (path.type === 'lease') return request.method === 'POST' && this.#sendLease(request, response);
    const set = this.#service.sets.findIndex(({ key }) => key === path.key);
    if (set < 0) return refuse(request, response, 404, 'no such label set in this run');
    if (request.method === 'PUT' && path.type === 'set') return this.#takeRows(request, response, set);
    if (request.method !== 'GET') return refuse(request, response, 405, 'GET, and PUT for a set');
    request.resume();
    return path.type === 'set' ? this.#sendCounts(request, response, set) : this.#sendBlock(response, set, path.block);
  }

  async #sendLease(request: IncomingMessage, response: ServerResponse): Promise<true> {
    const length = lengthOf(request);
    if (length === null || length > labelLimits.leaseRequestBytes)
      return refuse(request, response, 413, 'a short body was wanted');
    const bytes = await readBody(request, length);
    if (bytes === null) return true;
    const asked = leaseRequestSchema.safeParse(parseJson(bytes)).data;
    if (asked === undefined) return answer(response, 400, 'the name of a worker was wanted');
    const sender = { ...senderOf(request), worker: asked.worker };
    const barred = this.#service.barredText(sender);
    if (barred !== null) return answer(response, 403, barred);
    return sendJson(request, response, await this.#service.lease(sender));
  }

  async #sendCounts(request: IncomingMessage, response: ServerResponse, set: number): Promise<true> {
    const counts: LabelCounts = { counts: await this.#service.counts(set) };
    return sendJson(request, response, counts);
  }

  async #sendBlock(response: ServerResponse, set: number, block: number): Promise<true> {
    const bytes = await this.#service.blockBytes(set, block);
    if (bytes === null) return answer(response, 404, 'no such label block');
    response
      .writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': bytes.length,
        [digestHeader]: contentDigest(bytes),
      })
      .end(bytes);
    return true;
  }

  async #takeRows(request: IncomingMessage, response: ServerResponse, set: number): Promise<true> {
    const barred = this.#service.barredText(senderOf(request));
    if (barred !== null) return refuse(request, response, 403, barred);
    const length = lengthOf(request);
    const limit = longestRowsMessage(this.#service.setAt(set).codec.rowBytes);
    if (length === null) return refuse(request, response, 411, 'a content-length was wanted');
    if (length > limit) return refuse(request, response, 413, `${length} bytes; at most ${limit} were wanted`);
    if (this.#arriving + length > arrivingBytes)
      return refuse(request, response, 503, 'too many labels at once; try again');
    this.#arriving += length;
    try {
      const bytes = await readBody(request, length);
      if (bytes === null) return true;
      if (request.headers[digestHeader] !== contentDigest(bytes))
        return answer(response, 400, 'the bytes have another content-digest');
      const refusal = await this.#service.addRows(set, bytes, senderOf(request));
      if (refusal !== null) return answer(response, refusal.status, refusal.error);
      response.writeHead(204).end();
    } finally {
      this.#arriving -= length;
    }
    return true;
  }
}

/** Who sends the request, by what it says of itself and where it comes from. */
function senderOf(request: IncomingMessage): Sender {
  const said = (header: string, longest: number): string | null => {
    const value = request.headers[header];
    return typeof value === 'string' ? printable(value, longest) : null;
  };
  return {
    origin: originOf(request),
    worker: said(workerHeader, labelLimits.nameLength),
    numerics: said(numericsHeader, labelLimits.numericsLength),
  };
}

/** The announced length of a body in bytes; null where none is announced. */
function lengthOf(request: IncomingMessage): number | null {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  return Number.isInteger(length) ? length : null;
}

function sendJson(request: IncomingMessage, response: ServerResponse, value: unknown): true {
  request.resume();
  const body = JSON.stringify(value);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  return true;
}

/** Answers with a reason. The body may be endless, so the connection ends with the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, error: string): true {
  response.setHeader('connection', 'close');
  response.once('finish', () => request.destroy());
  return answer(response, status, error);
}
