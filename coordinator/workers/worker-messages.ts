/**
 * What the messages of an admitted worker mean to the coordinator or the relay that it is connected to: an event for the
 * core, or bytes for a contribution. What the event leads to is the core's affair.
 */
import { createHash } from 'node:crypto';
import { ProtocolError } from '../../shared/errors.js';
import { faultPoint } from '../../shared/fault-points.js';
import type { Up } from '../../shared/protocol/messages.js';
import type { WorkerEvent } from '../decide/types.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { RunTrace } from '../trace/run-trace.js';
import type { AdmittedMessage, AdmittedWorker } from './worker-connection.js';

/** Why a frame was dropped: it broke a rule of the protocol, or spoke of a lease that is not open. */
export type RefusalReason = 'brokenRule' | 'noLease';

export interface WorkerMessagesOptions {
  readonly envelope: RunEnvelope;
  readonly broadcast: Pick<Broadcast, 'released'>;
  /** Names of the run's teachers. */
  readonly teachers: ReadonlySet<string>;
  /** Hash of the state before a step; undefined where it is not known any more. */
  readonly stateHashBefore: (step: number) => string | undefined;
  readonly post: (event: WorkerEvent) => void;
  /** Called for a worker that has caught up, in a state that is not known to be wrong. */
  readonly onReady: (worker: AdmittedWorker, message: Up<'ready'>) => void;
  /** Called with what a heartbeat says of the trainer's counter, before that is noted. */
  readonly onProgress?: (worker: AdmittedWorker, progress: number) => void;
  /** Called for each sound offer of an open lease, once. */
  readonly onOffer: (worker: AdmittedWorker, message: Up<'offer'>) => void;
  /** Called for an offer that cannot be. @returns the error that the connection is closed with */
  readonly onBrokenOffer?: (worker: AdmittedWorker, error: ProtocolError) => ProtocolError;
  /** Called with the last words of a worker. */
  readonly onLeave: (worker: AdmittedWorker, message: Up<'leave'>) => void;
  /** Called for each message that speaks of a lease that is not open, and is dropped. */
  readonly onRefused?: (reason: RefusalReason) => void;
  readonly trace?: RunTrace | undefined;
}

/**
 * Phases of a lease that say nothing of how fast the worker is: `wait` depends on the others, and the optimizer runs
 * beside the trainer.
 */
const notComputing = new Set(['wait', 'optimizer']);

/** Seconds that were spent computing, of those of a lease by phase. */
export function computeSecondsOf(seconds: Readonly<Record<string, number>>): number {
  return Object.entries(seconds).reduce((sum, [phase, value]) => (notComputing.has(phase) ? sum : sum + value), 0);
}

export class WorkerMessages {
  readonly #options: WorkerMessagesOptions;

  constructor(options: WorkerMessagesOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError when the message breaks a rule */
  handle(worker: AdmittedWorker, message: AdmittedMessage, payload: Uint8Array): void {
    // Every message but these becomes an event, from which the core learns that the worker is heard.
    const isEvent = message.type !== 'chunk' && message.type !== 'took' && message.type !== 'spans';
    if (isEvent) worker.connection.markHeard();
    switch (message.type) {
      case 'ready':
        return this.#ready(worker, message);
      case 'heartbeat':
        return this.#heartbeat(worker, message);
      case 'offer':
        return this.#offer(worker, message, payload);
      case 'chunk':
        return this.#chunk(worker, message, payload);
      case 'took':
        return worker.connection.plane.taken(message.chunks);
      case 'failed':
        return this.#failed(worker, message);
      case 'differs':
        return this.#differs(worker, message);
      case 'spans':
        return this.#spans(worker, message);
      case 'leave':
        return this.#leave(worker, message);
      default: {
        const unknown: never = message;
        throw new Error(`message ${JSON.stringify(unknown)}`);
      }
    }
  }

  #ready(worker: AdmittedWorker, message: Up<'ready'>): void {
    const known = this.#options.stateHashBefore(message.step);
    if (known !== undefined && known !== message.stateHash) return this.#differs(worker, message);
    this.#options.onReady(worker, message);
  }

