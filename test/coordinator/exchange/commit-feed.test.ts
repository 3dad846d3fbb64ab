import { describe, expect, it } from 'vitest';
import { Broadcast } from '../../../coordinator/exchange/broadcast.js';
import { feed } from '../../../coordinator/exchange/commit-feed.js';
import { CommitLog } from '../../../coordinator/store/log.js';
import { RecentCommits } from '../../../coordinator/store/recent-commits.js';
import type { Channel } from '../../../coordinator/exchange/channel.js';
import { SendQueue } from '../../../coordinator/exchange/send-queue.js';
import { Receipts } from '../../../coordinator/exchange/receipts.js';
import { BufferPool } from '../../../coordinator/exchange/buffers.js';
import { hashOf as pieceHash, pieceHashes } from '../../../shared/replica/piece-hash.js';
import type { PlaneReceiver } from '../../../shared/exchange/plane.js';
import { socketPlane } from '../../../shared/exchange/planes/socket.js';
import { decodeDown, frameBytes, type Frame } from '../../../shared/protocol/codec.js';
import { limits } from '../../../shared/protocol/messages.js';
import { systemTimers } from '../../../shared/timers.js';
import { hashOf, payloadOf, recordOf, temporaryFolder } from '../helpers.js';

const envelope = { run: 'r', generation: 1 };
const receipts = new Receipts('secret', 'nonce');
const size = 6 * limits.pieceBytes + 8;

/** A channel whose reader takes one frame whenever `read` is called. */
class SlowChannel implements Channel {
  readonly address = 'slow';
  readonly origin = 'slow';
  readonly receivedBytes = 0;
  readonly sentBytes = 0;
  isOpen = true;
  readonly #pending: { readonly frame: Frame; readonly whenSent: () => void }[] = [];

  listen(): void {}

  send(frame: Frame, whenSent: () => void): void {
    this.#pending.push({ frame, whenSent });
  }

  get queuedBytes(): number {
    return this.#pending.reduce((sum, { frame }) => sum + frameBytes(frame), 0);
  }

  read(): Uint8Array | null {
    const next = this.#pending.shift();
    if (next === undefined) return null;
    const bytes = next.frame instanceof Uint8Array ? next.frame : Buffer.concat(next.frame);
    next.whenSent();
    return bytes;
  }

  close(): void {
    this.isOpen = false;
  }

