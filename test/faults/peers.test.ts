/**
 * Peers with the right token that do wrong, over real sockets: they come from an address of their own and take as many
 * names as they like. None of them ends, stalls or changes the run of the honest worker beside them.
 */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { oneToken } from '../../shared/access/credentials.js';
import { silentOutput } from '../../coordinator/reports/outputs/output.js';
import { coordinate } from '../../coordinator/coordinator.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import type { Summary } from '../../coordinator/reports/summary.js';
import type { JournalLine } from '../../coordinator/store/journal.js';
import { runIdIn } from '../../coordinator/store/generations.js';
import { readJournal } from '../../coordinator/store/journal-file.js';
import { FakeWorker, type FakeOptions } from '../coordinator/fake-worker.js';
import { temporaryFolder } from '../coordinator/helpers.js';
import { tinyRun } from '../coordinator/tiny-run.js';

const token = 'x'.repeat(43);
const size = { samples: 64, epochs: 16 };
const beats: NodeJS.Timeout[] = [];
afterEach(() => beats.splice(0).forEach(clearInterval));

interface Attacked {
  readonly summary: Summary;
  readonly said: readonly string[];
  /** What audits have found, by the journal. */
  readonly audits: readonly Extract<JournalLine, { type: 'audit' }>[];
}

/** A coordinator of the run in the folder, beyond loopback. */
function coordinated(run: PreparedRun, out: string, stopSignal = new AbortController().signal) {
  const said: string[] = [];
  let heard: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => (heard = resolve));
  const summary = coordinate(run, {
    listen: { host: '0.0.0.0', port: 0 },
    credentials: oneToken(token),
    out,
    stopSignal,
    next: false,
    onListening: heard,
    reporter: { ...silentOutput, say: (_level, text) => said.push(text) },
    exportStudent: async () => undefined,
    times: { tickMs: 20, silenceMs: 1e9 },
  });
  summary.catch(() => undefined);
  return { out, said, summary, port };
}

/** The run of one honest worker, and what `attack` lets loose on it once that one is at work. */
async function runBeside(
  attack: (connect: (options: Partial<FakeOptions>) => FakeWorker) => void,
  audit?: number,
): Promise<Attacked> {
  const run = tinyRun({ ...size, recipe: audit === undefined ? {} : { audit } });
  const { out, said, summary, port } = coordinated(run, await temporaryFolder());
  const at = { run, port: await port, token };
  let onStep: () => void = () => undefined;
  const isAtWork = new Promise<void>((resolve) => (onStep = resolve));
  const honest = new FakeWorker({ ...at, name: 'honest', microBatchMs: 5, onStep: () => onStep() });
  await isAtWork;
  attack((options) => {
    const worker = new FakeWorker({ ...at, address: '127.0.0.2', ...options });
    beats.push(setInterval(() => worker.beat(), 100));
    return worker;
  });
  const result = { summary: await summary, said };
  await honest.closed;
  const { lines } = await readJournal(join(out, 'journal.jsonl'), { run: await runIdIn(out), logged: new Map() });
  return { ...result, audits: lines.flatMap((line) => (line.type === 'audit' ? [line] : [])) };
}

const untouched = runBeside(() => undefined);
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `name ${i}`);

describe('a host of peers that', () => {
  it('fail whatever they are given, under eight names, skip no step', async () => {
    let failed = 0;
    const { summary, said } = await runBeside((connect) => {
      for (const name of names(8)) connect({ name, sabotage: () => (failed++, 'fail') });
    });
    expect(failed).toBeGreaterThan(1);
    expect(summary.digest).toBe((await untouched).summary.digest);
    expect(said.filter((text) => text.includes('skipped'))).toEqual([]);
  });

  it('hoard leases and beat, under six names, are given few of them', async () => {
    let hoarded = 0;
    const { summary, said } = await runBeside((connect) => {
      for (const name of names(6)) connect({ name, sabotage: () => (hoarded++, 'stall') });
    });
    expect(hoarded).toBeGreaterThan(0);
    expect(said.some((text) => /^w\d is late/.test(text))).toBe(true);
    expect(summary.digest).toBe((await untouched).summary.digest);
    // Of 128 steps: they rest twice as long each time.
    expect(hoarded).toBeLessThan(16);
  });

  it('offer what cannot be, again and again, are refused in the end', async () => {
    const codes: number[] = [];
    const { summary } = await runBeside((connect) => {
      const again = (): void => {
        const worker = connect({ name: 'broken', sabotage: () => 'invent' });
        void worker.closed.then(({ code }) => {
          codes.push(code);
          if (code === 4400 && codes.length < 50) again();
        });
      };
      again();
    });
    expect(codes.slice(0, 3)).toEqual([4400, 4400, 4403]);
    expect(summary.digest).toBe((await untouched).summary.digest);
  });
});

