/** Whole runs: the real coordinator and real workers on loopback; only models and data are made up. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { oneToken } from '../../../shared/access/credentials.js';
import { silentOutput } from '../../../coordinator/reports/outputs/output.js';
import { coordinate } from '../../../coordinator/coordinator.js';
import { afterRewinds, type JournalLine } from '../../../coordinator/store/journal.js';
import type { Summary } from '../../../coordinator/reports/summary.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { Connection } from '../../../worker/link/connection.js';
import { runWorker } from '../../../worker/worker.js';
import { tinyRun } from '../../coordinator/tiny-run.js';
import { FakeCompute, device, startLinkHere, temporaryFolder } from '../fakes.js';

const token = 'x'.repeat(43);
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort('the test is over');
});

interface Started {
  readonly summary: Promise<Summary>;
  readonly port: Promise<number>;
  readonly stop: AbortController;
  readonly said: string[];
}

function startCoordinator(run: PreparedRun, out: string, options: { port?: number; next?: boolean } = {}): Started {
  const stop = new AbortController();
  const said: string[] = [];
  let listening: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const summary = coordinate(run, {
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    credentials: oneToken(token),
    out,
    stopSignal: stop.signal,
    next: options.next ?? false,
    onListening: listening,
    reporter: {
      ...silentOutput,
      say: (_level, text) => said.push(text),
    },
    exportStudent: async () => undefined,
    times: { tickMs: 10, heartbeatMs: 20 },
  });
  summary.catch(() => undefined);
  return { summary, port, stop, said };
}

interface WorkerRig {
  readonly exit: Promise<unknown>;
  readonly compute: FakeCompute;
  readonly connections: Connection[];
  readonly log: string[];
}

/** A worker for students of so many classes. */
function startWorker(port: number, pauseEvery = 0, classes = 2): WorkerRig {
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
    return {
      ...result,
      sums: { samples: batch.rows, response: result.sums.crossEntropy ?? 0, 'response.count': batch.rows },
    };
  };
  const exit = runWorker(
    {
      url: `ws://127.0.0.1:${port}`,
      token,
      cacheFolder: temporaryFolder(),
      threads: 1,
      local: false,
      waitSeconds: 5,
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
  return { exit, compute, connections, log };
}

async function journalOf(out: string): Promise<JournalLine[]> {
  return (await readFile(join(out, 'journal.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JournalLine);
}

/** What must be equal for any number of workers. */
function curve(lines: readonly JournalLine[]): unknown {
  return afterRewinds(lines)
    .filter((line) => line.type === 'commit' || line.type === 'evaluation')
    .map((line) => ({ ...line, atMs: 0, generation: 0, chain: '' }));
}

async function whole(run: PreparedRun, workers: number): Promise<{ summary: Summary; out: string }> {
  const out = temporaryFolder();
  const { summary, port } = startCoordinator(run, out);
  const at = await port;
  const rigs = Array.from({ length: workers }, (_, i) => startWorker(at, i + 1, run.manifest.classes));
  const result = await summary;
  expect(await Promise.all(rigs.map((rig) => rig.exit))).toEqual(rigs.map(() => 0));
  return { summary: result, out };
}

describe('workers and their coordinator', () => {
  it.each([
    ['small', tinyRun({ samples: 50, epochs: 2 })],
    ['big', tinyRun({ samples: 26, epochs: 2, units: 20_000 })],
  ])('come to the same bits, 1 or 3 of them, with a %s student', async (_case, run) => {
    const one = await whole(run, 1);
    const three = await whole(run, 3);
    expect(three.summary.digest).toBe(one.summary.digest);
    expect(curve(await journalOf(three.out))).toEqual(curve(await journalOf(one.out)));
  });

  it.each([
    ['small', tinyRun({ samples: 60, epochs: 3 })],
    ['big', tinyRun({ samples: 26, epochs: 2, units: 20_000 })],
  ])('come to the same bits when connections are cut again and again, with a %s student', async (_case, run) => {
    const oracle = await whole(run, 1);
    const out = temporaryFolder();
    const { summary, port } = startCoordinator(run, out);
    const { classes } = run.manifest;
    const rigs = [startWorker(await port, 1, classes), startWorker(await port, 2, classes)];
    let cuts = 0;
    const timer = setInterval(() => {
      const connection = rigs[cuts % 2]?.connections.at(-1);
      if (cuts < 8 && connection !== undefined) {
        cuts++;
        connection.terminate();
      }
    }, 15);
    const result = await summary;
    clearInterval(timer);
    expect(cuts).toBeGreaterThan(1);
    expect(rigs.flatMap((rig) => rig.connections).length).toBeGreaterThan(3);
    expect(result.digest).toBe(oracle.summary.digest);
    expect(curve(await journalOf(out))).toEqual(curve(await journalOf(oracle.out)));
    expect(await Promise.all(rigs.map((rig) => rig.exit))).toEqual([0, 0]);
  });

  it('end when their coordinator is stopped; others go on with its folder to the same bits', async () => {
    const run = tinyRun({ samples: 200, epochs: 3 });
    const oracle = await whole(run, 1);
    const out = temporaryFolder();
    const first = startCoordinator(run, out);
    const port = await first.port;
    const { classes } = run.manifest;
    const worker = startWorker(port, 1, classes);
    while (worker.compute.events.length < 120) await new Promise((resolve) => setTimeout(resolve, 5));
    first.stop.abort('restart');
    await first.summary.catch(() => undefined);
    expect(await worker.exit).toBe(75);
    const second = startCoordinator(run, out, { port });
    const other = startWorker(await second.port, 0, classes);
    expect((await second.summary).digest).toBe(oracle.summary.digest);
    expect(await other.exit).toBe(0);
    expect(curve(await journalOf(out))).toEqual(curve(await journalOf(oracle.out)));
  });

  it('go on with the next run on the same address', async () => {
    const first = startCoordinator(tinyRun({ epochs: 1 }), temporaryFolder(), { next: true });
    const port = await first.port;
    const worker = startWorker(port);
    await first.summary;
    const second = startCoordinator(tinyRun({ epochs: 2 }), temporaryFolder(), { port });
    await second.summary;
    expect(await worker.exit).toBe(0);
    expect(worker.connections.length).toBeGreaterThanOrEqual(2);
  });

  it('are refused by name with a wrong token', async () => {
    const { port, stop } = startCoordinator(tinyRun(), temporaryFolder());
    const at = await port;
    const exit = runWorker(
      {
        url: `ws://127.0.0.1:${at}`,
        token: 'wrong',
        cacheFolder: temporaryFolder(),
        threads: 1,
        local: false,
        waitSeconds: 5,
        log: () => undefined,
        backend: { ...device, name: 'wasm', open: async () => new FakeCompute(false) },
      },
      (linkStart) => startLinkHere(linkStart),
    );
    await expect(exit).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringContaining('token missing or wrong'),
    });
    stop.abort('done');
  });
});
