/** The streams of viewers, over a real server: what they are told, and what becomes of those that do not read. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { EventText, type PageEvent } from '../../../coordinator/page/browser/events.js';
import { LiveRun } from '../../../coordinator/page/live-run.js';
import { Viewers, type ViewersOptions } from '../../../coordinator/page/viewers.js';
import { mustAt } from '../../../shared/must.js';
import { counts } from '../watch/counts.js';

const run = {
  ...{ run: 'r1', generation: 1, name: 'tiny', folder: 'tiny' },
  ...{ batch: { size: 8, micro: 2 }, engines: ['wasm'] },
};
let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
});

interface Watching {
  readonly viewers: Viewers;
  readonly live: LiveRun;
  readonly port: number;
  /** Why viewers may stay no longer. */
  refusal: string | null;
  /** How often the run's status was asked for. */
  asked: number;
  readonly responses: ServerResponse[];
}

async function watching(options: Partial<ViewersOptions> = {}, workers = 1): Promise<Watching> {
  const live = new LiveRun({ weightsAt: () => ({ a: 1 }), nowMs: () => 7 });
  const { workers: _, ...status } = counts.status;
  const one = mustAt(counts.status.workers, 0, 'worker');
  const here = Array.from({ length: workers }, (_unused, i) => ({ ...one, worker: `w${i}` }));
  const viewers = new Viewers({
    ...{ run, live, everyMs: 5 },
    status: async () => {
      watch.asked++;
      return {
        ...{ ...status, here, workers, weights: { a: 1 }, figure: null, references: [] },
        ...{ commitMs: null, logBytes: 0, residentBytes: 0 },
      };
    },
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  const server = createServer((asked, response) => {
    watch.responses.push(response);
    viewers.serve(asked, response, () => watch.refusal);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const watch: Watching = { viewers, live, port, refusal: null, asked: 0, responses: [] };
  return watch;
}

function open(port: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject).end();
  });
}

/** Reads events until one of them is as wanted. @throws at the stream's end */
async function until(stream: IncomingMessage, isWanted: (event: PageEvent) => boolean): Promise<PageEvent[]> {
  const [text, found]: [EventText, PageEvent[]] = [new EventText(), []];
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    for (const event of text.add(String(piece))) {
      found.push(event);
      if (isWanted(event)) return found;
    }
  }
  throw new Error(`the stream has ended with ${found.map(({ name }) => name).join()}`);
}

const isNote =
  (wanted: string) =>
  (event: PageEvent): boolean =>
    event.name === 'notes' && event.value.some(({ text }) => text === wanted);

async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a viewer', () => {
  it('is told of the run, its state and all that was before, then of what comes', async () => {
    const { live, port, viewers } = await watching();
    live.curves.add(0, { loss: 3 });
    live.output.say('warn', 'before');
    const stream = await open(port);
    expect(stream.headers['content-type']).toContain('text/event-stream');
    const first = await until(stream, isNote('before'));
    expect(first.map(({ name }) => name)).toEqual(['run', 'status', 'workers', 'curves', 'notes']);
    expect(first[1]?.value).not.toHaveProperty('here');
    expect(first[3]?.value).toMatchObject({ series: { loss: { mean: [3] } } });
    live.output.say('info', 'w1 left\n\nevent: end');
    const later = await until(stream, isNote('w1 left\n\nevent: end'));
    expect(later.some(({ name }) => name === 'run')).toBe(false);
    await viewers.close({ state: 'done', text: 'over' });
    expect((await until(stream, ({ name }) => name === 'end')).at(-1)?.value).toEqual({ state: 'done', text: 'over' });
  });

  it('costs nothing when there is none', async () => {
    const watch = await watching();
    const stream = await open(watch.port);
    await until(stream, ({ name }) => name === 'curves');
    stream.destroy();
    await eventually(() => watch.viewers.count === 0);
    const { asked } = watch;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(watch.asked - asked).toBeLessThanOrEqual(1);
  });

  it('is told why when its token is good no more, and let go', async () => {
    const watch = await watching();
    const stream = await open(watch.port);
    await until(stream, ({ name }) => name === 'status');
    watch.refusal = 'the token was good until noon';
    const events = await until(stream, ({ name }) => name === 'refused');
    expect(events.at(-1)?.value).toEqual({ error: 'the token was good until noon' });
    await eventually(() => watch.viewers.count === 0);
  });

  it('is one of so many; a further one is refused', async () => {
    const { port } = await watching({ most: 2 });
    const streams = await Promise.all([open(port), open(port)]);
    expect(streams.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    const refused = await open(port);
    expect(refused.statusCode).toBe(503);
    expect(JSON.parse(String((await refused.toArray())[0]))).toMatchObject({
      error: expect.stringContaining('2 viewers already'),
    });
  });

  it('is refused once the run is over', async () => {
    const { port, viewers } = await watching();
    await viewers.close({ state: 'done', text: '' });
    expect((await open(port)).statusCode).toBe(503);
  });

  it('that does not read is told nothing more, so that nothing piles up, and is cut off in the end', async () => {
    const clock = { ms: 0 };
    const watch = await watching({ nowMs: () => clock.ms, patienceMs: 1000 });
    const { live, port, viewers, responses } = watch;
    const stream = await open(port);
    stream.pause();
    const ticks = async (): Promise<void> => {
      live.output.say('info', 'x'.repeat(200_000));
      await new Promise((resolve) => setTimeout(resolve, 30));
    };
    // Until what lies between them is full.
    while (responses[0]?.writableNeedDrain !== true) await ticks();
    const { writableLength } = responses[0];
    for (let i = 0; i < 5; i++) await ticks();
    expect(responses[0].writableLength).toBe(writableLength);
    expect(viewers.count).toBe(1);
    clock.ms += 1001;
    await eventually(() => viewers.count === 0);
    expect(responses[0].destroyed).toBe(true);
  });

  it('that reads again is told all that it has missed, in one piece', async () => {
    const watch = await watching();
    const { live, port } = watch;
    const stream = await open(port);
    await until(stream, ({ name }) => name === 'curves');
    for (let step = 0; step < 3000; step++) live.curves.add(step, { loss: step });
    live.output.say('info', 'much');
    const events = await until(stream, isNote('much'));
    const curves = events.findLast((event) => event.name === 'curves');
    expect(curves?.value).toMatchObject({ width: 4, from: 0 });
  });
});

describe('a table of a thousand workers', () => {
  it('is sent every fifth second', async () => {
    const clock = { ms: 0 };
    const watch = await watching({ nowMs: () => clock.ms, everyMs: 1 }, 1000);
    const stream = await open(watch.port);
    const tables: number[] = [];
    await until(stream, ({ name }) => {
      if (name === 'workers') tables.push(clock.ms);
      if (name === 'status') clock.ms += 1;
      return tables.length === 3;
    });
    for (const [i, at] of tables.slice(1).entries()) expect(at - (tables[i] ?? 0)).toBeGreaterThanOrEqual(4);
  });
});
