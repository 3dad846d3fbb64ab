/**
 * One worker's way through the log: every commit from its snapshot on, each followed by its release, in order. A worker
 * that keeps up is sent the newest commit from memory; one that is behind reads the log at its own pace; nothing is
 * queued for it beyond a bound.
 */
import { limits } from '../shared/protocol/messages.js';
import type { Broadcast } from './broadcast.js';
import type { Outbox } from './outbox.js';

export interface FeedOptions {
  readonly broadcast: Broadcast;
  readonly outbox: Outbox;
  /** Step of the first commit to send. */
  readonly from: number;
  /** The log no longer holds what this worker needs next. */
  readonly onTooSlow: (step: number) => void;
}

/** Resolves when the connection is closed or the worker is too slow. */
export async function feed({ broadcast, outbox, from, onTooSlow }: FeedOptions): Promise<void> {
  for (let step = from; ; step++) {
    while (!outbox.isClosed && !broadcast.has(step) && broadcast.released <= step) await broadcast.changed();
    if (outbox.isClosed) return;
    if (!broadcast.has(step)) return onTooSlow(step);
    const record = await sendCommit(broadcast, outbox, step);
    if (record === null) return outbox.isClosed ? undefined : onTooSlow(step);
    while (!outbox.isClosed && broadcast.released <= step) await broadcast.changed();
    outbox.sendFrame(broadcast.releaseOf(record));
  }
}

/** Null when the connection closed, or the log was shortened, before all was sent. */
async function sendCommit(broadcast: Broadcast, outbox: Outbox, step: number): ReturnType<typeof sendHead> {
  const record = await sendHead(broadcast, outbox, step);
  const chunks = record === null || record.bytes <= limits.chunkBytes ? 0 : record.checksums.length;
  for (let index = 0; record !== null && index < chunks; index++) {
    await outbox.room();
    if (outbox.isClosed || !broadcast.has(step)) return null;
    const { frame, done } = await broadcast.chunk(record, index);
    outbox.sendFrame(frame, done);
  }
  return record;
}

async function sendHead(broadcast: Broadcast, outbox: Outbox, step: number): Promise<Awaited<ReturnType<Broadcast['head']>>['record'] | null> {
  await outbox.room();
  if (outbox.isClosed || !broadcast.has(step)) return null;
  const { frame, record } = await broadcast.head(step);
  outbox.sendFrame(frame);
  return record;
}
