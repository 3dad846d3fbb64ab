/** Whole runs, through relays or not: coordinator, relays, workers, links and sockets are real; only models and data are made up. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { serveRelay } from '../../cli/relay/serve.js';
import { coordinate } from '../../coordinator/coordinator.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { silentOutput } from '../../coordinator/reports/outputs/output.js';
import type { Summary } from '../../coordinator/reports/summary.js';
import { afterRewinds, type JournalLine } from '../../coordinator/store/journal.js';
import { oneToken } from '../../shared/access/credentials.js';
import type { Connection } from '../../worker/link/connection.js';
import { runWorker } from '../../worker/worker.js';
import { FakeCompute, device, startLinkHere, temporaryFolder } from '../worker/fakes.js';

export const token = 'x'.repeat(43);
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort('the test is over');
});

export interface StartedCoordinator {
  readonly out: string;
  readonly summary: Promise<Summary>;
  readonly url: string;
  readonly stop: AbortController;
  readonly said: string[];
}

export interface CoordinatorRigOptions {
  readonly expected?: number;
  readonly port?: number;
  readonly next?: boolean;
  readonly out?: string;
  /** Whether workers that it leaves wait for one that is started in its place. */
  readonly isOpen?: boolean;
}

export async function startCoordinator(
  run: PreparedRun,
  { expected = 1, port = 0, next = false, out = temporaryFolder(), isOpen = true }: CoordinatorRigOptions = {},
): Promise<StartedCoordinator> {
  const stop = new AbortController();
  stops.push(stop);
  const said: string[] = [];
  let listening: (port: number) => void = () => undefined;
  const bound = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const summary = coordinate(run, {
    listen: { host: '127.0.0.1', port },
    credentials: oneToken(token),
    out,
    stopSignal: stop.signal,
    next,
    isOpen,
    expected,
    onListening: listening,
    reporter: { ...silentOutput, say: (_level, text) => said.push(text) },
    exportStudent: async () => undefined,
    times: { tickMs: 10, heartbeatMs: 20 },
  });
  summary.catch(() => undefined);
  return { out, summary, url: `ws://127.0.0.1:${await bound}`, stop, said };
}

export interface StartedRelay {
  readonly url: string;
  readonly exit: Promise<unknown>;
  readonly said: string[];
  readonly stop: AbortController;
  /** Connections upwards, in the order of their opening. */
  readonly connections: Connection[];
}

export async function startRelay(...urls: [string, ...string[]]): Promise<StartedRelay> {
  const stop = new AbortController();
  stops.push(stop);
  const said: string[] = [];
  const connections: Connection[] = [];
  let listening: (port: number) => void = () => undefined;
  const bound = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const exit = serveRelay({
    ...{ host: '127.0.0.1', port: 0, urls, token, credentials: oneToken(token), tls: null, memoryFolder: null },
    cacheFolder: temporaryFolder(),
    waitSeconds: 10,
    version: '0',
    stop: stop.signal,
    say: (_level, text) => void said.push(text),
    onListening: listening,
    link: {
      backOffMs: { first: 1, longest: 20 },
      connect: async (client) => {
        const connection = await client.connect();
        connections.push(connection);
        return connection;
      },
    },
  }).catch((error: unknown) => error);
  return { url: `ws://127.0.0.1:${await bound}`, exit, said, stop, connections };
}

export interface StartedWorker {
  readonly exit: Promise<unknown>;
  readonly compute: FakeCompute;
  readonly connections: Connection[];
  readonly log: string[];
  readonly stop: AbortController;
}

export interface WorkerRigOptions {
  /** The address to begin with, and those in reserve. */
  readonly urls: readonly [string, ...string[]];
  /** Of how many micro-batches one takes a little longer; 0: none does. */
  readonly pauseEvery?: number;
  readonly classes?: number;
  /** Whether it computes other bits than the others. */
  readonly isOther?: boolean;
  /** What it presents in place of the token. */
  readonly bearer?: string;
}

export function startWorker({
  urls: [url, ...further],
  pauseEvery = 0,
  classes = 2,
  isOther = false,
  bearer = token,
}: WorkerRigOptions): StartedWorker {
  const stop = new AbortController();
  stops.push(stop);
  const compute = new FakeCompute(false, classes);
  const connections: Connection[] = [];
  const log: string[] = [];
  const gradients = compute.student.gradients.bind(compute.student);
  let count = 0;
  compute.student.gradients = async (batch, step, out) => {
    if (pauseEvery > 0 && ++count % pauseEvery === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    const result = await gradients(batch, step, out);
    if (isOther) out[0] = (out[0] ?? 0) + 1;
    const sums = { samples: batch.rows, response: result.sums.crossEntropy ?? 0, 'response.count': batch.rows };
    return { ...result, sums };
  };
  const exit = runWorker(
    {
      ...{ url, further, token: bearer },
      cacheFolder: temporaryFolder(),
      threads: 1,
      local: false,
      waitSeconds: 10,
      stop: stop.signal,
      log: (line) => void log.push(line),
      backend: { ...device, name: 'wasm', open: async () => compute },
    },
    (linkStart) =>
      startLinkHere(linkStart, {
        connect: async (client) => {
          const connection = await client.connect();
          connections.push(connection);
          return connection;
        },
      }),
  ).catch((error: unknown) => error);
  return { exit, compute, connections, log, stop };
}

export async function journalOf(out: string): Promise<JournalLine[]> {
  return (await readFile(join(out, 'journal.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JournalLine);
}

/** What must be equal however it was computed. */
export async function curveIn(out: string): Promise<unknown> {
  return afterRewinds(await journalOf(out))
    .filter((line) => line.type === 'commit' || line.type === 'evaluation')
    .map((line) => ({ ...line, atMs: 0, generation: 0, chain: '' }));
}

/** The run in so many workers at the coordinator itself. */
export async function whole(
  run: PreparedRun,
  workers = 1,
): Promise<{ readonly digest: string; readonly curve: unknown }> {
  const { summary, url, out } = await startCoordinator(run, { isOpen: false });
  const { classes } = run.manifest;
  const rigs = Array.from({ length: workers }, (_, i) => startWorker({ urls: [url], pauseEvery: i + 1, classes }));
  const { digest } = await summary;
  expect(await Promise.all(rigs.map(({ exit }) => exit))).toEqual(rigs.map(() => 0));
  return { digest, curve: await curveIn(out) };
}

/** The run has come to the same student by the same figures. */
export async function expectSame(
  { summary, out }: StartedCoordinator,
  { digest, curve }: { readonly digest: string; readonly curve: unknown },
): Promise<void> {
  expect((await summary).digest).toBe(digest);
  expect(await curveIn(out)).toEqual(curve);
}
