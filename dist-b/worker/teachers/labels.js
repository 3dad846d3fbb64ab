/**
 * Soft labels by sample: read from memory, from this machine's disk or from the coordinator, and computed by the teachers
 * where nobody has them. A label is used as it is decoded from the bytes that are kept, new or old, so a run has the same
 * bits with a cold cache and with a warm one (see shared/labels/precision.ts; rows: ensemble.ts).
 * Keyed by sample and view, never by a row's place, which changes with shuffling. Computing ahead is micro-batches.ts's.
 */
import { LabelBlock } from '../../shared/labels/block.js';
import { labelNames } from '../../shared/labels/sets.js';
export class Labels {
    #options;
    #read = 0;
    #computed = 0;
    constructor(options) {
        this.#options = options;
    }
    /** How many samples were given from what was kept, and how many were computed. */
    get counts() {
        return { read: this.#read, computed: this.#computed };
    }
    /**
     * Labels of these kinds by name (`T=4`, `logits`, `teacher:NAME`), [ids x classes]. `inputs` is [ids x sample]; `view`
     * is the number of its augmentation. @throws UserError when a teacher cannot label
     */
    async get(ids, inputs, view, kinds) {
        const wanted = labelNames(kinds, this.#options.teachers).map((name) => ({ name, set: this.#setOf(name, view), blocks: new Map() }));
        if (!this.#options.cache)
            return this.#live(inputs, ids.length, wanted);
        const places = this.#locate(ids);
        for (const one of wanted)
            await this.#open(one, places.blocks);
        let missing = missingRows(places, wanted);
        if (missing.length > 0 && this.#options.peers) {
            for (const { set } of wanted)
                await this.#options.peers.ask(set, byBlock(places, missing));
            missing = missingRows(places, wanted);
        }
        const fresh = missing.length === 0 ? null : await this.#compute(missing, inputs, ids.length, wanted);
        if (fresh !== null)
            await this.#keep(fresh, missing, places, wanted);
        this.#computed += missing.length;
        this.#read += ids.length - missing.length;
        return new Map(wanted.map((one) => [one.name, this.#gather(one, places, fresh?.get(one.name) ?? null, missing)]));
    }
    /** How the samples are cut into blocks. */
    get plan() {
        return this.#options.shelf.plan;
    }
    /** Bytes that the labels of one sample take, of all kinds together, in one view. */
    get rowBytes() {
        return this.#options.shelf.sets.filter(({ view }) => view === 0).reduce((sum, { codec }) => sum + codec.rowBytes, 0);
    }
    /** Waits until the others have what was made here. */
    async sent() {
        await this.#options.peers?.sent();
    }
    /** Writes what is new to the disk and sends it to the others. */
    async close() {
        await this.#options.peers?.close();
        await this.#options.shelf.save();
    }
    /** Keeps nothing, and gives what a cache would. */
    async #live(inputs, rows, wanted) {
        const everyRow = Array.from({ length: rows }, (_, row) => row);
        const fresh = await this.#compute(everyRow, inputs, rows, wanted);
        const places = { blocks: new Uint32Array(rows), rows: Uint32Array.from(everyRow) };
        this.#computed += rows;
        return new Map(wanted.map((one) => {
            const values = fresh.get(one.name) ?? new Float32Array(0);
            const block = new LabelBlock(this.#codecOf(one.set), rows);
            for (const row of everyRow)
                addRow(block, row, values, (row * values.length) / rows, values.length / rows);
            return [one.name, this.#gather({ ...one, blocks: new Map([[0, block]]) }, places, values, everyRow)];
        }));
    }
    #codecOf(set) {
        const found = this.#options.shelf.sets[set];
        if (found === undefined)
            throw new RangeError(`label set ${set}`);
        return found.codec;
    }
    #locate(ids) {
        const { plan } = this.#options.shelf;
        const blocks = ids.map((id) => plan.locate(id));
        return { blocks, rows: ids.map((id, i) => id - (plan.blocks[blocks[i] ?? 0]?.first ?? 0)) };
    }
    #setOf(name, view) {
        const set = this.#options.shelf.sets.findIndex((candidate) => candidate.name === name && candidate.view === view);
        if (set < 0)
            throw new RangeError(`labels ${name} of view ${view} are not among this run's`);
        return set;
    }
    async #open({ set, blocks }, numbers) {
        const { shelf } = this.#options;
        for (const block of numbers)
            if (!blocks.has(block))
                blocks.set(block, shelf.at(set, block) ?? (await shelf.open(set, block)));
    }
    #compute(missing, inputs, rows, wanted) {
        return this.#options.compute(wanted.map(({ name }) => name), gather(inputs, rows, missing), missing.length);
    }
    /** A row that is not finite is not kept: the loss meets it as it is. */
    async #keep(fresh, missing, places, wanted) {
        for (const { name, set, blocks } of wanted) {
            const values = fresh.get(name) ?? new Float32Array(0);
            const classes = this.#options.shelf.sets[set]?.form.classes ?? 0;
            for (const [number, at] of grouped(missing.map((_, i) => i), (i) => places.blocks[missing[i] ?? 0] ?? 0)) {
                // Memory may have let it go while the teachers were at work.
                const block = await this.#options.shelf.open(set, number);
                blocks.set(number, block);
                const added = at.flatMap((i) => addRow(block, places.rows[missing[i] ?? 0] ?? 0, values, i * classes, classes));
                if (added.length > 0)
                    this.#options.peers?.offer(set, number, added);
            }
        }
    }
    #gather({ set, blocks: open }, { blocks, rows }, fresh, missing) {
        const classes = this.#options.shelf.sets[set]?.form.classes ?? 0;
        const out = new Float32Array(rows.length * classes);
        for (let i = 0; i < rows.length; i++) {
            const [block, row = 0] = [open.get(blocks[i] ?? 0), rows[i]];
            if (block?.has(row) === true)
                block.read(row, out, i * classes);
            else if (fresh !== null) {
                const at = missing.indexOf(i);
                out.set(fresh.subarray(at * classes, (at + 1) * classes), i * classes);
            }
        }
        return out;
    }
}
/** Samples of the request of which some wanted label is not there. */
function missingRows({ blocks, rows }, wanted) {
    const missing = [];
    for (let i = 0; i < rows.length; i++) {
        for (const { blocks: open } of wanted) {
            if (open.get(blocks[i] ?? 0)?.has(rows[i] ?? 0) === true)
                continue;
            missing.push(i);
            break;
        }
    }
    return missing;
}
function byBlock({ blocks, rows }, missing) {
    return new Map([...grouped(missing, (i) => blocks[i] ?? 0)].map(([block, found]) => [block, found.map((i) => rows[i] ?? 0)]));
}
function grouped(values, keyOf) {
    const groups = new Map();
    for (const value of values) {
        const group = groups.get(keyOf(value));
        if (group === undefined)
            groups.set(keyOf(value), [value]);
        else
            group.push(value);
    }
    return groups;
}
/** @returns the row, unless it was there or is not finite */
function addRow(block, row, values, at, classes) {
    if (block.has(row))
        return [];
    for (let k = 0; k < classes; k++)
        if (!Number.isFinite(values[at + k]))
            return [];
    block.add(row, values, at);
    return [row];
}
function gather(inputs, rows, wanted) {
    if (wanted.length === rows)
        return inputs;
    const size = inputs.length / rows;
    const out = new Float32Array(wanted.length * size);
    wanted.forEach((row, i) => out.set(inputs.subarray(row * size, (row + 1) * size), i * size));
    return out;
}
//# sourceMappingURL=labels.js.map