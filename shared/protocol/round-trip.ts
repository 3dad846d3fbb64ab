/**
 * How long an answer takes on a link, and how much that varies: the smoothed round-trip time and its variation of TCP's
 * retransmission timer (RFC 6298, section 2). A bound on silence that follows them fits a local network and a bad line
 * alike.
 */
export interface RoundTrip {
  readonly smoothedMs: number;
  readonly variationMs: number;
}

/** With one more measurement; the first sets the time, and half of it as variation. */
export function withMeasured(before: RoundTrip | null, ms: number): RoundTrip {
  if (before === null) return { smoothedMs: ms, variationMs: ms / 2 };
  return {
    smoothedMs: before.smoothedMs + (ms - before.smoothedMs) / 8,
    variationMs: before.variationMs + (Math.abs(before.smoothedMs - ms) - before.variationMs) / 4,
  };
}

/**
 * A peer that was paused measures its pause, and one that lies says what it likes: neither is waited for any longer.
 */
const mostMs = 10_000;

/** What an answer may take before it is late: the smoothed time and four variations. 0 before anything was measured. */
export function allowanceMs(measured: RoundTrip | null): number {
  return measured === null ? 0 : Math.min(mostMs, measured.smoothedMs + 4 * measured.variationMs);
}
