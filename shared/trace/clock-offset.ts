/**
 * How far another machine's clock is ahead of this one's, from questions and answers: an answer with the other clock's
 * time was made at some moment between the question and the answer's arrival. The middle of the two is off by half of the
 * round trip at most, whatever share of it each way took. Pure.
 */

/** Their clock reads `ours + offsetMs`, give or take `errorMs`. */
export interface ClockOffset {
  readonly offsetMs: number;
  readonly errorMs: number;
}

/**
 * Round trips of which the shortest is believed. Clocks drift apart by some milliseconds in a minute at worst, so that an
 * old one must be forgotten.
 */
const kept = 64;

export class ClockOffsets {
  readonly #newest: ClockOffset[] = [];

  /**
   * Counts one round trip.
   * @param sentMs when the question left and `receivedMs` when its answer was here, both by our clock
   * @param theirMs what their clock read in between
   */
  measured(sentMs: number, theirMs: number, receivedMs: number): void {
    const errorMs = (receivedMs - sentMs) / 2;
    if (!(errorMs >= 0)) return;
    this.#newest.push({ offsetMs: theirMs - sentMs - errorMs, errorMs });
    if (this.#newest.length > kept) this.#newest.shift();
  }

  /** The best that is known; null before the first round trip. */
  get best(): ClockOffset | null {
    let best: ClockOffset | null = null;
    for (const offset of this.#newest) if (best === null || offset.errorMs < best.errorMs) best = offset;
    return best;
  }
}
