import { cpSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { oneToken } from '../../shared/access/credentials.js';
import { Curves } from '../../coordinator/page/curves.js';
import { silentOutput, type ReportOutput, type RunStart } from '../../coordinator/reports/outputs/output.js';
import { coordinate, type CoordinateOptions } from '../../coordinator/coordinator.js';
import { afterRewinds, type CommitLine, type JournalLine } from '../../coordinator/store/journal.js';
import { UnitCommits } from '../../coordinator/unit-commits.js';
import { LabelService } from '../../coordinator/labels/service.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { weightsDigest, type Summary } from '../../coordinator/reports/summary.js';
import { unitsOf } from '../../coordinator/plan/units-of.js';
import { commitScalars } from '../../shared/replica/optimizer/scalars.js';
import { decodeDown, encodeFrame, type Frame } from '../../shared/protocol/codec.js';
import { hello as anyHello } from '../../bench/flood-attacks.js';
import { closeCodes, subprotocol, type Down, type Lease, type Up } from '../../shared/protocol/messages.js';
import { BlockSum } from '../../shared/replica/reduction/block-sum.js';
import { microBatchRange } from '../../shared/replica/reduction/tree.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import { FakeWorker, fillGradient, type FakeOptions } from './fake-worker.js';
import { temporaryFolder } from './helpers.js';
import { readEvents } from './reports/outputs/read-events.js';
import { teacherOf } from '../shared/labels/fixtures.js';
import { tinyRun } from './tiny-run.js';

afterEach(() => vi.restoreAllMocks());

const token = 'x'.repeat(43);

interface Rig {
  readonly out: string;
  readonly summary: Promise<Summary>;
  readonly port: Promise<number>;
  readonly stop: AbortController;
  readonly said: string[];
  readonly exported: Map<string, ReadonlyMap<string, Float32Array>>;
}

/** A coordinator in this process, on a port of the system's choice. */
function start(run: PreparedRun, out: string, options: Partial<CoordinateOptions> = {}): Rig {
  const stop = new AbortController();
  const said: string[] = [];
  const exported = new Map<string, ReadonlyMap<string, Float32Array>>();
  let heard: (port: number) => void = () => undefined;
  const port = new Promise<number>((resolve) => {
    heard = resolve;
  });
  const summary = coordinate(run, {
    listen: { host: '127.0.0.1', port: 0 },
    credentials: oneToken(token),
    out,
    stopSignal: stop.signal,
    next: false,
    onListening: heard,
    reporter: {
      ...silentOutput,
      say: (_level, text) => said.push(text),
    },
    exportStudent: async (_spec, weights, folder) => {
      exported.set(folder.slice(out.length + 1), weights);
    },
    times: { tickMs: 20 },
    ...options,
  });
  summary.catch(() => undefined);
  return { out, summary, port, stop, said, exported };
}

async function withWorkers(
  run: PreparedRun,
  workers: readonly Omit<FakeOptions, 'run' | 'port'>[],
  out?: string,
  options: Partial<CoordinateOptions> = {},
): Promise<{ summary: Summary; rig: Rig; workers: FakeWorker[] }> {
  const rig = start(run, out ?? (await temporaryFolder()), options);
  const port = await rig.port;
  const started = workers.map((options, i) => new FakeWorker({ name: `fake ${i}`, token, ...options, run, port }));
  return { summary: await rig.summary, rig, workers: started };
}

async function journalOf(out: string): Promise<JournalLine[]> {
  const text = await readFile(join(out, 'journal.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => withoutChain(JSON.parse(line) as JournalLine & { readonly chain: string }));
}

function withoutChain({ chain: _, ...line }: JournalLine & { readonly chain: string }): JournalLine {
  return line;
}

function commits(lines: readonly JournalLine[]): CommitLine[] {
  return afterRewinds(lines).flatMap((line) => (line.type === 'commit' ? [line] : []));
}

/** What must be equal for any number of workers: the journal without its times and generations. */
function curve(lines: readonly JournalLine[]): unknown {
  return afterRewinds(lines)
    .filter((line) => line.type === 'commit' || line.type === 'evaluation')
    .map((line) => ({ ...line, atMs: 0, generation: 0 }));
}

/** Step and value of each point of the total loss in the event files. */
async function losses(out: string): Promise<unknown[]> {
  const names = await readdir(join(out, 'events'));
  const events = readEvents(Buffer.concat(await Promise.all(names.map((name) => readFile(join(out, 'events', name))))));
  return events.flatMap(({ step, values }) =>
    values.filter(({ tag }) => tag === 'loss/total').map(({ number }) => [step, number]),
  );
}

function expectEverySampleOnce(lines: readonly JournalLine[], samples: number, epochs: number): void {
  for (let epoch = 0; epoch < epochs; epoch++) {
    let next = 0;
    for (const line of commits(lines).filter((commit) => commit.epoch === epoch)) {
      expect([line.from, line.samples]).toEqual([next, line.to - line.from]);
      next = line.to;
    }
    expect(next).toBe(samples);
  }
}

/** The final weights' digest of the same training in one loop: no sockets, no leases, no coordinator. */
function oracle(run: PreparedRun): string {
  const plan = planReplica(run.student, run.recipe.optimizer);
  const slots = [0, 1, 2, 3, 4, 5];
  const replica = new Replica(plan, { slots: slots.length });
  replica.loadWeights(run.initialWeights);
  const { totalSteps, units, unitAt } = unitsOf(run);
  for (let index = 0; index < units; index++) {
    const unit = unitAt(index);
    if (unit?.kind !== 'train') continue;
    const sum = new BlockSum({ slots, norms: [], addSlots: (into, from) => replica.addSlots(into, from) });
    for (let j = 0; j < unit.microBatches; j++) {
      const range = microBatchRange(unit.to - unit.from, unit.microBatches, j);
      fillGradient(replica, sum.nextSlot(), { ...unit, divisors: { response: unit.to - unit.from } }, range);
      sum.push({ hasGradient: true, sums: {}, moments: null });
    }
    const slot = sum.result().slot ?? 0;
    replica.apply(
      commitScalars(plan, {
        update: unit.step + 1,
        step: unit.step,
        totalSteps,
        gradientSquares: replica.slotSquares(slot),
      }),
      { slot, moments: null },
    );
  }
  return weightsDigest(replica.readWeights());
}

const small = tinyRun();
/** Contributions of 1.3 MB: pulled and broadcast in chunks. */
const big = tinyRun({ units: 20_000, epochs: 2 });

type BadFrame = (welcome: Down<'welcome'>) => Uint8Array;
const joined = (frame: Frame): Uint8Array => (frame instanceof Uint8Array ? frame : Buffer.concat(frame));
const heartbeat =
  (fields: Record<string, unknown>): BadFrame =>
  ({ run, generation }) =>
    joined(
      encodeFrame({
        type: 'heartbeat',
        run,
        generation,
        step: 0,
        progress: 0,
        sentMs: 0,
        rssBytes: 0,
        tensors: 0,
        ...fields,
      }),
    );
const badFrames: BadFrame[] = [
  () => Buffer.from('hello'),
  () => new Uint8Array(0),
  heartbeat({ extra: 1 }),
  heartbeat({ generation: 0 }),
  heartbeat({ run: 'another' }),
  () => joined(encodeFrame(hello)),
  () => joined(encodeFrame({ ...hello, recipeDigest: 'f'.repeat(64) })),
];
const hello: Up<'hello'> = { ...anyHello, worker: 'bad' };

/** Joins, sends one bad frame, and gives the code it is closed with. */
function badWorker(port: number, frame: BadFrame): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/worker`, [subprotocol], {
    headers: { authorization: `Bearer ${token}` },
  });
  const isHello = frame === badFrames.at(-1);
  socket.on('open', () => socket.send(joined(encodeFrame(hello)))).on('error', () => undefined);
  if (isHello) socket.removeAllListeners('open').on('open', () => socket.send(frame({} as Down<'welcome'>)));
  socket.on('message', (data: Buffer) => {
    const { message } = decodeDown(data);
    if (message.type === 'welcome') socket.send(frame(message));
  });
  return new Promise((resolve) => socket.on('close', (code) => resolve(code)));
}

describe('coordinate', () => {
  it.each([
    ['small', small, 3],
    ['big', big, 2],
  ] as const)('comes to the same bits with 1, 2 and 3 workers, a %s student', async (_name, run, epochs) => {
    const results = [];
    for (const count of [1, 2, 3]) {
      const { summary, rig } = await withWorkers(
        run,
        Array.from({ length: count }, (_, i) => ({ microBatchMs: i })),
      );
      const lines = await journalOf(rig.out);
      expectEverySampleOnce(lines, 22, epochs);
      results.push({ digest: summary.digest, curve: curve(lines) });
    }
    expect(results[0]?.digest).toBe(oracle(run));
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('keeps every replica at its own state, and tells workers that the run is done', async () => {
    const { workers, rig } = await withWorkers(small, [{}, {}]);
    for (const worker of workers) {
      await worker.closed;
      expect([worker.step, worker.end?.reason]).toEqual([9, 'done']);
      expect(worker.replica.readWeights()).toEqual(rig.exported.get('student'));
    }
  });

  it('gives the same bits when a worker dies in the middle of a step', async () => {
    const alone = await withWorkers(small, [{}]);
    let died = 0;
    const { summary, rig } = await withWorkers(small, [
      {},
      { sabotage: (lease) => (lease.step === 4 && lease.kind === 'train' && died++ === 0 ? 'die' : undefined) },
    ]);
    expect(died).toBeGreaterThan(0);
    expect(summary.digest).toBe(alone.summary.digest);
    expect(curve(await journalOf(rig.out))).toEqual(curve(await journalOf(alone.rig.out)));
    expect(summary.leases.repeated).toBeGreaterThan(0);
  });

  const sabotages = [
    ['poison', /not finite/],
    ['lie', /not those of their digest/],
    ['fail', /made up/],
  ] as const;
  it.each(sabotages)('gives the work to another when a worker answers with %s', async (act) => {
    const alone = await withWorkers(small, [{}]);
    let fired = 0;
    const { summary } = await withWorkers(small, [
      { microBatchMs: 1 },
      { sabotage: (lease) => (lease.step === 2 && lease.kind === 'train' && fired++ === 0 ? act : undefined) },
    ]);
    expect(fired).toBeGreaterThan(0);
    expect(summary.digest).toBe(alone.summary.digest);
  });

  it('finds a worker out that answers nothing, though the time of day is set back by an hour meanwhile', async () => {
    let [jumpMs, stalled] = [0, 0];
    const sabotage = (lease: { step: number }): 'stall' | undefined => {
      if (lease.step < 2) return undefined;
      stalled++;
      setTimeout(() => (jumpMs = -3_600_000), 100);
      return 'stall';
    };
    const rig = start(small, await temporaryFolder(), {
      timeOfDayMs: () => Date.now() + jumpMs,
      times: { tickMs: 20, silenceMs: 300 },
    });
    const port = await rig.port;
    const beat = setInterval(() => beating.beat(), 50);
    const beating = new FakeWorker({ run: small, port, token, name: 'beating' });
    new FakeWorker({ run: small, port, token, name: 'stalled', sabotage });
    await rig.summary;
    clearInterval(beat);
    expect(stalled).toBeGreaterThan(0);
    expect(rig.said.join()).toMatch(/is silent for \d+ ms/);
  });

  it('feeds a joiner the log and lets it take part, without pausing', async () => {
    const run = tinyRun({ epochs: 8 });
    const rig = start(run, await temporaryFolder());
    const port = await rig.port;
    let late: FakeWorker | null = null;
    const first = new FakeWorker({
      run,
      port,
      token,
      name: 'first',
      microBatchMs: 1,
      onStep: (step) => {
        if (step === 5) late = new FakeWorker({ run, port, token, name: 'late' });
      },
    });
    const summary = await rig.summary;
    await first.closed;
    expect(summary.workers.map(({ name, samples }) => [name, samples > 0])).toEqual([
      ['first', true],
      ['late', true],
    ]);
    const joined = late as FakeWorker | null;
    expect(joined?.welcome?.snapshot?.step).toBe(0);
    expect(joined?.replica.readWeights()).toEqual(first.replica.readWeights());
  });

  it('stops in good order with a snapshot, and continues to the same bits with another number of workers', async () => {
    const alone = await withWorkers(small, [{}]);
    const out = await temporaryFolder();
    const rig = start(small, out);
    const worker = new FakeWorker({
      run: small,
      port: await rig.port,
      token,
      microBatchMs: 2,
      onStep: (step) => {
        if (step === 4) rig.stop.abort('SIGTERM');
      },
    });
    await expect(rig.summary).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 75,
      message: expect.stringMatching(/SIGTERM.*run the same command again/),
    });
    await worker.closed;
    expect(await losses(out)).toHaveLength(commits(await journalOf(out)).length);
    expect(worker.end?.reason).toBe('stopped');
    const { summary } = await withWorkers(small, [{}, {}], out);
    const lines = await journalOf(out);
    expect(summary.digest).toBe(alone.summary.digest);
    expect(curve(lines)).toEqual(curve(await journalOf(alone.rig.out)));
    expect(lines.filter((line) => line.type === 'generation').length).toBe(2);
    expect(await readdir(join(out, 'events'))).toEqual(['events.out.tfevents.0000000002.stillhouse']);
    expect(await losses(out)).toEqual(commits(lines).map(({ step }) => [step + 1, 0.5]));
  });

  it('that a scheduler stops leaves workers from elsewhere waiting for its next start, and ends them where a user stops it', async () => {
    const out = await temporaryFolder();
    for (const [signal, code, reason] of [
      ['SIGTERM', closeCodes.shutdown, undefined],
      ['SIGUSR1', closeCodes.shutdown, undefined],
      ['SIGINT', closeCodes.done, 'stopped'],
    ] as const) {
      const rig = start(small, out, { isOpen: true });
      const worker = new FakeWorker({
        ...{ run: small, port: await rig.port, token, microBatchMs: 2 },
        onStep: () => rig.stop.abort(signal),
      });
      await expect(rig.summary).rejects.toMatchObject({ exitCode: 75 });
      expect([signal, (await worker.closed).code, worker.end?.reason]).toEqual([signal, code, reason]);
    }
    const { summary } = await withWorkers(small, [{}], out);
    expect(summary.digest).toBe(oracle(small));
  });

  it('that is asked to stop behind its last step writes no results, and the next start writes them', async () => {
    const out = await temporaryFolder();
    const rig = start(small, out);
    const finish = vi.spyOn(UnitCommits.prototype, 'finish').mockImplementation(async () => rig.stop.abort('SIGINT'));
    const worker = new FakeWorker({ run: small, port: await rig.port, token });
    await expect(rig.summary).rejects.toMatchObject({
      exitCode: 75,
      message: expect.stringMatching(
        / stopped \(SIGINT\) at step \d+; run the same command again to continue$/,
      ) as string,
    });
    await worker.closed;
    expect([finish.mock.calls, worker.end?.reason]).toEqual([[['done']], 'stopped']);
    expect(await readdir(out)).not.toContain('summary.json');
    finish.mockRestore();
    expect((await withWorkers(small, [{}], out)).summary.digest).toBe(oracle(small));
  });

  it('tells its reports that another coordinator has taken the run over, and of a finished run where it stands', async () => {
    const out = await temporaryFolder();
    const endings: string[] = [];
    const starts: RunStart[] = [];
    const reporter: ReportOutput = {
      ...silentOutput,
      start: async (begun) => void starts.push(begun),
      over: async (ending) => void endings.push(ending),
    };
    const fenced = start(small, out, { reporter });
    const port = await fenced.port;
    await writeFile(join(out, 'generations', '2'), '');
    const worker = new FakeWorker({ run: small, port, token });
    await expect(fenced.summary).rejects.toMatchObject({ exitCode: 69 });
    await worker.closed;
    await rm(join(out, 'generations', '2'));
    const { summary } = await withWorkers(small, [{}], out, { reporter });
    expect(endings).toEqual(['taken', 'done']);
    const finished = async (read: () => Promise<RunStart>): Promise<void> => void starts.push(await read());
    expect(await start(small, out, { reporter: { ...silentOutput, finished } }).summary).toEqual(summary);
    const [, begun, whole] = starts;
    const { run, beganMs, recipe, totalSteps, generation } = begun ?? expect.fail('it was not begun');
    expect(whole).toMatchObject({ run, beganMs, recipe, totalSteps, generation, step: summary.steps });
    expect([...(begun?.steps() ?? [])]).toEqual([]);
    expect([...(whole?.steps() ?? [])].map(({ step }) => step)).toEqual(
      commits(await journalOf(out)).map(({ step }) => step + 1),
    );
  });

  it('of a finished run computes nothing, and tells workers that wait for it from elsewhere that it is done', async () => {
    const { summary, rig } = await withWorkers(small, [{}]);
    const before = await readFile(join(rig.out, 'journal.jsonl'), 'utf8');
    await mkdir(join(rig.out, 'student'), { recursive: true });
    const again = start(small, rig.out, { isOpen: true, times: { lateMs: 60_000 } });
    const worker = new FakeWorker({ run: small, port: await again.port, token });
    await worker.closed;
    expect([worker.end?.reason, worker.welcome]).toEqual(['done', null]);
    again.stop.abort('SIGTERM');
    expect(await again.summary).toEqual(summary);
    expect(await readFile(join(rig.out, 'journal.jsonl'), 'utf8')).toBe(before);
  });

  it('is finished without its report where that cannot be made', async () => {
    const add = vi.spyOn(Curves.prototype, 'since').mockImplementation(() => {
      throw new RangeError('Invalid string length');
    });
    const { summary, rig } = await withWorkers(small, [{}]);
    expect(add).toHaveBeenCalled();
    expect(rig.said).toContain('report.html is not written: Invalid string length');
    expect(await readdir(rig.out)).toContain('summary.json');
    expect(Object.keys(summary.files ?? {})).not.toContain('report.html');
  });

  it('of a finished run gives its summary also where the port is in use', async () => {
    const { summary, rig } = await withWorkers(small, [{}]);
    await mkdir(join(rig.out, 'student'), { recursive: true });
    const other = createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, '127.0.0.1', () => resolve((other.address() as AddressInfo).port)),
    );
    const again = start(small, rig.out, { isOpen: true, listen: { host: '127.0.0.1', port } });
    expect(await again.summary).toEqual(summary);
    expect(again.said.at(-1)).toMatch(/^workers that wait for the run are not told that it is done: .*in use/);
    other.close();
  });

  it('leaves workers that only label waiting where a scheduler stops it, and ends them where a user does', async () => {
    const settle = vi.spyOn(LabelService.prototype, 'settle');
    const run = { ...small, teachers: [teacherOf({ name: 'deep' })] };
    const out = await temporaryFolder();
    const labels = { folder: await temporaryFolder(), maxBytes: 1e6 };
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const rig = start(run, out, { isOpen: true, labels });
      await rig.port;
      rig.stop.abort(signal);
      await expect(rig.summary).rejects.toMatchObject({ exitCode: 75 });
    }
    expect(settle.mock.calls).toEqual([[true], [false]]);
  });

  it('goes on without a teacher that fails, also when it is started again, and says who is missing in journal, metrics and summary', async () => {
    const run = {
      ...tinyRun({ recipe: { ensemble: { onFailure: 'drop' } } }),
      teachers: ['deep', 'wide'].map((name) => teacherOf({ name })),
    };
    const out = await temporaryFolder();
    const rig = start(run, out);
    const worker = new FakeWorker({
      run,
      port: await rig.port,
      token,
      microBatchMs: 2,
      teacher: 'deep',
      onStep: (step) => {
        if (step === 4) rig.stop.abort('SIGTERM');
      },
      sabotage: (lease) =>
        lease.kind === 'train' && lease.step >= 2 && lease.dropped === undefined ? 'fail' : undefined,
    });
    await expect(rig.summary).rejects.toMatchObject({ exitCode: 75 });
    await worker.closed;
    const ended = vi.spyOn(LabelService.prototype, 'endLeases');
    // These would have deep.
    const leases: (readonly string[] | undefined)[] = [];
    const { summary } = await withWorkers(
      run,
      [0, 1].map(() => ({
        sabotage: (lease: Lease) => {
          leases.push(lease.dropped);
          return undefined;
        },
      })),
      out,
      { labels: { folder: await temporaryFolder(), maxBytes: 1e6 } },
    );
    // Those that only label are told before a worker is there.
    expect(ended).toHaveBeenCalledTimes(1);
    expect(commits(await journalOf(out)).map(({ step, dropped }) => [step, dropped])).toEqual(
      Array.from({ length: 9 }, (_, step) => [step, step < 2 ? undefined : ['deep']]),
    );
    expect(new Set(leases.map((dropped) => dropped?.join()))).toEqual(new Set(['deep']));
    expect(summary.dropped).toEqual([{ name: 'deep', step: 2 }]);
    const metrics = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(metrics.map(({ dropped }) => dropped)).toEqual([['deep'], ['deep'], ['deep']]);
  });

  it('drops no teacher that it does not have, whatever a worker says', async () => {
    const run = {
      ...tinyRun({ recipe: { ensemble: { onFailure: 'drop' } } }),
      teachers: ['deep', 'wide'].map((name) => teacherOf({ name })),
    };
    const { summary, rig } = await withWorkers(run, [
      { teacher: 'nobody', sabotage: (lease) => (lease.kind === 'train' && lease.step === 2 ? 'fail' : undefined) },
    ]);
    expect(
      commits(await journalOf(rig.out)).flatMap(({ step, skip, dropped }) =>
        skip === undefined && dropped === undefined ? [] : [[step, skip]],
      ),
    ).toEqual([[2, expect.stringMatching(/made up$/)]]);
    expect(summary.dropped).toBeUndefined();
  });

  it('lets a worker go on from what it holds after the coordinator was restarted', async () => {
    const out = await temporaryFolder();
    const first = start(small, out);
    const worker = new FakeWorker({
      run: small,
      port: await first.port,
      token,
      onStep: (step) => {
        if (step === 3) first.stop.abort('SIGTERM');
      },
    });
    await first.summary.catch(() => undefined);
    await worker.closed;
    const second = start(small, out);
    const held = { nonce: worker.welcome?.nonce ?? '', replica: worker.replica, step: worker.step };
    const again = new FakeWorker({ run: small, port: await second.port, token }, held);
    await second.summary;
    expect([again.welcome?.snapshot, again.welcome?.generation]).toEqual([null, 2]);
  });

  it('ends with 65 when a worker proves that it has applied more than the folder knows', async () => {
    const [out, old] = [await temporaryFolder(), await temporaryFolder()];
    const first = start(small, out);
    const onStep = (step: number): void => {
      if (step === 2) cpSync(out, old, { recursive: true });
      if (step === 5) first.stop.abort('SIGTERM');
    };
    const worker = new FakeWorker({ run: small, port: await first.port, token, onStep });
    await first.summary.catch(() => undefined);
    await worker.closed;
    const { welcome, replica, step, receipt } = worker;
    const stale = start(small, old);
    new FakeWorker(
      { run: small, port: await stale.port, token },
      { nonce: welcome?.nonce ?? '', replica, step, receipt },
    );
    await expect(stale.summary).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 65,
      message: expect.stringMatching(/old copy/),
    });
  });

  it('takes no word for it when a worker claims steps that it cannot prove, and comes to the same bits', async () => {
    const out = await temporaryFolder();
    const run = start(small, out);
    const port = await run.port;
    const honest = new FakeWorker({ run: small, port, token, name: 'honest', microBatchMs: 20 });
    await vi.waitFor(() => expect(honest.welcome).not.toBeNull());
    for (const receipt of ['', 'f'.repeat(64)])
      new FakeWorker(
        { run: small, port, token, name: `liar ${receipt}` },
        {
          nonce: honest.welcome?.nonce ?? '',
          replica: new Replica(honest.replica.plan, { slots: 12 }),
          step: 1_000_000_000,
          receipt,
        },
      );
    expect((await run.summary).digest).toBe(oracle(small));
  });

  it('says so when a run goes on with workers that compute other bits', async () => {
    const out = await temporaryFolder();
    const first = start(small, out);
    const worker = new FakeWorker({
      run: small,
      port: await first.port,
      token,
      onStep: (step) => {
        if (step === 3) first.stop.abort('SIGTERM');
      },
    });
    await first.summary.catch(() => undefined);
    await worker.closed;
    const { rig } = await withWorkers(small, [{ probe: '00000000000000cd' }, { probe: '00000000000000cd' }], out);
    expect(rig.said.filter((line) => line.includes('but not to the bit'))).toEqual([
      expect.stringMatching(
        /computes on wasm what wasm, test computed here first, .* the run's bits depend on who computes what from now on/,
      ),
    ]);
    expect(first.said.join()).not.toContain('to the bit');
  });

  it('keeps nothing of workers that say hello and are never ready', async () => {
    const run = tinyRun({ epochs: 8 });
    const rig = start(run, await temporaryFolder());
    const port = await rig.port;
    for (let i = 0; i < 20; i++) await badWorker(port, badFrames[0] ?? (() => new Uint8Array(0)));
    new FakeWorker({ run, port, token, name: 'good' });
    expect((await rig.summary).workers.map(({ name }) => name)).toEqual(['good']);
  });

  it('tells a worker of the end whose connection broke just before it, and does not wait for one that left', async () => {
    const rig = start(small, await temporaryFolder());
    const port = await rig.port;
    let again: FakeWorker | null = null;
    new FakeWorker({ run: small, port, token, name: 'beside' });
    const cut = new FakeWorker({ run: small, port, token, name: 'cut', onStep: (step) => step === 9 && cut.die() });
    void cut.closed.then(() =>
      setTimeout(() => (again = new FakeWorker({ run: small, port, token, name: 'cut' })), 150),
    );
    await rig.summary;
    const back = again as FakeWorker | null;
    await back?.closed;
    expect(back?.end?.reason).toBe('done');
    // The first one had not heard of it.
    expect(cut.end).toBeNull();
    const leaving = start(small, await temporaryFolder());
    new FakeWorker({ run: small, port: await leaving.port, token, name: 'beside' });
    const worker = new FakeWorker({
      run: small,
      port: await leaving.port,
      token,
      name: 'leaving',
      onStep: (step) => step === 9 && worker.leave(),
    });
    const fromMs = performance.now();
    await worker.closed;
    await leaving.summary;
    expect(performance.now() - fromMs).toBeLessThan(1900);
  });

  it('writes the run folder, and returns its summary when it is finished', async () => {
    const { summary, rig } = await withWorkers(small, [{}]);
    const { out } = rig;
    const metrics = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(
      metrics.map(({ epoch, step, samples, loss, eval: evaluation }) => [epoch, step, samples, loss, evaluation]),
    ).toEqual(
      [0, 1, 2].map((epoch) => [epoch, 3 * (epoch + 1), 22, 0.5, { accuracy: 0.5, loss: 0.25, calibrationError: 0 }]),
    );
    expect(summary).toMatchObject({ steps: 9, samples: 66, student: { accuracy: 0.5, parameters: 51 }, teachers: [] });
    expect([...rig.exported.keys()].sort()).toEqual(['student', 'student-best']);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain(`<td>weights</td><td>${summary.digest}</td>`);
    expect(Object.keys(summary.files ?? {})).toContain('report.html');
    expect(await readFile(join(out, 'recipe.yaml'), 'utf8')).toMatch(/digests:\n {2}recipe: eeee/);
    const { size } = await stat(join(out, 'log', '0.log'));
    expect([summary.log.bytes, summary.log.seconds > 0]).toEqual([size, true]);
    expect(await start(small, out).summary).toEqual(summary);
  });

  it('ends early when evaluations do not get better', async () => {
    const run = tinyRun({ epochs: 50, recipe: { evaluate: { earlyStop: { patience: 2 } } } });
    const { summary } = await withWorkers(run, [{}]);
    expect(summary.steps).toBe(9);
  });

  it('takes snapshots on the way and drops the log before the oldest that is kept', async () => {
    const run = tinyRun({ epochs: 10, recipe: { snapshots: { everySteps: 5 } } });
    const { summary, rig } = await withWorkers(run, [{ microBatchMs: 1 }]);
    expect(summary.steps).toBe(30);
    await expect(stat(join(rig.out, 'log', '0.log'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('refuses and counts frames that break a rule, and comes to the same bits', async () => {
    const long = tinyRun({ epochs: 20 });
    const alone = await withWorkers(long, [{}]);
    const rig = start(long, await temporaryFolder());
    const port = await rig.port;
    const codes: number[] = [];
    const worker = new FakeWorker({
      run: long,
      port,
      token,
      microBatchMs: 2,
      onStep: (step) => {
        if (step === 1)
          void Promise.all(badFrames.map((frame) => badWorker(port, frame))).then((closes) => codes.push(...closes));
      },
    });
    const summary = await rig.summary;
    await worker.closed;
    expect(codes).toEqual([4400, 4400, 4400, 4409, 4409, 4400, 4403]);
    expect(summary.digest).toBe(alone.summary.digest);
    expect(summary.leases.refused).toBeGreaterThanOrEqual(badFrames.length);
  });

  it('refuses a second coordinator on the folder', async () => {
    const rig = start(small, await temporaryFolder());
    await rig.port;
    await expect(start(small, rig.out).summary).rejects.toMatchObject({ name: 'UserError', exitCode: 69 });
    rig.stop.abort('the test is over');
    await rig.summary.catch(() => undefined);
  });
});
