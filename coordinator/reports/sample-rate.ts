/** How fast a run goes, from counts of its samples. Pure: time comes in. */

const shortestMs = 500;

export class SampleRate {
  #last: { readonly atMs: number; readonly samples: number } | null = null;
  #perSecond = 0;

  /** Samples a second, smoothed over the calls; 0 until it can be known. @param samples counted from any start */
  update(nowMs: number, samples: number): number {
    const last = this.#last;
    if (last === null) this.#last = { atMs: nowMs, samples };
    else if (nowMs - last.atMs >= shortestMs) {
      const rate = ((samples - last.samples) * 1000) / (nowMs - last.atMs);
      this.#perSecond = this.#perSecond === 0 ? rate : 0.7 * this.#perSecond + 0.3 * rate;
      this.#last = { atMs: nowMs, samples };
    }
    return this.#perSecond;
  }
}
