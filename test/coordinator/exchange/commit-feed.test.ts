import { describe, expect, it } from 'vitest';
import { Broadcast } from '../../../coordinator/exchange/broadcast.js';
import { feed } from '../../../coordinator/exchange/commit-feed.js';
import { CommitLog } from '../../../coordinator/store/log.js';
import { Outbox } from '../../../coordinator/exchange/send-queue.js';
import { SlotPool } from '../../../coordinator/exchange/buffers.js';
import { checksumOf } from '../../../shared/replica/checksum.js';
import { Assembler, split } from '../../../shared/exchange/chunks.js';
import { decodeDown } from '../../../shared/protocol/codec.js';
import { limits } from '../../../shared/protocol/messages.js';
import { payloadOf, recordOf, temporaryFolder } from '../helpers.js';

const envelope = { run: 'r', generation: 1 };
const size = 6 * limits.chunkBytes + 8;

const checksumsOf = (bytes: Uint8Array): number[] =>
  split(bytes.length).map(({ offset, length }) => checksumOf(bytes.subarray(offset, offset + length)));

/** A socket whose reader takes one message whenever `read` is called. */
class SlowSocket {
  readonly OPEN = 1;
  readyState = 1;
  readonly #pending: { data: Uint8Array; done: () => void }[] = [];
  #head: Uint8Array | null = null;

  send(data: Uint8Array, options: { fin: boolean }, done: () => void): void {
    if (!options.fin) {
      this.#head = data;
      return done();
    }
    this.#pending.push({ data: this.#head === null ? data : Buffer.concat([this.#head, data]), done });
    this.#head = null;
  }

  get queuedBytes(): number {
    return this.#pending.reduce((sum, { data }) => sum + data.length, 0);
  }

  read(): Uint8Array | null {
    const next = this.#pending.shift();
    next?.done();
    return next?.data ?? null;
  }

  close(): void {
    this.readyState = 3;
  }

  terminate(): void {
    this.readyState = 3;
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

function outboxOf(socket: SlowSocket): Outbox {
  // Only what Outbox uses of a socket.
  return new Outbox(socket as unknown as ConstructorParameters<typeof Outbox>[0]);
}

/** However long the disk takes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await settled();
}

/** Reads so many commits, and gives back their bytes by step, in order, checked against their releases. */
async function readAll(socket: SlowSocket, count: number): Promise<{ step: number; bytes: Uint8Array }[]> {
  const commits: { step: number; bytes: Uint8Array; assembler: Assembler }[] = [];
  for (let released = 0; released < count;) {
    await until(() => socket.queuedBytes > 0);
    const data = socket.read();
    if (data === null) continue;
    const { message, payload } = decodeDown(data);
    const last = commits.at(-1);
    if (message.type === 'commit') {
      const bytes = new Uint8Array(message.bytes);
      if (payload.length > 0) bytes.set(payload);
      commits.push({ step: message.step, bytes, assembler: new Assembler(bytes) });
    } else if (message.type === 'commitChunk') last?.assembler.accept(message, payload);
    else {
      expect([message.type, last?.step]).toEqual(['release', last?.step]);
      released++;
    }
  }
  await settled();
  expect(socket.queuedBytes).toBe(0);
  return commits.map(({ step, bytes }) => ({ step, bytes }));
}

describe('feed', () => {
  it('queues no more than a bound for a reader that stands still, and then sends everything in order', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    for (let step = 0; step < 6; step++) await log.append(recordOf(step, payloadOf(step, size)), payloadOf(step, size));
    const broadcast = new Broadcast({ log, envelope, released: 6 });
    const socket = new SlowSocket();
    const outbox = outboxOf(socket);
    const done = feed({
      broadcast,
      outbox,
      from: 2,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    await until(() => socket.queuedBytes >= limits.queuedBytes);
    await settled();
    expect(socket.queuedBytes).toBeLessThanOrEqual(limits.queuedBytes + limits.frameBytes);
    const commits = await readAll(socket, 4);
    expect(commits.map(({ step }) => step)).toEqual([2, 3, 4, 5]);
    for (const { step, bytes } of commits) expect(Buffer.compare(bytes, payloadOf(step, size))).toBe(0);
    outbox.closed();
    broadcast.wake();
    await done;
    await log.close();
  });

  it('goes on from the log when the buffer of a live commit is needed for something else', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    const pool = new SlotPool(1);
    pool.take(() => undefined);
    const memory = payloadOf(0, 12 * limits.chunkBytes);
    const broadcast = new Broadcast({ log, envelope, released: 0 });
    const socket = new SlowSocket();
    const outbox = outboxOf(socket);
    void feed({
      broadcast,
      outbox,
      from: 0,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    const retired = pool.retire(0);
    const record = recordOf(0, memory);
    broadcast.hold({ head: record, bytes: memory, checksums: checksumsOf(memory), retired });
    await until(() => socket.queuedBytes >= limits.queuedBytes);
    await log.append(record, memory);
    broadcast.release(0, record.stateHash);
    let isTaken = false;
    pool.take(() => {
      isTaken = true;
      memory.fill(0xee);
    });
    expect([isTaken, retired.isPinned]).toEqual([false, true]);
    const [commit] = await readAll(socket, 1);
    expect(isTaken).toBe(true);
    expect(Buffer.compare(commit?.bytes ?? new Uint8Array(0), payloadOf(0, 12 * limits.chunkBytes))).toBe(0);
    outbox.closed();
    broadcast.wake();
    await log.close();
  });

  it('says so when the log no longer holds what a worker needs', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    await log.append(recordOf(5, payloadOf(5, 8)), payloadOf(5, 8));
    const broadcast = new Broadcast({ log, envelope, released: 6 });
    const slow: number[] = [];
    await feed({ broadcast, outbox: outboxOf(new SlowSocket()), from: 3, onTooSlow: (step) => slow.push(step) });
    expect(slow).toEqual([3]);
    await log.close();
  });

  it('does not release a commit before it is released', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    const broadcast = new Broadcast({ log, envelope, released: 0 });
    const socket = new SlowSocket();
    const outbox = outboxOf(socket);
    void feed({
      broadcast,
      outbox,
      from: 0,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    const record = recordOf(0, payloadOf(0, 16));
    broadcast.hold({ head: record, bytes: payloadOf(0, 16), checksums: [], retired: null });
    await settled();
    expect(decodeDown(socket.read() ?? new Uint8Array(0)).message.type).toBe('commit');
    expect(socket.read()).toBeNull();
    broadcast.release(0, record.stateHash);
    await settled();
    expect(decodeDown(socket.read() ?? new Uint8Array(0)).message).toMatchObject({
      type: 'release',
      step: 0,
      stateHash: record.stateHash,
    });
    outbox.closed();
    broadcast.wake();
    await log.close();
  });
});

describe('Outbox', () => {
  it('cuts off a reader that lets small messages pile up', () => {
    const socket = new SlowSocket();
    const outbox = outboxOf(socket);
    for (let i = 0; i < 300_000 && !outbox.isClosed; i++)
      outbox.send({ type: 'pong', ...envelope, step: 1, sentMs: 1 });
    expect(outbox.isClosed).toBe(true);
    expect(socket.queuedBytes).toBeLessThan(3 * limits.queuedBytes);
  });
});
