/** A monotonic clock in milliseconds that is the same in all threads of a process; performance.now() is each thread's own. */
export function processMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
