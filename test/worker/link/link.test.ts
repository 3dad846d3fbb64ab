import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeCodes, protocolVersion, subprotocol } from '../../../shared/protocol/messages.js';
import { runWorker, type WorkerOptions } from '../../../worker/worker.js';
import { UserError } from '../../../shared/errors.js';
import { Unreachable, type Connection } from '../../../worker/link/connection.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import {
  FakeCompute,
  FakeCoordinator,
  device,
  recipeOf,
  specOf,
  startLinkHere,
  temporaryFolder,
  type FakeCoordinatorOptions,
  type Peer,
} from '../fakes.js';

const opened: { close(): Promise<void> }[] = [];
const stops: AbortController[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) stop.abort('the test is over');
  for (const coordinator of opened.splice(0)) await coordinator.close();
});

interface Rig {
  readonly coordinator: FakeCoordinator;
  readonly url: string;
  readonly compute: FakeCompute;
  readonly log: string[];
  readonly exit: Promise<unknown>;
  readonly stop: AbortController;
  readonly cacheFolder: string;
}

async function start(
  options: FakeCoordinatorOptions & { token?: string } = {},
  extra: Partial<WorkerOptions> = {},
  link = {},
): Promise<Rig> {
  const coordinator = new FakeCoordinator(options);
  opened.push(coordinator);
  const url = await coordinator.listen();
  const compute = new FakeCompute();
  const stop = new AbortController();
  stops.push(stop);
  const log: string[] = [];
  const cacheFolder = temporaryFolder();
  const exit = runWorker(
    {
      url,
      token: null,
      cacheFolder,
      threads: 1,
      local: false,
      waitSeconds: 5,
      stop: stop.signal,
      log: (line) => void log.push(line),
      backend: { ...device, name: 'wasm', open: async () => compute },
      ...extra,
    },
    (linkStart) => startLinkHere(linkStart, link),
  ).catch((error: unknown) => error);
  return { coordinator, url, compute, log, exit, stop, cacheFolder };
}

/** The worker is welcomed and ready. */
async function ready(coordinator: FakeCoordinator, options: { snapshot?: boolean } = {}): Promise<Peer> {
  const peer = await coordinator.worker();
  await peer.next('hello');
  coordinator.welcome(peer, options);
  const { message } = await peer.next('ready');
  expect(message).toMatchObject({ ...coordinator.envelope(), stateHash: coordinator.replica.hashState() });
  return peer;
}

/** One whole step with this worker alone. */
async function step(coordinator: FakeCoordinator, peer: Peer, id: number): Promise<void> {
  coordinator.lease(peer, { id });
  const { message: offer, payload } = await peer.next('offer');
  expect(offer).toMatchObject({ lease: id, step: coordinator.step, stateHash: coordinator.replica.hashState() });
  coordinator.commit(
    peer,
    offer.bytes === payload.length ? payload : await pull(coordinator, peer, id),
    offer.momentCounts,
  );
  coordinator.release(peer);
}

async function pull(coordinator: FakeCoordinator, peer: Peer, lease: number): Promise<Uint8Array> {
  peer.send({ type: 'pull', ...coordinator.envelope(), lease });
  const parts: Uint8Array[] = [];
  for (;;) {
    const { message, payload } = await peer.next('chunk');
    expect(message.offset).toBe(parts.reduce((sum, part) => sum + part.length, 0));
    parts.push(Uint8Array.from(payload));
    if (message.offset + payload.length === message.total) return Buffer.concat(parts);
  }
}

