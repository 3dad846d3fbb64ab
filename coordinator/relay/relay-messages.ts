/** What the messages of a relay's workers mean to it: an event for its core, or bytes for a contribution. */
import { ProtocolError } from '../../shared/errors.js';
import { closeCodes, type Up } from '../../shared/protocol/messages.js';
import type { UntimedRelayEvent } from '../decide/relay-types.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { AdmittedMessage, AdmittedWorker } from '../workers/worker-connection.js';
import type { CommitWindow } from './commit-window.js';
import type { Upstream } from './upstream.js';

export interface RelayMessagesOptions {
  readonly envelope: RunEnvelope;
  readonly broadcast: Pick<Broadcast, 'released' | 'stateHash'>;
  readonly window: Pick<CommitWindow, 'stateHashAfter'>;
  /** Names of the run's teachers. */
  readonly teachers: ReadonlySet<string>;
  readonly upstream: Pick<Upstream, 'tick'>;
  readonly post: (event: UntimedRelayEvent) => void;
  /** The worker has caught up, and this is what it computes. */
  readonly onReady: (worker: AdmittedWorker, probe: Up<'ready'>['probe']) => void;
  /** An offer's seconds by phase. */
  readonly onSeconds: (lease: number, seconds: Up<'offer'>['seconds']) => void;
}

/** Phases of a lease that say nothing of how fast the worker is. */
const notComputing = new Set(['wait', 'optimizer']);

/** Seconds that were spent computing. */
export function computeSecondsOf(seconds: Readonly<Record<string, number>>): number {
  return Object.entries(seconds).reduce((sum, [phase, value]) => (notComputing.has(phase) ? sum : sum + value), 0);
}

export class RelayMessages {
  readonly #options: RelayMessagesOptions;

  constructor(options: RelayMessagesOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError when the message breaks a rule */
  handle(worker: AdmittedWorker, message: AdmittedMessage, payload: Uint8Array): void {
    const { post } = this.#options;
    switch (message.type) {
      case 'ready':
        return this.#ready(worker, message);
      case 'heartbeat':
        return this.#heartbeat(worker, message);
      case 'offer':
        return this.#offer(worker, message, payload);
      case 'chunk':
        if (!worker.incoming.chunk(message, payload)) worker.connection.countIdle();
        return worker.connection.plane.handled(message);
      case 'took':
        return worker.connection.plane.taken(message.chunks);
      case 'failed':
        return this.#failed(worker, message);
      case 'differs':
        return this.#differs(worker, message);
      case 'spans':
        throw new ProtocolError('spans of a run that a relay does not trace');
      case 'leave':
        if (worker.connection.hasLeft) return worker.connection.countIdle();
        worker.connection.explain(message.reason);
        return post({ type: 'leave', worker: worker.id, reason: message.reason });
      default: {
        const unknown: never = message;
        throw new Error(`message ${JSON.stringify(unknown)}`);
      }
    }
  }

  #ready(worker: AdmittedWorker, message: Up<'ready'>): void {
    if (worker.isReady) return worker.connection.countIdle();
    const known = this.#stateHashBefore(message.step);
    if (known !== undefined && known !== message.stateHash) return this.#differs(worker, message);
    this.#options.onReady(worker, message.probe);
  }

  #heartbeat(worker: AdmittedWorker, { progress, sentMs, rttMs }: Up<'heartbeat'>): void {
    const { envelope, broadcast, post, upstream } = this.#options;
    worker.connection.countIdle();
    if (progress !== worker.progress) upstream.tick();
    worker.progress = progress;
    worker.connection.queue.send({ type: 'pong', ...envelope, step: broadcast.released, sentMs });
    post({ type: 'heard', worker: worker.id, progress, rttMs });
  }

  #offer(worker: AdmittedWorker, message: Up<'offer'>, payload: Uint8Array): void {
    const { lease, stateHash, bytes, seconds } = message;
    if (worker.incoming.unitOf(lease) === null) return worker.connection.countIdle();
    worker.incoming.offer(message, payload, () => {
      this.#options.onSeconds(lease, seconds);
      const computeSeconds = computeSecondsOf(seconds);
      this.#options.post({ type: 'offer', worker: worker.id, lease, stateHash, bytes, computeSeconds });
    });
  }

  #failed(worker: AdmittedWorker, { lease, microBatch, reason, teacher }: Up<'failed'>): void {
    if (worker.incoming.unitOf(lease) === null) return worker.connection.countIdle();
    worker.incoming.cancel(lease);
    const known = teacher !== undefined && this.#options.teachers.has(teacher) ? teacher : undefined;
    this.#options.post({ type: 'failed', worker: worker.id, lease, microBatch, reason, teacher: known });
  }

  #differs(worker: AdmittedWorker, { step, stateHash }: { readonly step: number; readonly stateHash: string }): void {
    const wanted = this.#stateHashBefore(step) ?? 'no longer known';
    const reason = `its state after ${step} steps is ${stateHash}, the run's ${wanted}`;
    this.#options.post({ type: 'differs', worker: worker.id, reason });
  }

  #stateHashBefore(step: number): string | undefined {
    const { broadcast, window } = this.#options;
    return step === broadcast.released ? broadcast.stateHash : window.stateHashAfter(step - 1);
  }
}

/** Close code for a worker that has to come again since the relay itself has begun anew. */
export const beginAgain = closeCodes.done;
