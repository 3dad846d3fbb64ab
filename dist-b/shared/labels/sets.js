/**
 * Which labels a run wants, and under what key they are kept. A label set holds one kind of label of one view of every
 * sample; its key digests all that the labels depend on but the samples, and its blocks are named by the samples' shard
 * and their place in it. So labels outlive a shuffle, a longer data set and another student, and nothing else. Pure.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { temperatureOf, terms, termsIn } from '../recipe/terms.js';
import { ensembleDigest } from './ensemble-digest.js';
import { codecOf } from './precision.js';
/** `T=4`, `logits`, `teacher:NAME`: what a label is called where it is used. */
export function labelNames(kinds, teachers) {
    const names = kinds.flatMap((kind) => {
        if (kind.kind === 'mixture')
            return [`T=${kind.temperature}`];
        return kind.kind === 'logits' ? ['logits'] : teachers.map(({ name }) => `teacher:${name}`);
    });
    return [...new Set(names)];
}
/** The kinds that a recipe's losses want, each once; none without a term on soft labels. */
export function labelKinds({ losses }) {
    const kinds = termsIn(losses).flatMap((term) => {
        const { soft } = terms[term];
        if (soft !== 'mixture')
            return soft === null ? [] : [{ kind: soft }];
        const temperature = temperatureOf(losses, term);
        // A mixture is made at its final temperature only, so one that changes needs each teacher's logits.
        return typeof temperature === 'number' ? [{ kind: 'mixture', temperature }] : [{ kind: 'teachers' }];
    });
    return kinds.filter((kind, i) => kinds.findIndex((other) => isDeepStrictEqual(other, kind)) === i);
}
/** Raised whenever bytes or meaning of kept labels change. */
const formatVersion = 1;
export function precisionOf({ precision, k }) {
    return precision === 'top-k' ? { name: precision, k } : { name: precision };
}
/** Views of a sample that a run trains on; the epoch's is `epoch mod views`. */
export function viewsOf(_recipe) {
    return 1;
}
/** Every label set of a run, view 0 first; none where no loss wants soft labels. */
export function labelSets(source, kinds = labelKinds(source.recipe)) {
    const { recipe, teachers, manifest } = source;
    if (teachers.length === 0 || recipe.labels.from !== undefined)
        return [];
    const common = {
        formatVersion, ensemble: ensembleDigest(teachers, { combine: recipe.ensemble.combine, rows: recipe.batch.micro ?? recipe.batch.size, inputShape: manifest.train.shape }),
        sample: { shape: manifest.train.shape, dtype: manifest.train.dtype }, preprocess: manifest.preprocess, backend: recipe.numerics.backend,
        threads: recipe.numerics.threads, precision: precisionOf(recipe.labels),
    };
    const names = labelNames(kinds, teachers);
    return Array.from({ length: viewsOf(recipe) }, (_, view) => names.map((name) => setOf(name, view, { ...common, classes: manifest.classes }))).flat();
}
function setOf(name, view, common) {
    const form = { classes: common.classes, isDistribution: name.startsWith('T=') };
    const key = createHash('sha256').update(JSON.stringify({ ...common, name, view })).digest('hex');
    return { key, name, view, form, codec: codecOf(common.precision, form) };
}
/** Bytes of a block, at most; and its rows. */
const largestBlock = { bytes: 4 * 1024 * 1024, rows: 1024 };
/** A data set cut into blocks; a shard's last block may be shorter. `locate` gives a sample's block. */
export class BlockPlan {
    blocks;
    #firsts;
    constructor(dataSet, rowBytes) {
        const step = blockRows(rowBytes);
        const blocks = [];
        let shardFirst = 0;
        for (const { sha256, samples } of dataSet.shards) {
            for (let from = 0; from < samples; from += step) {
                const rows = Math.min(step, samples - from);
                blocks.push({ name: `${sha256}-${from}-${rows}`, first: shardFirst + from, rows });
            }
            shardFirst += samples;
        }
        this.blocks = blocks;
        this.#firsts = Uint32Array.from(blocks, ({ first }) => first);
    }
    get samples() {
        const last = this.blocks.at(-1);
        return last === undefined ? 0 : last.first + last.rows;
    }
    /** Number of the block that holds a sample. */
    locate(id) {
        let low = 0;
        let high = this.#firsts.length - 1;
        while (low < high) {
            const middle = (low + high + 1) >>> 1;
            if ((this.#firsts[middle] ?? 0) <= id)
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }
}
/** A power of two, so that blocks of different runs lie alike. */
function blockRows(rowBytes) {
    let rows = largestBlock.rows;
    while (rows > 16 && rows * rowBytes > largestBlock.bytes)
        rows /= 2;
    return rows;
}
//# sourceMappingURL=sets.js.map