  terminate(): void {
    this.isOpen = false;
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

function queueOf(channel: SlowChannel): SendQueue {
  return new SendQueue(channel, systemTimers);
}

/** However long the disk takes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await settled();
}

/** Reads so many commits, and gives back their bytes by step, in order, checked against their releases. */
async function readAll(channel: SlowChannel, count: number): Promise<{ step: number; bytes: Uint8Array }[]> {
  const commits: { step: number; bytes: Uint8Array; receiver: PlaneReceiver }[] = [];
  for (let released = 0; released < count;) {
    await until(() => channel.queuedBytes > 0);
    const data = channel.read();
    if (data === null) continue;
    const { message, payload } = decodeDown(data);
    const last = commits.at(-1);
    if (message.type === 'commit') {
      const bytes = new Uint8Array(message.bytes);
      if (payload.length > 0) bytes.set(payload);
      commits.push({ step: message.step, bytes, receiver: socketPlane.receive(bytes, pieceHash) });
    } else if (message.type === 'commitChunk') last?.receiver.accept(message, payload);
    else {
      expect([message.type, last?.step]).toEqual(['release', last?.step]);
      released++;
    }
  }
  await settled();
  expect(channel.queuedBytes).toBe(0);
  return commits.map(({ step, bytes }) => ({ step, bytes }));
}

describe('feed', () => {
  it('queues no more than a bound for a reader that stands still, and then sends everything in order', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    for (let step = 0; step < 6; step++) await log.append(recordOf(step, payloadOf(step, size)), payloadOf(step, size));
    const broadcast = new Broadcast({ log, envelope, released: 6, stateHash: hashOf(9), receipts });
    const channel = new SlowChannel();
    const queue = queueOf(channel);
    const done = feed({
      broadcast,
      queue,
      plane: socketPlane,
      from: 2,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    await until(() => channel.queuedBytes >= limits.queuedBytes);
    await settled();
    expect(channel.queuedBytes).toBeLessThanOrEqual(limits.queuedBytes + limits.frameBytes);
    const commits = await readAll(channel, 4);
    expect(commits.map(({ step }) => step)).toEqual([2, 3, 4, 5]);
    for (const { step, bytes } of commits) expect(Buffer.compare(bytes, payloadOf(step, size))).toBe(0);
    queue.closed();
    broadcast.wake();
    await done;
    await log.close();
  });

  it('goes on from the log when the buffer of a live commit is needed for something else', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    const pool = new BufferPool(1);
    pool.take(() => undefined);
    const memory = payloadOf(0, 12 * limits.pieceBytes);
    const broadcast = new Broadcast({ log, envelope, released: 0, stateHash: hashOf(9), receipts });
    const channel = new SlowChannel();
    const queue = queueOf(channel);
    void feed({
      broadcast,
      queue,
      plane: socketPlane,
      from: 0,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    const retired = pool.retire(0);
    const record = recordOf(0, memory);
    broadcast.hold({ head: record, bytes: memory, hashes: pieceHashes(memory), retired });
    await until(() => channel.queuedBytes >= limits.queuedBytes);
    await log.append(record, memory);
    broadcast.release(0, record.stateHash);
    let isTaken = false;
    pool.take(() => {
      isTaken = true;
      memory.fill(0xee);
    });
    expect([isTaken, retired.isPinned]).toEqual([false, true]);
    const [commit] = await readAll(channel, 1);
    expect(isTaken).toBe(true);
    expect(Buffer.compare(commit?.bytes ?? new Uint8Array(0), payloadOf(0, 12 * limits.pieceBytes))).toBe(0);
    queue.closed();
    broadcast.wake();
    await log.close();
  });

  it('says so when the log no longer holds what a worker needs', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    await log.append(recordOf(5, payloadOf(5, 8)), payloadOf(5, 8));
    const broadcast = new Broadcast({ log, envelope, released: 6, stateHash: hashOf(9), receipts });
    const slow: number[] = [];
    await feed({
      broadcast,
      queue: queueOf(new SlowChannel()),
      plane: socketPlane,
      from: 3,
      onTooSlow: (step) => slow.push(step),
    });
    expect(slow).toEqual([3]);
    await log.close();
  });

  it('keeps what it has not read yet, of commits that are in memory alone', async () => {
    const log = new RecentCommits(Infinity);
    const broadcast = new Broadcast({ log, envelope, released: 0, stateHash: hashOf(9), receipts });
    const channel = new SlowChannel();
    const queue = queueOf(channel);
    const done = feed({ broadcast, queue, plane: socketPlane, from: 0, onTooSlow: () => undefined });
    // Six of them are more than what is queued for one reader.
    const bytes = 2 * limits.pieceBytes + 8;
    const commit = async (step: number): Promise<void> => {
      const payload = payloadOf(step, bytes);
      const record = recordOf(step, payload);
      broadcast.hold({ head: record, bytes: payload, hashes: pieceHashes(payload), retired: null });
      await log.append(record, payload);
      broadcast.release(step, record.stateHash);
      await settled();
    };
    for (let step = 0; step < 6; step++) await commit(step);
    const commits = await readAll(channel, 6);
    expect(commits.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { step, bytes: read } of commits) expect(Buffer.compare(read, payloadOf(step, bytes))).toBe(0);
    // Once all is read only what a broken connection could come back for is left.
    const reading = readAll(channel, 1);
    await commit(6);
    await reading;
    expect([4, 5, 6].filter((step) => log.has(step))).toEqual([5, 6]);
    queue.closed();
    broadcast.wake();
    await done;
  });

  it('does not release a commit before it is released', async () => {
    const log = await CommitLog.open(await temporaryFolder());
    const broadcast = new Broadcast({ log, envelope, released: 0, stateHash: hashOf(9), receipts });
    const channel = new SlowChannel();
    const queue = queueOf(channel);
    void feed({
      broadcast,
      queue,
      plane: socketPlane,
      from: 0,
      onTooSlow: () => {
        throw new Error('too slow');
      },
    });
    const record = recordOf(0, payloadOf(0, 16));
    broadcast.hold({ head: record, bytes: payloadOf(0, 16), hashes: [], retired: null });
    await settled();
    expect(decodeDown(channel.read() ?? new Uint8Array(0)).message.type).toBe('commit');
    expect(channel.read()).toBeNull();
    broadcast.release(0, record.stateHash);
    await settled();
    expect(decodeDown(channel.read() ?? new Uint8Array(0)).message).toMatchObject({
      type: 'release',
      step: 0,
      stateHash: record.stateHash,
      receipt: receipts.of({ step: 1, stateHash: record.stateHash }),
    });
    queue.closed();
    broadcast.wake();
    await log.close();
  });
});

describe('SendQueue', () => {
  it('cuts off a reader that lets small messages pile up', () => {
    const channel = new SlowChannel();
    const queue = queueOf(channel);
    for (let i = 0; i < 300_000 && !queue.isClosed; i++) queue.send({ type: 'pong', ...envelope, step: 1, sentMs: 1 });
    expect(queue.isClosed).toBe(true);
    expect(channel.queuedBytes).toBeLessThan(3 * limits.queuedBytes);
  });
});
