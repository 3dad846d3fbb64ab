/** Relays beside each other and below each other, and what becomes of a run whose relays and workers end in the middle. */
import { describe, expect, it } from 'vitest';
import { tinyRun } from '../coordinator/tiny-run.js';
import {
  expectSame,
  startCoordinator,
  startRelay,
  startWorker,
  whole,
  type StartedCoordinator,
  type StartedRelay,
  type StartedWorker,
} from './rig.js';

const run = tinyRun({ samples: 120, epochs: 3, recipe: { batch: { size: 24, micro: 2 } } });
const { classes } = run.manifest;
const big = tinyRun({ samples: 12, epochs: 1, units: 20_000 });

async function computed(worker: StartedWorker | undefined, gradients: number): Promise<void> {
  if (worker === undefined) throw new Error('no such worker');
  const count = (): number => worker.compute.events.filter((event) => event.startsWith('gradients')).length;
  while (count() < gradients) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** A worker that comes before its relay has joined is sent away and comes again, so that there are several. */
const connectionsOf = (workers: readonly StartedWorker[]): number[] =>
  workers.map(({ connections }) => connections.length);

interface TwoBehindOne {
  readonly oracle: Awaited<ReturnType<typeof whole>>;
  readonly coordinator: StartedCoordinator;
  readonly relay: StartedRelay;
  readonly workers: readonly StartedWorker[];
}

/** A run of two workers behind a relay. */
async function twoBehindOne(): Promise<TwoBehindOne> {
  const oracle = await whole(run);
  const coordinator = await startCoordinator(run);
  const relay = await startRelay(coordinator.url);
  const workers = [1, 1].map((pauseEvery) => startWorker({ urls: [relay.url], pauseEvery, classes }));
  await Promise.all(workers.map((worker) => computed(worker, 1)));
  return { oracle, coordinator, relay, workers };
}

describe('relays', () => {
  it.each([
    ['small', run],
    ['big', big],
  ])('two of two workers each, with a %s student', async (_case, tried) => {
    const { classes: width } = tried.manifest;
    const oracle = await whole(tried);
    const coordinator = await startCoordinator(tried, { expected: 2 });
    const relays = [await startRelay(coordinator.url), await startRelay(coordinator.url)];
    const workers = relays.flatMap(({ url }) =>
      [1, 2].map((pauseEvery) => startWorker({ urls: [url], pauseEvery, classes: width })),
    );
    await expectSame(coordinator, oracle);
    expect(await Promise.all([...relays, ...workers].map(({ exit }) => exit))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['small', run],
    ['big', big],
  ])('one below another, and a worker at each and at the coordinator, with a %s student', async (_case, tried) => {
    const { classes: width } = tried.manifest;
    const oracle = await whole(tried);
    const coordinator = await startCoordinator(tried, { expected: 2 });
    const upper = await startRelay(coordinator.url);
    const lower = await startRelay(upper.url);
    const workers = [lower.url, lower.url, upper.url, coordinator.url].map((url) =>
      startWorker({ urls: [url], pauseEvery: 1, classes: width }),
    );
    await expectSame(coordinator, oracle);
    expect(await Promise.all([upper, lower, ...workers].map(({ exit }) => exit))).toEqual([0, 0, 0, 0, 0, 0]);
    expect(workers.map(({ compute }) => compute.events.some((event) => event.startsWith('gradients')))).toEqual(
      workers.map(() => true),
    );
  });

  it('let a worker in that comes late, from the commits that they hold', async () => {
    const oracle = await whole(run);
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    const first = startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    await computed(first, 60);
    const late = startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    await computed(late, 1);
    await expectSame(coordinator, oracle);
    expect(await Promise.all([first.exit, late.exit])).toEqual([0, 0]);
  });

  it('go on without a worker that breaks off, and with one that comes back', async () => {
    const { oracle, coordinator, workers } = await twoBehindOne();
    const before = connectionsOf(workers);
    for (const [at, worker] of workers.entries()) {
      await computed(worker, 20 * (at + 1));
      worker.connections.at(-1)?.terminate();
    }
    await expectSame(coordinator, oracle);
    expect(connectionsOf(workers)).toEqual(before.map((count) => count + 1));
    expect(await Promise.all(workers.map(({ exit }) => exit))).toEqual([0, 0]);
  });

  it('hand their leases back when their last worker is gone, and take others when one comes', async () => {
    const oracle = await whole(run);
    const coordinator = await startCoordinator(run, { expected: 2 });
    const relay = await startRelay(coordinator.url);
    const direct = startWorker({ urls: [coordinator.url], pauseEvery: 1, classes });
    const only = startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    await computed(only, 10);
    only.stop.abort('told to');
    expect(await only.exit).toBe(75);
    while (!relay.said.join('\n').includes('no worker is left')) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = startWorker({ urls: [relay.url], pauseEvery: 1, classes });
    await expectSame(coordinator, oracle);
    expect(await Promise.all([direct.exit, other.exit])).toEqual([0, 0]);
  });

  it('that lose their connection upwards keep their workers and go on', async () => {
    const { oracle, coordinator, relay, workers } = await twoBehindOne();
    const before = connectionsOf(workers);
    for (const gradients of [10, 30, 50]) {
      await computed(workers[0], gradients);
      relay.connections.at(-1)?.terminate();
    }
    await expectSame(coordinator, oracle);
    expect(relay.connections).toHaveLength(4);
    expect(connectionsOf(workers)).toEqual(before);
  });

  it('that are told to leave send their workers to the next address', async () => {
    const oracle = await whole(run);
    const coordinator = await startCoordinator(run, { expected: 2 });
    const relays = [await startRelay(coordinator.url), await startRelay(coordinator.url)] as const;
    const [one, two] = relays;
    const workers = [
      startWorker({ urls: [one.url, two.url, coordinator.url], pauseEvery: 1, classes }),
      startWorker({ urls: [two.url, coordinator.url], pauseEvery: 1, classes }),
    ] as const;
    await computed(workers[0], 15);
    one.stop.abort('told to');
    expect(await one.exit).toBe(75);
    await computed(workers[0], 30);
    two.stop.abort('told to');
    expect(await two.exit).toBe(75);
    await expectSame(coordinator, oracle);
    expect(await Promise.all(workers.map(({ exit }) => exit))).toEqual([0, 0]);
    expect(workers[0].connections.length).toBeGreaterThanOrEqual(3);
  });

  it('follow a coordinator that is started again', async () => {
    const { oracle, coordinator: first, relay, workers } = await twoBehindOne();
    await computed(workers[0], 30);
    first.stop.abort('SIGTERM');
    await first.summary.catch(() => undefined);
    const port = Number(new URL(first.url).port);
    const second = await startCoordinator(run, { port, out: first.out });
    await expectSame(second, oracle);
    expect(await Promise.all([relay.exit, ...workers.map(({ exit }) => exit)])).toEqual([0, 0, 0]);
  });

  it('go on with the next run on the same address', async () => {
    const first = await startCoordinator(tinyRun({ epochs: 1 }), { next: true });
    const relay = await startRelay(first.url);
    const worker = startWorker({ urls: [relay.url], classes });
    await first.summary;
    const second = await startCoordinator(tinyRun({ epochs: 2 }), { port: Number(new URL(first.url).port) });
    await second.summary;
    expect(await Promise.all([relay.exit, worker.exit])).toEqual([0, 0]);
  });
});
