/**
 * What a worker can prove of the steps that it has applied: a release carries a receipt that only a coordinator with the
 * run's secret can have made. Whoever claims more steps than the run folder knows shows it, or claims in vain.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a receipt says: so many commits were released, and this was the state after them. */
export interface Receipted {
  readonly step: number;
  readonly stateHash: string;
}

export class Receipts {
  readonly #secret: string;
  readonly #nonce: string;

  /**
   * @param secret the run's, which never leaves the run folder
   * @param nonce of the generation that makes the receipts
   */
  constructor(secret: string, nonce: string) {
    this.#secret = secret;
    this.#nonce = nonce;
  }

  /** The receipt of `step` released commits. */
  of(receipted: Receipted): string {
    return this.#make(this.#nonce, receipted);
  }

  /** The generation that has made the receipt, of those with these nonces; null where none has. */
  generationOf(receipt: string, receipted: Receipted, nonces: ReadonlyMap<string, number>): number | null {
    for (const [nonce, generation] of nonces) if (isEqual(receipt, this.#make(nonce, receipted))) return generation;
    return null;
  }

  #make(nonce: string, { step, stateHash }: Receipted): string {
    return createHmac('sha256', this.#secret).update(`receipt ${nonce} ${step} ${stateHash}`).digest('hex');
  }
}

function isEqual(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