describe('a worker whose device flips a bit now and then', () => {
  it.each([1, 0.2])('is named and turned away where %s of all blocks are audited', async (audit) => {
    let flipped = 0;
    const codes: number[] = [];
    const { summary, audits } = await runBeside((connect) => {
      connect({ name: 'second', address: '127.0.0.3', microBatchMs: 5 });
      const sabotage = (): 'twist' => (flipped++, 'twist');
      void connect({ name: 'broken', microBatchMs: 5, sabotage }).closed.then(({ code }) => codes.push(code));
    }, audit);
    expect(flipped).toBeGreaterThan(0);
    expect(codes).toEqual([4403]);
    // Once for each block in which it was found out.
    expect(new Set(audits.map(({ outcome, workers }) => `${outcome}: ${workers.join()}`))).toEqual(
      new Set(['lie: broken']),
    );
    // What was committed before it was found out stays.
    if (audit === 1) expect(summary.digest).toBe((await untouched).summary.digest);
  });

  it('is let in no more when the coordinator is started again', async () => {
    const run = tinyRun({ ...size, recipe: { audit: 1 } });
    const stop = new AbortController();
    const first = coordinated(run, await temporaryFolder(), stop.signal);
    const at = { run, token, microBatchMs: 5 };
    const honest = ['honest', 'second'].map((name) => ({ ...at, name }));
    const liar = { ...at, name: 'broken', address: '127.0.0.2', sabotage: (): 'twist' => 'twist' };
    const port = await first.port;
    for (const worker of honest) new FakeWorker({ ...worker, port });
    expect(await new FakeWorker({ ...liar, port }).closed).toMatchObject({ code: 4403 });
    stop.abort('SIGTERM');
    await expect(first.summary).rejects.toMatchObject({ exitCode: 75 });
    const again = coordinated(run, first.out);
    const next = { ...liar, port: await again.port };
    expect(await new FakeWorker(next).closed).toMatchObject({ code: 4403 });
    for (const worker of honest) new FakeWorker({ ...worker, port: next.port });
    expect((await again.summary).digest).toBe((await untouched).summary.digest);
  });

  it('is named and turned away without audits where its gradients are out of all proportion', async () => {
    let exaggerated = 0;
    const codes: number[] = [];
    const { summary, audits } = await runBeside((connect) => {
      connect({ name: 'second', address: '127.0.0.3', microBatchMs: 5 });
      // By then enough blocks were summed to compare with.
      const sabotage = ({ step }: { readonly step: number }): 'exaggerate' | undefined =>
        step < 40 || exaggerated++ > 2 ? undefined : 'exaggerate';
      void connect({ name: 'broken', microBatchMs: 5, sabotage }).closed.then(({ code }) => codes.push(code));
    });
    expect(exaggerated).toBeGreaterThan(0);
    expect(codes).toEqual([4403]);
    expect(audits.map(({ outcome, workers }) => `${outcome}: ${workers.join()}`)).toEqual(['lie: broken']);
    expect(summary.digest).toBe((await untouched).summary.digest);
  });

  it('ruins the run where nothing is audited', async () => {
    const { summary, audits } = await runBeside(
      (connect) => void connect({ name: 'broken', microBatchMs: 5, sabotage: () => 'twist' }),
    );
    expect(audits).toEqual([]);
    expect(summary.digest).not.toBe((await untouched).summary.digest);
  });
});
