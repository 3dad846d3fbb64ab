/**
 * The contributions of one worker on their way in: the offer, the pull, the bytes, the checks. Bytes go from the frame
 * into their buffer and nowhere else. No contribution is reported as received before its length, its digest and every
 * number in it have been checked.
 */
import { ProtocolError } from '../../shared/errors.js';
import type { Plane, PlaneReceiver } from '../../shared/exchange/plane.js';
import type { Up } from '../../shared/protocol/messages.js';
import { contributionBytes, type Sums } from '../../shared/replica/reduction/contribution.js';
import type { Block } from '../../shared/replica/reduction/tree.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { IncomingSlot } from '../../shared/replica/slot-facts.js';
import type { Content, Contributions } from './contributions.js';
import type { Slot, Unit } from '../decide/types.js';
import { samplesIn } from '../plan/samples-in.js';

/** What becomes of a lease, for the core. */
export type ContributionEvent =
  | { readonly type: 'received'; readonly lease: number; readonly norm: number }
  | { readonly type: 'failed'; readonly lease: number; readonly reason: string };

/** Where a worker's contributions go, and whom to ask and tell. */
export interface IncomingOptions {
  readonly replica: Replica;
  readonly contributions: Contributions;
  /** The way that the worker's bytes take. */
  readonly plane: Plane;
  /** Says why these cannot be the sums of so many samples of the unit; null where they can. */
  readonly faultIn: (sums: Sums, unit: Unit, samples: number) => string | null;
  readonly sendPull: (lease: number, unit: Unit) => void;
  readonly onEvent: (event: ContributionEvent) => void;
}

interface OpenLease {
  readonly unit: Unit;
  readonly block: Block;
  offer: Up<'offer'> | null;
  /** The bytes that came with the offer, until the core has answered it. */
  inline: Uint8Array | null;
  content: Content | null;
  /** What takes the bytes that are being pulled, and the buffer they come to; null before the pull and once all are here. */
  pulled: { readonly receiver: PlaneReceiver; readonly arriving: IncomingSlot } | null;
  /** Its contribution is in: nothing more is taken for it, unless it is to be pulled once more. */
  isSettled: boolean;
}

