const onLogits = (over, soft) => ({ over, soft, pairs: false, exits: false });
const onPairs = { over: 'samples', soft: null, pairs: true, exits: false };
const onExits = (over) => ({ over, soft: null, pairs: false, exits: true });
export const terms = {
    crossEntropy: onLogits('labelled', null),
    response: onLogits('samples', 'mixture'),
    decoupled: onLogits('labelled', 'mixture'),
    dist: onLogits('samples', 'mixture'),
    logitMse: onLogits('samples', 'logits'),
    virtualTeacher: onLogits('labelled', null),
    embedding: onLogits('samples', 'logits'),
    multiLabel: onLogits('samples', 'logits'),
    features: onPairs,
    attention: onPairs,
    selfDistillation: onLogits('samples', null),
    exitCrossEntropy: onExits('labelled'),
    exitResponse: onExits('samples'),
    relational: onPairs,
    similarity: onPairs,
    probabilistic: onPairs,
    selectivity: onPairs,
    correlation: onPairs,
};
export const pairTerms = ['features', 'attention', 'relational', 'similarity', 'probabilistic', 'selectivity', 'correlation'];
const names = Object.keys(terms);
export function isTerm(name) {
    return names.includes(name);
}
/** The recipe's terms, in the table's order. */
export function termsIn(losses) {
    return names.filter(isTerm).filter((name) => losses[name] !== undefined);
}
/** All pairs, term by term in the table's order; none of a term whose pairs are `auto` still. */
export function tapPairs(losses) {
    const named = pairTerms.flatMap((term) => {
        const { pairs } = losses[term] ?? {};
        return Array.isArray(pairs) ? pairs.map((pair, i) => ({ ...pair, key: `${term}/${i}`, term, to: null })) : [];
    });
    const own = losses.selfDistillation;
    if (own === undefined)
        return named;
    const { from, to, adapter, batchNorm, activation } = own;
    return [...named, ...from.map((student, i) => ({ student, teacher: null, to, key: `selfDistillation/${i}`, term: 'selfDistillation', adapter, batchNorm, activation }))];
}
/** Splits `TEACHER/TAP`; tap and teacher may have slashes, so the longest teacher's name that fits is taken. Null: no such teacher. */
export function splitTap(path, teachers) {
    const found = teachers.map(({ name }) => name).filter((name) => path.startsWith(`${name}/`)).sort((a, b) => b.length - a.length)[0];
    return found === undefined ? null : { teacher: found, tap: path.slice(found.length + 1) };
}
/** A term's temperature; 1 for one that has none. */
export function temperatureOf(losses, term) {
    const options = losses[term];
    return options !== undefined && 'temperature' in options ? options.temperature : 1;
}
/** What teachers without a temperature of their own are softened by where nothing else is said: the first soft term's, at its beginning. */
export function baseTemperature(losses) {
    const [first] = termsIn(losses).filter((term) => terms[term].soft === 'mixture');
    const temperature = first === undefined ? 1 : temperatureOf(losses, first);
    return typeof temperature === 'number' ? temperature : temperature.from;
}
//# sourceMappingURL=terms.js.map