/**
 * The leases that came on one connection and are not answered yet, and the answers on their way to the coordinator: a
 * contribution's header and digest first, its bytes with them when they are few, else when the coordinator pulls them.
 */
import { faultPoint } from '../../shared/fault-points.js';
import { limits, type Lease } from '../../shared/protocol/messages.js';
import type { ToLink } from '../threads/messages.js';
import type { Connection } from './connection.js';
import type { Envelope } from './heartbeat.js';
import { processMs } from '../threads/process-clock.js';
import type { JoinedRun } from './joined-run.js';
import type { OnSpan } from './span-sender.js';

/** What the trainer made of a lease. */
export type LeaseReport = Extract<ToLink, { type: 'contribution' | 'failed' }>;

/** A contribution without a gradient. */
const nothing = { bytes: new Uint8Array(0), digest: '0'.repeat(16) };
/** Longest reason of a failure on the wire, in characters. */
const reasonLength = 1024;

export class OpenLeases {
  readonly #connection: Connection;
  readonly #envelope: () => Envelope;
  /** The step of each open lease by the lease's id. */
  readonly #steps = new Map<number, number>();

  readonly #onSpan: OnSpan;

  /** @param onSpan told of every contribution's way to the network */
  constructor(connection: Connection, envelope: () => Envelope, onSpan: OnSpan) {
    this.#connection = connection;
    this.#envelope = envelope;
    this.#onSpan = onSpan;
  }

  /** Whether a lease is open whose weights are there at `step`. */
  hasDue(step: number): boolean {
    return [...this.#steps.values()].some((due) => due <= step);
  }

  open({ id, step }: Lease): void {
    faultPoint('leased');
    this.#steps.set(id, step);
  }

  /** Forgets a lease, and the contribution where there is one already. */
  cancel(run: JoinedRun, lease: number): void {
    this.#steps.delete(lease);
    run.uploads.drop(lease);
  }

  cancelAll(): void {
    this.#steps.clear();
  }

  /** Sends the bytes of a contribution that was offered. */
  pull(run: JoinedRun, lease: number): void {
    const startMs = processMs();
    const envelope = this.#envelope();
    run.uploads.send(lease, this.#connection, envelope, (step) => this.#onSpan('send', startMs, { step, lease }));
  }

  /** Answers a lease. @returns false when it is not open: it was cancelled meanwhile, or came on another connection */
  report(run: JoinedRun, report: LeaseReport): boolean {
    if (!this.#steps.delete(report.lease)) return false;
    if (report.type === 'contribution') this.#offer(run, report);
    else {
      const { lease, microBatch, reason, teacher } = report;
      this.#connection.send({
        type: 'failed',
        ...this.#envelope(),
        lease,
        microBatch,
        reason: reason.slice(0, reasonLength),
        ...(teacher === undefined ? {} : { teacher }),
      });
    }
    return true;
  }

  #offer(run: JoinedRun, computed: Extract<LeaseReport, { type: 'contribution' }>): void {
    const startMs = processMs();
    const { lease, step, slot, stateHash, sums, momentCounts, seconds } = computed;
    const { bytes, digest } = slot === null ? nothing : run.uploads.keep(lease, step, slot);
    const isInline = bytes.byteLength > 0 && bytes.byteLength <= limits.pieceBytes;
    this.#connection.send(
      {
        type: 'offer',
        ...this.#envelope(),
        step,
        lease,
        stateHash,
        bytes: bytes.byteLength,
        digest,
        sums: { ...sums },
        momentCounts: [...momentCounts],
        seconds: { ...seconds, optimizer: run.fold.takeSeconds() },
      },
      isInline ? bytes : undefined,
      isInline ? () => this.#onSpan('send', startMs, { step, lease }) : undefined,
    );
  }
}