describe('link', () => {
  it('introduces itself, prepares the run and works until its end', async () => {
    const { coordinator, compute, exit, cacheFolder } = await start({ token: 'secret' }, { token: 'secret' });
    const peer = await coordinator.worker();
    const hello = await peer.next('hello');
    expect(hello.message).toMatchObject({
      protocol: protocolVersion,
      device: { backend: 'wasm', gpu: null, threads: 1, version: '0' },
      recipeDigest: null,
      held: null,
    });
    expect(coordinator.upgrades).toEqual([{ authorization: 'Bearer secret', protocol: subprotocol }]);
    coordinator.welcome(peer);
    const { message } = await peer.next('ready');
    expect(message.probe.repeatable).toBe(true);
    for (let i = 1; i <= 3; i++) await step(coordinator, peer, i);
    coordinator.lease(peer, { id: 4 });
    const { message: last } = await peer.next('offer');
    expect(last).toMatchObject({ step: 3, stateHash: coordinator.replica.hashState() });
    peer.send({ type: 'end', ...coordinator.envelope(), reason: 'done', text: '' });
    expect(await exit).toBe(0);
    expect(compute.events.at(-1)).not.toBe(undefined);
    expect(readdirSync(join(cacheFolder, 'artifacts')).length).toBeGreaterThanOrEqual(3);
  });

  it('sends big contributions in chunks on a pull, and takes big commits in chunks', async () => {
    const { coordinator } = await start({ spec: specOf(300_001) });
    const peer = await ready(coordinator);
    for (let i = 1; i <= 4; i++) await step(coordinator, peer, i);
    coordinator.lease(peer, { id: 9 });
    expect((await peer.next('offer')).message.stateHash).toBe(coordinator.replica.hashState());
  });

  it('keeps contributions that nobody pulls while it computes more', async () => {
    const { coordinator } = await start({ spec: specOf(300_001) });
    const peer = await ready(coordinator);
    for (let id = 1; id <= 12; id++) coordinator.lease(peer, { id, block: { level: 0, index: id % 4 } });
    const digests = new Map<number, string>();
    while (digests.size < 12) {
      const { message } = await peer.next('offer');
      digests.set(message.lease, message.digest);
    }
    for (const id of [12, 3, 1]) {
      coordinator.replica.slotBytes(1).set(await pull(coordinator, peer, id));
      expect(coordinator.replica.hashSlot(1)).toBe(digests.get(id));
    }
  });

  it('beats while it computes, with the progress of the trainer', async () => {
    const { coordinator } = await start();
    coordinator.heartbeatMs = 5;
    const peer = await ready(coordinator);
    await step(coordinator, peer, 1);
    const { message } = await peer.next('heartbeat');
    expect(message.progress).toBeGreaterThanOrEqual(4);
    expect(message).toMatchObject({ run: 'run-1', generation: 1, tensors: 3 });
  });

  it('catches up with commits before it says that it is ready', async () => {
    const { coordinator, compute } = await start();
    coordinator.heartbeatMs = 5;
    const peer = await coordinator.worker();
    await peer.next('hello');
    coordinator.step = 2;
    const snapshotAt = { ...coordinator.envelope() };
    coordinator.step = 0;
    // Welcomed at step 2 with a snapshot of step 0: two commits to come.
    const welcomed = coordinator.envelope.bind(coordinator);
    coordinator.envelope = () => snapshotAt;
    coordinator.welcome(peer);
    coordinator.envelope = welcomed;
    while (compute.events.filter((event) => event.startsWith('gradients')).length < 2) await peer.next('heartbeat');
    for (let i = 0; i < 3; i++) await peer.next('heartbeat');
    expect(peer.received.map(({ message }) => message.type)).not.toContain('ready');
    const gradient = Float32Array.from({ length: coordinator.replica.slotBytes(0).length / 4 }, (_, i) => i / 100);
    const bytes = new Uint8Array(gradient.buffer);
    for (let i = 0; i < 2; i++) {
      coordinator.commit(peer, bytes, [0]);
      coordinator.release(peer);
    }
    expect((await peer.next('ready')).message).toMatchObject({ step: 2, stateHash: coordinator.replica.hashState() });
  });

  it('gives no contribution for a lease that was cancelled, and forgets it', async () => {
    const { coordinator } = await start();
    const peer = await ready(coordinator);
    coordinator.lease(peer, { id: 1 });
    peer.send({ type: 'cancel', ...coordinator.envelope(), lease: 1 });
    coordinator.lease(peer, { id: 2 });
    expect((await peer.next('offer')).message.lease).toBe(2);
  });

  it('reports what it could not compute', async () => {
    const { coordinator, compute } = await start();
    const peer = await ready(coordinator);
    compute.onGradient = () => compute.weights.fill(Number.NaN);
    coordinator.lease(peer, { id: 1 });
    expect((await peer.next('failed')).message).toMatchObject({
      lease: 1,
      microBatch: 0,
      reason: 'the gradient is not finite',
    });
  });
});

