export class WorkQueue {
    #waiting = [];
    #current = null;
    #isCancelled = false;
    #isClosed = false;
    #wake = null;
    push(lease) {
        this.#waiting.push(lease);
        this.#notify();
    }
    /** Forgets a waiting lease, or marks the current one. An unknown id means that its contribution has crossed the cancel. */
    cancel(id) {
        const at = this.#waiting.findIndex((lease) => lease.id === id);
        if (at >= 0)
            this.#waiting.splice(at, 1);
        if (this.#current?.id === id)
            this.#isCancelled = true;
        this.#notify();
    }
    /** The connection is gone: every lease is. */
    cancelAll() {
        this.#waiting.length = 0;
        this.#isCancelled = true;
        this.#notify();
    }
    /** No more leases will come: `next` gives null. */
    close() {
        this.#isClosed = true;
        this.cancelAll();
    }
    get isClosed() {
        return this.#isClosed;
    }
    /** Whether the lease that `next` gave last is to be dropped. */
    get isCancelled() {
        return this.#isCancelled;
    }
    /** Waiting leases, without the current one. */
    get waiting() {
        return this.#waiting;
    }
    /** The next lease, once there is one; null after `close`. */
    async next() {
        this.#current = null;
        for (;;) {
            if (this.#isClosed)
                return null;
            const lease = this.#waiting.shift();
            if (lease !== undefined) {
                this.#current = lease;
                this.#isCancelled = false;
                return lease;
            }
            await this.changed();
        }
    }
    /** Resolves at the next change from outside: a lease, a cancel, or `notify`. One waiter at a time. */
    changed() {
        return new Promise((resolve) => {
            this.#wake = resolve;
        });
    }
    /** Something else that the waiter may be interested in has changed: weights, slots. */
    notify() {
        this.#notify();
    }
    #notify() {
        const wake = this.#wake;
        this.#wake = null;
        wake?.();
    }
}
//# sourceMappingURL=work-queue.js.map