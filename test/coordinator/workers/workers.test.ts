import { describe, expect, it } from 'vitest';
import { silentOutput } from '../../../coordinator/reports/outputs/output.js';
import type { UntimedEvent } from '../../../coordinator/decide/types.js';
import { Receipts } from '../../../coordinator/exchange/receipts.js';
import { Broadcast } from '../../../coordinator/exchange/broadcast.js';
import type { Channel, ChannelListener } from '../../../coordinator/exchange/channel.js';
import { Contributions } from '../../../coordinator/exchange/contributions.js';
import type { KeptCommits } from '../../../coordinator/store/kept-commits.js';
import { CommitLog } from '../../../coordinator/store/log.js';
import { RecentCommits } from '../../../coordinator/store/recent-commits.js';
import { Workers } from '../../../coordinator/workers/workers.js';
import { Probes, studentDevice } from '../../../coordinator/workers/numerics.js';
import type { ToldFailure } from '../../../coordinator/workers/worker-failures.js';
import { openRunFolder } from '../../../coordinator/store/run-folder.js';
import { BufferPool } from '../../../coordinator/exchange/buffers.js';
import { Snapshots } from '../../../coordinator/store/snapshots.js';
import { sourceOf } from '../../../coordinator/store/state-copy.js';
import { decodeDown, encodeFrame, type Frame } from '../../../shared/protocol/codec.js';
import {
  closeCodes,
  protocolVersion,
  type DownMessage,
  type Up,
  type UpMessage,
} from '../../../shared/protocol/messages.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { systemTimers } from '../../../shared/timers.js';
import { hashOf, payloadOf, recordOf, temporaryFolder } from '../helpers.js';
import { tinyRun } from '../tiny-run.js';
import { RunTrace } from '../../../coordinator/trace/run-trace.js';
import type { TraceEvent } from '../../../coordinator/trace/trace-file.js';

const run = tinyRun();

/** A channel that takes nothing: what is sent stays queued. Cut off, it tells 1006, as the other side would be told. */
class DeafChannel implements Channel {
  readonly address = 'test';
  readonly origin = 'deaf';
  readonly receivedBytes = 3;
  readonly sentBytes = 5;
  code: number | null = null;
  #listener: ChannelListener | null = null;

  get isOpen(): boolean {
    return this.code === null;
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
  }

  /** Messages that were sent. */
  readonly sent: DownMessage[] = [];

  send(frame: Frame): void {
    this.sent.push(decodeDown(frame instanceof Uint8Array ? frame : Buffer.concat(frame)).message);
  }

  close(code: number): void {
    this.#end(code);
  }

  terminate(): void {
    this.#end(1006);
  }

  say(message: UpMessage): void {
    const frame = encodeFrame(message);
    this.#listener?.onFrame(frame);
  }

  #end(code: number): void {
    if (this.code !== null) return;
    this.code = code;
    queueMicrotask(() => this.#listener?.onClosed(null));
  }
}

interface Rig {
  readonly workers: Workers;
  readonly said: string[];
  readonly posted: UntimedEvent[];
  readonly failures: ToldFailure[];
  /** A connection of the process with that name. */
  readonly connect: (worker: string, before?: Up<'hello'>['before']) => DeafChannel;
}

interface RigOptions {
  readonly log?: KeptCommits;
  /** Takes the snapshot that is asked for. */
  readonly newSnapshot?: (snapshots: Snapshots) => () => Promise<number>;
}

