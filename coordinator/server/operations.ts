/**
 * What those who operate a run see and ask, over HTTP. Whether they may was decided before (access.ts).
 *
 *   GET  /status              how the run stands, as JSON (watch/run-status.ts)
 *   GET  /metrics             what it has counted, in Prometheus' form (watch/metrics-page.ts)
 *   GET  /journal             the run's journal so far, or a range of its bytes; its ETag is the run's id
 *   POST /stop                202, and the run stops at the next step, with a snapshot
 *   POST /drain?worker=NAME   202, and the worker gives back what it holds and leaves; 404 where there is none
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Deed } from './access.js';
import { answer, answerJson, serveFile } from './artifacts.js';

export interface Operations {
  readonly status: () => Promise<unknown>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Asks for a stop in good order. */
  readonly stop: () => void;
  /** Has a worker leave in good order. @returns false where there is none of that short name */
  readonly drain: (worker: string) => boolean;
  /** Where the journal lies, and the id of the run whose it is. */
  readonly journal: { readonly path: string; readonly run: string };
}

interface Operation {
  readonly deed: Deed;
  readonly method: 'GET' | 'POST';
  readonly serve: (request: IncomingMessage, response: ServerResponse, operations: Operations) => Promise<void>;
}

const operations: Readonly<Record<string, Operation>> = {
  '/status': {
    deed: 'watch',
    method: 'GET',
    serve: async (_request, response, { status }) => void answerJson(response, 200, await status()),
  },
  '/metrics': {
    deed: 'watch',
    method: 'GET',
    serve: async (_request, response, { metrics }) => {
      const { contentType, text } = await metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    },
  },
  '/journal': {
    deed: 'watch',
    method: 'GET',
    serve: (request, response, { journal: { path, run } }) => serveFile(request, response, { path, etag: run }),
  },
  '/stop': {
    deed: 'stop',
    method: 'POST',
    serve: async (_request, response, { stop }) => {
      stop();
      response.writeHead(202).end();
    },
  },
  '/drain': {
    deed: 'drain',
    method: 'POST',
    serve: async ({ url = '' }, response, { drain }) => {
      const worker = new URLSearchParams(url.split('?')[1]).get('worker') ?? '';
      if (drain(worker)) response.writeHead(202).end();
      else
        answer(response, 404, `${worker === '' ? 'no worker named' : 'no such worker'}; one that /status lists wanted`);
    },
  },
};

/** What is asked for at this path; undefined where nothing is. */
export function operationOf(url: string): Operation | undefined {
  const [path = ''] = url.split('?');
  return Object.hasOwn(operations, path) ? operations[path] : undefined;
}

/** Answers the request. @returns false when it is for none of these */
export async function serveOperation(
  request: IncomingMessage,
  response: ServerResponse,
  offered: Operations,
): Promise<boolean> {
  const operation = operationOf(request.url ?? '');
  if (operation === undefined) return false;
  const { method, serve } = operation;
  const isRight = request.method === method || (method === 'GET' && request.method === 'HEAD');
  if (isRight) await serve(request, response, offered);
  else answer(response, 405, method === 'GET' ? 'GET and HEAD only' : 'POST only');
  return true;
}
