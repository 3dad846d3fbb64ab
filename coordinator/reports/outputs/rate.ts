/** How fast a run goes, from the counts that its progress has. Pure: time comes in. */

import type { RunProgress } from './output.js';

const shortestMs = 500;

/**
 * Seconds until the last step, by the samples of the steps since `firstStep`, at which this coordinator started; null
 * until they can be known.
 */
export function secondsLeft(
  { step, totalSteps, samples }: Pick<RunProgress, 'step' | 'totalSteps' | 'samples'>,
  { perSecond, firstStep }: { readonly perSecond: number; readonly firstStep: number },
): number | null {
  if (perSecond <= 0 || samples === 0) return null;
  return ((totalSteps - step) * (samples / (step - firstStep))) / perSecond;
}

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
