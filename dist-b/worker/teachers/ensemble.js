/**
 * The teachers of a run, run together. Every forward has one fixed number of rows, padded: libraries choose other
 * kernels for other batch sizes, so a row's bits would else depend on how many neighbours it has. With it, labels that
 * are computed live and labels that were kept are the same bits.
 *
 * Teachers run one after the other, in the recipe's order: each of them computes on the thread that calls it.
 */
import { UserError } from '../../shared/errors.js';
import { ensembleDigest } from '../../shared/labels/ensemble-digest.js';
import { forwardInFixedRows } from './fixed-rows.js';
import { feedShape, toChannelsFirst } from './layout.js';
import { logOf, meanLogits, mix, normaliseWeights } from './mixture.js';
import { openTeacher } from './open-teacher.js';
import { canarySample, checkCanary, checkFrozen } from './canary.js';
import { inClassOrder } from './class-order.js';
import { rescale } from './preprocess.js';
import { tapShapes } from './taps.js';
import { badModel } from './teacher.js';
/** Forwards between two looks at whether the teachers are as they were. */
const canaryEvery = 256;
export class Ensemble {
    /** Names the mixture: models, weights, temperatures, form and rows. Labels with another digest are other labels. */
    digest;
    #members;
    #options;
    #checked = new Set();
    /** What each teacher gave for its canary when it was opened. */
    #canaries = new Map();
    #runs = 0;
    constructor(members, options) {
        this.#members = members;
        this.#options = options;
        this.digest = ensembleDigest(members.map((member) => member.spec), options);
    }
    /**
     * @param files the path of every file of every teacher, by SHA-256
     * @throws UserError 65 when a teacher cannot be loaded or does not fit the samples, 2 when no weight is above 0
     */
    static async open(teachers, files, options) {
        const weights = normaliseWeights(teachers.map((teacher) => teacher.weight));
        if (weights === null)
            throw new UserError('teachers: all weights are 0; wanted at least one above 0');
        const members = [];
        for (const [i, spec] of teachers.entries())
            members.push(await openMember(spec, weights[i] ?? 0, files, options));
        const ensemble = new Ensemble(members, options);
        await ensemble.#askCanaries();
        return ensemble;
    }
    get classes() {
        return this.#members[0]?.spec.classes ?? 0;
    }
    /** Log-probabilities of the mixture, [rows x classes]. `inputs` is [rows x sample], channels last. */
    async softLabels(inputs, rows) {
        return this.mixture((await this.#run(this.#members.filter((member) => member.weight > 0), inputs, rows)).logits);
    }
    /** Each teacher's logits by its name, [rows x classes]; log-probabilities where it gives probabilities. */
    async logits(inputs, rows) {
        return (await this.#run(this.#members, inputs, rows)).logits;
    }
    /** Logits as `logits` gives them and the taps that are asked for, from one forward of each teacher. */
    run(inputs, rows, { taps, only }) {
        return this.#run(this.#members.filter(({ spec }) => only?.includes(spec.name) ?? true), inputs, rows, taps);
    }
    /** Shapes of a teacher's taps, of `all` in their order from the input to the output. @throws UserError 2 for an unknown tap */
    async tapShapes(teacher, wanted) {
        const member = this.#members.find(({ spec }) => spec.name === teacher);
        if (member === undefined)
            throw new UserError(`tap ${teacher}/...: there is no teacher "${teacher}"; there are ${this.#members.map(({ spec }) => spec.name).join(', ')}`);
        return tapShapes(member.teacher, member.sampleShape, wanted);
    }
    /** The mixture of what `logits` gave, as log-probabilities; at `temperature` for teachers without one of their own. */
    mixture(logits, temperature = this.#options.temperature) {
        return mix(this.#options.combine, this.#outputs(logits, temperature), this.classes);
    }
    /**
     * Labels by name, [rows x classes] each, from one forward of each teacher: `T=4` (log-probabilities of the mixture),
     * `logits` (the weighted mean of the raw ones), `teacher:NAME` (its logits).
     */
    async labels(names, inputs, rows) {
        const wanted = this.#members.filter(({ spec, weight }) => weight > 0 || names.includes(`teacher:${spec.name}`));
        const { logits } = await this.#run(wanted, inputs, rows);
        return new Map(names.map((name) => [name, this.#label(name, logits)]));
    }
    async dispose() {
        for (const { teacher } of this.#members)
            await teacher.dispose();
    }
    #label(name, logits) {
        if (name === 'logits')
            return meanLogits(this.#outputs(logits, undefined));
        if (name.startsWith('T='))
            return this.mixture(logits, Number(name.slice(2)));
        const found = logits.get(name.slice('teacher:'.length));
        if (found === undefined)
            throw new RangeError(`labels ${name}: the ensemble has no such teacher`);
        return found;
    }
    #outputs(logits, temperature) {
        return this.#members.flatMap(({ spec, weight }) => {
            const logits_BC = logits.get(spec.name);
            const follows = temperature !== undefined && spec.temperature === this.#options.temperature;
            return logits_BC === undefined ? [] : [{ logits_BC, weight, temperature: follows ? temperature : spec.temperature }];
        });
    }
    /** @throws UserError 65 when a teacher gives something else than where the run was prepared, or than at its opening */
    async #askCanaries() {
        for (const member of this.#members) {
            const { name, canary } = member.spec;
            const { output } = await this.#forward(member, canarySample(name, member.sampleShape), 1, undefined);
            const before = this.#canaries.get(name);
            if (before !== undefined)
                checkFrozen(name, output, before);
            else if (canary !== undefined)
                checkCanary(name, output, canary);
            this.#canaries.set(name, output);
        }
    }
    async #run(members, inputs, rows, taps = new Map()) {
        if (++this.#runs % canaryEvery === 0)
            await this.#askCanaries();
        const turned = members.some((member) => member.spec.layout === 'nchw') ? toChannelsFirst(inputs, this.#options.inputShape) : inputs;
        const logits = new Map();
        const activations = new Map();
        for (const member of members) {
            const { name, layout, output, rescale: own, classMap } = member.spec;
            const given = own === undefined ? inputs : rescale(inputs, own);
            const forward = await this.#forward(member, layout !== 'nchw' ? given : own === undefined ? turned : toChannelsFirst(given, this.#options.inputShape), rows, taps.get(name));
            this.#checkOnce(member.spec, forward.output);
            const ordered = classMap === undefined ? forward.output : inClassOrder(forward.output, classMap.outputs, classMap.order);
            logits.set(name, output === 'probabilities' ? logOf(ordered) : ordered);
            for (const [tap, activation] of forward.taps)
                activations.set(`${name}/${tap}`, activation);
        }
        return { logits, taps: activations };
    }
    async #forward({ spec, teacher, sampleShape }, inputs, rows, taps) {
        const wanted = taps === undefined ? {} : { taps };
        const result = await forwardInFixedRows(teacher, inputs, { rows, sampleShape, fixedRows: this.#options.rows, ...wanted });
        const outputs = spec.classMap?.outputs ?? spec.classes;
        if (result.output.length === rows * outputs)
            return result;
        throw badModel(spec.name, `it gives ${result.output.length / rows} classes; wanted ${outputs}`);
    }
    #checkOnce(spec, raw) {
        if (this.#checked.has(spec.name))
            return;
        this.#checked.add(spec.name);
        const text = objectionTo(spec.output, raw, spec.classMap?.outputs ?? spec.classes);
        if (text !== null)
            this.#options.warn?.(`teacher ${spec.name}: ${text}`);
    }
}
async function openMember(spec, weight, files, options) {
    const paths = new Map(spec.files.map((file) => {
        const path = files.get(file.sha256);
        if (path === undefined)
            throw badModel(spec.name, `its file ${file.name} (${file.sha256}) is missing`);
        return [file.name, path];
    }));
    const teacher = await openTeacher({ ...spec, paths }, options.openTensorFlow);
    const sampleShape = feedShape(teacher.sampleShape, options.inputShape, spec.layout);
    if (sampleShape !== null)
        return { spec, teacher, weight, sampleShape };
    throw badModel(spec.name, `its samples are [${teacher.sampleShape.join(', ')}]; the data's are [${options.inputShape.join(', ')}]`);
}
/** What is odd about a teacher's output, given what the recipe says that it is; null for nothing. */
export function objectionTo(output, raw_BC, classes) {
    if (!raw_BC.every(Number.isFinite))
        return 'its output is not finite';
    const looksLikeProbabilities = raw_BC.every((value) => value >= 0) && rowSums(raw_BC, classes).every((sum) => Math.abs(sum - 1) < 1e-3);
    if (output === 'logits' && looksLikeProbabilities)
        return 'its rows sum to 1, so it gives probabilities; if it does, add "output: probabilities" to the recipe';
    if (output === 'probabilities' && !looksLikeProbabilities)
        return 'its rows do not sum to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
    return null;
}
function rowSums(values_BC, classes) {
    return Array.from({ length: values_BC.length / classes }, (_, row) => values_BC.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b, 0));
}
//# sourceMappingURL=ensemble.js.map