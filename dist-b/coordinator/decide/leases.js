export class Leases {
    #byId = new Map();
    #outstanding = new Set();
    #counts = { granted: 0, repeated: 0, refused: 0, committed: 0, returned: 0 };
    get accounts() {
        return { ...this.#counts, outstanding: this.#outstanding.size };
    }
    /** The worker's own lease; undefined when it never was, or its unit is long committed. */
    find(worker, id) {
        const lease = this.#byId.get(id);
        return lease?.member.id === worker ? lease : undefined;
    }
    refuse() {
        this.#counts.refused++;
    }
    /** A due lease that is not the first for its micro-batches. */
    countRepeated() {
        this.#counts.repeated++;
    }
    grant(member, work, { task, nowMs }) {
        const lease = { id: ++this.#counts.granted, member, task, state: 'computing', startedMs: nowMs, lateMs: Infinity, bytes: 0, slot: null };
        this.#byId.set(lease.id, lease);
        this.#outstanding.add(lease);
        member.leases.add(lease);
        work.add(lease);
        return lease;
    }
    /** Its contribution is in. The other leases of its task are the caller's to cancel. */
    accept(lease, work) {
        lease.state = 'accepted';
        detach(lease);
        lease.task.leases.delete(lease);
        work.complete(lease.task);
        work.contributors.push(lease.member.id);
    }
    /** It will bring nothing. */
    giveBack(lease, work) {
        lease.state = 'returned';
        detach(lease);
        this.#counts.returned++;
        this.#outstanding.delete(lease);
        work.drop(lease);
    }
    /** The unit is over: what was accepted is in its commit, or in vain; its leases are forgotten. */
    close(work, isCommitted) {
        for (const lease of work.leases) {
            this.#byId.delete(lease.id);
            if (!this.#outstanding.delete(lease))
                continue;
            if (isCommitted)
                this.#counts.committed++;
            else
                this.#counts.returned++;
        }
    }
}
function detach(lease) {
    const { member } = lease;
    member.leases.delete(lease);
    if (member.current === lease)
        member.current = null;
    if (member.tentative === lease)
        member.tentative = null;
}
//# sourceMappingURL=leases.js.map