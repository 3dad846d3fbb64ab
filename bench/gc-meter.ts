/**
 * Tells of the garbage collections of the thread that it is imported in: import it with `--import`, and every thread of
 * a process does so. GcMeter adds them up in one of these threads.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { BroadcastChannel } from 'node:worker_threads';

const channelName = 'stillhouse-gc';

const channel = new BroadcastChannel(channelName);
channel.unref();
new PerformanceObserver((list) => {
  channel.postMessage(list.getEntries().reduce((sum, { duration }) => sum + duration, 0));
}).observe({ entryTypes: ['gc'] });

/** Milliseconds for which the threads of this process stood still for garbage collections since it was made. */
export class GcMeter {
  #ms = 0;

  constructor() {
    const heard = new BroadcastChannel(channelName);
    heard.unref();
    heard.onmessage = (event) => {
      this.#ms += Number(event.data);
    };
  }

  get ms(): number {
    return this.#ms;
  }
}
