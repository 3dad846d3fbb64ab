/** Who took part, for the summary and the log: by the process's own name, over all of its connections. */
import type { Device } from '../shared/protocol/messages.js';
import type { Numerics } from './probes.js';
import type { Summary } from './reports/summary.js';

interface Entry {
  readonly device: Device;
  numerics: Numerics | 'unknown';
  samples: number;
  /** Times that it fell behind what the log still holds. */
  slow: number;
}

export class Roster {
  readonly #entries = new Map<string, Entry>();

  admit(worker: string, device: Device): Entry {
    const entry = this.#entries.get(worker) ?? { device, numerics: 'unknown', samples: 0, slow: 0 };
    this.#entries.set(worker, entry);
    return entry;
  }

  of(worker: string): Entry | undefined {
    return this.#entries.get(worker);
  }

  list(): Summary['workers'] {
    return [...this.#entries].map(([name, { device, numerics, samples }]) => ({
      name, host: device.host, backend: device.backend, gpu: device.gpu, numerics, samples,
    }));
  }
}
