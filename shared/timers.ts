/**
 * A process's clock and timers behind an interface, so that a simulation can run the same code in virtual time. Code
 * that takes a `Timers` reads no other clock and sets no other timer.
 */

/** Takes a call back that a timer was to make; does nothing once the call has been made. */
export type CancelTimer = () => void;

export interface Timers {
  /** Milliseconds of a monotonic clock since some fixed moment. Setting the machine's time of day does not move it. */
  nowMs(): number;
  /** Calls `run` once, in `ms` milliseconds. */
  after(ms: number, run: () => void): CancelTimer;
  /** Calls `run` every `ms` milliseconds, the first time in `ms` milliseconds. */
  every(ms: number, run: () => void): CancelTimer;
}

/** The real clock and real timers. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
};