describe('link, when the connection breaks', () => {
  it('comes back with what it holds, and goes on without a snapshot or a new student', async () => {
    const { coordinator, compute } = await start();
    const first = await ready(coordinator);
    await step(coordinator, first, 1);
    coordinator.lease(first, { id: 2 });
    await first.next('offer');
    first.socket.terminate();
    const second = await coordinator.worker();
    const { message } = await second.next('hello');
    expect(message.held).toEqual({
      nonce: 'n1',
      step: 1,
      stateHash: coordinator.replica.hashState(),
      receipt: 'of step 0',
    });
    expect(message.recipeDigest).toMatch(/^[0-9a-f]{64}$/);
    coordinator.welcome(second, { snapshot: false });
    await second.next('ready');
    await step(coordinator, second, 3);
    expect(compute.events.filter((event) => event === 'dispose')).toEqual([]);
  });

  it('starts once when the connection is lost while a run is prepared', async () => {
    const { coordinator, compute } = await start();
    const first = await coordinator.worker();
    await first.next('hello');
    let requests = 0;
    coordinator.onRequest = () => {
      if (++requests === 1) first.socket.terminate();
    };
    coordinator.welcome(first);
    const second = await ready(coordinator);
    await step(coordinator, second, 1);
    expect(requests).toBeGreaterThan(0);
    expect(compute.events.filter((event) => event.startsWith('gradients 0,1'))).toHaveLength(3);
  });

  it('gets a half-sent commit again', async () => {
    const { coordinator } = await start({ spec: specOf(300_001) });
    const first = await ready(coordinator);
    coordinator.lease(first, { id: 1 });
    const { message: offer } = await first.next('offer');
    const bytes = await pull(coordinator, first, 1);
    first.send({
      type: 'commit',
      ...coordinator.envelope(),
      scalars: { skip: false, update: 1, clip: 1, groups: [], ema: 0 },
      compression: 'none',
      bytes: bytes.length,
      digest: offer.digest,
      momentCounts: offer.momentCounts,
    });
    await new Promise((resolve) => setImmediate(resolve));
    first.socket.terminate();
    const second = await coordinator.worker();
    expect((await second.next('hello')).message.held?.step).toBe(0);
    coordinator.welcome(second, { snapshot: false });
    await second.next('ready');
    coordinator.commit(second, bytes, offer.momentCounts);
    coordinator.release(second);
    await step(coordinator, second, 2);
  });

  it('changes nothing on a repeated commit and release', async () => {
    const { coordinator } = await start();
    const peer = await ready(coordinator);
    coordinator.lease(peer, { id: 1 });
    const { message: offer, payload } = await peer.next('offer');
    coordinator.commit(peer, payload, offer.momentCounts);
    const stateHash = coordinator.replica.hashState();
    coordinator.release(peer);
    coordinator.step = 0;
    peer.send(
      {
        type: 'commit',
        ...coordinator.envelope(),
        scalars: { skip: false, update: 1, clip: 1, groups: [], ema: 0 },
        compression: 'none',
        bytes: payload.length,
        digest: offer.digest,
        momentCounts: offer.momentCounts,
      },
      payload,
    );
    coordinator.release(peer, stateHash);
    await step(coordinator, peer, 2);
  });

  it('takes no coordinator for silent when the time of day is set', async () => {
    const { coordinator } = await start({}, {}, { silenceMs: 1000 });
    const peer = await ready(coordinator);
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
    await peer.next('heartbeat');
    await peer.next('heartbeat');
    now.mockRestore();
    await step(coordinator, peer, 1);
    expect(peer.socket.readyState).toBe(peer.socket.OPEN);
  });

  it('applies no commit that came on an earlier connection', async () => {
    const { coordinator } = await start();
    const first = await ready(coordinator);
    coordinator.lease(first, { id: 1 });
    const { message, payload } = await first.next('offer');
    coordinator.commit(first, payload, message.momentCounts);
    await first.next('heartbeat');
    first.socket.terminate();
    const second = await coordinator.worker();
    await second.next('hello');
    coordinator.welcome(second, { snapshot: false });
    coordinator.release(second);
    expect((await second.closed).reason).toContain('without its commit');
  });

  it.each([
    [
      'its state differs from the coordinator',
      (coordinator: FakeCoordinator, peer: Peer, bytes: Uint8Array) => {
        coordinator.commit(peer, bytes, [10]);
        coordinator.release(peer, 'f'.repeat(16));
      },
    ],
    [
      'the coordinator asks for it',
      (coordinator: FakeCoordinator, peer: Peer) =>
        peer.send({ type: 'resync', ...coordinator.envelope(), reason: 'differs' }),
    ],
  ])('starts from a snapshot again when %s', async (_case, act) => {
    const { coordinator } = await start();
    const first = await ready(coordinator);
    coordinator.lease(first, { id: 1 });
    const { payload } = await first.next('offer');
    act(coordinator, first, payload);
    const second = await coordinator.worker();
    expect((await second.next('hello')).message.held).toBeNull();
    coordinator.welcome(second);
    await second.next('ready');
    await step(coordinator, second, 2);
  });

  it('closes on a commit whose bytes have another digest', async () => {
    const { coordinator } = await start();
    const first = await ready(coordinator);
    coordinator.lease(first, { id: 1 });
    const { message, payload } = await first.next('offer');
    coordinator.commit(first, payload, message.momentCounts, { corrupt: true });
    const closed = await first.closed;
    expect(closed.code).toBe(closeCodes.badFrame);
    expect(closed.reason).toContain('digest');
  });

  it.each([
    ['an older generation', 1, 'n1', 'older'],
    ['the same generation of another coordinator', 2, 'n2', 'another coordinator'],
  ])('does not follow %s', async (_case, generation, nonce, reason) => {
    const { coordinator } = await start();
    coordinator.generation = 2;
    const first = await ready(coordinator);
    first.socket.terminate();
    Object.assign(coordinator, { generation, nonce });
    const second = await coordinator.worker();
    await second.next('hello');
    coordinator.welcome(second);
    const closed = await second.closed;
    expect(closed).toMatchObject({ code: closeCodes.stale });
    expect(closed.reason).toContain(reason);
    Object.assign(coordinator, { generation: 3, nonce: 'n3' });
    const third = await coordinator.worker();
    await third.next('hello');
    coordinator.welcome(third);
    await third.next('ready');
  });

  it.each([
    ['another run', { run: 'other' }],
    ['another generation', { generation: 7 }],
  ])('closes on a frame of %s', async (_case, change) => {
    const { coordinator } = await start();
    const peer = await ready(coordinator);
    peer.send({ type: 'cancel', ...coordinator.envelope(), ...change, lease: 1 });
    expect((await peer.closed).code).toBe(closeCodes.stale);
  });

  it.each([
    ['text', (peer: Peer) => peer.socket.send('hello')],
    ['a broken header', (peer: Peer) => peer.socket.send(Buffer.from([255, 255, 255, 255, 1]))],
    ['a release without its commit', (peer: Peer, coordinator: FakeCoordinator) => coordinator.release(peer)],
    [
      'a chunk of no commit',
      (peer: Peer, coordinator: FakeCoordinator) =>
        peer.send(
          { type: 'commitChunk', ...coordinator.envelope(), offset: 0, total: 4, checksum: 0 },
          new Uint8Array(4),
        ),
    ],
    [
      'a commit of a step to come',
      (peer: Peer, coordinator: FakeCoordinator) => {
        coordinator.step = 5;
        coordinator.commit(peer, Uint8Array.from(coordinator.replica.slotBytes(0)), [0]);
      },
    ],
  ])('closes on %s', async (_case, act) => {
    const { coordinator } = await start();
    const peer = await ready(coordinator);
    act(peer, coordinator);
    expect((await peer.closed).code).toBe(closeCodes.badFrame);
  });

  it('terminates a connection on which nothing is heard', async () => {
    const { coordinator } = await start({}, {}, { silenceMs: 1 });
    coordinator.heartbeatMs = 2;
    const peer = await coordinator.worker();
    await peer.next('hello');
    coordinator.welcome(peer);
    expect((await peer.closed).code).toBe(1006);
  });
});

