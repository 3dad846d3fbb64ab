/**
 * What those who operate a run see and ask, over HTTP. Whether they may was decided before (access.ts).
 *
 *   GET  /status              how the run stands, as JSON (watch/run-status.ts)
 *   GET  /metrics             what it has counted, in Prometheus' form (watch/metrics-page.ts)
 *   GET  /journal             the run's journal so far, or a range of its bytes; its ETag is the run's id
 *   GET  /                    the page in the browser, with its own files under /page/: they say nothing of the run
 *   GET  /live                what the page shows, as a stream of events (page/messages.ts)
 *   GET  /runs                the runs of the folder around the run's, as JSON
 *   POST /stop                202, and the run stops at the next step, with a snapshot
 *   POST /drain?worker=NAME   202, and the worker gives back what it holds and leaves; 404 where there is none
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Deed } from './access.js';
import { answer, answerJson, serveFile } from './artifacts.js';

/** What the page in the browser is given. */
export interface PageOperations {
  /** Answers with one of the page's own files. @returns false where there is none of that path */
  readonly asset: (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;
  /** Answers with the stream. @param mayStay why the viewer may watch no longer, or null while it may */
  readonly live: (request: IncomingMessage, response: ServerResponse, mayStay: () => string | null) => void;
  readonly runs: () => Promise<unknown>;
}

export interface Operations {
  readonly status: () => Promise<unknown>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Asks for a stop in good order. */
  readonly stop: () => void;
  /** Has a worker leave in good order. @returns false where there is none of that short name */
  readonly drain: (worker: string) => boolean;
  /** Where the journal lies, and the id of the run whose it is. */
  readonly journal: { readonly path: string; readonly run: string };
  readonly page: PageOperations;
  /** Called with what failed while something was answered: nobody who watches a run ends it. */
  readonly onFailed: (path: string, error: unknown) => void;
}

interface Operation {
  readonly deed: Deed;
  readonly method: 'GET' | 'POST';
  /** What has no end has no head either. */
  readonly isStream?: boolean;
  readonly serve: (asked: Asked, operations: Operations) => Promise<void>;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Why who asks may watch no longer, or null while it may. */
  readonly mayStay: () => string | null;
}

const asset: Operation = {
  deed: 'load',
  method: 'GET',
  serve: async ({ request, response }, { page }) => {
    if (!(await page.asset(request, response))) answer(response, 404, 'not found');
  },
};

const operations: Readonly<Record<string, Operation>> = {
  '/status': {
    deed: 'watch',
    method: 'GET',
    serve: async ({ response }, { status }) => void answerJson(response, 200, await status()),
  },
  '/metrics': {
    deed: 'watch',
    method: 'GET',
    serve: async ({ response }, { metrics }) => {
      const { contentType, text } = await metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    },
  },
  '/journal': {
    deed: 'watch',
    method: 'GET',
    serve: ({ request, response }, { journal: { path, run } }) => serveFile(request, response, { path, etag: run }),
  },
  '/live': {
    deed: 'watch',
    method: 'GET',
    isStream: true,
    serve: async ({ request, response, mayStay }, { page }) => page.live(request, response, mayStay),
  },
  '/runs': {
    deed: 'watch',
    method: 'GET',
    serve: async ({ response }, { page }) => void answerJson(response, 200, await page.runs()),
  },
  '/stop': {
    deed: 'stop',
    method: 'POST',
    serve: async ({ response }, { stop }) => {
      stop();
      response.writeHead(202).end();
    },
  },
  '/drain': {
    deed: 'drain',
    method: 'POST',
    serve: async ({ request, response }, { drain }) => {
      const worker = new URLSearchParams(request.url?.split('?')[1]).get('worker') ?? '';
      if (drain(worker)) response.writeHead(202).end();
      else
        answer(response, 404, `${worker === '' ? 'no worker named' : 'no such worker'}; one that /status lists wanted`);
    },
  },
};

/** What is asked for at this path; undefined where nothing is. */
export function operationOf(url: string): Operation | undefined {
  const [path = ''] = url.split('?');
  if (path === '/' || path.startsWith('/page/')) return asset;
  return Object.hasOwn(operations, path) ? operations[path] : undefined;
}

/** Answers the request. @returns false when it is for none of these */
export async function serveOperation(asked: Asked, offered: Operations): Promise<boolean> {
  const { request, response } = asked;
  const operation = operationOf(request.url ?? '');
  if (operation === undefined) return false;
  const { method, isStream = false } = operation;
  const isRight = request.method === method || (method === 'GET' && !isStream && request.method === 'HEAD');
  if (isRight) await served(operation, asked, offered);
  else answer(response, 405, method === 'POST' ? 'POST only' : isStream ? 'GET only' : 'GET and HEAD only');
  return true;
}

async function served({ serve }: Operation, asked: Asked, offered: Operations): Promise<void> {
  try {
    await serve(asked, offered);
  } catch (error) {
    const { request, response } = asked;
    offered.onFailed(request.url?.split('?')[0] ?? '', error);
    if (response.headersSent) response.destroy();
    else answer(response, 500, 'it could not be read; the coordinator says why');
  }
}
