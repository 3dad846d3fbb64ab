/**
 * Snapshots: the whole state of a replica (weights, optimizer, moving values) with its position in the run. The state's
 * bytes are an artifact, `snapshots/<step>-<sha256>.state`, which joiners download; the header beside it, `.json`, is
 * written last, so a state without a header is no snapshot. The one at step 0 is kept for good: the numerics probe of
 * every joiner is computed from it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { faultPoint } from '../shared/fault-points.js';
import { codeOf, storing, writeDurably } from './storage.js';
const count = z.number().int().nonnegative();
const headerSchema = z.object({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    bytes: count,
    /** Commits folded into the state. */
    step: count,
    /** Updates among them. */
    update: count,
    /** Index of the run's next unit. */
    unit: count,
    epoch: count,
    /** Fast hash of the state. */
    stateHash: z.string(),
    /** Digest of the recipe with its models and data. */
    recipeDigest: z.string(),
});
const pieceBytes = 4 * 1024 * 1024;
export class Snapshots {
    #folder;
    #keep;
    /** By step, the oldest first. */
    #list = [];
    /** Headers that no state fits. */
    #unusable = [];
    constructor(folder, keep) {
        this.#folder = folder;
        this.#keep = keep;
    }
    static async open(folder, keep) {
        return storing(folder, async () => {
            await mkdir(folder, { recursive: true });
            const snapshots = new Snapshots(folder, keep);
            for (const name of (await readdir(folder)).filter((one) => one.endsWith('.json'))) {
                const snapshot = await readHeader(folder, name);
                if (snapshot === null)
                    snapshots.#unusable.push(join(folder, name));
                else
                    snapshots.#list.push(snapshot);
            }
            snapshots.#list.sort((a, b) => a.step - b.step);
            return snapshots;
        });
    }
    /** Paths of headers that cannot be read, or whose state is missing or has another size. */
    get unusable() {
        return this.#unusable;
    }
    /** Sets unusable headers aside, and deletes what a kill left half written: states without a header. */
    async tidy() {
        await storing(this.#folder, async () => {
            for (const path of this.#unusable.splice(0))
                await setAside(path);
            const names = await readdir(this.#folder);
            const stems = new Set(names.flatMap((name) => /^(.*)\.(?:json|damaged)$/.exec(name)?.[1] ?? []));
            const left = names.filter((name) => name.endsWith('.new') || (name.endsWith('.state') && !stems.has(name.slice(0, -'.state'.length))));
            for (const name of left)
                await unlinkIfThere(join(this.#folder, name));
        });
    }
    get all() {
        return this.#list;
    }
    get newest() {
        return this.#list.at(-1);
    }
    /** The one at step 0. */
    get initial() {
        return this.#list.find(({ step }) => step === 0);
    }
    /** The log is needed from here on: if the newest snapshot proves damaged, the one before it takes its place. */
    get oldestStep() {
        return this.#list.at(-this.#keep)?.step ?? 0;
    }
    /**
     * Writes the state, a copy that does not change any more, and deletes snapshots beyond the number to keep.
     * @throws UserError (69) when the storage fails; the earlier snapshots are untouched
     */
    async write(state, position) {
        return storing(`${this.#folder}, snapshot at step ${position.step}`, async () => {
            const sha256 = await digestOf(state);
            const stem = `${position.step}-${sha256}`;
            const path = join(this.#folder, `${stem}.state`);
            const header = { ...position, sha256, bytes: state.length };
            await writeDurably(path, pieces(state));
            if (position.step > 0)
                faultPoint('snapshot');
            await writeDurably(join(this.#folder, `${stem}.json`), [Buffer.from(`${JSON.stringify(header)}\n`)]);
            const snapshot = { ...header, path };
            this.#list = [...this.#list.filter(({ step }) => step !== position.step), snapshot].sort((a, b) => a.step - b.step);
            await this.#dropOld();
            return snapshot;
        });
    }
    /**
     * Reads a snapshot's state. False when it is damaged: then its header is renamed to `.damaged`, so that nothing takes
     * the state for a snapshot again, and `newest` is the one before.
     */
    async load(snapshot, target) {
        return storing(snapshot.path, async () => {
            const isSound = snapshot.bytes === target.length && (await readInto(snapshot.path, target, snapshot.sha256));
            if (!isSound) {
                this.#list = this.#list.filter((other) => other !== snapshot);
                await setAside(snapshot.path.replace(/state$/, 'json'));
            }
            return isSound;
        });
    }
    /** Forgets snapshots after `step`, which a rewind made void. */
    async dropAfter(step) {
        await this.#remove(this.#list.filter((snapshot) => snapshot.step > step));
    }
    async #dropOld() {
        const droppable = this.#list.filter(({ step }) => step > 0);
        await this.#remove(droppable.slice(0, Math.max(0, droppable.length - this.#keep)));
    }
    async #remove(old) {
        this.#list = this.#list.filter((snapshot) => !old.includes(snapshot));
        for (const { path } of old) {
            await unlinkIfThere(path.replace(/state$/, 'json'));
            await unlinkIfThere(path);
        }
    }
}
/** Nothing takes the state beside this header for a snapshot any more. */
async function setAside(header) {
    await rename(header, header.replace(/json$/, 'damaged'));
}
async function readHeader(folder, name) {
    const path = join(folder, name.replace(/json$/, 'state'));
    try {
        const header = headerSchema.safeParse(parseJson(await readFile(join(folder, name), 'utf8'))).data;
        if (header === undefined || name !== `${header.step}-${header.sha256}.json`)
            return null;
        return (await stat(path)).size === header.bytes ? { ...header, path } : null;
    }
    catch (error) {
        if (codeOf(error) === 'ENOENT')
            return null;
        throw error;
    }
}
function parseJson(text) {
    try {
        return JSON.parse(text);
    }
    catch (error) {
        if (error instanceof SyntaxError)
            return null;
        throw error;
    }
}
function* pieces(state) {
    for (let at = 0; at < state.length; at += pieceBytes)
        yield state.subarray(at, at + pieceBytes);
}
/** In pieces, with room for other events between them. */
async function digestOf(state) {
    const hash = createHash('sha256');
    for (const piece of pieces(state)) {
        hash.update(piece);
        await new Promise(setImmediate);
    }
    return hash.digest('hex');
}
async function readInto(path, target, sha256) {
    const hash = createHash('sha256');
    let at = 0;
    for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
        if (!(piece instanceof Uint8Array) || at + piece.length > target.length)
            return false;
        hash.update(piece);
        target.set(piece, at);
        at += piece.length;
    }
    return at === target.length && hash.digest('hex') === sha256;
}
async function unlinkIfThere(path) {
    try {
        await unlink(path);
    }
    catch (error) {
        if (codeOf(error) !== 'ENOENT')
            throw error;
    }
}
//# sourceMappingURL=snapshots.js.map