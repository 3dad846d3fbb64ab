/** How sure a figure is: intervals of shares, and whether two models differ on the same samples. Pure. */
import { argMax } from './metrics.js';
/** The 97.5 % quantile of the standard normal distribution: two-sided 95 %. */
const z = 1.959963984540054;
/**
 * Wilson's score interval of a share, at 95 %: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) (Wilson 1927).
 * @param right of `samples`, integers, 0 <= right <= samples @returns [0, 1] for no samples
 */
export function wilsonInterval(right, samples) {
    if (samples === 0)
        return { low: 0, high: 1 };
    const share = right / samples;
    const scale = 1 + z ** 2 / samples;
    const middle = (share + z ** 2 / (2 * samples)) / scale;
    const half = (z / scale) * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2));
    return { low: right === 0 ? 0 : middle - half, high: right === samples ? 1 : middle + half };
}
/** @param first, second logits [samples x classes] of the same samples; @param labels [samples], -1 for none: left out */
export function compareOnSamples(first, second, labels, classes) {
    let [onlyFirst, onlySecond, samples] = [0, 0, 0];
    labels.forEach((label, i) => {
        if (label < 0)
            return;
        samples++;
        const [a, b] = [argMax(first, i * classes, classes) === label, argMax(second, i * classes, classes) === label];
        if (a && !b)
            onlyFirst++;
        if (b && !a)
            onlySecond++;
    });
    return { onlyFirst, onlySecond, difference: samples === 0 ? 0 : (onlyFirst - onlySecond) / samples, p: exactMcNemar(onlyFirst, onlySecond) };
}
/** min(1, 2 sum over i <= min(b, c) of C(b + c, i) / 2^(b + c)) (McNemar 1947, exact form); in log space, for any counts. */
export function exactMcNemar(onlyFirst, onlySecond) {
    const discordant = onlyFirst + onlySecond;
    let logTerm = -discordant * Math.LN2;
    let tail = Math.exp(logTerm);
    for (let i = 1; i <= Math.min(onlyFirst, onlySecond); i++) {
        logTerm += Math.log((discordant - i + 1) / i);
        tail += Math.exp(logTerm);
    }
    return Math.min(1, 2 * tail);
}
//# sourceMappingURL=significance.js.map