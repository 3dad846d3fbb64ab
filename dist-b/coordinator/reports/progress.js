/**
 * Progress on stderr: a bar on a terminal, plain lines now and then otherwise, nothing but warnings when quiet. It only
 * shows; nothing depends on it.
 */
import { Presets, SingleBar } from 'cli-progress';
export function createReporter(options) {
    if (options.quiet)
        return plainReporter({ ...options, everyMs: Infinity }, true);
    return options.stream.isTTY ? barReporter(options) : plainReporter(options, false);
}
/** Samples a second since the last figure, smoothed. */
class Rate {
    #last = null;
    #perSecond = 0;
    update(nowMs, samples) {
        const last = this.#last;
        if (last === null)
            this.#last = { atMs: nowMs, samples };
        else if (nowMs - last.atMs >= 500) {
            const rate = ((samples - last.samples) * 1000) / (nowMs - last.atMs);
            this.#perSecond = this.#perSecond === 0 ? rate : 0.7 * this.#perSecond + 0.3 * rate;
            this.#last = { atMs: nowMs, samples };
        }
        return this.#perSecond;
    }
}
function barReporter({ stream, nowMs = Date.now }) {
    const rate = new Rate();
    const bar = new SingleBar({
        stream, format: '{bar} {value}/{total} steps | {rate} samples/s | {terms} | {workers} workers | {eta_formatted} left',
        etaBuffer: 50, hideCursor: true, gracefulExit: false, clearOnComplete: true, noTTYOutput: false,
    }, Presets.shades_classic);
    let isShown = false;
    const above = (text) => {
        if (isShown)
            stream.write('\r\u001b[K');
        stream.write(`${text}\n`);
        if (isShown)
            bar.render();
    };
    return {
        say: (level, text) => above(spoken(level, text)),
        progress: (progress) => {
            const payload = { rate: Math.round(rate.update(nowMs(), progress.samples)), terms: termsText(progress.terms), workers: progress.workers };
            if (!isShown)
                bar.start(progress.totalSteps, progress.step, payload);
            else
                bar.update(progress.step, payload);
            isShown = true;
        },
        epoch: (line) => above(epochText(line)),
        close: () => {
            if (isShown)
                bar.stop();
            isShown = false;
        },
    };
}
function plainReporter({ stream, nowMs = Date.now, everyMs = 10_000 }, isQuiet) {
    const rate = new Rate();
    let lastMs = nowMs();
    let firstStep = null;
    const write = (text) => void stream.write(`${text}\n`);
    return {
        say: (level, text) => {
            if (level !== 'info' || !isQuiet)
                write(spoken(level, text));
        },
        progress: (progress) => {
            const perSecond = rate.update(nowMs(), progress.samples);
            firstStep ??= progress.step - 1;
            if (isQuiet || nowMs() - lastMs < everyMs)
                return;
            lastMs = nowMs();
            const left = secondsLeft(progress, { perSecond, firstStep });
            write(`step ${progress.step}/${progress.totalSteps}, ${Math.round(perSecond)} samples/s, ${termsText(progress.terms)}, ${progress.workers} workers${left}`);
        },
        epoch: (line) => {
            if (!isQuiet)
                write(epochText(line));
        },
        close: () => undefined,
    };
}
function spoken(level, text) {
    return { info: text, warn: `warning: ${text}`, error: `error: ${text}` }[level];
}
/** By the samples since this coordinator started, which was at step `firstStep`. */
function secondsLeft({ step, totalSteps, samples }, { perSecond, firstStep }) {
    if (perSecond <= 0 || samples === 0)
        return '';
    return `, about ${Math.ceil(((totalSteps - step) * (samples / (step - firstStep))) / perSecond)} s left`;
}
export function termsText(terms) {
    return Object.entries(terms).map(([name, mean]) => `${name} ${mean.toPrecision(4)}`).join(', ') || 'no loss yet';
}
export function epochText(line) {
    const percent = (share) => `${(share * 100).toFixed(2)} %`;
    const exits = Object.entries(line.eval?.exits ?? {}).map(([name, share]) => `${name} ${percent(share)}`).join(', ');
    const accuracy = line.eval === undefined ? '' : `, accuracy ${percent(line.eval.accuracy)}${exits === '' ? '' : ` (earlier exits: ${exits})`}, calibration error ${percent(line.eval.calibrationError)}`;
    const ensemble = line.ensemble === undefined ? '' : `, agrees with the ensemble on ${percent(line.ensemble.agreement)} (label entropy ${line.ensemble.entropy.toPrecision(3)})`;
    const shares = line.gradientShares === undefined ? '' : `, gradient shares ${Object.entries(line.gradientShares).map(([term, share]) => `${term} ${Math.round(share * 100)} %`).join(' ')}`;
    return `epoch ${line.epoch + 1}: loss ${line.loss.toPrecision(4)} (${termsText(line.terms)})${accuracy}${ensemble}${shares}, ${Math.round(line.samplesPerSecond)} samples/s`;
}
//# sourceMappingURL=progress.js.map