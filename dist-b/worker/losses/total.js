import { terms, termsIn } from '../../shared/recipe/terms.js';
import { argMax } from '../metrics.js';
import { attention } from './attention.js';
import { crossEntropy } from './cross-entropy.js';
import { decoupled } from './decoupled.js';
import { againstEnsemble } from './diagnostics.js';
import { dist } from './dist.js';
import { features } from './features.js';
import { cosineDistance, meanSquare, multiLabel } from './outputs.js';
import { correlation, probabilistic, relational, similarity } from './relations.js';
import { response } from './response.js';
import { selectivity } from './selectivity.js';
import { logSoftmax } from './softmax.js';
import { virtualTeacher } from './virtual-teacher.js';
/** The terms that have samples in this micro-batch, with their scale; none: the micro-batch has no gradient. */
export function applicableTerms(targets, { losses, divisors }) {
    const isLabelled = targets.labels.some((label) => label >= 0);
    const applies = (term) => (terms[term].over === 'samples' || isLabelled) && (terms[term].soft === null || targets.soft !== null);
    return new Map(termsIn(losses).flatMap((term) => {
        const divisor = divisors[term] ?? 0;
        return divisor > 0 && applies(term) ? [[term, (losses[term]?.weight ?? 0) / divisor]] : [];
    }));
}
export function totalLoss(logits_BC, classes, targets, options, inner = { exits: [], pairs: new Map() }) {
    const gradient_BC = new Float64Array(logits_BC.length);
    const sums = {};
    const pairGradients = new Map();
    const applicable = applicableTerms(targets, options);
    const exits = inner.exits.map((exit_BC) => ({ logits_BC: exit_BC, gradient_BC: new Float64Array(exit_BC.length) }));
    for (const [name, scale] of applicable) {
        const { losses } = options;
        const parts = isOnPairs(name) ? onPairs(name, inner.pairs, { rows: targets.labels.length, scale, losses, gradients: pairGradients })
            : isOnExits(name) ? exits.map((exit) => onExit(name, { ...exit, classes, scale }, { final_BC: logits_BC, targets, losses }))
                : [valuesOf(name, { logits_BC, classes, scale, gradient_BC }, targets, losses)];
        sums[name] = parts.reduce((total, { values_B }) => total + values_B.reduce((sum, value) => sum + value, 0), 0);
        sums[`${name}.count`] = parts[0]?.count ?? 0;
    }
    return { sums: { ...sums, ...hits(logits_BC, targets.labels, classes), ...imitation(logits_BC, classes, targets, options.losses) }, gradient_BC: Float32Array.from(gradient_BC), exitGradients: [...applicable.keys()].some(isOnExits) ? exits.map((exit) => Float32Array.from(exit.gradient_BC)) : exits.map(() => null), pairGradients };
}
const functions = {
    crossEntropy: (input, { labels }, { labelSmoothing }) => crossEntropy(input, labels, labelSmoothing),
    response: (input, targets, { temperature }) => response(input, softAt(targets, temperature), temperature),
    decoupled: (input, targets, options) => decoupled(input, targets.labels, softAt(targets, options.temperature), options),
    dist: (input, targets, options) => dist(input, softAt(targets, options.temperature), options),
    logitMse: (input, targets) => meanSquare(input, rawLogits(targets)),
    virtualTeacher: (input, { labels }, options) => virtualTeacher(input, labels, options),
    embedding: (input, targets, { distance }) => (distance === 'mse' ? meanSquare : cosineDistance)(input, rawLogits(targets)),
    multiLabel: (input, targets, { temperature }) => multiLabel(input, rawLogits(targets), temperature),
};
const pairFunctions = {
    features: (input, { distance }) => features(input, distance),
    attention: (input, { normalize }) => attention(input, normalize),
    selfDistillation: (input, { distance }) => features(input, distance),
    relational,
    similarity,
    probabilistic,
    selectivity,
    correlation,
};
/** BYOT (Zhang et al. 2019): each earlier exit learns from the labels and from the last exit, as from a teacher. */
const exitFunctions = {
    exitCrossEntropy: (input, { targets }, { labelSmoothing }) => crossEntropy(input, targets.labels, labelSmoothing),
    exitResponse: (input, { final_BC }, { temperature }) => response(input, logSoftmax(final_BC, input.classes, temperature), temperature),
};
function isOnExits(name) {
    return name in exitFunctions;
}
function onExit(name, input, context) {
    const options = context.losses[name];
    if (options === undefined)
        throw new Error(`no term ${name}`);
    return exitFunctions[name](input, context, options);
}
function isOnPairs(name) {
    return name in pairFunctions;
}
/** The term's pairs, in the recipe's order: the sum of their values is the term's. */
function onPairs(name, pairs, { rows, scale, losses, gradients }) {
    const options = losses[name];
    if (options === undefined)
        throw new Error(`no term ${name}`);
    return [...pairs].filter(([key]) => key.startsWith(`${name}/`)).map(([key, { student, teacher }]) => {
        const gradient = new Float64Array(student.values.length);
        const values = pairFunctions[name]({ student, teacher, rows, scale, gradient }, options);
        gradients.set(key, Float32Array.from(gradient));
        return values;
    });
}
function valuesOf(name, input, targets, losses) {
    const options = losses[name];
    if (options === undefined)
        throw new Error(`no term ${name}`);
    return functions[name](input, targets, options);
}
function softAt({ soft }, temperature) {
    if (soft === null)
        throw new Error('no soft labels');
    return soft.at(temperature);
}
function rawLogits({ soft }) {
    if (soft === null)
        throw new Error('no soft labels');
    return soft.logits();
}
/** Of the first term on a mixture, at its temperature; nothing without one. */
function imitation(logits_BC, classes, targets, losses) {
    const term = termsIn(losses).find((name) => terms[name].soft === 'mixture');
    const options = term === undefined ? undefined : losses[term];
    if (targets.soft === null || options === undefined || !('temperature' in options) || typeof options.temperature !== 'number')
        return {};
    return againstEnsemble(logits_BC, softAt(targets, options.temperature), classes);
}
/** Labelled samples, and those among them whose largest logit is the label's. */
function hits(logits_BC, labels_B, classes) {
    let [labelled, correct] = [0, 0];
    labels_B.forEach((label, row) => {
        if (label < 0)
            return;
        labelled++;
        if (argMax(logits_BC, row * classes, classes) === label)
            correct++;
    });
    return { labelled, correct };
}
//# sourceMappingURL=total.js.map