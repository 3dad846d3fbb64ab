/**
 * The coordinator's gradient buffers. A buffer is free, in use, or retired: it holds a commit that sockets may still be
 * sending from. Memory is bounded by their number: who needs one when none is free waits until a socket lets go.
 */
/** A commit's bytes in a buffer. They stay as they are while pinned; unpinned, the pool may take the buffer back. */
export class RetiredSlot {
    slot;
    onUnpinned;
    #pins = 0;
    #isGone = false;
    constructor(slot, onUnpinned) {
        this.slot = slot;
        this.onUnpinned = onUnpinned;
    }
    /** Whether the bytes were given up; they are in the log then. */
    get isGone() {
        return this.#isGone;
    }
    get isPinned() {
        return this.#pins > 0;
    }
    pin() {
        this.#pins++;
    }
    unpin() {
        this.#pins--;
        if (this.#pins === 0)
            this.onUnpinned();
    }
    giveUp() {
        this.#isGone = true;
    }
}
export class SlotPool {
    #free;
    #retired = [];
    #waiting = [];
    constructor(slots) {
        this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
    }
    /** Whether someone waits for a buffer. */
    get isShort() {
        return this.#waiting.length > 0;
    }
    /** Calls `use` with a buffer of its own: at once, or as soon as there is one. */
    take(use) {
        this.#waiting.push(use);
        this.#serve();
    }
    give(slot) {
        this.#free.push(slot);
        this.#serve();
    }
    /** The buffer holds a commit from now on; it comes back by itself. */
    retire(slot) {
        const retired = new RetiredSlot(slot, () => this.#serve());
        this.#retired.push(retired);
        return retired;
    }
    #serve() {
        while (this.#waiting.length > 0) {
            const slot = this.#free.pop() ?? this.#reclaim();
            if (slot === undefined)
                return;
            this.#waiting.shift()?.(slot);
        }
    }
    /** The oldest commit's that no socket reads from. */
    #reclaim() {
        const found = this.#retired.find((retired) => !retired.isPinned);
        if (found === undefined)
            return undefined;
        this.#retired = this.#retired.filter((retired) => retired !== found);
        found.giveUp();
        return found.slot;
    }
}
//# sourceMappingURL=slot-pool.js.map