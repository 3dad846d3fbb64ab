/** Who took part, for the summary and the log: by the process's own name, over all of its connections. */
import type { Device } from '../../shared/protocol/messages.js';
import type { Numerics } from './numerics.js';
import type { Summary } from '../reports/summary.js';

interface Entry {
  readonly device: Device;
  numerics: Numerics;
  samples: number;
  /** Spent on training leases, by phase: load, labels, student, reduce, wait, optimizer. */
  readonly seconds: Record<string, number>;
  /** Times that it fell behind what the log still holds, or kept a step waiting. */
  slow: number;
}

export class Roster {
  readonly #entries = new Map<string, Entry>();

  admit(worker: string, device: Device): Entry {
    const entry = this.#entries.get(worker) ?? { device, numerics: 'unknown', samples: 0, seconds: {}, slow: 0 };
    this.#entries.set(worker, entry);
    return entry;
  }

  of(worker: string): Entry | undefined {
    return this.#entries.get(worker);
  }

  /** Of one that was never ready nothing is kept, however many come and go. */
  forgetIdle(worker: string): void {
    const entry = this.#entries.get(worker);
    if (entry?.numerics === 'unknown' && entry.slow === 0) this.#entries.delete(worker);
  }

  addSeconds(worker: string, seconds: Readonly<Record<string, number>>): void {
    const entry = this.#entries.get(worker);
    if (entry === undefined) return;
    for (const [phase, value] of Object.entries(seconds)) entry.seconds[phase] = (entry.seconds[phase] ?? 0) + value;
  }

  list(): Summary['workers'] {
    return [...this.#entries].map(([name, { device, numerics, samples, seconds }]) => ({
      name,
      host: device.host,
      backend: device.backend,
      gpu: device.gpu,
      numerics,
      samples,
      seconds,
    }));
  }
}