describe('link, at the end', () => {
  it('connects again for the next run and starts it afresh', async () => {
    const { coordinator, compute, exit } = await start();
    const first = await ready(coordinator);
    await step(coordinator, first, 1);
    first.send({ type: 'end', ...coordinator.envelope(), reason: 'next', text: '' });
    const second = await coordinator.worker();
    expect((await second.next('hello')).message).toMatchObject({ held: null, recipeDigest: null });
    Object.assign(coordinator, { run: 'run-2', generation: 1, nonce: 'other' });
    coordinator.welcome(second);
    await second.next('ready');
    expect(compute.events).toContain('dispose');
    await step(coordinator, second, 1);
    second.send({ type: 'end', ...coordinator.envelope(), reason: 'done', text: '' });
    expect(await exit).toBe(0);
  });

  it.each([
    ['and says nothing of a coordinator that does not listen yet', 'next', []],
    ['and says so where no other run was to follow', 'lost', [expect.stringMatching(/ECONNREFUSED.*; trying again$/)]],
  ])('tries again, %s', async (_case, how, lines) => {
    let connections = 0;
    const connect = async (client: CoordinatorClient): Promise<Connection> => {
      connections++;
      if (connections === 2 || connections === 3) throw new Unreachable('connect ECONNREFUSED');
      return client.connect();
    };
    const { coordinator, log } = await start({}, {}, { connect, backOffMs: { first: 1, longest: 2 } });
    const first = await ready(coordinator);
    if (how === 'next') first.send({ type: 'end', ...coordinator.envelope(), reason: 'next', text: '' });
    else first.socket.terminate();
    const second = await coordinator.worker();
    await second.next('hello');
    expect(connections).toBe(4);
    expect(log.filter((line) => line.includes('ECONNREFUSED'))).toEqual(lines);
  });

  it('ends with 75 when the run was stopped, and says so', async () => {
    const { coordinator, exit, log } = await start();
    const peer = await ready(coordinator);
    peer.send({ type: 'end', ...coordinator.envelope(), reason: 'stopped', text: 'SIGTERM' });
    expect(await exit).toBe(75);
    expect(log.at(-1)).toBe('the run has stopped: SIGTERM');
  });

  it('leaves in good order when it is asked to', async () => {
    const { coordinator, exit, stop } = await start();
    const peer = await ready(coordinator);
    stop.abort('SIGTERM');
    expect((await peer.next('leave')).message.reason).toContain('SIGTERM');
    expect(await exit).toBe(75);
  });

  it('leaves while no coordinator is there, too', async () => {
    const { coordinator, exit, stop } = await start();
    const peer = await ready(coordinator);
    await coordinator.close();
    await peer.closed;
    stop.abort('SIGTERM');
    expect(await exit).toBe(75);
  });

  it.each([
    ['a wrong token', { token: 'right' }, {}, 77, 'the token is wrong'],
    [
      'a backend that the recipe does not want',
      {},
      { backend: { ...device, name: 'native' as const, open: async () => new FakeCompute() } },
      77,
      'the recipe wants wasm',
    ],
  ])('ends in one line on %s', async (_case, options, extra, exitCode, text) => {
    const { coordinator, exit } = await start(
      { ...options, recipe: recipeOf({ numerics: { backend: 'wasm' } }) },
      { backend: { ...device, name: 'wasm', open: async () => new FakeCompute() }, ...extra },
    );
    void coordinator.worker().then(async (peer) => {
      await peer.next('hello');
      coordinator.welcome(peer);
    });
    const error = await exit;
    expect(error).toMatchObject({ name: 'UserError', exitCode });
    expect(String(error)).toContain(text);
  });

  it('ends with 77 and the reason when the coordinator refuses it', async () => {
    const { coordinator, exit } = await start();
    const peer = await coordinator.worker();
    peer.socket.close(closeCodes.refused, 'another recipe');
    expect(await exit).toMatchObject({ exitCode: 77, message: 'the coordinator refused this worker: another recipe' });
  });

  it('ends with 77 when the protocol is broken again and again', async () => {
    const { coordinator, exit } = await start();
    for (let i = 0; i < 3; i++) (await coordinator.worker()).socket.close(closeCodes.badFrame, 'no');
    expect(await exit).toMatchObject({ exitCode: 77 });
  });

  it('ends with 69 when no coordinator comes within the wait', async () => {
    const exit = runWorker(
      {
        url: 'ws://127.0.0.1:1',
        token: null,
        cacheFolder: temporaryFolder(),
        threads: 1,
        local: false,
        waitSeconds: 0,
        log: () => undefined,
        backend: { ...device, name: 'wasm', open: async () => new FakeCompute() },
      },
      (linkStart) => startLinkHere(linkStart),
    );
    await expect(exit).rejects.toMatchObject({ exitCode: 69, message: expect.stringContaining('ws://127.0.0.1:1') });
  });

  it('ends with 69 when its cache cannot be written within the wait', async () => {
    const folder = join(temporaryFolder(), 'file');
    mkdirSync(folder);
    writeFileSync(join(folder, 'artifacts'), 'in the way');
    const { coordinator, exit } = await start({}, { cacheFolder: folder, waitSeconds: 0 });
    const peer = await coordinator.worker();
    await peer.next('hello');
    coordinator.welcome(peer);
    expect(await exit).toMatchObject({ exitCode: 69 });
  });

  it('ends with 65 when an artifact has another digest, and tells what it said last', async () => {
    const { coordinator, exit } = await start({}, { lastLines: () => ['opening', 'opened'] });
    const peer = await coordinator.worker();
    await peer.next('hello');
    coordinator.welcome(peer);
    for (const [sha256, bytes] of coordinator.artifacts)
      coordinator.artifacts.set(sha256, Uint8Array.from(bytes).fill(1));
    expect(await exit).toMatchObject({ exitCode: 65 });
    expect((await peer.next('leave')).message.failure).toEqual({ code: 65, lines: ['opening', 'opened'] });
  });

  it('ends when its trainer fails', async () => {
    const { coordinator, compute, exit } = await start();
    const peer = await ready(coordinator);
    compute.onGradient = () => {
      throw new Error('a bug');
    };
    coordinator.lease(peer);
    expect(await exit).toMatchObject({ message: 'a bug' });
    const { reason, failure } = (await peer.next('leave')).message;
    expect([reason, failure?.code, failure?.lines.some((line) => line.includes('link.test.ts'))]).toEqual([
      ...['a bug', 1, true],
    ]);
  });

  it('tells what it said last before it fails, cut and escaped so that it is not refused for it', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i} \u001b[2J${'x'.repeat(2000)}`);
    const { coordinator, compute, exit } = await start({}, { lastLines: () => lines });
    const peer = await ready(coordinator);
    compute.onGradient = () => {
      throw new UserError('the model is too big '.repeat(100), 69);
    };
    coordinator.lease(peer);
    expect(await exit).toMatchObject({ exitCode: 69 });
    const { reason, failure } = (await peer.next('leave')).message;
    expect([reason.length, failure?.code, failure?.lines.length]).toEqual([1000, 69, 20]);
    expect(failure?.lines.at(-1)).toMatch(/^line 29 \\u001b\[2Jx{900,}$/);
  });

  it('says why a coordinator cannot be reached', async () => {
    const client = new CoordinatorClient({ url: 'ws://127.0.0.1:1', token: null });
    await expect(client.connect()).rejects.toThrow('ECONNREFUSED');
  });
});