/** A run of which the log holds these steps, with the one snapshot at its start. */
async function rigOf(steps: readonly number[], trace?: RunTrace, options: RigOptions = {}): Promise<Rig> {
  const folder = await openRunFolder(await temporaryFolder(), { recipeDigest: run.recipeDigest, recipeText: '' }, {});
  const log: KeptCommits = options.log ?? (await CommitLog.open(folder.paths.log));
  for (const step of steps) await log.append(recordOf(step, payloadOf(step, 8)), payloadOf(step, 8));
  const snapshots = await Snapshots.open(folder.paths.snapshots, 'r', 2);
  await snapshots.write(sourceOf(payloadOf(0, 100)), {
    step: 0,
    update: 0,
    unit: 0,
    epoch: 0,
    stateHash: hashOf(0),
    recipeDigest: run.recipeDigest,
    journal: '',
  });
  const envelope = { run: 'r', generation: 1 };
  const receipts = new Receipts(folder.generation.secret, folder.generation.nonce);
  const replica = new Replica(planReplica(run.student, run.recipe.optimizer), { slots: 1 });
  const said: string[] = [];
  const posted: UntimedEvent[] = [];
  const failures: ToldFailure[] = [];
  const workers = new Workers({
    run,
    envelope,
    nonce: folder.generation.nonce,
    lineage: { nonces: folder.nonces, rewoundBy: 0, receipts },
    folderPath: folder.path,
    replica,
    log,
    snapshots,
    contributions: new Contributions(replica, new BufferPool(1)),
    probes: await Probes.open({ folder, journalled: null, journal: async () => undefined, warn: () => undefined }),
    broadcast: new Broadcast({ log, envelope, released: (steps.at(-1) ?? -1) + 1, stateHash: hashOf(0), receipts }),
    heartbeatMs: 1000,
    memoryFolder: null,
    expected: 1,
    isOpen: true,
    trace,
    timers: systemTimers,
    reporter: { ...silentOutput, say: (_level, text) => said.push(text) },
    newSnapshot: options.newSnapshot?.(snapshots) ?? (async () => 0),
    onFailure: (failure) => failures.push(failure),
    onRefused: () => undefined,
    post: (event) => posted.push(event),
    fail: (error) => {
      throw error;
    },
  });
  const device = { backend: 'wasm' as const, gpu: null, threads: 1, host: 'test', pid: 1, version: '0' };
  const connect = (worker: string, before?: Up<'hello'>['before']): DeafChannel => {
    const channel = new DeafChannel();
    workers.connect(channel);
    channel.say({
      type: 'hello',
      run: '',
      generation: 0,
      step: 0,
      protocol: protocolVersion,
      worker,
      recipeDigest: null,
      held: null,
      device,
      ...(before === undefined ? {} : { before }),
    });
    return channel;
  };
  return { workers, said, posted, failures, connect };
}

const closed = async (channel: DeafChannel): Promise<number | null> => {
  while (channel.code === null) await new Promise(setImmediate);
  return channel.code;
};

describe('a worker that is too slow', () => {
  it('is sent away when it falls behind what the log holds, and refused the third time', async () => {
    const { said, connect } = await rigOf([5]);
    const codes: (number | null)[] = [];
    for (let times = 0; times < 4; times++) codes.push(await closed(connect('slow')));
    expect(codes).toEqual([closeCodes.tooSlow, closeCodes.tooSlow, closeCodes.refused, closeCodes.refused]);
    expect(said.map((text) => text.replace(/^w\d+ \(test\) /, ''))).toEqual([
      'fell behind what the log still holds',
      'fell behind what the log still holds',
      'fell behind what the log still holds, 3 times',
    ]);
    // Another process may come.
    expect(await closed(connect('another'))).toBe(closeCodes.tooSlow);
  });

  it('is cut off when a step waits for what it does not read, and refused from the third time on', async () => {
    const { workers, said, connect } = await rigOf([]);
    for (let times = 0; times < 3; times++) {
      const deaf = connect('deaf');
      workers.cutOffSlow(60_000);
      expect(deaf.code).toBeNull();
      workers.cutOffSlow(-1);
      expect(deaf.code).toBe(1006);
    }
    expect(connect('deaf').code).toBe(closeCodes.refused);
    expect(said.filter((text) => text.includes('reads too slowly for a step that waits')).length).toBe(3);
    expect(said.at(-1)).toContain('3 times');
    expect(connect('another').code).toBeNull();
  });
});

