/**
 * Workers that only label, over loopback, with real teachers: on a coordinator that only makes labels, and beside
 * training.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { oneToken } from '../../../shared/access/credentials.js';
import { makeLabels } from '../../../coordinator/labels/label-only.js';
import { LabelService } from '../../../coordinator/labels/service.js';
import { tellLateWorkers } from '../../../coordinator/late-workers.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { contentDigest } from '../../../shared/protocol/label-messages.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { runLabelWorker } from '../../../worker/labels/label-worker.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { temporaryFolder } from '../fakes.js';
import { prepareAgain, prepared, samples, whole } from '../runs/real-runs.js';

/** The labels of both teachers. */
const both = 2 * samples;

const folders: string[] = [];
const stops: AbortController[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  stops.splice(0).forEach((stop) => stop.abort('the test is over'));
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

const proxies: Server[] = [];
afterEach(() => {
  for (const server of proxies.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
const student = { builtin: 'mlp', hidden: [8] };

function storageOf(): LabelStorage {
  const folder = temporaryFolder();
  folders.push(folder);
  return { folder, maxBytes: 2 ** 30 };
}

async function labeller(
  port: number,
  overrides: { token?: string; stop?: AbortSignal; waitSeconds?: number; backend?: 'native' } = {},
): Promise<{ code: number; said: string[] }> {
  const said: string[] = [];
  const controller = new AbortController();
  stops.push(controller);
  const { tf } = await openWasm();
  const code = await runLabelWorker({
    url: `ws://127.0.0.1:${port}`,
    token: 'secret',
    cacheFolder: storageOf().folder,
    storage: storageOf(),
    waitSeconds: 5,
    local: false,
    stop: controller.signal,
    log: (line) => void said.push(line),
    backend: 'wasm',
    gpu: null,
    openTensorFlow: async () => tf,
    ...overrides,
  });
  return { code, said };
}

function labelling(run: PreparedRun, labels: LabelStorage, out?: string) {
  let listening: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const stop = new AbortController();
  const said: string[] = [];
  const result = makeLabels(run, {
    listen: { host: '127.0.0.1', port: 0 },
    credentials: oneToken('secret'),
    labels,
    out,
    stopSignal: stop.signal,
    say: (line) => void said.push(line),
    onListening: listening,
  });
  result.catch(() => undefined);
  return { port, result, stop, said };
}

/** Between a worker and its coordinator; `tamper` changes what it sends. @returns the port to connect to */
async function between(
  port: number,
  onRequest: (path: string) => Promise<void>,
  tamper: (rows: Uint8Array) => Uint8Array = (rows) => rows,
): Promise<number> {
  const server = createServer((request, response) => {
    void (async () => {
      const { method = 'GET', url = '', headers } = request;
      const pieces: Uint8Array[] = [];
      for await (const piece of request) if (piece instanceof Uint8Array) pieces.push(piece);
      await onRequest(url);
      const body = method === 'PUT' ? tamper(Buffer.concat(pieces)) : Buffer.concat(pieces);
      const { 'content-digest': digest } = headers;
      const answer = await fetch(`http://127.0.0.1:${port}${url}`, {
        method,
        headers: {
          authorization: headers.authorization ?? '',
          'x-stillhouse-worker': String(headers['x-stillhouse-worker']),
          'x-stillhouse-numerics': String(headers['x-stillhouse-numerics']),
          ...(digest === undefined ? {} : { 'content-digest': contentDigest(body) }),
        },
        ...(method === 'GET' ? {} : { body: new Uint8Array(body) }),
      });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(new Uint8Array(await answer.arrayBuffer()));
    })().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  proxies.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Rows with the first two probabilities of each the other way round. */
function swapped(rows: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(rows);
  const view = new DataView(bytes.buffer);
  const count = view.getUint32(0, true);
  const rowBytes = (bytes.length - 4 - 4 * count) / count;
  for (let i = 0, at = 4 + 4 * count; i < count; i++, at += rowBytes) {
    const first = view.getUint32(at, true);
    view.setUint32(at, view.getUint32(at + 4, true), true);
    view.setUint32(at + 4, first, true);
  }
  return bytes;
}

describe('a run that is over, or paused', () => {
  it('ends a worker that only labels and comes late, with 0', async () => {
    let heard: (port: number) => void = () => undefined;
    const port = new Promise<number>((resolve) => {
      heard = resolve;
    });
    const stop = new AbortController();
    const told = tellLateWorkers({
      ...{ host: '127.0.0.1', port: 0, credentials: oneToken('secret'), waitMs: 60_000, stop: stop.signal },
      end: { type: 'end', run: 'r', generation: 0, step: 1, reason: 'done', text: '' },
      ...{ onListening: heard, onNotice: () => undefined },
    });
    const { code, said } = await labeller(await port);
    expect([code, said]).toEqual([0, ['labels: no more are wanted; the run is done']]);
    const authorization = 'Bearer secret';
    const asked = async (path: string, method: string): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:${await port}/labels/${path}`, {
        method,
        headers: { authorization },
      });
      return answer.ok ? answer.json() : answer.status;
    };
    // One that has a block already asks for the next.
    expect(await asked('lease', 'POST')).toEqual({ type: 'done' });
    expect(await asked('run', 'POST')).toBe(404);
    stop.abort();
    await told;
  });

  it.each([
    [true, 'wait'],
    [false, 'done'],
  ])('paused: %s: is answered %s', async (isPaused, type) => {
    const run = await prepared(student);
    const service = LabelService.open({
      ...{ run, storage: storageOf(), warn: () => undefined },
      onError: (error) => expect.unreachable(String(error)),
    });
    if (service === null) throw new Error('no labels');
    const sender = { origin: 'a', worker: 'w', numerics: 'n' };
    expect(await service.lease(sender)).toMatchObject({ type: 'lease' });
    const settled = service.settle(isPaused);
    expect(await service.lease(sender)).toEqual({ type });
    await settled;
    expect(await service.lease(sender)).toEqual({ type });
    await service.close();
  });
});

/** Two honest workers, and one that lies once both of them are there, since two others are needed to decide. */
function withLiar(port: number): { liar: ReturnType<typeof labeller>; honest: Promise<{ code: number }[]> } {
  const leased = new Set<number>();
  let haveLeased: () => void = () => undefined;
  const areThere = new Promise<void>((resolve) => {
    haveLeased = resolve;
  });
  const honest = [0, 1].map(async (i) => {
    const onRequest = async (path: string): Promise<void> => {
      if (path === '/labels/lease') leased.add(i);
      if (leased.size === 2) haveLeased();
    };
    return labeller(await between(port, onRequest));
  });
  const liar = between(port, async (path) => (path === '/labels/lease' ? undefined : areThere), swapped);
  const lying = liar.then((at) => labeller(at));
  lying.catch(() => undefined);
  return { liar: lying, honest: Promise.all(honest) };
}

describe('workers that only label', () => {
  it('are audited: one that lies is named and turned away, and the labels are those of honest workers', async () => {
    const run = await prepared(student, { audit: 1 });
    const storage = storageOf();
    const { port, result, said } = labelling(run, storage);
    const { liar, honest } = withLiar(await port);
    await expect(liar).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringContaining('an audit has found other labels'),
    });
    expect(await result).toEqual({ samples: both, made: both });
    expect((await honest).map(({ code }) => code)).toEqual([0, 0]);
    expect(said.filter((line) => line.includes('gave other labels'))).toEqual([
      expect.stringMatching(/its device is broken, or it lies; \d+ labels of it are thrown away and made anew$/),
    ]);
    const live = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 1);
    const reading = await whole(run, 1, { labels: storage });
    expect(reading.summary.digest).toBe(live.summary.digest);
  }, 60_000);

  it('make every label, which a run then only reads, to the bits of a run that labels itself', async () => {
    const run = await prepared(student);
    const storage = storageOf();
    const { port, result } = labelling(run, storage, join(run.recipeFolder, 'labels.npz'));
    const workers = await Promise.all([labeller(await port), labeller(await port)]);
    expect(await result).toEqual({ samples: both, made: both });
    expect(workers.map(({ code }) => code)).toEqual([0, 0]);
    const live = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 1);
    const forward = vi.spyOn(Ensemble.prototype, 'labels');
    const reading = await whole(run, 1, { labels: storage });
    expect(forward).not.toHaveBeenCalled();
    const alone = await prepareAgain(run, {
      ...run.recipe,
      teachers: [],
      labels: { ...run.recipe.labels, from: 'labels.npz' },
    });
    const fromFile = await whole(alone, 1);
    expect([reading.summary.digest, fromFile.summary.digest]).toEqual([live.summary.digest, live.summary.digest]);
  }, 60_000);

  it('do nothing twice: a second time all is there, without a worker', async () => {
    const run = await prepared(student);
    const storage = storageOf();
    const first = labelling(run, storage);
    await labeller(await first.port);
    await first.result;
    const second = labelling(run, storage);
    expect(await second.result).toEqual({ samples: both, made: 0 });
    expect(second.said).toEqual([`labels: ${both} of ${both} (2 teachers of ${samples} samples) read from the cache`]);
  }, 60_000);

  it('wait for a coordinator, and give up after the wait with exit code 69', async () => {
    await expect(labeller(9, { waitSeconds: 0 })).rejects.toMatchObject({ exitCode: 69 });
  });

  it("are refused without the token, or on another backend than the recipe's", async () => {
    const run = await prepared(student, { numerics: { backend: 'wasm' } });
    const { port, result, stop } = labelling(run, storageOf());
    await expect(labeller(await port, { token: 'wrong' })).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringContaining('token'),
    });
    await expect(labeller(await port, { backend: 'native' })).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringContaining('--backend wasm'),
    });
    stop.abort('enough');
    await expect(result).rejects.toMatchObject({ exitCode: 75, message: expect.stringContaining('enough') });
  }, 60_000);

  it('fill the cache of a run whose training workers wait for them and hold no teacher', async () => {
    const run = await prepared(student);
    const live = await whole(run, 1);
    const waiting: PreparedRun = { ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, wait: true } } };
    const opened = vi.spyOn(Ensemble, 'open');
    const helps: Promise<{ code: number }>[] = [];
    const trained = await whole(waiting, 2, {
      labels: storageOf(),
      workerLabels: storageOf,
      onListening: (port) => void helps.push(labeller(port)),
    });
    expect(trained.summary.digest).toBe(live.summary.digest);
    expect(opened).toHaveBeenCalledTimes(1);
    expect(await Promise.all(helps)).toMatchObject([{ code: 0 }]);
  }, 60_000);

  it('are audited beside training: no step sees a lie, and the journal names who lied', async () => {
    const run = await prepared(student, { audit: 1 });
    const live = await whole(run, 1);
    const waiting: PreparedRun = { ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, wait: true } } };
    const helps: ReturnType<typeof withLiar>[] = [];
    const trained = await whole(waiting, 2, {
      labels: storageOf(),
      workerLabels: storageOf,
      onListening: (port) => void helps.push(withLiar(port)),
    });
    expect(trained.summary.digest).toBe(live.summary.digest);
    await expect(helps[0]?.liar).rejects.toMatchObject({ exitCode: 77 });
    expect(trained.lines.filter(({ type }) => type === 'labels')).toEqual([
      expect.objectContaining({ outcome: 'lie', text: expect.stringContaining('gave other labels for samples') }),
    ]);
  }, 60_000);

  it('may die: training goes on with its own labels', async () => {
    const run = await prepared(student);
    const stop = new AbortController();
    const helps: Promise<{ code: number }>[] = [];
    const trained = await whole(run, 1, {
      labels: storageOf(),
      onListening: (port) => {
        helps.push(labeller(port, { stop: stop.signal }));
        stop.abort('killed');
      },
    });
    expect(await Promise.all(helps)).toMatchObject([{ code: 75 }]);
    expect(trained.summary.digest).toBe((await whole(run, 1)).summary.digest);
  }, 60_000);

  it.each([
    ['no loss on soft labels', { losses: { crossEntropy: { weight: 1 } } }, /response with a teacher wanted/],
    ['labels that are not kept', { labels: { cache: false } }, /labels.cache: false given/],
  ])('have nothing to do for %s', async (_case, overrides, message) => {
    const run = await prepared(student, overrides);
    await expect(labelling(run, storageOf()).result).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });
});
