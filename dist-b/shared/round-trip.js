/** With one more measurement; the first sets the time, and half of it as variation. */
export function withMeasured(before, ms) {
    if (before === null)
        return { smoothedMs: ms, variationMs: ms / 2 };
    return {
        smoothedMs: before.smoothedMs + (ms - before.smoothedMs) / 8,
        variationMs: before.variationMs + (Math.abs(before.smoothedMs - ms) - before.variationMs) / 4,
    };
}
/** What an answer may take before it is late: the smoothed time and four variations. 0 before anything was measured. */
export function allowanceMs(measured) {
    return measured === null ? 0 : measured.smoothedMs + 4 * measured.variationMs;
}
//# sourceMappingURL=round-trip.js.map