/** Receives the contributions of one worker, from the lease on until each is received or has failed. */
export class IncomingContributions {
  readonly #options: IncomingOptions;
  readonly #leases = new Map<number, OpenLease>();

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Begins to expect the contribution of a lease. */
  open(lease: number, unit: Unit, block: Block): void {
    // One of the open unit may have to be pulled once more while the next one is leased ahead.
    for (const [id, open] of this.#leases)
      if (open.isSettled && open.unit.step < unit.step - 1) this.#leases.delete(id);
    const nothing = { offer: null, inline: null, content: null, pulled: null } as const;
    this.#leases.set(lease, { unit, block, ...nothing, isSettled: false });
  }

  /** The unit of an open lease; null for one that was cancelled, or never was this worker's. */
  unitOf(lease: number): Unit | null {
    return this.#waiting(lease)?.unit ?? null;
  }

  /** Ends a lease whose contribution is in. @returns the samples that the contribution covers */
  settle(lease: number): number {
    const open = this.#get(lease);
    open.isSettled = true;
    return samplesIn(open.unit, open.block);
  }

  /** Expects the bytes once more of a lease whose contribution was in. @returns the samples that it covers */
  reopen(lease: number): number {
    const open = this.#get(lease);
    open.isSettled = false;
    return samplesIn(open.unit, open.block);
  }

  /** Forgets a lease that will bring nothing. The slot that it may have is the core's to free. */
  cancel(lease: number): void {
    this.#leases.delete(lease);
  }

  /** Forgets every lease: the worker's connection is closed. */
  cancelAll(): void {
    this.#leases.clear();
  }

  /**
   * Takes the offer of an open lease, checks it, and lets `decide` answer it: by a pull or an accept, now or later.
   * @throws ProtocolError when its step, its sizes or its digest cannot be those of the lease
   */
  offer(message: Up<'offer'>, payload: Uint8Array, decide: () => void): void {
    const open = this.#waiting(message.lease);
    if (open === undefined) return;
    this.#checkOffer(message, payload, open);
    open.offer = message;
    if (!Object.values(message.sums).every(Number.isFinite)) {
      return this.#fail(message.lease, {
        type: 'failed',
        lease: message.lease,
        reason: 'a sum of losses is not finite',
      });
    }
    open.inline = payload.length > 0 ? payload : null;
    decide();
    open.inline = null;
  }

  /** Takes the offered contribution's bytes into the slot, as soon as there is a buffer for them. */
  pull(lease: number, slot: Slot): void {
    const open = this.#get(lease);
    const { offer } = open;
    if (offer === null) throw new Error(`lease ${lease} was not offered`);
    const { inline } = open;
    open.content = this.#options.contributions.begin(slot, (content, buffer) => {
      const { replica, plane } = this.#options;
      const target = replica.slotBytes(buffer);
      const arriving = replica.incoming(buffer);
      if (inline !== null) {
        target.set(inline);
        return this.#verify(lease, content, { offer, digest: arriving.take(target), arriving });
      }
      open.pulled = { arriving, receiver: plane.receive(target, (piece) => arriving.take(piece)) };
      this.#options.sendPull(lease, open.unit);
    });
  }

  /** Takes an offered contribution that has no bytes into the slot. */
  accept(lease: number, slot: Slot): void {
    const { offer } = this.#get(lease);
    if (offer === null) throw new Error(`lease ${lease} was not offered`);
    this.#options.contributions.put(slot, offer.sums);
  }

  /**
   * Takes a chunk of a contribution that is being pulled.
   * @returns false for a lease that is not being pulled: a cancel and a chunk may cross
   * @throws ProtocolError when the chunk is not the next one, or its checksum differs
   */
  chunk(message: Up<'chunk'>, payload: Uint8Array): boolean {
    const open = this.#leases.get(message.lease);
    if (open === undefined || open.pulled === null) return false;
    if (open.offer === null || open.content === null || open.content.isFreed) return false;
    const { receiver, arriving } = open.pulled;
    if (receiver.accept(message, payload)) {
      open.pulled = null;
      this.#verify(message.lease, open.content, { offer: open.offer, digest: receiver.digest, arriving });
    }
    return true;
  }

  /** @param digest of the bytes that have come */
  #verify(
    lease: number,
    content: Content,
    {
      offer,
      digest,
      arriving,
    }: { readonly offer: Up<'offer'>; readonly digest: string; readonly arriving: IncomingSlot },
  ): void {
    const { replica } = this.#options;
    if (content.buffer === null) throw new Error(`lease ${lease} has no buffer`);
    if (digest !== offer.digest) {
      return this.#fail(lease, { type: 'failed', lease, reason: 'the bytes are not those of their digest' });
    }
    const facts = arriving.finish();
    if (facts === null) return this.#fail(lease, { type: 'failed', lease, reason: 'the gradient is not finite' });
    content.facts = facts;
    content.sums = offer.sums;
    content.moments = replica.readMoments(content.buffer, offer.momentCounts);
    const { unit, block } = this.#get(lease);
    const norm = Math.sqrt(facts.squares) / samplesIn(unit, block);
    this.#options.onEvent({ type: 'received', lease, norm });
  }

  #fail(lease: number, event: ContributionEvent): void {
    this.#leases.delete(lease);
    this.#options.onEvent(event);
  }

  #checkOffer(message: Up<'offer'>, payload: Uint8Array, open: OpenLease): void {
    const { plan } = this.#options.replica;
    const expected = open.unit.kind === 'train' ? contributionBytes(plan) : 0;
    if (message.bytes !== 0 && message.bytes !== expected)
      throw new ProtocolError(`an offer of ${message.bytes} bytes; 0 or ${expected} were wanted`);
    if (payload.length !== 0 && payload.length !== message.bytes)
      throw new ProtocolError(`${payload.length} bytes came with an offer of ${message.bytes}`);
    if (message.step !== open.unit.step)
      throw new ProtocolError(`an offer for step ${message.step} on a lease of step ${open.unit.step}`);
    const fault = this.#options.faultIn(message.sums, open.unit, samplesIn(open.unit, open.block));
    if (fault !== null) throw new ProtocolError(`an offer with ${fault}`);
    if (message.bytes !== 0 && message.momentCounts.length !== plan.norms.length) {
      throw new ProtocolError(`moments of ${message.momentCounts.length} layers; the student has ${plan.norms.length}`);
    }
    if (open.offer !== null && open.offer.digest !== message.digest) {
      throw new ProtocolError(`lease ${message.lease} was offered twice with other bytes`);
    }
  }

  #waiting(lease: number): OpenLease | undefined {
    const open = this.#leases.get(lease);
    return open?.isSettled === true ? undefined : open;
  }

  #get(lease: number): OpenLease {
    const open = this.#leases.get(lease);
    if (open === undefined) throw new Error(`lease ${lease} is not open`);
    return open;
  }
}
