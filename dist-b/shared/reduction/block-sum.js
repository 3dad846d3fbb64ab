import { mergeContributions } from './contribution.js';
export class BlockSum {
    #options;
    #free;
    /** Sums that wait for a sibling, widest first. */
    #digits = [];
    constructor(options) {
        this.#options = options;
        this.#free = [...options.slots].reverse();
    }
    /** The free slot into which the next micro-batch's gradient is to be written, before `push`. */
    nextSlot() {
        const slot = this.#free.at(-1);
        if (slot === undefined)
            throw new Error(`block is wider than its ${this.#options.slots.length} slots allow`);
        return slot;
    }
    /** Takes the next micro-batch; one with a gradient has it in `nextSlot()`. */
    push(microBatch) {
        const slot = microBatch.hasGradient ? this.nextSlot() : null;
        if (slot !== null)
            this.#free.pop();
        this.#digits.push({ ...microBatch, slot, level: 0 });
        while (this.#digits.length > 1 && this.#digits.at(-1)?.level === this.#digits.at(-2)?.level)
            this.#mergeLast();
    }
    /** The block's sum, once all its micro-batches are pushed. What M cuts short passes through, so it is folded from the right. */
    result() {
        while (this.#digits.length > 1)
            this.#mergeLast();
        const [sum] = this.#digits;
        if (sum === undefined)
            throw new Error('a block has at least one micro-batch');
        return { hasGradient: sum.hasGradient, sums: sum.sums, moments: sum.moments, slot: sum.slot };
    }
    #mergeLast() {
        const right = this.#digits.pop();
        const left = this.#digits.pop();
        if (left === undefined || right === undefined)
            return;
        const merged = mergeContributions(left, right, this.#options.norms);
        this.#digits.push({ ...merged, slot: this.#addGradients(left.slot, right.slot), level: left.level + 1 });
    }
    #addGradients(left, right) {
        if (left === null || right === null)
            return left ?? right;
        this.#options.addSlots(left, right);
        this.#free.push(right);
        return left;
    }
}
//# sourceMappingURL=block-sum.js.map