  #heartbeat(worker: AdmittedWorker, { progress, sentMs, rttMs }: Up<'heartbeat'>): void {
    const { envelope, broadcast, post, trace, onProgress } = this.#options;
    worker.connection.countIdle();
    onProgress?.(worker, progress);
    worker.progress = progress;
    worker.connection.queue.send({
      type: 'pong',
      ...envelope,
      step: broadcast.released,
      sentMs,
      ...(trace === undefined ? {} : { atMs: trace.nowMs() }),
    });
    post({ type: 'heard', worker: worker.id, progress, rttMs });
  }

  #spans({ connection, trace }: AdmittedWorker, message: Up<'spans'>): void {
    if (trace === null) throw new ProtocolError('spans of a run that is not traced');
    connection.countIdle();
    trace.take(message);
  }

  #offer(worker: AdmittedWorker, message: Up<'offer'>, payload: Uint8Array): void {
    const { lease, step, stateHash, bytes, seconds } = message;
    faultPoint('computing');
    if (worker.incoming.unitOf(lease) === null) return this.#refuse(worker);
    this.#expectPossible(worker, () =>
      worker.incoming.offer(message, payload, () => {
        this.#options.onOffer(worker, message);
        const event = { lease, step, stateHash, digest: wholeDigest(message), bytes };
        const computeSeconds = computeSecondsOf(seconds);
        this.#options.post({ type: 'offer', worker: worker.id, ...event, computeSeconds });
      }),
    );
  }

  /** What a worker says first is why it leaves. */
  #leave(worker: AdmittedWorker, message: Up<'leave'>): void {
    const { id, connection } = worker;
    if (connection.hasLeft) return connection.countIdle();
    connection.explain(message.reason);
    this.#options.onLeave(worker, message);
    this.#options.post({ type: 'leave', worker: id, reason: message.reason });
  }

  /** It speaks of a lease that is not open: a cancel may have crossed it. */
  #refuse(worker: AdmittedWorker): void {
    this.#options.onRefused?.('noLease');
    worker.connection.countIdle();
  }

  #expectPossible(worker: AdmittedWorker, take: () => void): void {
    try {
      take();
    } catch (error) {
      const { onBrokenOffer } = this.#options;
      throw error instanceof ProtocolError && onBrokenOffer !== undefined ? onBrokenOffer(worker, error) : error;
    }
  }

  #chunk(worker: AdmittedWorker, message: Up<'chunk'>, payload: Uint8Array): void {
    if (!worker.incoming.chunk(message, payload)) this.#refuse(worker);
    worker.connection.plane.handled(message);
    faultPoint('first-chunk');
  }

  #failed(worker: AdmittedWorker, { lease, microBatch, reason, teacher }: Up<'failed'>): void {
    if (worker.incoming.unitOf(lease) === null) return this.#refuse(worker);
    worker.incoming.cancel(lease);
    this.#options.post({
      type: 'failed',
      worker: worker.id,
      lease,
      microBatch,
      reason,
      teacher: teacher !== undefined && this.#options.teachers.has(teacher) ? teacher : undefined,
    });
  }

  #differs(worker: AdmittedWorker, { step, stateHash }: { readonly step: number; readonly stateHash: string }): void {
    const wanted = this.#options.stateHashBefore(step) ?? 'no longer known';
    this.#options.post({ type: 'differs', worker: worker.id, step, stateHash, wanted });
  }
}

/** Stands for a contribution's bytes, sums and counts: two that differ in any of them have different ones. */
function wholeDigest({ digest, sums, momentCounts }: Up<'offer'>): string {
  const named = Object.entries(sums).sort(([one], [other]) => (one < other ? -1 : 1));
  return `${digest}.${createHash('sha256')
    .update(JSON.stringify([named, momentCounts]))
    .digest('hex')
    .slice(0, 16)}`;
}
