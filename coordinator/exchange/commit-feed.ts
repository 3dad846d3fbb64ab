/**
 * One worker's way through the log: every commit from its snapshot on, each followed by its release, in order. A worker
 * that keeps up is sent the newest commit from memory; one that is behind reads the log at its own pace; nothing is
 * queued for it beyond a bound.
 */
import { faultPoint } from '../../shared/fault-points.js';
import type { Plane } from '../../shared/exchange/plane.js';
import { limits } from '../../shared/protocol/messages.js';
import type { Broadcast, Follower } from './broadcast.js';
import type { SendQueue } from './send-queue.js';

/** What one worker is fed with, and where it begins. */
export interface FeedOptions {
  readonly broadcast: Broadcast;
  /** The frames on their way to the worker. */
  readonly queue: SendQueue;
  /** The way that the worker's bytes take. */
  readonly plane: Plane;
  /** Step of the first commit to send. */
  readonly from: number;
  /** Called when the log no longer holds the commit of `step`, which this worker needs next. */
  readonly onTooSlow: (step: number) => void;
}

/** Feeds one worker. Resolves when its connection is closed or it is too slow. */
export async function feed(options: FeedOptions): Promise<void> {
  const follower = options.broadcast.follow(options.from);
  try {
    await feedFrom(follower, options);
  } finally {
    follower.end();
  }
}

async function feedFrom(follower: Follower, options: FeedOptions): Promise<void> {
  const { broadcast, queue, from, onTooSlow } = options;
  for (let step = from; ; step++) {
    follower.step = step;
    while (!queue.isClosed && !broadcast.has(step) && broadcast.released <= step) await broadcast.changed();
    const isSent = await sendCommit(options, step);
    while (isSent && !queue.isClosed && broadcast.released <= step) await broadcast.changed();
    const release = isSent ? broadcast.releaseOf(step) : null;
    if (queue.isClosed) return;
    if (release === null) return void onTooSlow(step);
    queue.sendFrame(release, () => faultPoint('partial-release'));
  }
}

/** Resolves to false when the connection closed, or the log was shortened, before all was sent. */
async function sendCommit({ broadcast, queue, plane }: FeedOptions, step: number): Promise<boolean> {
  const isOver = (): boolean => queue.isClosed || !broadcast.has(step);
  await queue.room();
  if (isOver()) return false;
  const { frame, head } = await broadcast.head(step);
  queue.sendFrame(frame);
  if (head.bytes <= limits.pieceBytes) return true;
  for (let offset = 0; offset < head.bytes;) {
    await queue.room();
    if (isOver()) return false;
    const length = Math.min(plane.chunkBytes, head.bytes - offset);
    const chunk = await broadcast.chunk(head, { offset, length }, plane);
    if (chunk === null) continue;
    queue.sendFrame(chunk.frame, chunk.done);
    offset += length;
  }
  return true;
}
