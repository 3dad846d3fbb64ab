const progressAt = 0;
const lockAt = 1;
const stepAt = 2;
const tensorsAt = 3;
const busyAt = 4;
const controlInts = 8;
/** The integers that both threads see: signs of life, the lock on the replica's state, and the state's position. */
export class Control {
    buffer;
    #ints;
    constructor(buffer = new SharedArrayBuffer(4 * controlInts)) {
        this.buffer = buffer;
        this.#ints = new Int32Array(buffer);
    }
    /** A sign of life of the trainer. */
    tick() {
        Atomics.add(this.#ints, progressAt, 1);
    }
    /** Modulo 2^31, so that it is a count on the wire. */
    get progress() {
        return Atomics.load(this.#ints, progressAt) & 0x7fffffff;
    }
    /** Live tensors of the trainer's backend. */
    set tensors(count) {
        Atomics.store(this.#ints, tensorsAt, count);
    }
    get tensors() {
        return Atomics.load(this.#ints, tensorsAt);
    }
    /** Whether the trainer is at work: then its progress must move. */
    set isBusy(busy) {
        Atomics.store(this.#ints, busyAt, busy ? 1 : 0);
    }
    get isBusy() {
        return Atomics.load(this.#ints, busyAt) === 1;
    }
    /** Position of the replica's state; written by the link alone, while it holds the lock. */
    set step(step) {
        Atomics.store(this.#ints, stepAt, step);
    }
    get step() {
        return Atomics.load(this.#ints, stepAt);
    }
    /** Runs `body` while no other thread reads or changes the replica's state. Both sides hold it for one copy or one update. */
    withState(body) {
        while (Atomics.compareExchange(this.#ints, lockAt, 0, 1) !== 0)
            Atomics.wait(this.#ints, lockAt, 1);
        try {
            return body();
        }
        finally {
            Atomics.store(this.#ints, lockAt, 0);
            Atomics.notify(this.#ints, lockAt, 1);
        }
    }
}
//# sourceMappingURL=trainer-messages.js.map