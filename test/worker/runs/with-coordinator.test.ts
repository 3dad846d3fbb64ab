/** Whole runs: the real coordinator and real workers on loopback; only models and data are made up. */
import { describe, expect, it } from 'vitest';
import { expectSame, startCoordinator, startWorker, whole } from '../../relay/rig.js';
import { tinyRun } from '../../coordinator/tiny-run.js';

const isOpen = false;

describe('workers and their coordinator', () => {
  it.each([
    ['small', tinyRun({ samples: 50, epochs: 2 })],
    ['big', tinyRun({ samples: 26, epochs: 2, units: 20_000 })],
  ])('come to the same bits, 1 or 3 of them, with a %s student', async (_case, run) => {
    const one = await whole(run, 1);
    const three = await whole(run, 3);
    expect(three).toEqual(one);
  });

  it.each([
    ['small', tinyRun({ samples: 60, epochs: 3 })],
    ['big', tinyRun({ samples: 26, epochs: 2, units: 20_000 })],
  ])('come to the same bits when connections are cut again and again, with a %s student', async (_case, run) => {
    const oracle = await whole(run, 1);
    const coordinator = await startCoordinator(run, { isOpen });
    const { classes } = run.manifest;
    const rigs = [1, 2].map((pauseEvery) => startWorker({ urls: [coordinator.url], pauseEvery, classes }));
    let cuts = 0;
    const timer = setInterval(() => {
      const connection = rigs[cuts % 2]?.connections.at(-1);
      if (cuts < 8 && connection !== undefined) {
        cuts++;
        connection.terminate();
      }
    }, 15);
    await coordinator.summary;
    clearInterval(timer);
    expect(cuts).toBeGreaterThan(1);
    expect(rigs.flatMap((rig) => rig.connections).length).toBeGreaterThan(3);
    await expectSame(coordinator, oracle);
    expect(await Promise.all(rigs.map((rig) => rig.exit))).toEqual([0, 0]);
  });

  it('end when their coordinator is stopped; others go on with its folder to the same bits', async () => {
    const run = tinyRun({ samples: 200, epochs: 3 });
    const oracle = await whole(run, 1);
    const first = await startCoordinator(run, { isOpen });
    const { out, url } = first;
    const { classes } = run.manifest;
    const worker = startWorker({ urls: [url], pauseEvery: 1, classes });
    while (worker.compute.events.length < 120) await new Promise((resolve) => setTimeout(resolve, 5));
    first.stop.abort('restart');
    await first.summary.catch(() => undefined);
    expect(await worker.exit).toBe(75);
    const second = await startCoordinator(run, { port: Number(new URL(url).port), out, isOpen });
    const other = startWorker({ urls: [url], classes });
    await expectSame(second, oracle);
    expect(await other.exit).toBe(0);
  });

  it('go on with the next run on the same address', async () => {
    const first = await startCoordinator(tinyRun({ epochs: 1 }), { next: true, isOpen });
    const worker = startWorker({ urls: [first.url] });
    await first.summary;
    const port = Number(new URL(first.url).port);
    const second = await startCoordinator(tinyRun({ epochs: 2 }), { port, isOpen });
    await second.summary;
    expect(await worker.exit).toBe(0);
    expect(worker.connections.length).toBeGreaterThanOrEqual(2);
  });

  it('are refused by name with a wrong token', async () => {
    const { url } = await startCoordinator(tinyRun(), { isOpen });
    expect(await startWorker({ urls: [url], bearer: 'wrong' }).exit).toMatchObject({
      exitCode: 77,
      message: expect.stringContaining('token missing or wrong'),
    });
  });
});
