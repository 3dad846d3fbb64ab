/**
 * Which coordinator this worker follows in each run. A generation is a counter and a nonce, new whenever a coordinator
 * starts: a lower counter is a coordinator that has been replaced, and an equal counter with another nonce is one on a
 * copy of the run folder. The worker follows the first that it met and no other.
 */
export class Fence {
  readonly #seen = new Map<string, { readonly generation: number; readonly nonce: string }>();

  /** Why a generation must not be followed; null where it may, and it is followed from now on. */
  admit(run: string, generation: number, nonce: string): string | null {
    const seen = this.#seen.get(run);
    if (seen !== undefined && generation < seen.generation) {
      return `generation ${generation} of run ${run} is older than ${seen.generation}, which this worker has followed`;
    }
    if (generation === seen?.generation && nonce !== seen.nonce) {
      return `generation ${generation} of run ${run} belongs to another coordinator (a copied run folder?)`;
    }
    this.#seen.set(run, { generation, nonce });
    return null;
  }
}
