export class Roster {
    #entries = new Map();
    admit(worker, device) {
        const entry = this.#entries.get(worker) ?? { device, numerics: 'unknown', samples: 0, seconds: {}, slow: 0 };
        this.#entries.set(worker, entry);
        return entry;
    }
    of(worker) {
        return this.#entries.get(worker);
    }
    addSeconds(worker, seconds) {
        const entry = this.#entries.get(worker);
        if (entry === undefined)
            return;
        for (const [phase, value] of Object.entries(seconds))
            entry.seconds[phase] = (entry.seconds[phase] ?? 0) + value;
    }
    list() {
        return [...this.#entries].map(([name, { device, numerics, samples, seconds }]) => ({
            name, host: device.host, backend: device.backend, gpu: device.gpu, numerics, samples, seconds,
        }));
    }
}
//# sourceMappingURL=roster.js.map