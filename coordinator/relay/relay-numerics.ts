/**
 * What a relay stands for above: the bits that the first of its workers computes. One that computes others is sent to the
 * coordinator. Without any worker the relay hands its leases back.
 */
import { closeCodes, type Up } from '../../shared/protocol/messages.js';
import type { CancelTimer, Timers } from '../../shared/timers.js';
import type { AdmittedWorker } from '../workers/worker-connection.js';
import type { Upstream } from './upstream.js';

type ProbeAnswer = Up<'ready'>['probe'];

export interface RelayNumericsOptions {
  readonly upstream: Pick<Upstream, 'built' | 'unbuilt'>;
  readonly timers: Timers;
  readonly say: (level: 'info' | 'warn', text: string) => void;
  /** Milliseconds for which the last worker may be away before leases go back: it may just have reconnected. */
  readonly graceMs: number;
}

export class RelayNumerics {
  readonly #options: RelayNumericsOptions;
  /** Null while no worker stands behind it. */
  #probe: ProbeAnswer | null = null;
  #cancelLeaving: CancelTimer = () => undefined;

  constructor(options: RelayNumericsOptions) {
    this.#options = options;
  }

  /** A worker has caught up. @returns whether it may be leased to; it was sent away otherwise */
  ready(worker: AdmittedWorker, probe: ProbeAnswer): boolean {
    const { say, upstream } = this.#options;
    const { connection } = worker;
    const reference = this.#probe;
    if (reference !== null && !isSame(reference, probe)) {
      const reason = `numerics ${inWords(probe)}, this relay's are ${inWords(reference)}: connect to the coordinator`;
      say('warn', `${connection.name} refused: ${reason}`);
      connection.dismiss(closeCodes.refused, reason);
      return false;
    }
    this.#cancelLeaving();
    worker.isReady = true;
    say('info', `${connection.name} is ready, plane ${connection.plane.name}`);
    if (reference === null) {
      this.#probe = probe;
      upstream.built(probe);
    }
    return true;
  }

  /** A worker is gone. @param ready how many are left that may be leased to */
  left({ isReady }: AdmittedWorker, ready: number): void {
    if (!isReady || ready > 0 || this.#probe === null) return;
    const { timers, graceMs, upstream } = this.#options;
    this.#cancelLeaving();
    this.#cancelLeaving = timers.after(graceMs, () => {
      this.#probe = null;
      upstream.unbuilt('no worker is left below this relay');
    });
  }

  close(): void {
    this.#cancelLeaving();
  }
}

function isSame(one: ProbeAnswer, other: ProbeAnswer): boolean {
  return one.digest === other.digest && one.numerics === other.numerics;
}

function inWords({ digest, numerics }: ProbeAnswer): string {
  return `${digest}${numerics === undefined ? '' : ` (${numerics})`}`;
}