describe('a worker that joins a run whose commits are in memory alone', () => {
  it('waits for a snapshot where some after the newest one are gone, and starts from it', async () => {
    let take = (): void => undefined;
    const isWanted = new Promise<void>((resolve) => {
      take = resolve;
    });
    const write = async (snapshots: Snapshots): Promise<number> => {
      await isWanted;
      const position = { step: 7, update: 7, unit: 7, epoch: 0, stateHash: hashOf(6) };
      await snapshots.write(sourceOf(payloadOf(7, 100)), { ...position, recipeDigest: run.recipeDigest, journal: '' });
      return position.step;
    };
    const { said, posted, connect } = await rigOf([5, 6], undefined, {
      log: new RecentCommits(1000),
      newSnapshot: (snapshots) => {
        const taken = write(snapshots);
        return () => taken;
      },
    });
    const [channel, gone] = [connect('one'), connect('gone')];
    expect(channel.sent).toEqual([]);
    gone.terminate();
    take();
    while (channel.sent.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(channel.sent[0]).toMatchObject({ type: 'welcome', step: 7, snapshot: { step: 7 } });
    expect(posted.filter(({ type }) => type === 'join')).toHaveLength(1);
    expect(said).toEqual(['a snapshot at step 7 for test, which joins']);
  });
});

describe('a worker that has failed', () => {
  const leave = { type: 'leave', run: 'r', generation: 1, step: 0 } as const;

  it('is shown with what it said last where it is the first one, and in a line where it is not', async () => {
    const { workers, said, failures, connect } = await rigOf([]);
    const [first, second, third] = [connect('one'), connect('other'), connect('third')];
    expect(workers.firstFailure).toBeNull();
    first.say({ ...leave, reason: 'bad model', failure: { code: 65, lines: ['opening', '\u001b[2Jforged'] } });
    second.say({ ...leave, reason: 'out of memory', failure: { code: 69, lines: ['x'] } });
    third.say({ ...leave, reason: 'stopped' });
    expect(said).toEqual([
      'w1 (test) is the first to fail, with 65: bad model; what it said last:',
      '  opening',
      '  \\u001b[2Jforged',
      'w2 (test) failed, too, with 69: out of memory',
    ]);
    expect(workers.firstFailure).toMatchObject({ worker: 'w1', code: 65 });
    expect(failures.map(({ worker, reason }) => [worker, reason])).toEqual([
      ['w1', 'bad model'],
      ['w2', 'out of memory'],
    ]);
  });

  it('is shown by whoever takes its place, where it was killed', async () => {
    const { workers, said, failures, connect } = await rigOf([]);
    connect('next', { signal: 'SIGKILL', lines: ['opening', 'out of breath'] });
    expect(said).toEqual([
      'w1 (test) is the first to fail, with 137: the process before it was killed by SIGKILL; what it said last:',
      '  opening',
      '  out of breath',
    ]);
    expect(workers.firstFailure).toMatchObject({ worker: 'w1', code: 137 });
    expect(failures).toHaveLength(1);
  });

  it('is journalled and said so many times at most, whoever comes and fails', async () => {
    const { said, failures, connect } = await rigOf([]);
    for (let i = 0; i < 40; i++) connect(`p${i}`).say({ ...leave, reason: 'no', failure: { code: 1, lines: [] } });
    expect(failures).toHaveLength(32);
    expect(said.filter((text) => text.includes('failed, too'))).toHaveLength(31);
    expect(said.slice(-2)).toEqual([
      'w32 (test) failed, too, with 1: no',
      'more workers fail than 32; no further one is told of',
    ]);
  });

  it('has said why with the first leave of its connection; further ones change nothing, and no flood of them lasts', async () => {
    const { said, posted, failures, connect } = await rigOf([]);
    const channel = connect('one');
    for (let i = 0; i < 300 && channel.code === null; i++)
      channel.say({ ...leave, reason: `no ${i}`, failure: { code: 1, lines: [] } });
    expect(channel.code).toBe(closeCodes.badFrame);
    expect(failures.map(({ reason }) => reason)).toEqual(['no 0']);
    expect(posted.filter(({ type }) => type === 'leave')).toEqual([{ type: 'leave', worker: 'w1', reason: 'no 0' }]);
    expect(said.filter((text) => text.includes('fail'))).toHaveLength(1);
  });

  it('may not say more than so many lines', async () => {
    const { failures, connect } = await rigOf([]);
    const channel = connect('one');
    channel.say({ ...leave, reason: 'no', failure: { code: 1, lines: Array.from({ length: 21 }, () => 'x') } });
    expect([channel.code, failures]).toEqual([closeCodes.badFrame, []]);
  });
});

describe('a worker that is here', () => {
  it.each([
    [undefined, {}, 'wasm'],
    [undefined, { provider: 'cuda', gpu: 'NVIDIA H200' }, 'wasm, onnxruntime cuda on NVIDIA H200'],
    ['onnx', {}, 'onnx cpu'],
    ['onnx', { provider: 'cuda', gpu: 'NVIDIA H200' }, 'onnx cuda on NVIDIA H200'],
    ['onnx', { provider: 'cpu', gpu: 'NVIDIA H200' }, 'onnx cpu'],
  ] as const)('computes a student of engine %s with %j on %s', (engine, more, text) => {
    expect(studentDevice({ backend: 'wasm', gpu: null, ...more }, engine)).toBe(text);
  });
});

describe('a worker that is drained', () => {
  it('is told that there is nothing more for it, and gives back what it holds at once', async () => {
    const { workers, posted, connect } = await rigOf([]);
    const channel = connect('one');
    connect('other');
    expect(workers.drain('w9')).toBe(false);
    expect(workers.drain('w1')).toBe(true);
    expect(posted.at(-1)).toEqual({ type: 'leave', worker: 'w1', reason: 'drained by an admin' });
    expect(channel.sent.at(-1)).toMatchObject({
      type: 'end',
      reason: 'done',
      text: expect.stringContaining('drained') as string,
    });
    expect(workers.here().map(({ worker, isDrained }) => [worker, isDrained])).toEqual([
      ['w1', true],
      ['w2', false],
    ]);
    // What it says from now on counts for nothing.
    const heard = posted.length;
    const beat = { progress: 1, sentMs: 1, rssBytes: 1, tensors: 1 };
    channel.say({ type: 'heartbeat', run: 'r', generation: 1, step: 0, ...beat });
    expect(posted.length).toBe(heard);
    // Asked twice, it is told once.
    const before = channel.sent.length;
    expect(workers.drain('w1')).toBe(true);
    expect(channel.sent.length).toBe(before);
  });

  it('is told so again, and gets nothing to do, where its process connects anew', async () => {
    const { workers, posted, connect } = await rigOf([]);
    connect('one');
    workers.drain('w1');
    const again = connect('one');
    expect(again.sent.map(({ type }) => type)).toEqual(['end']);
    expect(posted.filter(({ type }) => type === 'join')).toHaveLength(1);
    expect(connect('another').sent.map(({ type }) => type)).toEqual(['welcome']);
  });
});

describe('spans of a worker', () => {
  const spans = {
    type: 'spans',
    ...{ run: 'r', generation: 1, step: 0, offsetMs: 0, errorMs: 1, lost: 0 },
  } as const;
  const said = (startMs = 1): UpMessage => ({ ...spans, spans: [['label', startMs, 2, 3, 4, 5]] });
  const events: TraceEvent[] = [];
  const sink = { nowMs: () => 100, nextPid: () => 7, write: (event: TraceEvent) => void events.push(event) };

  it('are drawn where the run is traced, until after its end, and make it heard no more than a chunk', async () => {
    const { workers, posted, connect } = await rigOf([], new RunTrace(sink, 'tiny'));
    const channel = connect('one');
    expect(channel.sent[0]).toMatchObject({ type: 'welcome', traced: true });
    const before = posted.length;
    channel.say(said());
    workers.endHearing();
    channel.say(said(50));
    expect(posted.length).toBe(before);
    expect(events.filter(({ name }) => name === 'label').map(({ ts }) => ts)).toEqual([1000, 50_000]);
    expect(channel.code).toBeNull();
  });

  it('come with the time of the trace in answers to heartbeats', async () => {
    const { connect } = await rigOf([], new RunTrace(sink, 'tiny'));
    const channel = connect('one');
    const beat = { progress: 1, sentMs: 9, rssBytes: 1, tensors: 1 };
    channel.say({ type: 'heartbeat', run: 'r', generation: 1, step: 0, ...beat });
    expect(channel.sent.at(-1)).toMatchObject({ type: 'pong', sentMs: 9, atMs: 100 });
  });

  it('break a rule where nobody asked for them', async () => {
    const { connect } = await rigOf([]);
    const channel = connect('one');
    expect(channel.sent[0]).not.toHaveProperty('traced');
    channel.say(said());
    expect(channel.code).toBe(closeCodes.badFrame);
  });

  it('in a flood end the connection', async () => {
    const { connect } = await rigOf([], new RunTrace(sink, 'tiny'));
    const channel = connect('one');
    for (let i = 0; i < 300; i++) channel.say(said());
    expect(channel.code).toBe(closeCodes.badFrame);
    expect(events.length).toBeLessThan(300);
  });
});
