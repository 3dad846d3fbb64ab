import { labelKinds } from '../shared/labels/sets.js';
import { Samples } from '../shared/data/samples.js';
import { epochOrder } from '../shared/data/sampler.js';
import { baseTemperature, splitTap, tapPairs } from '../shared/recipe/terms.js';
import { planReplica } from '../shared/replica-plan.js';
import { SoftLabels } from './soft-labels.js';
import { Student } from './student.js';
import { Ensemble } from './teachers/ensemble.js';
import { FileLabels } from './teachers/file-labels.js';
import { openRunLabels } from './teachers/run-labels.js';
/** The backend as a worker takes it. */
export function computeBackend(backend, options) {
    const { name, gpu, version } = backend;
    return { name, gpu, version, open: (begin, fetch, alive) => openModels(backend, begin, { ...options, fetch, alive }) };
}
/** @throws UserError when a model cannot be opened */
async function openModels(backend, begin, options) {
    const { recipe, spec, manifest } = begin;
    const student = await Student.build(backend.tf, spec, planReplica(spec, recipe.optimizer, recipe.compression), tapPairs(recipe.losses));
    const ensemble = begin.teachers.length === 0 ? null : onceOpened(() => openEnsemble(backend, begin, options.warn));
    const open = (dataSet) => new Samples(dataSet, manifest.preprocess, options.fetch);
    const evaluation = manifest.eval === null ? null : open(manifest.eval);
    const labels = labelsOf(begin, ensemble, options);
    return new RunModels({ backend, begin, student, ensemble, labels, train: open(manifest.train), evaluation, order: orderOf(recipe, manifest.train) });
}
/** Of the recipe's file, else of the ensemble; null where no loss wants any. */
function labelsOf(begin, ensemble, options) {
    const { manifest } = begin;
    if (manifest.labels !== undefined)
        return new FileLabels(manifest.labels, manifest.train, options.fetch);
    if (ensemble === null)
        return null;
    return openRunLabels({ ...options, source: begin, ensemble: ensemble.get, home: options.labels ?? null, peers: options.labelPeers ?? null });
}
function onceOpened(open) {
    let opened = null;
    return {
        get: () => (opened ??= open()),
        dispose: async () => (await opened?.catch(() => null))?.dispose(),
    };
}
function openEnsemble(backend, { recipe, manifest, teachers, files }, warn) {
    return Ensemble.open(teachers, files, {
        combine: recipe.ensemble.combine, rows: recipe.batch.micro ?? recipe.batch.size, inputShape: manifest.train.shape,
        temperature: baseTemperature(recipe.losses), openTensorFlow: async () => backend.tf, warn,
    });
}
/** Keeps the order of the newest epochs: the current one, and the one that is labelled ahead. */
function orderOf(recipe, dataSet) {
    const kept = new Map();
    return (epoch) => {
        const found = kept.get(epoch) ?? epochOrder(dataSet, recipe.seed, epoch, recipe.data.shuffle);
        kept.set(epoch, found);
        const [oldest] = kept.keys();
        if (kept.size > 2 && oldest !== undefined)
            kept.delete(oldest);
        return found;
    };
}
function tapsByTeacher({ losses, teachers }) {
    const found = new Map();
    for (const { teacher: path } of tapPairs(losses)) {
        const tap = path === null ? null : splitTap(path, teachers);
        if (tap !== null)
            found.set(tap.teacher, [...new Set([...(found.get(tap.teacher) ?? []), tap.tap])]);
    }
    return found;
}
class RunModels {
    student;
    classes;
    #parts;
    #kinds;
    #mixing;
    /** By teacher, each tap once. */
    #teacherTaps;
    constructor(parts) {
        this.#parts = parts;
        this.student = parts.student;
        this.classes = parts.student.classes;
        const { recipe, teachers } = parts.begin;
        this.#kinds = labelKinds(recipe);
        this.#teacherTaps = tapsByTeacher(recipe);
        const base = baseTemperature(recipe.losses);
        this.#mixing = {
            combine: recipe.ensemble.combine, classes: this.classes,
            teachers: teachers.map(({ name, weight, temperature }) => ({ name, weight, temperature: temperature === base ? null : temperature })),
        };
    }
    async trainBatch(epoch, from, to) {
        const order = this.#parts.order(epoch);
        const ids = Uint32Array.from({ length: to - from }, (_, i) => order.at(from + i));
        const { inputs, labels } = await this.#parts.train.gather(ids);
        const activations = await this.#activations(inputs, ids.length);
        const soft = await this.#parts.labels?.get(ids, inputs, 0, this.#kinds);
        return { rows: ids.length, inputs, targets: { labels, soft: soft === undefined ? null : new SoftLabels(soft, this.#mixing), ...(activations === null ? {} : { activations }) } };
    }
    /** Of the teachers that the losses compare inner values with; these are live always, and never kept. */
    async #activations(inputs, rows) {
        const taps = this.#teacherTaps;
        const ensemble = taps.size === 0 ? undefined : await this.#parts.ensemble?.get();
        if (ensemble === undefined)
            return null;
        const inner = new Map([...taps].map(([teacher, names]) => [teacher, names.filter((tap) => tap !== 'logits')]));
        const found = await ensemble.run(inputs, rows, { taps: inner, only: [...taps.keys()] });
        const outputs = [...taps].filter(([, names]) => names.includes('logits')).map(([teacher]) => [`${teacher}/logits`, { values: found.logits.get(teacher) ?? new Float32Array(0), shape: [this.classes] }]);
        return new Map([...found.taps, ...outputs]);
    }
    async evalBatch(from, to) {
        const { evaluation } = this.#parts;
        if (evaluation === null)
            throw new Error('an evaluation of a run without evaluation data');
        const { inputs, labels } = await evaluation.gather(Uint32Array.from({ length: to - from }, (_, i) => from + i));
        return { rows: to - from, inputs, targets: { labels, soft: null } };
    }
    async teacherLogits({ inputs, rows }) {
        const ensemble = await this.#parts.ensemble?.get();
        if (ensemble === undefined)
            throw new Error('an evaluation of the teachers of a run without teachers');
        const teachers = await ensemble.logits(inputs, rows);
        return { teachers, ensemble: ensemble.mixture(teachers) };
    }
    tensors() {
        return this.#parts.backend.tf.memory().numTensors;
    }
    async dispose() {
        await this.#parts.labels?.close();
        this.student.dispose();
        await this.#parts.ensemble?.dispose();
    }
}
//# sourceMappingURL=run-models.js.map