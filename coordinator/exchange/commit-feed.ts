/**
 * One worker's way through the log: every commit from its snapshot on, each followed by its release, in order. A worker
 * that keeps up is sent the newest commit from memory; one that is behind reads the log at its own pace; nothing is
 * queued for it beyond a bound.
 */
import { faultPoint } from '../../shared/fault-points.js';
import { split } from '../../shared/exchange/chunks.js';
import { limits } from '../../shared/protocol/messages.js';
import type { Broadcast } from './broadcast.js';
import type { Outbox } from './send-queue.js';

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
    const isSent = await sendCommit(broadcast, outbox, step);
    while (isSent && !outbox.isClosed && broadcast.released <= step) await broadcast.changed();
    const release = isSent ? broadcast.releaseOf(step) : null;
    if (outbox.isClosed) return;
    if (release === null) return void onTooSlow(step);
    outbox.sendFrame(release, () => faultPoint('partial-release'));
  }
}

/** False when the connection closed, or the log was shortened, before all was sent. */
async function sendCommit(broadcast: Broadcast, outbox: Outbox, step: number): Promise<boolean> {
  const isOver = (): boolean => outbox.isClosed || !broadcast.has(step);
  await outbox.room();
  if (isOver()) return false;
  const { frame, head } = await broadcast.head(step);
  outbox.sendFrame(frame);
  const chunks = head.bytes <= limits.chunkBytes ? 0 : split(head.bytes).length;
  for (let index = 0; index < chunks; index++) {
    await outbox.room();
    if (isOver()) return false;
    const { frame, done } = await broadcast.chunk(head, index);
    outbox.sendFrame(frame, done);
  }
  return true;
}
