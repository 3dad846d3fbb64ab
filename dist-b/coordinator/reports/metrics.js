/** Folds journal lines; `close` gives the line of the epoch and begins the next. */
export class EpochMetrics {
    #weightsAt;
    #current = null;
    #lastMs = null;
    constructor(weightsAt) {
        this.#weightsAt = weightsAt;
    }
    add(line) {
        if (line.type === 'commit')
            this.#addCommit(line);
        else if (line.type === 'evaluation')
            this.#addEvaluation(line);
        this.#lastMs = line.atMs;
    }
    /** Null when nothing was added since the last `close`. */
    close() {
        const sums = this.#current;
        this.#current = null;
        return sums === null ? null : metricsOf(sums);
    }
    #addCommit(line) {
        const sums = this.#of(line.epoch);
        sums.step = line.step + 1;
        sums.samples += line.samples;
        addInto(sums.loss, line.loss);
        const weights = this.#weightsAt(line.step);
        addInto(sums.weighted, Object.fromEntries(Object.entries(line.loss).map(([term, sum]) => [term, (weights[term] ?? 0) * sum])));
        addInto(sums.counts, line.counts);
        addInto(sums.sums, line.sums);
        sums.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
    }
    #addEvaluation(line) {
        if (line.subject === 'student')
            this.#of(line.epoch).eval = evaluationOf(line.sums);
    }
    #of(epoch) {
        if (this.#current?.epoch !== epoch) {
            this.#current = { epoch, step: 0, samples: 0, loss: {}, weighted: {}, counts: {}, sums: {}, milliseconds: 0, eval: undefined };
        }
        return this.#current;
    }
}
/** Of the student, from an evaluation's sums. */
export function evaluationOf(sums) {
    const samples = sums.samples ?? 0;
    const exits = withPrefix(sums, 'exit.').map(([name, correct]) => [name.replace(/\.correct$/, ''), ratio(correct, samples)]);
    return { ...(exits.length === 0 ? {} : { exits: Object.fromEntries(exits) }), accuracy: ratio(sums['student.correct'], samples), loss: ratio(sums['student.loss'], samples), calibrationError: ratio(withPrefix(sums, 'student.calibration.').reduce((gap, [, value]) => gap + Math.abs(value), 0), samples) };
}
function metricsOf(sums) {
    const terms = termMeans(sums.loss, sums.counts);
    const labelled = sums.sums.labelled ?? 0;
    return {
        epoch: sums.epoch, step: sums.step, samples: sums.samples, loss: total(termMeans(sums.weighted, sums.counts)), terms,
        samplesPerSecond: ratio(sums.samples * 1000, sums.milliseconds),
        ...(labelled > 0 ? { accuracy: ratio(sums.sums.correct, labelled) } : {}),
        ...(sums.eval === undefined ? {} : { eval: sums.eval }),
        ...sharesOf(sums.sums),
        ...(sums.sums['ensemble.samples'] === undefined ? {} : { ensemble: { agreement: ratio(sums.sums['ensemble.agree'], sums.sums['ensemble.samples']), entropy: ratio(sums.sums['ensemble.entropy'], sums.sums['ensemble.samples']) } }),
    };
}
function sharesOf(sums) {
    const norms = withPrefix(sums, 'gradient.');
    const whole = norms.reduce((sum, [, value]) => sum + value, 0);
    return norms.length < 2 ? {} : { gradientShares: Object.fromEntries(norms.map(([term, value]) => [term, ratio(value, whole)])) };
}
/** Entries by the rest of their name. */
function withPrefix(sums, prefix) {
    return Object.entries(sums).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : []));
}
/** How many times the gradient of another term one may be before it is said. */
const dominance = 100;
/** What is odd about an epoch's terms, a line for each term that it is about. */
export function termWarnings({ epoch, terms, gradientShares = {} }) {
    const shares = Object.entries(gradientShares);
    const [most] = [...shares].sort(([, a], [, b]) => b - a);
    const zero = Object.entries(terms).filter(([, mean]) => mean === 0).map(([term]) => [term, `losses.${term} was 0 in all of epoch ${epoch + 1}: it teaches nothing`]);
    const small = shares.filter(([, share]) => share > 0 && most !== undefined && most[1] > dominance * share);
    return new Map([...zero, ...small.map(([term, share]) => [term, `epoch ${epoch + 1}: the gradient of losses.${most?.[0] ?? ''} is ${Math.round((most?.[1] ?? 0) / share)} times that of losses.${term}; other weights may be wanted`])]);
}
export function termMeans(loss, counts) {
    return Object.fromEntries(Object.entries(loss).map(([term, sum]) => [term, ratio(sum, counts[term] ?? 0)]));
}
function total(weighted) {
    return Object.values(weighted).reduce((sum, mean) => sum + mean, 0);
}
/** 0 where there is nothing to divide by. */
function ratio(sum, count = 0) {
    return count > 0 ? (sum ?? 0) / count : 0;
}
function addInto(target, values) {
    for (const [name, value] of Object.entries(values))
        target[name] = (target[name] ?? 0) + value;
}
//# sourceMappingURL=metrics.js.map